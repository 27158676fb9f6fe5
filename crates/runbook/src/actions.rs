//! The actions of Automation documents: what each takes, what it gives, and whether it can be performed.

/// What the language knows of an action.
#[derive(Clone, Copy, Debug)]
pub struct ActionFacts {
    /// Its name (`aws:branch`).
    pub name: &'static str,
    /// Whether a performer exists.
    pub built: bool,
    /// The inputs it needs.
    pub required: &'static [&'static str],
    /// The further inputs it takes.
    pub optional: &'static [&'static str],
    /// Whether it takes any other input as well (the parameters of an AWS API).
    pub open: bool,
    /// The outputs it always has.
    pub outputs: &'static [&'static str],
    /// Whether a step may declare outputs of its own.
    pub declares: bool,
    /// Whether `onCancel` may lead to it.
    pub cancel_target: bool,
}

const fn action(
    name: &'static str,
    required: &'static [&'static str],
    optional: &'static [&'static str],
    outputs: &'static [&'static str],
) -> ActionFacts {
    ActionFacts {
        name,
        built: false,
        required,
        optional,
        open: false,
        outputs,
        declares: false,
        cancel_target: true,
    }
}

const fn built(facts: ActionFacts) -> ActionFacts {
    ActionFacts { built: true, ..facts }
}

const fn api(name: &'static str, required: &'static [&'static str]) -> ActionFacts {
    ActionFacts { open: true, ..declares(action(name, required, &[], &[])) }
}

const fn declares(facts: ActionFacts) -> ActionFacts {
    ActionFacts { declares: true, ..facts }
}

const fn no_way_out(facts: ActionFacts) -> ActionFacts {
    ActionFacts { cancel_target: false, ..facts }
}

/// All actions of the reference, and our own under `mainstay:`.
pub const ACTIONS: [ActionFacts; 29] = [
    no_way_out(action(
        "aws:approve",
        &["Approvers"],
        &["NotificationArn", "Message", "MinRequiredApprovals"],
        &["ApprovalStatus", "ApproverDecisions"],
    )),
    api("aws:assertAwsResourceProperty", &["Service", "Api", "PropertySelector", "DesiredValues"]),
    built(action("aws:branch", &["Choices"], &["Default"], &[])),
    declares(action(
        "aws:changeInstanceState",
        &["InstanceIds", "DesiredState"],
        &["CheckStateOnly", "Force", "AdditionalInfo", "FailOnUnexpectedStopped"],
        &["InstanceStates"],
    )),
    no_way_out(declares(action(
        "aws:copyImage",
        &["SourceRegion", "SourceImageId", "ImageName"],
        &["ImageDescription", "Encrypted", "KmsKeyId", "ClientToken"],
        &["ImageId", "ImageState"],
    ))),
    no_way_out(declares(action(
        "aws:createImage",
        &["InstanceId", "ImageName"],
        &["ImageDescription", "NoReboot", "BlockDeviceMappings"],
        &["ImageId", "ImageState"],
    ))),
    no_way_out(declares(action(
        "aws:createStack",
        &["StackName"],
        &[
            "TemplateBody",
            "TemplateURL",
            "Parameters",
            "Capabilities",
            "Tags",
            "RoleARN",
            "OnFailure",
            "DisableRollback",
            "NotificationARNs",
            "ResourceTypes",
            "StackPolicyBody",
            "StackPolicyURL",
            "TimeoutInMinutes",
            "ClientRequestToken",
        ],
        &["StackId", "StackStatus", "StackStatusReason"],
    ))),
    no_way_out(declares(action("aws:createTags", &["ResourceIds", "Tags"], &["ResourceType"], &[]))),
    declares(action("aws:deleteImage", &["ImageId"], &[], &[])),
    declares(action(
        "aws:deleteStack",
        &["StackName"],
        &["RoleARN", "RetainResources", "ClientRequestToken"],
        &[],
    )),
    built(declares(action(
        "aws:executeAutomation",
        &["DocumentName"],
        &[
            "DocumentVersion",
            "RuntimeParameters",
            "TargetParameterName",
            "Targets",
            "TargetMaps",
            "MaxConcurrency",
            "MaxErrors",
            "TargetLocations",
            "Tags",
        ],
        &["Output", "ExecutionId", "Status"],
    ))),
    api("aws:executeAwsApi", &["Service", "Api"]),
    built(declares(action(
        "aws:executeScript",
        &["Runtime"],
        &["Handler", "Script", "Attachment", "InputPayload"],
        &["Payload"],
    ))),
    declares(action(
        "aws:executeStateMachine",
        &["stateMachineArn"],
        &["name", "input"],
        &["executionArn", "input", "name", "output", "startDate", "stateMachineArn", "status", "stopDate"],
    )),
    built(declares(action(
        "aws:invokeWebhook",
        &["IntegrationName"],
        &["Body"],
        &["Response", "ResponseCode"],
    ))),
    declares(action(
        "aws:invokeLambdaFunction",
        &["FunctionName"],
        &["Qualifier", "InvocationType", "LogType", "ClientContext", "InputPayload", "Payload"],
        &["StatusCode", "FunctionError", "LogResult", "Payload"],
    )),
    no_way_out(built(action(
        "aws:loop",
        &["Steps"],
        &["Iterators", "IteratorDataType", "LoopCondition", "MaxIterations"],
        &["CurrentIteration", "CurrentIteratorValue"],
    ))),
    no_way_out(built(action("aws:pause", &[], &[], &[]))),
    built(declares(action(
        "aws:runCommand",
        &["DocumentName"],
        &[
            "InstanceIds",
            "Targets",
            "Parameters",
            "TimeoutSeconds",
            "CloudWatchOutputConfig",
            "Comment",
            "DocumentHash",
            "DocumentHashType",
            "DocumentVersion",
            "NotificationConfig",
            "OutputS3BucketName",
            "OutputS3KeyPrefix",
            "ServiceRoleArn",
            "MaxConcurrency",
            "MaxErrors",
        ],
        // The last three are ours: by host.
        &["CommandId", "Status", "ResponseCode", "Output", "Outputs", "Hosts", "Steps"],
    ))),
    ActionFacts {
        open: true,
        ..no_way_out(declares(action(
            "aws:runInstances",
            &["ImageId"],
            &["InstanceType", "MinInstanceCount", "MaxInstanceCount"],
            &["InstanceIds", "InstanceStates"],
        )))
    },
    no_way_out(built(action("aws:sleep", &[], &["Duration", "Timestamp"], &[]))),
    built(action("aws:updateVariable", &["Name", "Value"], &[], &[])),
    api("aws:waitForAwsResourceProperty", &["Service", "Api", "PropertySelector", "DesiredValues"]),
    built(declares(action("mainstay:query", &["Query"], &["Time"], &["Result", "Value"]))),
    built(action("mainstay:waitForAlarm", &["Alarm"], &["State"], &["State"])),
    built(action("mainstay:notify", &["Message"], &["Title", "To"], &[])),
    built(action("mainstay:resolveIncident", &["Incident"], &["Message"], &["Incident", "WaitedFor"])),
    built(action("mainstay:applyRevision", &["Revision"], &["Workload"], &["Change", "Revision"])),
    built(action("mainstay:rollback", &[], &["Workload", "Revision"], &["Change", "Revision"])),
];

/// Whether an action can be performed only where there is a server: by its telemetry, its alarms, its incidents, its
/// changes, or what its workloads declare. A run without a server refuses these by name.
pub fn needs_server(name: &str) -> bool {
    name.starts_with("mainstay:") || name == "aws:invokeWebhook"
}

/// What is known of the action of this name.
pub fn facts(name: &str) -> Option<&'static ActionFacts> {
    ACTIONS.iter().find(|action| action.name == name)
}
