//! Where every failure ends: what kind it is, what is printed, and the exit code. Nothing else classifies.

use std::fmt::Write as _;

use mainstay_api::client::ClientError;
use mainstay_api::v1::{ErrorBody, ErrorKind};

/// What the process says with its exit code. The numbers are part of the interface and never change their meaning.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// It was done, and the answer is yes.
    Ok = 0,
    /// It was done, and the answer is no: problems found, run failed, proof failed.
    No = 1,
    /// The command line is not understood.
    Usage = 2,
    /// No server or agent answers.
    Unreachable = 3,
    /// The server or agent refused.
    Refused = 4,
    /// Something on this machine cannot be read, written or started.
    Local = 5,
    /// What was begun waits for a person.
    Waits = 6,
    /// Interrupted by the person.
    Interrupted = 130,
}

/// What `mainstay help exit-codes` prints.
pub const EXIT_CODES: &str = "\
Exit codes

  0    it was done, and the answer is yes
  1    the answer is no: problems in files, a run that did not succeed, a journal that is not whole
  2    the command line is not understood
  3    no server or agent answers
  4    the server or agent refused: no access, a conflict, no such thing, a bad request, not built
  5    something on this machine cannot be read, written or started; damaged data
  6    a run on this host was left because it waits for a person
  130  interrupted (Ctrl-C)
";

impl From<Exit> for std::process::ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

/// A failure on its way to the person.
#[derive(Debug)]
pub struct Failure {
    /// What kind it is.
    pub exit: Exit,
    /// One sentence; empty when everything has been said already.
    pub message: String,
    /// What lies behind it, outermost first.
    pub causes: Vec<String>,
    /// What to do about it.
    pub hint: Option<String>,
}

impl Failure {
    /// A failure in one sentence.
    pub fn new(exit: Exit, message: impl Into<String>) -> Self {
        Self { exit, message: message.into(), causes: Vec::new(), hint: None }
    }

    /// The exit code alone: what there is to say was printed as the answer.
    pub fn said(exit: Exit) -> Self {
        Self::new(exit, "")
    }

    /// Something on this machine, with everything behind it.
    pub fn local(message: impl Into<String>, error: &(dyn std::error::Error + 'static)) -> Self {
        Self::new(Exit::Local, message).because(error)
    }

    /// The same, with an error and everything behind it.
    #[must_use]
    pub fn because(mut self, error: &(dyn std::error::Error + 'static)) -> Self {
        self.causes.extend(chain(error));
        self
    }

    /// The same, with advice.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// An error whose own words are the message.
    pub fn of(exit: Exit, error: &(dyn std::error::Error + 'static)) -> Self {
        let mut texts = chain(error);
        let message = if texts.is_empty() { String::new() } else { texts.remove(0) };
        Self { exit, message, causes: texts, hint: None }
    }

    /// What stands on stderr.
    pub fn render(&self, color: bool) -> String {
        let mut out = String::new();
        if self.message.is_empty() {
            return out;
        }
        let (red, bold, reset) = if color { ("\x1b[1;31m", "\x1b[1m", "\x1b[0m") } else { ("", "", "") };
        let _ = writeln!(out, "{red}error{reset}{bold}: {}{reset}", self.message);
        for cause in &self.causes {
            let _ = writeln!(out, "caused by: {cause}");
        }
        if let Some(hint) = &self.hint {
            let _ = writeln!(out, "hint: {hint}");
        }
        out
    }
}

/// An error and everything behind it. Layers that only repeat what was said are left out.
fn chain(error: &(dyn std::error::Error + 'static)) -> Vec<String> {
    let mut texts: Vec<String> = Vec::new();
    let mut next = Some(error);
    while let Some(error) = next {
        let text = error.to_string();
        if texts.last() != Some(&text) {
            texts.push(text);
        }
        next = error.source();
    }
    texts
}

impl From<ClientError> for Failure {
    fn from(error: ClientError) -> Self {
        match error {
            ClientError::Refused(body) => refused(*body),
            ClientError::Unreachable { .. } => Self::of(Exit::Unreachable, &error)
                .hint("start it with `mainstay up`, or name another with --data or --server"),
            ClientError::Broken { .. } => Self::of(Exit::Unreachable, &error)
                .hint("the server may have stopped meanwhile; `mainstay status` tells"),
            ClientError::NotUnderstood { .. } => Self::of(Exit::Unreachable, &error)
                .hint("something else listens there, or a server of another version"),
        }
    }
}

fn refused(body: ErrorBody) -> Failure {
    let hint = body.hint.or_else(|| match body.kind {
        ErrorKind::Internal => Some("the server's log says more".to_owned()),
        ErrorKind::Busy | ErrorKind::TooSlow => Some("try again in a moment".to_owned()),
        _ => None,
    });
    Failure { exit: Exit::Refused, message: body.title, causes: body.causes, hint }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_is_printed_with_its_causes_and_a_hint() {
        let error = std::io::Error::other("permission denied");
        let failure = Failure::local("`x` cannot be read", &error).hint("look at its owner");
        assert_eq!(
            failure.render(false),
            "error: `x` cannot be read\ncaused by: permission denied\nhint: look at its owner\n"
        );
        assert_eq!(Failure::said(Exit::No).render(true), "");
    }

    #[test]
    fn what_the_server_says_is_passed_on() {
        let mut body = ErrorBody::new(ErrorKind::Conflict, "Run 1 is over").hint("look at it");
        body.causes.push("it ended".to_owned());
        let failure = Failure::from(ClientError::Refused(Box::new(body)));
        assert_eq!(failure.exit, Exit::Refused);
        assert_eq!(failure.render(false), "error: Run 1 is over\ncaused by: it ended\nhint: look at it\n");
    }

    #[test]
    fn every_exit_code_is_documented() {
        for exit in [
            Exit::Ok,
            Exit::No,
            Exit::Usage,
            Exit::Unreachable,
            Exit::Refused,
            Exit::Local,
            Exit::Waits,
            Exit::Interrupted,
        ] {
            let line = format!("\n  {:<5}", exit as u8);
            assert!(EXIT_CODES.contains(&line), "{line:?}");
        }
    }
}
