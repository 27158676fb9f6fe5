//! What alarms, triggers and steps do, in words. Names of things stand in backticks, so the texts are Markdown.

use serde_json::{Map, Value};

use super::subject::{Alarm, Documentation, Schedule, Step, Trigger};

/// How deep patterns are told; deeper ones are shown as they are written only.
const MAX_DEPTH: usize = 12;

/// The longest value within a sentence, in characters.
const MAX_VALUE: usize = 80;

/// Writes the words of everything that has some.
pub(super) fn write(subject: &mut Documentation) {
    let firsts = subject
        .procedures
        .iter()
        .map(|(name, procedure)| (name.clone(), first_sentence(procedure.description.as_deref())))
        .collect();
    for (name, trigger) in &mut subject.triggers {
        trigger.words = of_trigger(name, trigger);
    }
    for alarm in subject.alarms.values_mut() {
        alarm.words = of_alarm(alarm, &firsts);
    }
    for procedure in subject.procedures.values_mut() {
        let names: Vec<String> = procedure.steps.iter().map(|step| step.name.clone()).collect();
        for (index, step) in procedure.steps.iter_mut().enumerate() {
            step.words = of_step(step);
            step.then = what_follows(step, names.get(index + 1));
        }
    }
}

/// The summary of an alarm for who reads about it while it does not fire: what its templates stand for is named and not
/// filled in. `{{ $labels.job }} is slow` becomes `‹job› is slow`. Templates that compute more stay as they are.
pub(super) fn summary(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(from) = rest.find("{{") {
        let Some(length) = rest[from..].find("}}").map(|at| at + 2) else { break };
        let template = &rest[from..from + length];
        out.push_str(&rest[..from]);
        match stands_for(template[2..length - 2].trim_matches(['-', ' '])) {
            Some(name) => out.extend(["‹", name, "›"]),
            None => out.push_str(template),
        }
        rest = &rest[from + length..];
    }
    out.push_str(rest);
    out
}

/// What a template of one variable stands for, whatever it is formatted by.
fn stands_for(template: &str) -> Option<&str> {
    let is_name =
        |text: &str| !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    let mut parts = template.split('|').map(str::trim);
    let variable = parts.next()?;
    let formats: Vec<&str> = parts.collect();
    if !formats.iter().all(|format| is_name(format) || format.starts_with("printf ")) {
        return None;
    }
    match variable.strip_prefix('$').or_else(|| variable.strip_prefix('.'))? {
        "value" | "Value" => Some("value"),
        name => {
            let name = name.strip_prefix("labels.").or_else(|| name.strip_prefix("Labels."))?;
            is_name(name).then_some(name)
        }
    }
}

/// A text as code within Markdown, whatever backticks it has.
pub(super) fn code(text: &str) -> String {
    let text = crate::sentence::plain(text);
    let text = match text.char_indices().nth(MAX_VALUE) {
        Some((at, _)) => format!("{}…", &text[..at]),
        None => text,
    };
    let longest = text.split(|c| c != '`').map(str::len).max().unwrap_or(0);
    if longest == 0 && !text.is_empty() {
        return format!("`{text}`");
    }
    let fence = "`".repeat(longest + 1);
    format!("{fence} {text} {fence}")
}

fn codes<'a>(texts: impl IntoIterator<Item = &'a str>, word: &str) -> String {
    join(texts.into_iter().map(code).collect(), word)
}

/// `a`, `a or b`, `a, b or c`.
fn join(mut parts: Vec<String>, word: &str) -> String {
    match parts.pop() {
        None => String::new(),
        Some(last) if parts.is_empty() => last,
        Some(last) => format!("{} {word} {last}", parts.join(", ")),
    }
}

/// The first sentence of a Markdown text, on one line.
pub(super) fn first_sentence(text: Option<&str>) -> Option<String> {
    let paragraph = text?.trim().split("\n\n").next()?;
    let line = crate::sentence::plain(paragraph);
    let end = line.find(". ").map_or(line.len(), |at| at + 1);
    let first = line[..end].trim();
    (!first.is_empty()).then(|| first.to_owned())
}

/// Ends a text from elsewhere as a sentence.
fn sentence(text: &str) -> String {
    let text = text.trim();
    if text.ends_with(['.', '!', '?', ':']) { text.to_owned() } else { format!("{text}.") }
}

/// A Prometheus duration for people: `2 s`, `1 h 30 min`.
pub fn length(text: &str) -> String {
    let mut out = Vec::new();
    let mut rest = text;
    while !rest.is_empty() {
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        let unit = rest[digits..].bytes().take_while(u8::is_ascii_alphabetic).count();
        if digits == 0 || unit == 0 {
            return text.to_owned();
        }
        let word = if &rest[digits..digits + unit] == "m" { "min" } else { &rest[digits..digits + unit] };
        out.push(format!("{} {word}", &rest[..digits]));
        rest = &rest[digits + unit..];
    }
    out.join(" ")
}

// ---- alarms ----

fn of_alarm(alarm: &Alarm, firsts: &std::collections::BTreeMap<String, Option<String>>) -> String {
    let mut out: Vec<String> = Vec::new();
    for rule in &alarm.rules {
        let level = rule.labels.get("severity").filter(|_| alarm.rules.len() > 1);
        let as_what = level.map(|level| format!(" as {}", code(level))).unwrap_or_default();
        let held = match rule.r#for.as_str() {
            "0s" => "as soon as its condition holds".to_owned(),
            length_text => format!("when its condition has held for {}", length(length_text)),
        };
        out.push(format!("Fires{as_what} {held}."));
        if rule.keep_firing_for != "0s" {
            out.push(format!("Keeps firing for {} after it no longer holds.", length(&rule.keep_firing_for)));
        }
    }
    out.dedup();
    let mut told = Vec::new();
    for way in &alarm.leads_to {
        let procedure = code(&way.procedure);
        match &way.trigger {
            Some(trigger) => {
                let sometimes = if way.always { "" } else { " may start" };
                let verb = if way.always { " starts" } else { "" };
                out.push(format!(
                    "Then the trigger {}{sometimes}{verb} the procedure {procedure} by itself.",
                    code(trigger)
                ));
            }
            None if alarm
                .leads_to
                .iter()
                .any(|other| other.trigger.is_some() && other.procedure == way.procedure) =>
            {
                // Told with the trigger that starts it.
                continue;
            }
            None => out.push(format!(
                "Nothing starts by itself; whoever is on call starts the procedure {procedure}."
            )),
        }
        if !told.contains(&&way.procedure)
            && let Some(Some(first)) = firsts.get(&way.procedure)
        {
            told.push(&way.procedure);
            out.push(format!("What that does: {}", sentence(first)));
        }
    }
    if alarm.leads_to.is_empty() {
        out.push(match &alarm.runbook {
            Some(runbook) => format!("Nothing starts by itself; its runbook is {}.", code(runbook)),
            None => "It leads to no procedure.".to_owned(),
        });
    }
    out.join(" ")
}

// ---- triggers ----

fn of_trigger(name: &str, trigger: &Trigger) -> String {
    let mut conditions = Vec::new();
    let by_event = if trigger.pattern.is_null() {
        None
    } else if trigger.pattern.as_object().is_some_and(|map| pattern(map, "", 0, &mut conditions)) {
        Some(event_words(&trigger.pattern, conditions))
    } else {
        Some("When an event matches its pattern".to_owned())
    };
    let by_clock = trigger.schedule.as_ref().map(schedule_words);
    let when = match (by_event, by_clock) {
        (Some(event), Some(clock)) => format!("{event}, and {clock}"),
        (None, Some(clock)) => {
            let (first, rest) = clock.split_at(1);
            first.to_uppercase() + rest
        }
        (event, None) => event.unwrap_or_else(|| "Never".to_owned()),
    };
    let starts: Vec<String> = trigger
        .starts
        .iter()
        .map(|target| {
            let given: Vec<String> = target
                .parameters
                .iter()
                .map(|(parameter, value)| match value {
                    Some(value) => format!("{} = {}", code(parameter), code(&text_of(value))),
                    None => format!("{} taken from the event", code(parameter)),
                })
                .collect();
            let with = if given.is_empty() { String::new() } else { format!(" with {}", join(given, "and")) };
            format!("the procedure {}{with}", code(&target.procedure))
        })
        .collect();
    let off = if trigger.enabled {
        String::new()
    } else {
        format!(" {} is off, so it does nothing now.", code(name))
    };
    let hooks: Vec<String> =
        trigger.sends_to.iter().map(|name| format!("the webhook {}", code(name))).collect();
    let mut does = Vec::new();
    if !starts.is_empty() {
        does.push(format!("starts {}", join(starts, "and")));
    }
    if !hooks.is_empty() {
        does.push(format!("calls {}", join(hooks, "and")));
    }
    format!("{when}, it {}.{off}", join(does, "and"))
}

/// `every 5 minutes`, `once, at …`, `by the schedule cron(…)`.
fn schedule_words(schedule: &Schedule) -> String {
    let inside = |kind: &str| schedule.expression.strip_prefix(kind)?.strip_suffix(')');
    let zone = code(&schedule.zone);
    if let Some(rate) = inside("rate(") {
        let rate = rate.split_whitespace().collect::<Vec<_>>().join(" ");
        return format!("every {}", rate.strip_prefix("1 ").unwrap_or(&rate));
    }
    if let Some(at) = inside("at(") {
        return format!("once, at {} ({zone})", code(at));
    }
    format!("by the schedule {} ({zone})", code(&schedule.expression))
}

/// `When alarm.firing comes and …`: the kind of event first, the rest after it.
fn event_words(pattern: &Value, conditions: Vec<(String, String)>) -> String {
    let kinds: Vec<&str> =
        pattern["detail-type"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    let plain_kind =
        !kinds.is_empty() && Some(kinds.len()) == pattern["detail-type"].as_array().map(Vec::len);
    let ours = pattern["source"] == serde_json::json!(["mainstay"]);
    let rest: Vec<String> = conditions
        .into_iter()
        .filter(|(path, _)| !(plain_kind && path == "detail-type" || ours && path == "source"))
        .map(|(_, words)| words)
        .collect();
    let what = if plain_kind {
        format!("an event {} comes", codes(kinds, "or"))
    } else {
        "an event comes".to_owned()
    };
    if rest.is_empty() {
        format!("When {what}")
    } else {
        format!("When {what} in which {}", join(rest, "and"))
    }
}

/// The fields of a pattern with what each must be. `false` if it is too deep to tell.
fn pattern(map: &Map<String, Value>, at: &str, depth: usize, out: &mut Vec<(String, String)>) -> bool {
    if depth > MAX_DEPTH {
        return false;
    }
    for (key, value) in map {
        let path = if at.is_empty() { key.clone() } else { format!("{at}.{key}") };
        match value {
            Value::Array(alternatives) if key == "$or" => {
                let mut ways = Vec::new();
                for alternative in alternatives {
                    let mut inner = Vec::new();
                    if !alternative.as_object().is_some_and(|map| pattern(map, at, depth + 1, &mut inner)) {
                        return false;
                    }
                    ways.push(format!(
                        "({})",
                        join(inner.into_iter().map(|(_, words)| words).collect(), "and")
                    ));
                }
                out.push((path, format!("either {}", join(ways, "or"))));
            }
            Value::Array(tests) => {
                let name = code(path.strip_prefix("detail.").unwrap_or(&path));
                let mut plain = Vec::new();
                let mut ways = Vec::new();
                for test in tests {
                    match test {
                        Value::Object(matcher) => ways.push(test_words(matcher)),
                        scalar => plain.push(text_of(scalar)),
                    }
                }
                if !plain.is_empty() {
                    ways.insert(0, format!("is {}", codes(plain.iter().map(String::as_str), "or")));
                }
                out.push((path, format!("{name} {}", join(ways, "or"))));
            }
            Value::Object(inner) => {
                if !pattern(inner, &path, depth + 1, out) {
                    return false;
                }
            }
            _ => return false,
        }
    }
    true
}

fn test_words(matcher: &Map<String, Value>) -> String {
    let parts: Vec<String> = matcher
        .iter()
        .map(|(name, value)| {
            let shown = code(&text_of(value));
            match (name.as_str(), value) {
                ("exists", Value::Bool(true)) => "is there".to_owned(),
                ("exists", _) => "is not there".to_owned(),
                ("prefix", Value::String(_)) => format!("begins with {shown}"),
                ("suffix", Value::String(_)) => format!("ends with {shown}"),
                ("wildcard", _) => format!("looks like {shown}"),
                ("equals-ignore-case", _) => format!("is {shown} in any case"),
                ("cidr", _) => format!("is an address of {shown}"),
                ("anything-but", Value::Array(list)) => {
                    let texts: Vec<String> = list.iter().map(text_of).collect();
                    format!("is neither {}", codes(texts.iter().map(String::as_str), "nor"))
                }
                ("anything-but", Value::Object(inner)) => format!("is not one that {}", test_words(inner)),
                ("anything-but", _) => format!("is not {shown}"),
                ("numeric", Value::Array(list)) => {
                    let texts: Vec<String> = list.iter().map(text_of).collect();
                    let pairs: Vec<String> = texts.chunks(2).map(|pair| code(&pair.join(" "))).collect();
                    format!("is {}", join(pairs, "and"))
                }
                _ => format!("passes {}", code(&format!("{name}: {value}"))),
            }
        })
        .collect();
    join(parts, "and")
}

fn text_of(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

// ---- steps ----

fn of_step(step: &Step) -> String {
    let inputs = &step.inputs;
    match step.action.as_str() {
        "aws:runCommand" => {
            let document = text_of(&inputs["DocumentName"]);
            let what = match document.as_str() {
                "AWS-RunShellScript" => "Runs commands".to_owned(),
                other => format!("Runs the document {}", code(other)),
            };
            format!("{what} on {}.", targets(inputs))
        }
        "aws:executeScript" => {
            let language = match inputs["Runtime"].as_str().unwrap_or_default() {
                runtime if runtime.starts_with("python") => "Python".to_owned(),
                "bash" => "shell".to_owned(),
                other => code(other),
            };
            let given: Vec<&str> = inputs["InputPayload"]
                .as_object()
                .into_iter()
                .flatten()
                .map(|(name, _)| name.as_str())
                .collect();
            let with =
                if given.is_empty() { String::new() } else { format!(", given {}", codes(given, "and")) };
            format!("Runs a {language} script on the server{with}.")
        }
        "aws:sleep" => match (inputs["Duration"].as_str(), inputs["Timestamp"].as_str()) {
            (Some(duration), _) => format!("Waits {}.", iso_length(duration)),
            (None, Some(time)) => format!("Waits until {}.", code(time)),
            _ => "Waits.".to_owned(),
        },
        "aws:branch" => "Decides how to go on.".to_owned(),
        other => format!("Performs {}.", code(other)),
    }
}

fn targets(inputs: &Value) -> String {
    if let Some(list) = inputs["InstanceIds"].as_array().filter(|list| !list.is_empty()) {
        let names: Vec<String> = list.iter().map(text_of).collect();
        return format!("the hosts {}", codes(names.iter().map(String::as_str), "and"));
    }
    if let Some(text) = inputs["InstanceIds"].as_str() {
        return format!("the hosts {}", code(text));
    }
    let conditions: Vec<String> = inputs["Targets"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|target| {
            let key = target["Key"].as_str().unwrap_or_default();
            let values: Vec<String> =
                target["Values"].as_array().into_iter().flatten().map(text_of).collect();
            let values = codes(values.iter().map(String::as_str), "or");
            match key {
                "InstanceIds" => format!("named {values}"),
                "tag-key" => format!("that have the tag {values}"),
                key => format!("whose {} is {values}", code(key.strip_prefix("tag:").unwrap_or(key))),
            }
        })
        .collect();
    if conditions.is_empty() {
        "no host".to_owned()
    } else {
        format!("all hosts {}", join(conditions, "and"))
    }
}

/// An ISO 8601 duration for people: `PT2S` is `2 s`. What is not one is shown as written.
fn iso_length(text: &str) -> String {
    let Some(rest) = text.strip_prefix('P') else { return code(text) };
    let mut out = Vec::new();
    let mut in_time = false;
    let mut number = String::new();
    for c in rest.chars() {
        match c {
            'T' if !in_time => in_time = true,
            '0'..='9' | '.' => number.push(c),
            unit if !number.is_empty() => {
                let word = match (unit, in_time) {
                    ('W', false) => "weeks",
                    ('D', false) => "d",
                    ('H', true) => "h",
                    ('M', true) => "min",
                    ('S', true) => "s",
                    _ => return code(text),
                };
                out.push(format!("{number} {word}"));
                number.clear();
            }
            _ => return code(text),
        }
    }
    if out.is_empty() || !number.is_empty() { code(text) } else { out.join(" ") }
}

fn what_follows(step: &Step, after: Option<&String>) -> String {
    let mut out = Vec::new();
    if step.action == "aws:branch" {
        let otherwise = step.choices.iter().any(|choice| choice.when.is_some());
        for choice in &step.choices {
            out.push(match &choice.when {
                Some(when) => format!("If {when}, goes on to {}.", code(&choice.next)),
                None if otherwise => format!("Otherwise goes on to {}.", code(&choice.next)),
                None => format!("Goes on to {}.", code(&choice.next)),
            });
        }
        if step.choices.iter().all(|choice| choice.when.is_some()) {
            out.push(match step.next.as_ref().or(after) {
                Some(next) if !step.is_end => format!("Otherwise goes on to {}.", code(next)),
                _ => "Otherwise the run ends here.".to_owned(),
            });
        }
    } else if step.is_end {
        out.push("The run ends here.".to_owned());
    } else {
        match step.next.as_ref().or(after) {
            Some(next) => out.push(format!("Goes on to {}.", code(next))),
            None => out.push("The run ends here.".to_owned()),
        }
    }
    if step.max_attempts > 1 {
        out.push(format!("Is tried up to {} times.", step.max_attempts));
    }
    if let Some(timeout) = &step.timeout {
        out.push(match timeout.parse::<u64>() {
            Ok(seconds) => format!("One try may take {seconds} s."),
            Err(_) => format!("One try may take {} seconds.", code(timeout)),
        });
    }
    match step.on_failure.as_str() {
        "abort" => {}
        "continue" => out.push("If it fails, the run goes on all the same.".to_owned()),
        name => out.push(format!("If it fails, goes to {}.", code(name))),
    }
    out.join(" ")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::subject::{Choice, Target};
    use super::*;

    #[test]
    fn triggers_are_told_with_every_kind_of_test() {
        let trigger = |pattern: Value| Trigger {
            enabled: true,
            pattern,
            starts: vec![Target {
                procedure: "restore".to_owned(),
                parameters: [("A".to_owned(), None), ("B".to_owned(), Some(json!("b")))].into(),
            }],
            ..Trigger::default()
        };
        let said = |pattern: Value| of_trigger("t", &trigger(pattern));
        let end = ", it starts the procedure `restore` with `A` taken from the event and `B` = `b`.";
        for (pattern, words) in [
            (
                json!({"source": ["mainstay"], "detail-type": ["alarm.firing"], "detail": {"alarm": ["X", "Y"]}}),
                "When an event `alarm.firing` comes in which `alarm` is `X` or `Y`",
            ),
            (json!({"source": ["ci"]}), "When an event comes in which `source` is `ci`"),
            (
                json!({"detail": {"a": [{"prefix": "p"}, "x"], "n": [{"numeric": [">", 1, "<=", 5]}]}}),
                "When an event comes in which `a` is `x` or begins with `p` and `n` is `> 1` and `<= 5`",
            ),
            (
                json!({"detail": {"$or": [{"a": [1]}, {"b": [{"exists": false}]}]}}),
                "When an event comes in which either (`a` is `1`) or (`b` is not there)",
            ),
            (
                json!({"detail": {"a": [{"anything-but": ["x", "y"]}], "b": [{"anything-but": {"suffix": "z"}}]}}),
                "When an event comes in which `a` is neither `x` nor `y` and `b` is not one that ends with `z`",
            ),
            (
                json!({"detail": {"a": [{"cidr": "10.0.0.0/8"}]}}),
                "When an event comes in which `a` is an address of `10.0.0.0/8`",
            ),
        ] {
            assert_eq!(said(pattern), format!("{words}{end}"));
        }
        for (expression, words) in [
            ("rate(5 minutes)", "Every 5 minutes"),
            ("rate(1 hour)", "Every hour"),
            ("at(2026-12-24T18:00:00)", "Once, at `2026-12-24T18:00:00` (`Europe/Berlin`)"),
            ("cron(0 9 * * ? *)", "By the schedule `cron(0 9 * * ? *)` (`Europe/Berlin`)"),
        ] {
            let schedule =
                Some(Schedule { expression: expression.to_owned(), zone: "Europe/Berlin".to_owned() });
            let only = Trigger { schedule: schedule.clone(), ..trigger(Value::Null) };
            assert_eq!(of_trigger("t", &only), format!("{words}{end}"));
            let both = Trigger { schedule, ..trigger(json!({"source": ["ci"]})) };
            assert!(
                of_trigger("t", &both).starts_with("When an event comes in which `source` is `ci`, and ")
            );
        }
        let mut deep = json!(["x"]);
        for _ in 0..200 {
            deep = json!({ "a": deep });
        }
        assert!(said(json!({ "detail": deep })).starts_with("When an event matches its pattern"));
    }

    #[test]
    fn steps_are_told() {
        let step = |action: &str, inputs: Value| Step {
            action: action.to_owned(),
            inputs,
            max_attempts: 2,
            timeout: Some("15".to_owned()),
            on_failure: "escalate".to_owned(),
            ..Step::default()
        };
        for (action, inputs, words) in [
            (
                "aws:runCommand",
                json!({"DocumentName": "AWS-RunShellScript", "Targets": [{"Key": "tag:role", "Values": ["app", "db"]}]}),
                "Runs commands on all hosts whose `role` is `app` or `db`.",
            ),
            (
                "aws:runCommand",
                json!({"DocumentName": "X", "InstanceIds": ["a"]}),
                "Runs the document `X` on the hosts `a`.",
            ),
            ("aws:sleep", json!({"Duration": "P1DT2H30S"}), "Waits 1 d 2 h 30 s."),
            ("aws:sleep", json!({"Duration": "{{ Wait }}"}), "Waits `{{ Wait }}`."),
            (
                "aws:executeScript",
                json!({"Runtime": "python3.11", "InputPayload": {"a": 1}}),
                "Runs a Python script on the server, given `a`.",
            ),
        ] {
            assert_eq!(of_step(&step(action, inputs)), words);
        }
        let follows = what_follows(&step("aws:sleep", Value::Null), Some(&"next".to_owned()));
        assert_eq!(
            follows,
            "Goes on to `next`. Is tried up to 2 times. One try may take 15 s. If it fails, goes to `escalate`."
        );
        let mut branch = step("aws:branch", Value::Null);
        branch.choices = vec![Choice { when: Some("`x` is `1`".to_owned()), next: "a".to_owned() }];
        let taken = "If `x` is `1`, goes on to `a`.";
        let next = "next".to_owned();
        assert!(what_follows(&branch, None).starts_with(&format!("{taken} Otherwise the run ends here.")));
        assert!(
            what_follows(&branch, Some(&next)).starts_with(&format!("{taken} Otherwise goes on to `next`."))
        );
        branch.is_end = true;
        assert!(
            what_follows(&branch, Some(&next)).starts_with(&format!("{taken} Otherwise the run ends here."))
        );
        assert_eq!((code("a`b"), code("a``b")), ("`` a`b ``".to_owned(), "``` a``b ```".to_owned()));
        assert_eq!(length("1h30m"), "1 h 30 min");
        assert_eq!(first_sentence(Some("One.\ntwo. Three\n\nfour")).as_deref(), Some("One."));
    }

    #[test]
    fn summaries_name_what_their_templates_stand_for() {
        for (text, wanted) in [
            ("nothing to fill in", "nothing to fill in"),
            ("{{ $labels.job }} gives no metrics", "‹job› gives no metrics"),
            (
                "{{$labels.job}}: {{ $value | humanizePercentage }} of {{.Labels.path}}",
                "‹job›: ‹value› of ‹path›",
            ),
            ("{{- $value | printf \"%.2f\" -}} s", "‹value› s"),
            ("{{ query \"up\" | first | value }}", "{{ query \"up\" | first | value }}"),
            ("{{ $labels.job | toUpper (x) }}", "{{ $labels.job | toUpper (x) }}"),
            ("{{ $externalURL }} and an open {{ $labels", "{{ $externalURL }} and an open {{ $labels"),
        ] {
            assert_eq!(summary(text), wanted);
        }
    }
}
