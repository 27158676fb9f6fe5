//! The parts of EventBridge's rules, targets and schedules that have no meaning here: each is refused by its name, with
//! what to do instead. A field of the service is in one of these tables or is read; nothing is passed over.

use mainstay_model::{Problem, Segment};
use serde_json::{Map, Value};

use crate::read::{at, unknown_keys};

/// A field: its name, what it would be, and what to do instead.
pub(super) type Refused = (&'static str, &'static str, &'static str);

/// Fields of rules (`PutRule`, what `DescribeRule` answers, CloudFormation) and of schedules (`CreateSchedule`).
pub(super) const RULE: &[Refused] = &[
    (
        "EventBusName",
        "event buses other than the journal are not built yet",
        "leave it out, or write `default`",
    ),
    (
        "RoleArn",
        "roles of triggers are not built yet",
        "leave it out: what a run may do is what its procedure and its hosts may",
    ),
    (
        "Tags",
        "tags of triggers are not built yet",
        "leave it out; tags of the workload are in `mainstay.yaml`",
    ),
    ("Arn", "it is what the service calls the rule", "leave it out: a trigger is known by its `Name`"),
    ("CreatedBy", "it is an answer of the service", "leave it out: the journal says who applied a trigger"),
    (
        "ManagedBy",
        "it is an answer of the service",
        "leave it out: rules that a service manages stay with that service",
    ),
    (
        "CreationDate",
        "it is an answer of the service",
        "leave it out: the journal says when a trigger was applied",
    ),
    (
        "LastModificationDate",
        "it is an answer of the service",
        "leave it out: the journal says when a trigger was applied",
    ),
    ("Rule", "it is how a call of `PutTargets` names the rule", "write `Name:`"),
    (
        "Target",
        "a schedule of EventBridge Scheduler has one target",
        "write `Targets:` with a list of it, and give it an `Id`",
    ),
    (
        "ActionAfterCompletion",
        "schedules that delete themselves are not built yet",
        "leave it out, or write `NONE`: a schedule that is over does nothing more, and its file can be removed",
    ),
    ("GroupName", "groups of schedules are not built yet", "leave it out, or write `default`"),
    (
        "KmsKeyArn",
        "keys of schedules are not built yet",
        "leave it out: what is kept lies in the data directory, on a disk that can be encrypted",
    ),
    (
        "KmsKeyIdentifier",
        "keys of event buses are not built yet",
        "leave it out: what is kept lies in the data directory, on a disk that can be encrypted",
    ),
    (
        "ClientToken",
        "it is part of a call of the service",
        "leave it out: applying a file again changes nothing",
    ),
    (
        "Type",
        "it is part of a CloudFormation template",
        "write what stands under `Properties` at the top of the file",
    ),
    (
        "Properties",
        "it is part of a CloudFormation template",
        "write what stands under it at the top of the file",
    ),
    (
        "Resources",
        "it is part of a CloudFormation template",
        "make a file of each rule, with what stands under its `Properties`",
    ),
];

/// Fields of targets, of rules (`PutTargets`) and of schedules.
pub(super) const TARGET: &[Refused] = &[
    (
        "RoleArn",
        "roles of targets are not built yet",
        "leave it out: what a run may do is what its procedure and its hosts may",
    ),
    (
        "DeadLetterConfig",
        "dead letters have one list",
        "leave it out: `mainstay triggers dead` shows them, and the event `trigger.dead` can start a trigger of its own",
    ),
    (
        "KinesisParameters",
        "Kinesis targets are not built yet",
        "start a procedure that puts the record with `aws:executeScript`",
    ),
    (
        "RunCommandParameters",
        "Run Command targets are not built yet",
        "start a procedure with `aws:runCommand`, which has the document and the hosts",
    ),
    (
        "EcsParameters",
        "ECS targets are not built yet",
        "start a procedure that runs the task with `aws:executeScript`",
    ),
    (
        "BatchParameters",
        "Batch targets are not built yet",
        "start a procedure that submits the job with `aws:executeScript`",
    ),
    (
        "SqsParameters",
        "SQS targets are not built yet",
        "start a procedure that sends the message with `aws:executeScript`, or call a webhook; to keep matches in order, write `Mainstay: { Concurrency: queue }`",
    ),
    (
        "RedshiftDataParameters",
        "Redshift targets are not built yet",
        "start a procedure that runs the statement with `aws:executeScript`",
    ),
    (
        "SageMakerPipelineParameters",
        "SageMaker targets are not built yet",
        "start a procedure that starts the pipeline with `aws:executeScript`",
    ),
    (
        "AppSyncParameters",
        "AppSync targets are not built yet",
        "call a webhook with the mutation as its body",
    ),
    (
        "EventBridgeParameters",
        "buses as targets are not built yet",
        "let a webhook take the event, or start a procedure",
    ),
];

/// Values of such fields that say nothing more than what holds without them.
const HARMLESS: &[(&str, &str)] =
    &[("EventBusName", "default"), ("GroupName", "default"), ("ActionAfterCompletion", "NONE")];

fn is_harmless(key: &str, value: &Value) -> bool {
    let Some(text) = value.as_str() else { return false };
    // The bus that there is may be named by its ARN, too.
    let text = match text.rsplit_once(":event-bus/") {
        Some((arn, name)) if key == "EventBusName" && arn.starts_with("arn:") => name,
        _ => text,
    };
    HARMLESS.contains(&(key, text))
}

/// Refuses what is in the table, and keys that nobody knows, with the nearest of all keys of the format.
pub(super) fn keys(
    map: &Map<String, Value>,
    path: &[Segment],
    known: &[&str],
    refused: &[Refused],
    what: &str,
    problems: &mut Vec<Problem>,
) {
    for (key, why, instead) in refused {
        if map.get(*key).is_some_and(|value| !is_harmless(key, value)) {
            let message = format!("`{key}` is not supported: {why}");
            problems.push(Problem::error("not-built", at(path, *key), message).on_key().help(*instead));
        }
    }
    let all: Vec<&str> = known.iter().copied().chain(refused.iter().map(|(key, ..)| *key)).collect();
    unknown_keys(map, path, &all, what, problems);
}

/// What to do instead of a target of a service of AWS.
pub(super) fn instead_of(service: &str) -> &'static str {
    match service {
        "lambda" => {
            "start a procedure that calls the function with `aws:executeScript` (`Arn: procedure/NAME`)"
        }
        "ssm" => "start a procedure that runs the document with `aws:runCommand` (`Arn: procedure/NAME`)",
        "sns" | "sqs" | "kinesis" | "firehose" | "logs" => {
            "send to a webhook (`Arn: webhook/NAME`), or start a procedure that calls the service with `aws:executeScript`"
        }
        "states" | "codepipeline" | "codebuild" => {
            "start a procedure (`Arn: procedure/NAME`): what the service would do are its steps"
        }
        "execute-api" | "appsync" => {
            "declare the address as a webhook of the workload and write `Arn: webhook/NAME`"
        }
        "events" => {
            "there is one bus, the journal: let another trigger match the event, or send it to a webhook"
        }
        _ => "start a procedure that calls the service with `aws:executeScript` (`Arn: procedure/NAME`)",
    }
}
