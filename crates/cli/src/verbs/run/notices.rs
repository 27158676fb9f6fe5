//! What the parts of a run in this process log, handed to whoever writes on the terminal.

use std::io::Write;
use std::sync::OnceLock;

use tokio::sync::mpsc;

static SENDER: OnceLock<mpsc::UnboundedSender<String>> = OnceLock::new();

struct Lines;

impl Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        if let Some(sender) = SENDER.get() {
            let _ = sender.send(String::from_utf8_lossy(bytes).trim_end().to_owned());
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// Warnings and errors from here on, as lines. To be taken once.
pub fn take() -> mpsc::UnboundedReceiver<String> {
    let (sender, receiver) = mpsc::unbounded_channel();
    if SENDER.set(sender).is_ok() {
        // Only one can be installed, and the run does not depend on it.
        let _ = tracing_subscriber::fmt()
            .with_max_level(tracing::Level::WARN)
            .with_ansi(false)
            .with_target(false)
            .without_time()
            .with_writer(|| Lines)
            .try_init();
    }
    receiver
}
