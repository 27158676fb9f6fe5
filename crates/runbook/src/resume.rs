//! Going on with a run that is over, from a chosen step: a new run, pinned to the same document, that takes over what the
//! steps before that one left. Nothing that is finished is done again, but for the chosen step and what follows it.

use std::collections::BTreeSet;

use mainstay_model::problem::nearest;
use mainstay_model::{Actor, Problem, RunId, Timestamp};
use serde_json::Value;

use crate::document::{Document, Language, Step, Work};
use crate::event::{Continued, Origin, RunEvent, TakenOver};
use crate::machine::Start;
use crate::parse::{flat_steps_before, texts_of};
use crate::reference::{Braced, Reference, scan};
use crate::run::{LoopFrame, Run, StepRecord, StepStatus};

/// What a new run begins with that goes on with `earlier` from the step `from`, or why it cannot. `document` is the one
/// that `earlier` is pinned to.
pub fn start(
    document: &Document,
    earlier: &Run,
    from: &str,
    run: RunId,
    by: Actor,
    at: Timestamp,
) -> Result<Start, Vec<Problem>> {
    let continued = continued(document, earlier, from)?;
    Ok(Start {
        run,
        procedure: earlier.procedure.clone(),
        workload: earlier.workload.clone(),
        digest: earlier.digest.clone(),
        parameters: earlier.parameters.clone(),
        at,
        by,
        reason: None,
        cause: Some(RunEvent::id_of(&earlier.id, earlier.events)),
        host: earlier.host.clone(),
        origin: Origin { continues: Some(continued), ..Origin::default() },
    })
}

/// What a run takes over that goes on from a step. Refused where the earlier run is not over, where there is no such
/// step, where the step stands in a loop that cannot be entered, and where a step that follows for certain needs an
/// output that is not there.
pub fn continued(document: &Document, earlier: &Run, from: &str) -> Result<Continued, Vec<Problem>> {
    let refused = |code: &'static str, message: String| vec![Problem::error(code, [], message)];
    if !earlier.status.is_over() {
        let problem = Problem::error(
            "not-over",
            [],
            format!(
                "Run {} is {}, and only a run that is over can be gone on with",
                earlier.id,
                earlier.status.as_str()
            ),
        );
        return Err(vec![problem.help(format!("Cancel it first: `mainstay runs cancel {}`", earlier.id))]);
    }
    let Some((index, step)) = document.step(from) else {
        let problem = Problem::error("unknown-step", [], format!("The procedure has no step `{from}`"));
        let names = document.steps.iter().map(|step| step.name.as_str());
        return Err(vec![match nearest(from, names) {
            Some(near) => problem.help(format!("Did you mean `{near}`?")),
            None => {
                let names: Vec<&str> = document.steps.iter().map(|step| step.name.as_str()).collect();
                problem.help(format!("Its steps are {}", names.join(", ")))
            }
        }]);
    };
    let loops = entered(document, earlier, step).map_err(|message| refused("bad-resume", message))?;
    let before = before(document, index);
    let around: BTreeSet<&str> = loops.iter().map(|frame| frame.step.as_str()).collect();
    let taken: Vec<TakenOver> = earlier
        .steps
        .iter()
        .filter(|record| {
            record.status.is_over()
                && before.contains(record.name.as_str())
                && !around.contains(record.name.as_str())
        })
        .map(taken_over)
        .collect();
    let missing = missing(document, earlier, index, &taken, &loops);
    if !missing.is_empty() {
        return Err(missing.into_iter().flat_map(|message| refused("bad-resume", message)).collect());
    }
    Ok(Continued {
        run: earlier.id.clone(),
        from: from.to_owned(),
        steps: taken,
        variables: earlier.variables.clone(),
        loops,
    })
}

fn taken_over(record: &StepRecord) -> TakenOver {
    TakenOver {
        step: record.name.clone(),
        status: record.status,
        outputs: record.outputs.clone(),
        finished_at: record.finished_at,
    }
}

/// The steps that can come before one.
fn before(document: &Document, index: usize) -> BTreeSet<&str> {
    let name = |place: usize| document.steps.get(place).map(|step| step.name.as_str());
    match document.language {
        Language::Command => (0..index).filter_map(name).collect(),
        Language::Automation => {
            flat_steps_before(&document.source, index).into_iter().filter_map(name).collect()
        }
    }
}

/// The loops a step stands in, where the earlier run left them, the innermost last.
fn entered(document: &Document, earlier: &Run, step: &Step) -> Result<Vec<LoopFrame>, String> {
    let mut frames = Vec::new();
    let mut parent = step.parent.as_deref();
    while let Some(name) = parent {
        let record = earlier.step(name);
        let frame = record.and_then(|record| record.left_at.clone()).ok_or_else(|| {
            let how = match record.map(|record| record.status) {
                None | Some(StepStatus::Pending) => "was not reached".to_owned(),
                Some(status) => format!("is over ({})", status.as_str()),
            };
            format!(
                "Step `{}` stands inside the loop `{name}`, which {how} in run {}: go on from the loop itself, or from a \
                 step outside",
                step.name, earlier.id
            )
        })?;
        frames.insert(0, frame);
        parent = document.step(name).and_then(|(_, around)| around.parent.as_deref());
    }
    Ok(frames)
}

/// What is missing for the step and for those that follow it whatever comes of them.
fn missing(
    document: &Document,
    earlier: &Run,
    index: usize,
    taken: &[TakenOver],
    loops: &[LoopFrame],
) -> Vec<String> {
    let mut missing = Vec::new();
    let mut run_here: BTreeSet<&str> = BTreeSet::new();
    let mut at = Some(index);
    while let Some(place) = at {
        let step = &document.steps[place];
        if !run_here.insert(&step.name) {
            break;
        }
        if matches!(step.work, Work::Loop(_)) {
            // Its steps run before it looks at what they left.
            run_here.extend(inside(document, &step.name));
        }
        for (of, output) in outputs_used(step) {
            let there = run_here.contains(of.as_str())
                || loops.iter().any(|frame| frame.step == of)
                || taken.iter().any(|taken| taken.step == of && taken.outputs.contains_key(&output));
            if there {
                continue;
            }
            let how = match earlier.step(&of).map(|record| record.status) {
                None | Some(StepStatus::Pending) => "was not reached".to_owned(),
                Some(status) => format!("is {}", status.as_str()),
            };
            missing.push(format!(
                "Step `{}` needs {{{{ {of}.{output} }}}}, which step `{of}` did not leave: it {how} in run {}",
                step.name, earlier.id
            ));
        }
        at = following(document, place);
    }
    missing.dedup();
    missing
}

fn inside<'a>(document: &'a Document, around: &str) -> Vec<&'a str> {
    let mut names: Vec<&str> = Vec::new();
    for step in &document.steps {
        let parent = step.parent.as_deref();
        if parent.is_some_and(|parent| parent == around || names.contains(&parent)) {
            names.push(&step.name);
        }
    }
    names
}

/// The step that follows a success, if that is the same whatever the step leaves.
fn following(document: &Document, place: usize) -> Option<usize> {
    let mut place = place;
    loop {
        let step = &document.steps[place];
        if matches!(step.work, Work::Branch { .. }) {
            return None;
        }
        // An end among the steps of a loop is that of the iteration.
        if !step.is_end {
            if let Some(next) = &step.next_step {
                return document.step(next).map(|(place, _)| place);
            }
            let later =
                (place + 1..document.steps.len()).find(|later| document.steps[*later].parent == step.parent);
            if later.is_some() {
                return later;
            }
        }
        place = document.step(step.parent.as_deref()?)?.0;
    }
}

/// The outputs a step refers to.
fn outputs_used(step: &Step) -> Vec<(String, String)> {
    let mut inputs = step.inputs.clone();
    if matches!(step.work, Work::Loop(_)) {
        inputs.remove("Steps");
    }
    let inputs = Value::Object(inputs);
    let mut used = Vec::new();
    for (_, text) in texts_of(&inputs) {
        for found in scan(text) {
            if let Braced::Reference(Reference::Output { step, output }) = found.braced {
                used.push((step, output));
            }
        }
    }
    used
}
