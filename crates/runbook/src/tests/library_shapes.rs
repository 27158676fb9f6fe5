//! Documents of our own in the shapes that libraries of runbooks have: what each is told by `check`, and that it is told
//! nothing else.

use crate::Document;

/// What a document is refused for, each reason once; nothing where it is accepted.
fn reasons(text: &str) -> Vec<String> {
    let mut reasons: Vec<String> = match Document::parse(&super::common::value(text)) {
        Ok(document) => {
            assert!(
                document.warnings.iter().all(|warning| warning.code == "not-built"),
                "{:?}",
                document.warnings
            );
            Vec::new()
        }
        Err(problems) => problems
            .iter()
            .filter(|problem| problem.severity == mainstay_model::Severity::Error)
            .map(|problem| match problem.code {
                "not-built" => problem.message.clone(),
                code => format!("{code}: {problem}"),
            })
            .collect(),
    };
    // Performers come and go; what is held here is that nothing else is said.
    reasons.retain(|reason| !reason.starts_with("aws:invokeWebhook has no"));
    reasons.sort();
    reasons.dedup();
    reasons
}

const ROLE: &str = "assumeRole: '{{ AutomationAssumeRole }}'\nparameters:\n  AutomationAssumeRole: {type: 'AWS::IAM::Role::Arn', default: ''}\n";

fn automation(parameters: &str, steps: &str) -> Vec<String> {
    reasons(&format!(
        "schemaVersion: '0.3'\ndescription: |-\n  ### What it does\n{ROLE}{parameters}mainSteps:\n{steps}"
    ))
}

#[test]
fn stop_and_start_an_instance() {
    let steps = "
- {name: stop, action: 'aws:changeInstanceState', onFailure: Continue, inputs: {InstanceIds: '{{ InstanceId }}', DesiredState: stopped}}
- {name: force, action: 'aws:changeInstanceState', inputs: {InstanceIds: '{{ InstanceId }}', CheckStateOnly: false, DesiredState: stopped, Force: true}}
- {name: start, action: 'aws:changeInstanceState', isEnd: true, inputs: {InstanceIds: ['{{ InstanceId }}'], DesiredState: running}}
";
    assert_eq!(
        automation("  InstanceId: {type: 'List<AWS::EC2::Instance::Id>'}\n", steps),
        ["aws:changeInstanceState has no performer yet"]
    );
}

#[test]
fn make_an_image_and_patch_it() {
    let steps = "
- name: launch
  action: aws:runInstances
  maxAttempts: 3
  timeoutSeconds: 1200
  onFailure: Abort
  inputs: {ImageId: '{{ SourceAmiId }}', InstanceType: t3.medium, UserData: IyEvYmluL2Jhc2g=, MinInstanceCount: 1, MaxInstanceCount: 1, IamInstanceProfileName: '{{ Profile }}'}
- name: update
  action: aws:runCommand
  maxAttempts: 3
  onFailure: step:end
  inputs: {DocumentName: AWS-RunShellScript, InstanceIds: ['{{ launch.InstanceIds }}'], Parameters: {commands: ['set -e', 'yum -y update {{ Include }}']}}
- {name: stop, action: 'aws:changeInstanceState', inputs: {InstanceIds: ['{{ launch.InstanceIds }}'], DesiredState: stopped}}
- {name: image, action: 'aws:createImage', inputs: {InstanceId: '{{ launch.InstanceIds }}', ImageName: '{{ Name }}_{{ global:DATE_TIME }}_{{ automation:EXECUTION_ID }}', NoReboot: true}}
- {name: tag, action: 'aws:createTags', inputs: {ResourceType: EC2, ResourceIds: ['{{ image.ImageId }}'], Tags: [{Key: Source, Value: '{{ SourceAmiId }}'}]}}
- {name: end, action: 'aws:changeInstanceState', inputs: {InstanceIds: ['{{ launch.InstanceIds }}'], DesiredState: terminated}}
";
    let parameters = "  SourceAmiId: {type: String}\n  Profile: {type: String, default: ManagedInstanceProfile}\n  Name: {type: String, default: image}\n  Include: {type: String, default: all}\n";
    assert_eq!(
        automation(parameters, steps),
        [
            "aws:changeInstanceState has no performer yet",
            "aws:createImage has no performer yet",
            "aws:createTags has no performer yet",
            "aws:runInstances has no performer yet",
        ]
    );
}

#[test]
fn look_at_a_bucket_and_close_it() {
    let steps = "
- name: look
  action: aws:executeAwsApi
  inputs: {Service: s3, Api: GetPublicAccessBlock, Bucket: '{{ Bucket }}'}
  outputs: [{Name: Blocked, Selector: $.PublicAccessBlockConfiguration.BlockPublicAcls, Type: Boolean}]
  onFailure: step:close
- name: choose
  action: aws:branch
  isEnd: true
  inputs: {Choices: [{Not: {Variable: '{{ look.Blocked }}', BooleanEquals: true}, NextStep: close}]}
- {name: close, action: 'aws:executeAwsApi', inputs: {Service: s3, Api: put_public_access_block, Bucket: '{{ Bucket }}', PublicAccessBlockConfiguration: {BlockPublicAcls: true}}}
- {name: verify, action: 'aws:assertAwsResourceProperty', timeoutSeconds: 600, isEnd: true, inputs: {Service: s3, Api: GetPublicAccessBlock, Bucket: '{{ Bucket }}', PropertySelector: $.PublicAccessBlockConfiguration.BlockPublicAcls, DesiredValues: ['True']}}
";
    assert_eq!(
        automation("  Bucket: {type: 'AWS::S3::Bucket::Name'}\n", steps),
        ["aws:assertAwsResourceProperty has no performer yet", "aws:executeAwsApi has no performer yet"]
    );
}

#[test]
fn scale_a_database_with_a_way_back() {
    let steps = "
- {name: ask, action: 'aws:approve', timeoutSeconds: 1000, onFailure: Abort, inputs: {NotificationArn: '{{ Topic }}', Message: 'Scale {{ Id }}?', MinRequiredApprovals: 1, Approvers: ['arn:aws:iam::123456789012:user/dba', '{{ Approver }}']}}
- {name: modify, action: 'aws:executeAwsApi', onCancel: 'step:back', onFailure: 'step:back', inputs: {Service: rds, Api: ModifyDBInstance, DBInstanceIdentifier: '{{ Id }}', DBInstanceClass: '{{ Class }}', ApplyImmediately: true}}
- {name: wait, action: 'aws:waitForAwsResourceProperty', timeoutSeconds: 3600, isCritical: true, onFailure: 'step:back', inputs: {Service: rds, Api: DescribeDBInstances, DBInstanceIdentifier: '{{ Id }}', PropertySelector: '$.DBInstances[0].DBInstanceStatus', DesiredValues: [available]}}
- {name: after, action: 'aws:sleep', inputs: {Duration: PT10M}, nextStep: done}
- {name: back, action: 'aws:executeAwsApi', isEnd: true, inputs: {Service: rds, Api: ModifyDBInstance, DBInstanceIdentifier: '{{ Id }}', DBInstanceClass: '{{ Old }}'}}
- {name: done, action: 'aws:executeStateMachine', isEnd: true, inputs: {stateMachineArn: 'arn:aws:states:eu-west-1:123456789012:stateMachine:x', input: '{\"id\": \"{{ Id }}\"}'}}
";
    let parameters = "  Id: {type: String, allowedPattern: '^[a-z](?!.*--)[a-z0-9-]*$'}\n  Class: {type: String, allowedValues: [db.m5.large, db.m5.xlarge]}\n  Old: {type: String}\n  Topic: {type: String, default: ''}\n  Approver: {type: String}\n";
    assert_eq!(
        automation(parameters, steps),
        [
            "aws:approve has no performer yet",
            "aws:executeAwsApi has no performer yet",
            "aws:executeStateMachine has no performer yet",
            "aws:waitForAwsResourceProperty has no performer yet",
        ]
    );
}

#[test]
fn hand_on_to_another_runbook_for_each_of_several() {
    let steps = "
- name: list
  action: aws:executeScript
  inputs: {Runtime: python3.11, Handler: main, InputPayload: {names: '{{ Names }}'}, Script: 'def main(e, c): return {\"names\": e[\"names\"]}'}
  outputs: [{Name: Names, Selector: '$.Payload.names', Type: StringList}, {Name: All, Selector: '$.Payload..x', Type: StringList}]
- name: each
  action: aws:loop
  inputs:
    Iterators: '{{ list.Names }}'
    IteratorDataType: String
    MaxIterations: 50
    Steps:
    - {name: one, action: 'aws:executeAutomation', onFailure: Continue, inputs: {DocumentName: Restart, DocumentVersion: $DEFAULT, RuntimeParameters: {Name: ['{{ each.CurrentIteratorValue }}'], AutomationAssumeRole: '{{ AutomationAssumeRole }}'}}}
    - {name: note, action: 'aws:updateVariable', inputs: {Name: 'variable:last', Value: '{{ one.ExecutionId }}'}}
- {name: tell, action: 'aws:invokeWebhook', isEnd: true, inputs: {IntegrationName: chat, Body: '{\"text\": \"{{ variable:last }}\"}'}}
";
    let text = format!(
        "schemaVersion: '0.3'\nvariables: {{last: {{type: String, default: none}}}}\noutputs: ['{{{{ list.Names }}}}', each.CurrentIteration]\n{ROLE}  Names: {{type: StringList, minItems: 1, maxItems: 50}}\nmainSteps:\n{steps}"
    );
    assert_eq!(reasons(&text), Vec::<String>::new());
    // The same for many targets is the later thing.
    let many = text.replace("DocumentName: Restart,", "DocumentName: Restart, TargetParameterName: Name, Targets: [{Key: ParameterValues, Values: [a]}], MaxConcurrency: '10%', MaxErrors: '1',");
    assert_eq!(
        reasons(&many),
        ["MaxConcurrency", "MaxErrors", "TargetParameterName", "Targets"]
            .map(|key| format!("`{key}` of aws:executeAutomation is not built yet"))
    );
}

#[test]
fn command_documents_for_both_kinds_of_hosts() {
    let text = "
schemaVersion: '2.2'
description: Installs and tells
parameters:
  Package: {type: String, allowedPattern: '^[a-z0-9.+-]+$', interpolationType: ENV_VAR}
  executionTimeout: {type: String, default: '3600', allowedPattern: '([1-9][0-9]{0,4})|(1[0-6][0-9]{4})|(17[0-1][0-9]{3})|(172[0-7][0-9]{2})|(172800)'}
mainSteps:
- {action: 'aws:runPowerShellScript', name: win, precondition: {StringEquals: [platformType, Windows]}, inputs: {timeoutSeconds: '{{ executionTimeout }}', runCommand: ['Get-Host']}}
- {action: 'aws:runShellScript', name: linux, precondition: {StringEquals: [platformType, Linux]}, inputs: {timeoutSeconds: '{{ executionTimeout }}', runCommand: ['set -eu', 'command -v \"$SSM_Package\"'], onFailure: exit}}
- {action: 'aws:applications', name: msi, inputs: {action: Install, source: 'https://example.com/x.msi'}}
- {action: 'aws:runShellScript', name: always, inputs: {runCommand: ['date'], finallyStep: true}}
";
    assert_eq!(reasons(text), Vec::<String>::new());
}
