//! The words for how a run and a step stand.

/// How a run stands. The words are those of `AutomationExecutionStatus`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub enum RunStatus {
    /// Stands in line: as many runs of its procedure go on as there may be.
    Pending,
    /// Working.
    InProgress,
    /// Needs a person; [`Run::waiting`] says for what.
    Waiting,
    /// Cancelled, and stopping.
    Cancelling,
    /// Over, and good.
    Success,
    /// Over: a step that matters ran out of time.
    TimedOut,
    /// Over: stopped by a person.
    Cancelled,
    /// Over: a step that matters failed.
    Failed,
}

impl RunStatus {
    /// Whether the run is over.
    pub fn is_over(self) -> bool {
        matches!(self, Self::Success | Self::TimedOut | Self::Cancelled | Self::Failed)
    }

    /// The word, as it is written.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "Pending",
            Self::InProgress => "InProgress",
            Self::Waiting => "Waiting",
            Self::Cancelling => "Cancelling",
            Self::Success => "Success",
            Self::TimedOut => "TimedOut",
            Self::Cancelled => "Cancelled",
            Self::Failed => "Failed",
        }
    }
}

/// How a step stands. The words are those of Systems Manager, and one of ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub enum StepStatus {
    /// Not reached (yet).
    Pending,
    /// Working.
    InProgress,
    /// Waiting for a person's word or signal.
    Waiting,
    /// Being stopped.
    Cancelling,
    /// Over, and good.
    Success,
    /// Over: a loop was left by a jump.
    Exited,
    /// Over: a step of a Command document that is not for this host.
    Skipped,
    /// Over: out of time.
    TimedOut,
    /// Over: stopped by a person, or never begun because of that.
    Cancelled,
    /// Over: failed.
    Failed,
    /// Ours: nobody can say whether its effect happened. Neither good nor failed.
    OutcomeUnknown,
}

impl StepStatus {
    /// Whether the step is over.
    pub fn is_over(self) -> bool {
        !matches!(self, Self::Pending | Self::InProgress | Self::Waiting | Self::Cancelling)
    }

    /// The word, as it is written.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "Pending",
            Self::InProgress => "InProgress",
            Self::Waiting => "Waiting",
            Self::Cancelling => "Cancelling",
            Self::Success => "Success",
            Self::Exited => "Exited",
            Self::Skipped => "Skipped",
            Self::TimedOut => "TimedOut",
            Self::Cancelled => "Cancelled",
            Self::Failed => "Failed",
            Self::OutcomeUnknown => "OutcomeUnknown",
        }
    }
}
