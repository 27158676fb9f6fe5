//! Writes a journal as it is after years, for tests of lists: `long_lists JOURNAL HOSTS MANY` makes so many hosts, and so
//! many runs and incidents. A server that is started on it finds them as if it had seen them happen.

#![expect(
    clippy::print_stderr,
    reason = "a program of tests says on stderr what is wrong with how it was called"
)]

mod fill;

use std::process::ExitCode;

use mainstay_store::{Options, SqliteJournal};

#[tokio::main]
async fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [path, hosts, many] = arguments.as_slice() else {
        eprintln!("give the directory of the journal, how many hosts, and how many runs and incidents");
        return ExitCode::from(2);
    };
    let (Ok(hosts), Ok(many)) = (hosts.parse(), many.parse()) else {
        eprintln!("`{hosts}` and `{many}` are to be whole numbers");
        return ExitCode::from(2);
    };
    let options = Options { folds: mainstay_server::folds(), ..Options::default() };
    match SqliteJournal::open(path, options) {
        Ok(journal) => fill::fill(&journal, hosts, many).await,
        Err(error) => {
            eprintln!("the journal cannot be opened: {error}");
            return ExitCode::FAILURE;
        }
    }
    ExitCode::SUCCESS
}
