//! A person on the terminal says what came of a step of which nobody knows, or that a pause is over.

use std::io::{IsTerminal as _, Write as _};

use mainstay_api::v1::WaitView;
use mainstay_runbook::Decision;
use serde_json::Map;
use tokio::io::{AsyncBufReadExt as _, BufReader};

use crate::exit::Failure;
use crate::screen::{clean, say};

/// What they said.
#[derive(Clone, Debug, PartialEq)]
pub enum Answer {
    /// What came of it.
    Decide(Decision),
    /// The run is to be cancelled.
    Cancel,
    /// Not now.
    Leave,
}

/// Whether there is somebody to ask.
pub fn possible() -> bool {
    std::io::stdin().is_terminal() && std::io::stderr().is_terminal()
}

fn understand(text: &str, pause: bool) -> Option<Answer> {
    let failed = || Decision::Failed { message: "A person decided that it failed".to_owned() };
    Some(match (text.trim().to_ascii_lowercase().as_str(), pause) {
        ("g" | "go" | "go on", true) | ("s" | "succeeded", _) => {
            Answer::Decide(Decision::Succeeded { outputs: Map::new() })
        }
        ("f" | "failed", _) => Answer::Decide(failed()),
        ("r" | "retry", false) => Answer::Decide(Decision::Retry),
        ("c" | "cancel", _) => Answer::Cancel,
        ("l" | "leave", _) => Answer::Leave,
        _ => return None,
    })
}

/// Asks until it is understood. The end of the input means: not now.
pub async fn ask(wait: &WaitView) -> Result<Answer, Failure> {
    let choices = if wait.pause {
        "[g]o on, [f]ailed, [c]ancel the run, [l]eave it for later"
    } else {
        say(&format!("{}. Look what happened, then say so:", clean(&wait.reason)));
        "[s]ucceeded, [f]ailed, [r]etry (only if doing it twice is harmless), [c]ancel the run, [l]eave it for later"
    };
    let mut lines = BufReader::new(tokio::io::stdin()).lines();
    loop {
        let mut err = std::io::stderr();
        let _ = write!(err, "{choices}: ");
        let _ = err.flush();
        let line = lines.next_line().await;
        let line = line.map_err(|error| Failure::local("The answer cannot be read", &error))?;
        let Some(line) = line else { return Ok(Answer::Leave) };
        if let Some(answer) = understand(&line, wait.pause) {
            return Ok(answer);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_clear_words_count() {
        assert_eq!(understand(" R\n", false), Some(Answer::Decide(Decision::Retry)));
        assert_eq!(understand("leave", true), Some(Answer::Leave));
        for unclear in ["", "y", "yes", "su"] {
            assert_eq!(understand(unclear, false), None, "{unclear}");
        }
        assert_eq!((understand("r", true), understand("g", false)), (None, None));
    }
}
