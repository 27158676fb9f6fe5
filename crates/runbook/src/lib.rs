//! Procedures: Systems Manager documents as a language, and the machine that runs them.
//!
//! Nothing here does anything. [`Document::parse`] reads a document and reports every problem in it by path.
//! [`start`] and [`step`] are functions from a run and an input to a run and events; [`Run::outstanding`] says what
//! somebody else has to do. A loop around it journals the events, performs what is outstanding, and comes back with
//! the outcome. The events are the truth: [`Run::fold`] over them gives the same run, so after a crash the loop reads
//! them back, says [`Input::Resume`], and performs what is outstanding again. Performers tell an attempt they already
//! know by its [`AttemptId`], and so nothing is done twice.
//!
//! ```text
//! start(document, ..) -> Transition { run, events } -> journal events -> perform run.outstanding()
//!                  step(document, run, Input::Settled { .. }) <- outcome <-+
//! ```
//! Command documents (schema versions 1.2, 2.0 and 2.2) are run by the same machine, by their own rules: plugins in
//! order, on one host. Known actions and plugins without a performer are refused by name when the document is read
//! (`not-built`); so are roles.

pub mod actions;
pub mod branch;
pub mod child;
mod control;
pub mod document;
pub mod effect;
pub mod event;
mod inputs;
pub mod library;
mod machine;
mod parameters;
mod parse;
pub mod path;
pub mod plugins;
pub mod precondition;
mod reader;
pub mod reference;
pub mod resume;
pub mod run;
#[cfg(any(test, feature = "testing"))]
pub mod testing;
#[cfg(test)]
mod tests;

pub use document::{Document, Language, Parameter, ParameterType};
pub use effect::{
    Action, ApplyRevisionEffect, AttemptId, AwaitedState, ChildEffect, CommandEffect, Dispatch, Effect,
    EffectKind, GitVersion, HostEnd, HostReport, HostResult, HostStep, HostTask, HostWork, MAX_REPORT_BYTES,
    MAX_RUN_ID_BYTES, Nested, NotifyEffect, Outcome, PackageAction, Plugin, PluginEffect, QueryEffect,
    REBOOT, REPORT_MARK, ResolveIncidentEffect, RollbackEffect, Runtime, ScriptEffect, Secret, Shell,
    ShellEffect, Source, TagFilter, Targets, TimerId, WaitForAlarmEffect, WebhookEffect, aggregate,
    payload_from_stdout, reboot, strict_powershell,
};
pub use event::{Body, Continued, Head, Origin, Parent, Queued, ReadError, RunEvent, StepName, TakenOver};
pub use inputs::{
    DELIVERY_TIMEOUT_S, EXECUTION_TIMEOUT_S, NEEDS_PROGRAM, POWERSHELL_DOCUMENT, SCRIPT_TIMEOUT_S,
    SHELL_DOCUMENT, is_loopback,
};
pub use library::Library;
pub use machine::{Decision, Input, MAX_OUTPUT_BYTES, Start, Transition, start, step, take};
pub use parameters::unfit;
pub use run::{ApplyError, Run, RunStatus, StepRecord, StepStatus};
