use mainstay_model::Problem;
use mainstay_model::problem::Spot;

use super::common::value;
use crate::Document;

/// Each problem as `code path "what is underlined": message (help)`.
pub(super) fn problems(text: &str) -> Vec<String> {
    let value = value(text);
    let problems = match Document::parse(&value) {
        Ok(document) => document.warnings,
        Err(problems) => problems,
    };
    let show = |problem: &Problem| {
        let mut at = &value;
        for segment in &problem.path {
            at = match segment {
                mainstay_model::Segment::Key(key) => &at[key.as_str()],
                mainstay_model::Segment::Index(index) => &at[*index],
            };
        }
        let spot = match &problem.spot {
            Spot::Within(range) => format!(" \"{}\"", &at.as_str().unwrap_or_default()[range.clone()]),
            Spot::Key => " key".to_owned(),
            Spot::Value => String::new(),
        };
        let help = problem.help.as_ref().map(|help| format!(" ({help})")).unwrap_or_default();
        format!("{} {}{spot}: {}{help}", problem.code, problem.path_text(), problem.message)
    };
    problems.iter().map(show).collect()
}

fn steps(text: &str) -> Vec<String> {
    let indented: String = text.lines().map(|line| format!("{line}\n")).collect();
    problems(&format!("schemaVersion: '0.3'\nmainSteps:\n{indented}"))
}

#[test]
fn the_envelope() {
    assert_eq!(problems("[]"), ["wrong-type : A document is a mapping, found a list"]);
    assert_eq!(
        problems("mainSteps: []"),
        [
            "missing-key : A document needs `schemaVersion` (Automation documents have `schemaVersion: \"0.3\"`, Command documents 2.2 (or 2.0, or 1.2))"
        ]
    );
    assert_eq!(
        problems("schemaVersion: '1.0'\nmainSteps: []"),
        ["not-built schemaVersion: Session documents (schemaVersion 1.0) are not built yet"]
    );
    assert_eq!(
        problems("schemaVersion: 0.4"),
        [
            "bad-value schemaVersion: `0.4` is not a schema version (Automation documents have `schemaVersion: \"0.3\"`, Command documents 2.2 (or 2.0, or 1.2))"
        ]
    );
    assert_eq!(
        problems(
            "schemaVersion: 0.3\nmainsteps: []\nvariables: {x: {type: String}}\nassumeRole: 'arn:aws:iam::1:role/x'"
        ),
        [
            "unknown-key mainsteps key: `mainsteps` is not a key of an Automation document (Did you mean `mainSteps`?)",
            "not-built assumeRole: Running with an AWS role is not built yet",
            "missing-key : A document needs `mainSteps`",
        ]
    );
}

#[test]
fn steps_and_their_keys() {
    let found = steps(
        "- {name: a b, action: 'aws:slep', inputs: {}}
- {name: s, action: 'aws:sleep', inputs: {Duration: 10m}, onFailure: Abrt, isEnd: maybe, maxAttempts: 0, timeoutSecond: 3}
- {name: s, action: 'aws:approve', inputs: {Approver: [x]}}
- {action: 'aws:runShellScript', inputs: {}}
- 5",
    );
    assert_eq!(
        found,
        [
            "bad-name mainSteps[0].name: `a b` is not a step's name",
            "unknown-action mainSteps[0].action: `aws:slep` is not an action (Did you mean `aws:sleep`?)",
            "unknown-key mainSteps[1].timeoutSecond key: `timeoutSecond` is not a key of a step (Did you mean `timeoutSeconds`?)",
            "wrong-type mainSteps[1].maxAttempts: `maxAttempts` is a whole number from 1 to 4294967295, found the number 0",
            "bad-value mainSteps[1].onFailure: `onFailure` is Abort, Continue or `step:NAME`, found `Abrt` (Did you mean `Abort`?)",
            "wrong-type mainSteps[1].isEnd: `isEnd` is true or false, found the text \"maybe\"",
            "bad-value mainSteps[1].inputs.Duration: `10m` is not an ISO 8601 duration (`PT30S` is 30 seconds, `PT10M` 10 minutes, `P1DT2H` a day and 2 hours)",
            "duplicate-name mainSteps[2].name: Another step is named `s` already",
            "unknown-key mainSteps[2].inputs.Approver key: `Approver` is not a key of the inputs of aws:approve (Did you mean `Approvers`?)",
            "missing-key mainSteps[2].inputs: aws:approve needs `Approvers`",
            "not-built mainSteps[2].action: aws:approve has no performer yet",
            "missing-key mainSteps[3]: A step needs `name`",
            "unknown-action mainSteps[3].action: `aws:runShellScript` is not an action (Plugins of Command documents run through `aws:runCommand`)",
            "wrong-type mainSteps[4]: `mainSteps` is a list of steps, found the number 5",
        ]
    );
}

#[test]
fn commands_and_scripts() {
    let found = steps(
        "- {name: a, action: 'aws:runCommand', inputs: {DocumentName: AWS-RunPatchBaseline, InstanceIds: [h]}}
- name: b
  action: aws:runCommand
  inputs:
    DocumentName: AWS-RunShellScript
    Targets: [{Key: role, Values: [x]}, {Key: 'resource-groups:Name', Values: [g]}]
    MaxConcurrency: 10%
    OutputS3BucketName: x
    Parameters: {command: [ls], executionTimeout: ['0']}
- {name: c, action: 'aws:runCommand', inputs: {DocumentName: AWS-RunShellScript, Parameters: {commands: []}}}
- {name: d, action: 'aws:executeScript', inputs: {Runtime: python3.8, Script: x}}
- {name: e, action: 'aws:executeScript', inputs: {Runtime: PowerShell 7.0, Script: x}}
- {name: f, action: 'aws:executeScript', inputs: {Runtime: ruby, Script: 5, InputPayload: []}}
- {name: g, action: 'aws:sleep', inputs: {Duration: PT1S, Timestamp: x}}
- {name: h, action: 'aws:sleep', inputs: {Duration: P8D}}",
    );
    assert_eq!(
        found,
        [
            "not-built mainSteps[0].inputs.DocumentName: Running the Command document `AWS-RunPatchBaseline` is not built yet (`AWS-RunShellScript`, `AWS-RunPowerShellScript` and Command documents of the workload are built)",
            "not-built mainSteps[1].inputs.OutputS3BucketName: `OutputS3BucketName` of aws:runCommand is not built yet",
            "not-built mainSteps[1].inputs.MaxConcurrency: `MaxConcurrency` other than 50 is not built yet",
            "bad-value mainSteps[1].inputs.Targets[0].Key: `role` is not a key of targets (Use `tag:KEY`, `tag-key` or `InstanceIds`)",
            "not-built mainSteps[1].inputs.Targets[1].Key: Resource groups as targets are not built yet (Hosts are grouped by their tags here: use `tag:KEY` with `Values`)",
            "unknown-key mainSteps[1].inputs.Parameters.command key: `command` is not a key of the parameters of AWS-RunShellScript (Did you mean `commands`?)",
            "wrong-type mainSteps[1].inputs.Parameters.executionTimeout: `executionTimeout` is a whole number from 1 to 172800, found the text \"0\"",
            "missing-key mainSteps[1].inputs.Parameters: AWS-RunShellScript needs `commands`",
            "missing-key mainSteps[2].inputs: aws:runCommand needs `InstanceIds` or `Targets`",
            "bad-value mainSteps[2].inputs.Parameters.commands: `commands` holds no command",
            "old-runtime mainSteps[3].inputs.Runtime: `python3.8` is no longer a runtime of Systems Manager; the host's own python3 runs the script",
            "missing-key mainSteps[3].inputs: aws:executeScript with Python needs `Handler`",
            "old-runtime mainSteps[4].inputs.Runtime: `PowerShell 7.0` is no longer a runtime of Systems Manager; the host's own pwsh runs the script",
            "needs-program mainSteps[4].inputs.Runtime: `PowerShell 7.0` needs `pwsh` on the host that runs it; where it is missing, the step fails (Install PowerShell there, or use Python or a shell)",
            "bad-value mainSteps[5].inputs.Runtime: `ruby` is not a runtime (Runtimes are python3.x (the host's python3 is used), PowerShell 7.x (the host's pwsh) and bash)",
            "wrong-type mainSteps[5].inputs.Script: `Script` is a text, found the number 5",
            "wrong-type mainSteps[5].inputs.InputPayload: `InputPayload` is a mapping, found a list",
            "bad-value mainSteps[6].inputs.Timestamp key: `Duration` and `Timestamp` exclude each other",
            "bad-value mainSteps[7].inputs.Duration: A sleep takes at most 604799 seconds, just under 7 days",
        ]
    );
}

#[test]
fn branches() {
    let found = steps(
        "- name: a
  action: aws:branch
  inputs:
    Default: d
    Choices:
    - {NextStep: b, Variable: '{{ x.y }}', StringEqual: z}
    - {NextStep: c, Variable: '{{ automation:EXECUTION_ID }}', NumericEquals: z}
    - {Variable: 5, BooleanEquals: true, StringEquals: x}
    - {NextStep: b, And: [], Variable: x}
    - {NextStep: b, Not: [x]}
    - {NextStep: b, Or: [x, {StringEquals: x}]}
- {name: b, action: 'aws:sleep', inputs: {Duration: PT1S}}",
    );
    assert_eq!(
        found,
        [
            "unknown-operator mainSteps[0].inputs.Choices[0].StringEqual key: `StringEqual` is not an operator of aws:branch (Did you mean `StringEquals`?)",
            "wrong-type mainSteps[0].inputs.Choices[1].NumericEquals: `NumericEquals` compares with a number, found the text \"z\"",
            "missing-key mainSteps[0].inputs.Choices[2]: A choice needs `NextStep`",
            "bad-condition mainSteps[0].inputs.Choices[2].StringEquals key: A comparison has exactly one operator",
            "wrong-type mainSteps[0].inputs.Choices[2].Variable: `Variable` is a reference such as `{{ step.Output }}`, found the number 5",
            "bad-condition mainSteps[0].inputs.Choices[3].Variable key: `Variable` cannot stand beside `And`",
            "bad-condition mainSteps[0].inputs.Choices[3].And: `And` holds no condition",
            "wrong-type mainSteps[0].inputs.Choices[4].Not: `Not` holds one condition, found a list",
            "wrong-type mainSteps[0].inputs.Choices[5].Or[0]: A condition is a mapping, found the text \"x\"",
            "missing-key mainSteps[0].inputs.Choices[5].Or[1]: A comparison needs a `Variable`",
            "unknown-step mainSteps[0].inputs.Choices[1].NextStep \"c\": There is no step `c` (Did you mean `a`?)",
            "unknown-step mainSteps[0].inputs.Default \"d\": There is no step `d` (Did you mean `a`?)",
            "unknown-reference mainSteps[0].inputs.Choices[0].Variable \"{{ x.y }}\": There is no step `x` (Did you mean `a`?)",
        ]
    );
}

#[test]
fn the_graph() {
    let script = "action: 'aws:executeScript', inputs: {Runtime: bash, Script: 'true'}";
    assert_eq!(
        steps(&format!(
            "- {{name: first, {script}, nextStep: third}}
- {{name: second, {script}, onFailure: 'step:first', isEnd: true}}
- {{name: third, {script}, nextStep: second}}"
        )),
        [
            "unused-key mainSteps[1].onFailure key: `isEnd` ends the run here also when the step fails, so `onFailure` leads nowhere (End the way that succeeds with a step of its own that has `isEnd`)",
            "cycle mainSteps[1]: The steps go in circles: first -> third -> second -> first (Repeat steps with aws:loop, or try a step again with maxAttempts)"
        ]
    );
    assert_eq!(
        steps(&format!(
            "- {{name: first, {script}, isEnd: true, nextStep: frist}}
- {{name: lonely, {script}, onCancel: 'step:nap', onFailure: 'step: gone'}}
- {{name: nap, action: 'aws:sleep', inputs: {{Duration: PT1S}}}}"
        )),
        [
            "unused-key mainSteps[0].nextStep key: A step with `isEnd` has no `nextStep`: it would never be taken",
            "unknown-step mainSteps[0].nextStep \"frist\": There is no step `frist` (Did you mean `first`?)",
            "unknown-step mainSteps[1].onFailure \"gone\": There is no step `gone`",
            "bad-value mainSteps[1].onCancel: `onCancel` cannot lead to `nap`: it is aws:sleep",
            "unreachable-step mainSteps[1].name: No step leads to `lonely`: it never runs",
            "unreachable-step mainSteps[2].name: No step leads to `nap`: it never runs",
        ]
    );
}

#[test]
fn references() {
    let found = problems(
        "
schemaVersion: '0.3'
parameters: {Host: {type: String}}
outputs: [b.Payload, b.Nothing, c.x, '{{ a.Payload }}', bad]
mainSteps:
- name: a
  action: aws:executeScript
  inputs:
    Runtime: bash
    Script: 'echo {{ Host }} {{ Hots }} {{.Go}} {{ a + b }} {{ variable:x }}'
    InputPayload: {x: 'é {{ Hots }}', y: '{{ {{Host}} }}', z: '{{ b.Payload }}', w: '{{ a.Payload }}', v: '{{ some text }}', '{{Host}}': 1}
- name: b
  action: aws:executeScript
  outputs: [{Name: N, Selector: '$.Payload.length()'}, {Name: O, Selector: Payload}, {Selector: $, Typ: x}, {Name: P, Selector: $.P, Type: Float}]
  inputs:
    Runtime: bash
    Script: 'true'
    InputPayload: [1]
- {name: c, action: 'aws:sleep', inputs: {Duration: '{{ ssm:/a }}'}}
- {name: d, action: 'aws:sleep', inputs: {Duration: '{{ global:REGION }}{{ global:DAY }}{{ automation:X }}{{ what:x }}{{ b.N }}{{ c }}'}}
",
    );
    let expected = r#"
not-built mainSteps[1].outputs[0].Selector ".length()": Functions in selectors are not built yet
bad-selector mainSteps[1].outputs[1].Selector "Payload": A selector starts with `$`
unknown-key mainSteps[1].outputs[2].Typ key: `Typ` is not a key of an output (Did you mean `Type`?)
missing-key mainSteps[1].outputs[2]: An output needs `Name`
bad-value mainSteps[1].outputs[3].Type: `Float` is not a type of outputs (Types are String, StringList, Boolean, Integer, StringMap and MapList)
bad-selector mainSteps[1].outputs[3].Selector: aws:executeScript leaves nothing at `$.P` (What the script returns is below `$.Payload`)
wrong-type mainSteps[1].inputs.InputPayload: `InputPayload` is a mapping, found a list
bad-value outputs[4]: `bad` does not name an output
bad-reference mainSteps[0].inputs.InputPayload.v "{{ some text }}": This is not a reference and stays as it is (References are `{{ Parameter }}`, `{{ step.Output }}`, `{{ variable:name }}` and `{{ global:NAME }}`)
reference-order mainSteps[0].inputs.InputPayload.w "{{ a.Payload }}": Step `a` cannot use its own output
unknown-reference mainSteps[0].inputs.InputPayload.x "{{ Hots }}": There is no parameter `Hots` (Did you mean `Host`?)
bad-reference mainSteps[0].inputs.InputPayload.y "{{ {{Host}}": References cannot be nested
reference-order mainSteps[0].inputs.InputPayload.z "{{ b.Payload }}": Step `b` cannot have run before this one
bad-reference mainSteps[0].inputs.InputPayload.{{Host}} key: A key cannot hold a reference
unknown-reference mainSteps[0].inputs.Script "{{ Hots }}": There is no parameter `Hots` (Did you mean `Host`?)
unknown-reference mainSteps[0].inputs.Script "{{ variable:x }}": There is no variable `x` (Variables are declared under `variables`, beside `parameters`)
bad-reference mainSteps[2].inputs.Duration "{{ ssm:/a }}": Only the default of a parameter can refer to the parameter store (Refer to it in a parameter's default)
not-built mainSteps[3].inputs.Duration "{{ global:REGION }}": `global:REGION` is not built yet: it is known only where AWS actions run
unknown-reference mainSteps[3].inputs.Duration "{{ global:DAY }}": There is no `global:DAY` (Known are DATE, DATE_TIME, REGION, ACCOUNT_ID and AWS_PARTITION)
unknown-reference mainSteps[3].inputs.Duration "{{ automation:X }}": There is no `automation:X` (Known is EXECUTION_ID)
unknown-reference mainSteps[3].inputs.Duration "{{ what:x }}": There is no `what:x` (Known before the colon are global, automation, variable and ssm)
unknown-reference mainSteps[3].inputs.Duration "{{ c }}": There is no parameter `c` (`c` is a step: name one of its outputs, `{{ c.Output }}`)
unknown-reference outputs[1]: Step `b` has no output `Nothing` (Its outputs are N, O, P, Payload)
unknown-reference outputs[2]: Step `c` has no output `x` (aws:sleep has no outputs)
"#;
    assert_eq!(found, expected.trim().lines().collect::<Vec<_>>());
}

#[test]
fn parameters() {
    let found = problems(
        "
schemaVersion: '0.3'
parameters:
  A: {type: Sting}
  B: {type: Integer, default: '5'}
  C: {type: String, default: '{{ ssm:/x }}', allowedPattern: '(?=x)y'}
  D: {type: String, default: '{{ s.A }}', minChars: 5, maxChars: 3, displayType: box}
  E: {default: x}
  F: {type: StringList, default: [a, z], allowedValues: [a, b], allowedPattern: '['}
  G: 5
  'H_I': {type: 'List<AWS::EC2::Instance::Id>', typ: x}
  J: {type: Integer, default: 5.5, allowedValues: ['5']}
  K: {type: Boolean, default: 'true'}
mainSteps: [{name: s, action: 'aws:sleep', inputs: {Duration: PT1S}}]
",
    );
    assert_eq!(
        found,
        [
            "bad-value parameters.A.type: `Sting` is not a type of parameters (Did you mean `String`?)",
            "wrong-type parameters.B.default: The default of an Integer is written without quotes; it is read as the number 5",
            "not-built parameters.C.default \"{{ ssm:/x }}\": Defaults from the parameter store (`ssm:`) are not built yet",
            "bad-value parameters.D.displayType: `displayType` is textfield or textarea, found `box`",
            "bad-value parameters.D.maxChars: `maxChars` is 3, less than `minChars`, which is 5",
            "bad-reference parameters.D.default \"{{ s.A }}\": A default cannot refer to steps (Refer to them where the value is used; a default may hold other parameters, `global:DATE`, `global:DATE_TIME` and `automation:EXECUTION_ID`)",
            "missing-key parameters.E: A parameter needs `type`",
            "bad-value parameters.F.allowedPattern: This is not a regular expression: unclosed character class",
            "bad-default parameters.F.default: The default does not fit its parameter, which is one of a, b, found a list",
            "wrong-type parameters.G: `G` is a mapping with `type`, found the number 5",
            "bad-name parameters.H_I key: `H_I` is not a parameter's name",
            "unknown-key parameters.H_I.typ key: `typ` is not a key of a parameter (Did you mean `type`?)",
            "bad-default parameters.J.default: The default does not fit its parameter, which is an Integer, found the number 5.5",
            "bad-default parameters.K.default: The default does not fit its parameter, which is a Boolean, found the text \"true\"",
        ]
    );
}

#[test]
fn variables_and_loops() {
    let found = problems(
        "
schemaVersion: '0.3'
variables:
  n: {type: Integer, default: 1}
  s_1: {type: String}
  t: {type: StringList, default: x}
outputs: [inner.Payload]
mainSteps:
- {name: a, action: 'aws:updateVariable', inputs: {Name: 'variable:m', Value: 2}}
- {name: b, action: 'aws:updateVariable', onCancel: Abort, inputs: {Name: n, Value: 2}}
- {name: c, action: 'aws:updateVariable', inputs: {Name: 'variable:n', Value: '2'}}
- name: each
  action: aws:loop
  maxAttempts: 2
  inputs:
    Iterators: [1, x]
    IteratorDataType: Integer
    Steps:
    - {name: inner, action: 'aws:sleep', nextStep: outer, inputs: {Duration: 'PT{{ each.CurrentIteration }}S'}}
    - {name: other, action: 'aws:sleep', inputs: {Duration: PT1S}}
- name: while
  action: aws:loop
  inputs:
    LoopCondition: {Variable: '{{ body.CurrentIteration }}', NumericLess: 3}
    MaxIterations: 101
    Steps:
    - {name: body, action: 'aws:sleep', inputs: {Duration: 'PT{{ variable:m }}S'}}
- {name: outer, action: 'aws:sleep', nextStep: body, inputs: {Duration: PT1S}}
- {name: none, action: 'aws:loop', inputs: {Steps: [], Iterators: []}}
- {name: both, action: 'aws:loop', inputs: {Steps: [{}], Iterators: [], LoopCondition: {}}}
",
    );
    let expected = r#"
bad-default variables.t.default: The default does not fit its parameter, which is a StringList, found the text "x" (A list of one is written `[…]` too)
unknown-reference mainSteps[0].inputs.Name "m": There is no variable `m` (Did you mean `n`?)
bad-value mainSteps[1].onCancel key: aws:updateVariable cannot have `onCancel`
bad-value mainSteps[1].inputs.Name: `n` does not name a variable
wrong-type mainSteps[2].inputs.Value: The value does not fit the variable `n`: it is Integer, found the text "2"
bad-value mainSteps[3].inputs.Iterators[1]: The loop's elements are Integer, found the text "x"
not-built mainSteps[3].maxAttempts: `maxAttempts` of aws:loop is not built yet
wrong-type mainSteps[4].inputs.MaxIterations: `MaxIterations` is a whole number from 1 to 100, found the number 101
unknown-operator mainSteps[4].inputs.LoopCondition.NumericLess key: `NumericLess` is not an operator of aws:branch (Did you mean `NumericLesser`?)
bad-value mainSteps[6].inputs.Steps: `Steps` has no step
bad-value mainSteps[7].inputs.LoopCondition key: `Iterators` and `LoopCondition` exclude each other
missing-key mainSteps[7].inputs.Steps[0]: A step needs `name`
missing-key mainSteps[7].inputs.Steps[0]: A step needs `action`
bad-jump mainSteps[5].nextStep "body": `body` is inside a loop: no step outside can lead to it (Lead to the loop itself)
unreachable-step mainSteps[3].inputs.Steps[1].name: No step leads to `other`: it never runs
unknown-reference mainSteps[4].inputs.LoopCondition.Variable "{{ body.CurrentIteration }}": Step `body` has no output `CurrentIteration` (aws:sleep has no outputs)
unknown-reference mainSteps[4].inputs.Steps[0].inputs.Duration "{{ variable:m }}": There is no variable `m` (Did you mean `n`?)
unknown-reference outputs[0]: Step `inner` has no output `Payload` (aws:sleep has no outputs)
"#;
    assert_eq!(found, expected.trim().lines().collect::<Vec<_>>());
}

#[test]
fn command_documents() {
    let found = problems(
        "
schemaVersion: '2.2'
runtimeConfig: {}
parameters: {P: {type: String, default: x}}
mainSteps:
- {name: a, action: 'aws:runShelScript', inputs: {}}
- {name: b, action: 'aws:runShellScript', timeoutSeconds: 5, inputs: {runCommand: [], onFailure: stop, timeoutSeconds: '0'}}
- {name: b, action: 'aws:runShellScript', precondition: {StringEqual: [a, b]}, inputs: {runComand: x, runCommand: ['{{ P }} {{ Q }}'], workingDirectory: '{{ Q }}', maxAttempts: 2}}
- {name: c, action: 'aws:runShellScript', precondition: {StringEquals: [a, b]}, inputs: {runCommand: x, finallyStep: true}}
- {name: d, action: 'aws:runShellScript', precondition: {StringEquals: [platformType, Linx]}, inputs: {runCommand: '{{ ssm:x }} {{ a.b }}'}}
- {name: e, action: 'aws:runPowerShellScript', precondition: {StringEquals: [platformType, Windows]}, inputs: {runCommand: x}}
- {name: f, action: 'aws:applications', inputs: {action: Instal, source: x}}
- {name: g, action: 'aws:downloadContent', inputs: {sourceType: HTTP, sourceInfo: '{\"uri\": 1}'}}
- {name: h, action: 'aws:executeScript', inputs: {}}
- {action: 'aws:cloudWatch', precondition: {StringEquals: [a]}}
- x
",
    );
    let expected = r#"
unknown-key runtimeConfig key: Command documents of schema version 2.2 have `mainSteps`, not `runtimeConfig`
unknown-action mainSteps[0].action: `aws:runShelScript` is not a plugin (Did you mean `aws:runShellScript`?)
unused-key mainSteps[1].timeoutSeconds key: `timeoutSeconds` does nothing here: steps of Command documents do not look at it (Write `timeoutSeconds` among the `inputs`)
bad-value mainSteps[1].inputs.onFailure: `onFailure` is exit or successAndExit, found `stop`
bad-value mainSteps[1].inputs.runCommand: `runCommand` holds no command
wrong-type mainSteps[1].inputs.timeoutSeconds: `timeoutSeconds` is a whole number from 1 to 172800, found the text "0"
duplicate-name mainSteps[2].name: Another step is named `b` already
unknown-operator mainSteps[2].precondition.StringEqual key: `StringEqual` is not an operator of preconditions (Did you mean `StringEquals`?)
unused-key mainSteps[2].inputs.maxAttempts key: `maxAttempts` does nothing here: aws:runShellScript does not look at it (Its inputs are runCommand, workingDirectory, timeoutSeconds, onFailure, onSuccess, finallyStep)
unknown-key mainSteps[2].inputs.runComand key: `runComand` is not a key of the inputs of aws:runShellScript (Did you mean `runCommand`?)
unknown-reference mainSteps[2].inputs.runCommand[0] "{{ Q }}": There is no parameter `Q` (Did you mean `P`?)
unknown-reference mainSteps[2].inputs.workingDirectory "{{ Q }}": There is no parameter `Q` (Did you mean `P`?)
bad-condition mainSteps[3].precondition.StringEquals: Both sides are constants, so the precondition says nothing (Compare `platformType` or a parameter)
bad-value mainSteps[3].inputs.finallyStep key: Only the last step can have `finallyStep`
bad-value mainSteps[4].precondition.StringEquals: `Linx` is not a platform: the step would never run (Did you mean `Linux`?)
not-built mainSteps[4].inputs.runCommand "{{ ssm:x }}": References to the parameter store (`ssm:`) are not built yet
unknown-reference mainSteps[4].inputs.runCommand "{{ a.b }}": Steps of Command documents have no outputs to refer to; in this script it stays as it is
bad-value mainSteps[6].inputs.action: `action` is Install, Repair or Uninstall, found `Instal` (Did you mean `Install`?)
unknown-key mainSteps[7].inputs.sourceInfo: `uri` is not a key of a source of kind HTTP (Did you mean `url`?)
missing-key mainSteps[7].inputs.sourceInfo: A source of kind HTTP needs `url`
unknown-action mainSteps[8].action: `aws:executeScript` is not a plugin (aws:executeScript is an action of Automation documents (schemaVersion 0.3))
missing-key mainSteps[9]: A step needs `name`
wrong-type mainSteps[9].precondition.StringEquals: `StringEquals` is a list of two texts, found a list
bad-value mainSteps[9].action: aws:cloudWatch does not belong to schema version 2.2
missing-key mainSteps[9]: A step needs `inputs`
wrong-type mainSteps[10]: `mainSteps` is a list of steps, found the text "x"
"#;
    assert_eq!(found, expected.trim().lines().collect::<Vec<_>>());
    let old = problems(
        "
schemaVersion: '1.2'
description: x
runtimeConfig:
  aws:runShellScript: {properties: [{id: 0.x, runCommand: [ls]}, {runCommand: 5}]}
  aws:psModule: {properties: {source: x}}
  aws:runDocument: {properties: x}
  aws:updateSsmAgent: {}
",
    );
    let expected = r#"
wrong-platform runtimeConfig.aws:psModule: aws:psModule does not run on Linux, as hosts here do (Schema version 2.2 skips such a step)
bad-value runtimeConfig.aws:runDocument: aws:runDocument does not belong to schema version 1.2
wrong-type runtimeConfig.aws:runDocument.properties: `properties` is a list of mappings, found the text "x"
wrong-type runtimeConfig.aws:runShellScript.properties[1].runCommand: `runCommand` is a list of texts, found the number 5
not-built runtimeConfig.aws:updateSsmAgent key: aws:updateSsmAgent has no performer yet
missing-key runtimeConfig.aws:updateSsmAgent: A plugin's configuration needs `properties`
"#;
    assert_eq!(old, expected.trim().lines().collect::<Vec<_>>());
}

#[test]
fn our_own_actions_are_known_by_name() {
    assert_eq!(
        steps(
            "- {name: a, action: 'mainstay:qery', inputs: {}}
- {name: b, action: 'mainstay:query', inputs: {Promql: up}}
- {name: c, action: 'mainstay:rollback', inputs: {Revision: 5}}"
        ),
        [
            "unknown-action mainSteps[0].action: `mainstay:qery` is not an action (Did you mean `mainstay:query`?)",
            "unknown-key mainSteps[1].inputs.Promql key: `Promql` is not a key of the inputs of mainstay:query (Known keys are Query, Time)",
            "missing-key mainSteps[1].inputs: mainstay:query needs `Query`",
            "wrong-type mainSteps[2].inputs.Revision: `Revision` is a text, found the number 5",
        ]
    );
}

/// Inputs of actions that nothing performs, as they should be.
const AWS_GOOD: &[(&str, &str)] = &[
    (
        "aws:approve",
        "{Approvers: ['arn:aws:iam::123456789012:user/a', b], MinRequiredApprovals: 2, Message: Go, NotificationArn: 'arn:aws:sns:eu-west-1:123456789012:Automation-x'}",
    ),
    (
        "aws:assertAwsResourceProperty",
        "{Service: rds, Api: DescribeDBInstances, DBInstanceIdentifier: x, PropertySelector: '$.DBInstances[0].DBInstanceStatus', DesiredValues: [available]}",
    ),
    (
        "aws:waitForAwsResourceProperty",
        "{Service: ec2, Api: DescribeInstanceStatus, InstanceIds: [i-1], PropertySelector: '$.InstanceStatuses..Status', DesiredValues: [ok, true]}",
    ),
    (
        "aws:changeInstanceState",
        "{InstanceIds: i-1, DesiredState: stopped, CheckStateOnly: true, Force: 'false'}",
    ),
    ("aws:copyImage", "{SourceRegion: a, SourceImageId: b, ImageName: c, Encrypted: true}"),
    (
        "aws:createImage",
        "{InstanceId: a, ImageName: b, NoReboot: true, BlockDeviceMappings: [{DeviceName: x}]}",
    ),
    (
        "aws:createStack",
        "{StackName: s, TemplateURL: 'https://x/y', Capabilities: [CAPABILITY_IAM], Parameters: [{ParameterKey: a, ParameterValue: b}], TimeoutInMinutes: 5}",
    ),
    ("aws:createTags", "{ResourceIds: [a, b], Tags: [{Key: a, Value: b}]}"),
    ("aws:deleteImage", "{ImageId: a}"),
    ("aws:deleteStack", "{StackName: a, RetainResources: [b]}"),
    ("aws:executeAwsApi", "{Service: ec2, Api: describe_instances, Filters: [{Name: a, Values: [b]}]}"),
    ("aws:executeStateMachine", "{stateMachineArn: a, name: b, input: '{}'}"),
    (
        "aws:invokeLambdaFunction",
        "{FunctionName: a, InvocationType: Event, LogType: Tail, InputPayload: {a: 1}}",
    ),
    ("aws:runInstances", "{ImageId: ami-1, MinInstanceCount: 1, MaxInstanceCount: '2', UserData: x}"),
];

/// And as they should not be.
const AWS_BAD: &[(&str, &str, &str)] = &[
    (
        "aws:approve",
        "{Approvers: [a], MinRequiredApprovals: 2}",
        "bad-value mainSteps[0].inputs.MinRequiredApprovals: 2 approvals cannot come from 1 approvers",
    ),
    (
        "aws:approve",
        "{Approvers: []}",
        "bad-value mainSteps[0].inputs.Approvers: `Approvers` has at least 1 entries, found 0",
    ),
    (
        "aws:approve",
        "{Approvers: [a], NotificationArn: 'arn:aws:sns:a:1:other'}",
        "bad-value mainSteps[0].inputs.NotificationArn: The name of the topic has to begin with `Automation`",
    ),
    (
        "aws:assertAwsResourceProperty",
        "{Service: a, Api: b, PropertySelector: x, DesiredValues: [y]}",
        "bad-selector mainSteps[0].inputs.PropertySelector \"x\": A selector starts with `$`",
    ),
    (
        "aws:waitForAwsResourceProperty",
        "{Service: a, Api: b, PropertySelector: $.x, DesiredValues: y}",
        "wrong-type mainSteps[0].inputs.DesiredValues: `DesiredValues` is a list, found the text \"y\"",
    ),
    (
        "aws:changeInstanceState",
        "{InstanceIds: [i-1], DesiredState: stoped}",
        "bad-value mainSteps[0].inputs.DesiredState: `DesiredState` is one of running, stopped, terminated, found `stoped` (Did you mean `stopped`?)",
    ),
    (
        "aws:copyImage",
        "{SourceRegion: a, SourceImageId: b, ImageName: c, Encrypted: 5}",
        "wrong-type mainSteps[0].inputs.Encrypted: `Encrypted` is true or false, found the number 5",
    ),
    (
        "aws:createStack",
        "{StackName: s}",
        "missing-key mainSteps[0].inputs: aws:createStack needs `TemplateBody` or `TemplateURL`",
    ),
    (
        "aws:createStack",
        "{StackName: s, TemplateURL: a, TemplateBody: b}",
        "bad-value mainSteps[0].inputs.TemplateURL key: `TemplateBody` and `TemplateURL` exclude each other",
    ),
    (
        "aws:createTags",
        "{ResourceIds: [a, b], Tags: [x], ResourceType: Parameter}",
        "wrong-type mainSteps[0].inputs.Tags[0]: `Tags` is a list of mappings, found the text \"x\"",
    ),
    (
        "aws:invokeLambdaFunction",
        "{FunctionName: a, LogType: Head}",
        "bad-value mainSteps[0].inputs.LogType: `LogType` is one of None, Tail, found `Head`",
    ),
    (
        "aws:runInstances",
        "{ImageId: a, MinInstanceCount: 0}",
        "wrong-type mainSteps[0].inputs.MinInstanceCount: `MinInstanceCount` is a whole number of at least 1, found the number 0",
    ),
];

#[test]
fn actions_on_aws_resources_are_checked_though_nothing_performs_them() {
    let found = |action: &str, inputs: &str| -> Vec<String> {
        let text = format!("- {{name: s, action: '{action}', inputs: {inputs}}}");
        steps(&text).into_iter().filter(|line| !line.contains("has no performer yet")).collect()
    };
    let none: Vec<String> = Vec::new();
    for (action, inputs) in AWS_GOOD {
        assert_eq!(found(action, inputs), none, "{action}");
    }
    for (action, inputs, expected) in AWS_BAD {
        assert_eq!(found(action, inputs).first().map(String::as_str), Some(*expected), "{action}");
    }
    assert_eq!(
        found("aws:createTags", "{ResourceIds: [a, b], Tags: [], ResourceType: Parameter}"),
        ["bad-value mainSteps[0].inputs.ResourceIds: Only one Parameter can be tagged at once"]
    );
}

#[test]
fn patterns_may_look_around_and_may_not_take_for_ever() {
    let text = |pattern: &str| {
        format!(
            "schemaVersion: '0.3'\nparameters: {{P: {{type: String, allowedPattern: '{pattern}'}}}}\nmainSteps: [{{name: s, action: 'aws:pause', inputs: {{}}}}]"
        )
    };
    let start = |pattern: &str, value: &str| -> Result<(), String> {
        let document = super::document(&text(pattern));
        let given = serde_json::Map::from_iter([("P".to_owned(), serde_json::Value::from(value))]);
        crate::start(&document, crate::testing::begin("r", given))
            .map(|_| ())
            .map_err(|problems| problems[0].message.clone())
    };
    let name = "^(?!.*--)[a-z][a-z0-9-]{0,62}(?<!-)$";
    assert_eq!(start(name, "my-db-1"), Ok(()));
    for bad in ["my--db", "db-", "-db", "Db"] {
        assert!(start(name, bad).is_err_and(|message| message.contains("must match")), "{bad}");
    }
    assert!(start(r"(a)\1", "aa").is_ok());
    let slow = start("(?!b)(a+)+$", &format!("{}b", "a".repeat(40)));
    assert!(slow.as_ref().is_err_and(|message| message.contains("takes too long")), "{slow:?}");
    assert_eq!(
        problems(&text("(?<=")),
        [
            "bad-value parameters.P.allowedPattern: This is not a regular expression: Parsing error at position 4: Opening parenthesis without closing parenthesis"
        ]
    );
}

#[test]
fn what_systems_manager_passes_over_is_warned_of() {
    let warned = |text: &str| -> Vec<String> {
        super::document(text).warnings.iter().map(ToString::to_string).collect()
    };
    assert_eq!(
        warned("schemaVersion: '0.3'\nmainSteps: [{name: s, action: 'aws:pause', inputs: {Message: Look}}]"),
        ["mainSteps[0].inputs.Message: aws:pause makes nothing of `Message`"]
    );
    assert_eq!(
        warned(
            "schemaVersion: '2.0.1'\nmainSteps: [{name: s, action: 'aws:runShellScript', inputs: {runCommand: [a]}}]"
        ),
        ["schemaVersion: `2.0.1` is read as 2.0"]
    );
    assert_eq!(
        problems(
            "schemaVersion: '0.3'\nparameters: {I: {type: String, default: '{{TARGET_ID}}'}}\nmainSteps: [{name: s, action: 'aws:pause', inputs: {}}]"
        ),
        [
            "not-built parameters.I.default \"{{TARGET_ID}}\": Maintenance windows (`{{ TARGET_ID }}`) are not built yet"
        ]
    );
}

/// Found by the fuzz target: the place of what is missing has to be there.
#[test]
fn a_step_without_inputs_is_told_so_at_the_step() {
    assert_eq!(
        steps("- {name: s, action: 'aws:sleep'}"),
        ["missing-key mainSteps[0]: aws:sleep needs `Duration` or `Timestamp`"]
    );
}
