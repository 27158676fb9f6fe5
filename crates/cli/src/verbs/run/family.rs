//! The runs that the steps of a run started, and those that these started, to be shown below the steps.

use std::collections::BTreeMap;

use mainstay_api::client::Client;
use mainstay_api::v1::RunDetail;

/// Children by their ids, of any generation.
pub type Children = BTreeMap<String, RunDetail>;

/// No more are looked for: a loop may start hundreds.
const MOST: usize = 32;

/// The children of a run that are not among these.
fn missing(run: &RunDetail, children: &Children) -> Vec<String> {
    let known = children.values().chain([run]);
    let ids = known.flat_map(|run| run.steps.iter().filter_map(|step| step.child.clone()));
    ids.filter(|id| !children.contains_key(id)).collect()
}

/// From a server; `whole` asks for the inputs and outputs of attempts, too. A child that cannot be had, because it has not
/// begun or the server does not answer, is left out.
pub async fn of_server(client: &Client, run: &RunDetail, whole: bool) -> Children {
    let mut children = Children::new();
    loop {
        let before = children.len();
        for id in missing(run, &children) {
            if children.len() == MOST {
                return children;
            }
            let found = if whole { client.run_record(&id).await } else { client.run(&id).await };
            children.extend(found.ok().map(|child| (id, child)));
        }
        if children.len() == before {
            return children;
        }
    }
}

/// From wherever they are at hand.
pub fn of(run: &RunDetail, find: impl Fn(&str) -> Option<RunDetail>) -> Children {
    let mut children = Children::new();
    loop {
        let before = children.len();
        for id in missing(run, &children).into_iter().take(MOST - before) {
            children.extend(find(&id).map(|child| (id, child)));
        }
        if children.len() == before {
            return children;
        }
    }
}

/// Whether any of them goes on, or one is not known.
pub fn may_change(run: &RunDetail, children: &Children) -> bool {
    children.values().any(|child| !child.summary.finished) || !missing(run, children).is_empty()
}
