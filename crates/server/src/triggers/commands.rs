//! What people ask of triggers: dead letters tried again or dropped, a window of the journal replayed, a trigger turned
//! off and on. The loop does it, so that it has one writer.

use std::collections::BTreeMap;

use mainstay_detect::Trigger;
use mainstay_detect::delivery::{Counts, Letter, TriggerId};
use mainstay_model::event::{SOURCE_SERVER, is_bookkeeping};
use mainstay_model::{Actor, Event, Timestamp};
use mainstay_store::{StoreError, all_rows};
use serde_json::{Value, json};
use tokio::sync::oneshot;

use crate::once::{self, Keyed};

use super::fold::{self, Handled, RoutedData};
use super::{Life, PAGE, Triggers, outbound};

/// So many dead letters are handled with one request.
const MAX_LETTERS: usize = 10_000;

/// So many events are replayed with one request.
const MAX_REPLAYED: usize = 100_000;

/// So many events are looked at before the loop sees to other things again.
const STRIDE: usize = 20_000;

/// Which dead letters.
#[derive(Clone, Debug, Default)]
pub struct Chosen {
    /// The one with this id.
    pub id: Option<String>,
    /// Those of this trigger.
    pub trigger: Option<TriggerId>,
}

/// Which part of the journal is replayed, and to which trigger.
#[derive(Clone, Debug)]
pub struct Replay {
    /// The trigger.
    pub trigger: TriggerId,
    /// From when on, by when events came in.
    pub from: Timestamp,
    /// Until when.
    pub to: Timestamp,
    /// Only count.
    pub dry_run: bool,
    /// What makes it safe to ask for again.
    pub once: Option<Keyed>,
}

/// What a replay came to.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Replayed {
    /// Its name; events carry it as `replay-name`. None for one that only counted, or found nothing.
    #[serde(rename = "replay", default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Events that matched.
    pub matched: usize,
    /// Of them, those that would make the trigger cause itself, and are left out.
    pub circles: usize,
}

/// Why something was not done.
#[derive(Debug, thiserror::Error)]
pub enum CommandError {
    /// The loop does not run now.
    #[error("triggers are not handled now: see `mainstay status`")]
    Away,
    /// It is refused.
    #[error("{0}")]
    Refused(String),
    /// There is no such thing.
    #[error("there is no {what} `{name}`")]
    NotFound {
        /// What kind of thing.
        what: &'static str,
        /// Its name.
        name: String,
    },
    /// The key that makes it safe to ask again was for something else.
    #[error("this key was used for another request")]
    KeyUsed,
    /// The journal did not take it.
    #[error("the journal did not take it")]
    Store(#[from] StoreError),
}

type Answer<T> = oneshot::Sender<Result<T, CommandError>>;

/// What the loop is asked.
pub enum Command {
    /// How many calls there are of each trigger.
    Counts(oneshot::Sender<BTreeMap<TriggerId, Counts>>),
    /// Try dead letters again.
    Redrive(Chosen, Actor, Answer<usize>),
    /// Drop dead letters, or with `open` the calls of a trigger that wait.
    Drop {
        /// Which.
        chosen: Chosen,
        /// Those that wait, and not those that were given up.
        open: bool,
        /// Why.
        reason: Option<String>,
        /// Who.
        by: Actor,
        /// How many there were.
        answer: Answer<usize>,
    },
    /// Replay a window of the journal.
    Replay(Replay, Actor, Answer<Replayed>),
    /// Turn a trigger off or on.
    Enable {
        /// Which.
        trigger: TriggerId,
        /// Whether it is to be on.
        enabled: bool,
        /// Why.
        reason: Option<String>,
        /// Who.
        by: Actor,
        /// Whether that changed anything.
        answer: Answer<bool>,
    },
}

impl Triggers {
    async fn ask<T>(&self, command: impl FnOnce(Answer<T>) -> Command) -> Result<T, CommandError> {
        let (answer, answered) = oneshot::channel();
        self.commands.try_send(command(answer)).map_err(|_| CommandError::Away)?;
        answered.await.map_err(|_| CommandError::Away)?
    }

    /// How many calls there are of each trigger. `None` when the loop does not run: then nobody knows.
    pub async fn counts(&self) -> Option<BTreeMap<TriggerId, Counts>> {
        let (answer, answered) = oneshot::channel();
        self.commands.try_send(Command::Counts(answer)).ok()?;
        let patience = self.clock.until(self.clock.now().plus(std::time::Duration::from_secs(2)));
        tokio::select! {
            counts = answered => counts.ok(),
            () = patience => None,
        }
    }

    /// Tries dead letters again. Answers with how many.
    pub async fn redrive(&self, chosen: Chosen, by: Actor) -> Result<usize, CommandError> {
        self.ask(|answer| Command::Redrive(chosen, by, answer)).await
    }

    /// Drops dead letters, or calls that wait. Answers with how many.
    pub async fn drop_calls(
        &self,
        chosen: Chosen,
        open: bool,
        reason: Option<String>,
        by: Actor,
    ) -> Result<usize, CommandError> {
        self.ask(|answer| Command::Drop { chosen, open, reason, by, answer }).await
    }

    /// Replays a window of the journal to one trigger.
    pub async fn replay(&self, replay: Replay, by: Actor) -> Result<Replayed, CommandError> {
        self.ask(|answer| Command::Replay(replay, by, answer)).await
    }

    /// Turns a trigger off or on. Answers with whether that changed anything.
    pub async fn enable(
        &self,
        trigger: TriggerId,
        enabled: bool,
        reason: Option<String>,
        by: Actor,
    ) -> Result<bool, CommandError> {
        self.ask(|answer| Command::Enable { trigger, enabled, reason, by, answer }).await
    }
}

/// Whether a trigger was for an event: its pattern matches, or its schedule fired.
fn is_for(trigger: &Trigger, event: &Event) -> bool {
    let value = outbound::presented(trigger, event, None);
    let is_firing = value["source"] == "aws.events" && event.kind == "trigger.scheduled";
    is_firing || trigger.pattern.as_ref().is_some_and(|pattern| pattern.matches(&event.as_eventbridge()))
}

/// When an event came in.
fn came_in(event: &Event) -> Timestamp {
    event.received.unwrap_or(event.time)
}

impl Life {
    /// Does what was asked, and answers. Only a fault of the journal ends the loop.
    pub(super) async fn command(&mut self, command: Command) -> Result<(), StoreError> {
        // Whoever does not wait any more does not care for the answer.
        match command {
            Command::Counts(answer) => drop(answer.send(self.counts())),
            Command::Redrive(chosen, by, answer) => drop(answer.send(self.redrive(&chosen, &by).await)),
            Command::Drop { chosen, open, reason, by, answer } => {
                let done = if open {
                    self.drop_open(&chosen, reason, &by).await
                } else {
                    self.drop_dead(&chosen, reason, &by).await
                };
                drop(answer.send(done));
            }
            Command::Replay(replay, by, answer) => drop(answer.send(self.replay(&replay, &by).await)),
            Command::Enable { trigger, enabled, reason, by, answer } => {
                drop(answer.send(self.enable(&trigger, enabled, reason, &by).await));
            }
        }
        Ok(())
    }

    /// The dead letters that are chosen, by workload.
    fn letters(&self, chosen: &Chosen) -> Result<BTreeMap<String, Vec<Letter>>, CommandError> {
        let mut found: BTreeMap<String, Vec<Letter>> = BTreeMap::new();
        let journal = self.parts.journal.as_ref();
        if let Some(id) = &chosen.id {
            let row = journal.row(fold::DEAD_TABLE, id)?;
            let Some(dead) = row.as_ref().and_then(fold::dead_row) else {
                return Err(CommandError::NotFound { what: "dead letter", name: id.clone() });
            };
            found.entry(dead.letter.workload.clone()).or_default().push(dead.letter);
            return Ok(found);
        }
        let mut count = 0;
        for row in all_rows(journal, fold::DEAD_TABLE) {
            let Some(dead) = fold::dead_row(&row?.1) else { continue };
            let letter = dead.letter;
            let is_it = chosen
                .trigger
                .as_ref()
                .is_none_or(|id| id.workload == letter.workload && id.trigger == letter.trigger);
            if is_it {
                count += 1;
                found.entry(letter.workload.clone()).or_default().push(letter);
            }
            if count == MAX_LETTERS {
                break;
            }
        }
        Ok(found)
    }

    async fn redrive(&mut self, chosen: &Chosen, by: &Actor) -> Result<usize, CommandError> {
        let now = self.parts.clock.now();
        let mut count = 0;
        for (workload, letters) in self.letters(chosen)? {
            for letters in letters.chunks(1000) {
                let again: Vec<Letter> = letters
                    .iter()
                    .map(|letter| Letter {
                        since: now,
                        attempts: 0,
                        next: None,
                        begun: false,
                        run: None,
                        exhausted: None,
                        ..letter.clone()
                    })
                    .collect();
                let trigger = chosen.trigger.as_ref().map(|id| id.trigger.clone());
                let trigger = trigger.or_else(|| (again.len() == 1).then(|| again[0].trigger.clone()));
                let handled = Handled { trigger, again, ..Handled::default() };
                let draft = self.handled_draft("trigger.redriven", &workload, by, &handled);
                self.append(vec![draft]).await?;
                count += handled.again.len();
                handled.again.iter().for_each(|letter| self.machine.take_letter(letter, now));
            }
        }
        Ok(count)
    }

    async fn drop_dead(
        &mut self,
        chosen: &Chosen,
        reason: Option<String>,
        by: &Actor,
    ) -> Result<usize, CommandError> {
        let mut count = 0;
        for (workload, letters) in self.letters(chosen)? {
            for letters in letters.chunks(1000) {
                let handled = Handled {
                    trigger: chosen.trigger.as_ref().map(|id| id.trigger.clone()),
                    dropped: letters.iter().map(|letter| letter.id.clone()).collect(),
                    reason: reason.clone(),
                    ..Handled::default()
                };
                let draft = self.handled_draft("trigger.dropped", &workload, by, &handled);
                self.append(vec![draft]).await?;
                count += letters.len();
            }
        }
        Ok(count)
    }

    async fn drop_open(
        &mut self,
        chosen: &Chosen,
        reason: Option<String>,
        by: &Actor,
    ) -> Result<usize, CommandError> {
        let Some(id) = &chosen.trigger else {
            return Err(CommandError::Refused("name the trigger whose calls are to be dropped".to_owned()));
        };
        let open = self.machine.waiting_of(id);
        for origins in open.chunks(5000) {
            let handled = Handled {
                trigger: Some(id.trigger.clone()),
                open: origins.to_vec(),
                reason: reason.clone(),
                ..Handled::default()
            };
            let draft = self.handled_draft("trigger.dropped", &id.workload, by, &handled);
            self.append(vec![draft]).await?;
        }
        Ok(self.machine.drop_waiting(id).len())
    }

    async fn enable(
        &mut self,
        id: &TriggerId,
        enabled: bool,
        reason: Option<String>,
        by: &Actor,
    ) -> Result<bool, CommandError> {
        let active = self.workloads.get(&id.workload);
        let declared = active.as_ref().and_then(|active| active.triggers.get(&id.trigger));
        let Some(declared) = declared else {
            return Err(CommandError::NotFound { what: "trigger", name: id.trigger.clone() });
        };
        if enabled && !declared.enabled {
            return Err(CommandError::Refused(format!(
                "the file of `{}` says `State: DISABLED`: change it there and apply it",
                id.trigger
            )));
        }
        if self.off.contains_key(id) != enabled {
            return Ok(false);
        }
        let kind = if enabled { "trigger.enabled" } else { "trigger.disabled" };
        let mut draft = self.handled_draft(kind, &id.workload, by, &Handled::default());
        draft.data = json!({ "trigger": id.trigger });
        if let Some(reason) = reason {
            draft.data["reason"] = Value::from(reason);
        }
        draft.subject = Some(format!("trigger/{}", id.trigger));
        self.append(vec![draft]).await?;
        if enabled {
            self.off.remove(id);
        } else {
            self.off.insert(id.clone(), true);
        }
        self.machine.enable(id, enabled);
        if enabled {
            let now = self.parts.clock.now();
            self.skip_to(id, now);
        }
        Ok(true)
    }

    /// A replay, put on record when it is over. Under the same key it is done once: asked for again it is answered from its
    /// record, and one that a crash has broken off goes on with what was not sent.
    async fn replay(&mut self, replay: &Replay, by: &Actor) -> Result<Replayed, CommandError> {
        let Replay { trigger: id, dry_run, .. } = replay;
        let now = self.parts.clock.now();
        // The name is also of what is asked, so that nothing of another request that was broken off is taken for this one's; the
        // record is the key's, whatever is asked.
        let (name, record) = match &replay.once {
            Some(keyed) => {
                let key = keyed.id("replay", by);
                let what = format!("{key}\n{}", keyed.asked());
                let name = format!("replay-{}", &blake3::hash(what.as_bytes()).to_hex()[..16]);
                (name, super::record_id("trigger.replayed", "", &key))
            }
            None => {
                let name = format!("replay-{:x}-{:04x}", now.as_millis(), self.number() & 0xffff);
                let record = super::record_id("trigger.replayed", &id.workload, &name);
                (name, record)
            }
        };
        if !dry_run && let Some(before) = self.parts.journal.read_by_id(SOURCE_SERVER, &record)? {
            if let Some(keyed) = &replay.once
                && keyed.check_event(&before.data).is_err()
            {
                return Err(CommandError::KeyUsed);
            }
            return serde_json::from_value(before.data.clone()).map_err(|error| {
                CommandError::Refused(format!("what that replay came to cannot be read ({error})"))
            });
        }
        let active = self.workloads.get(&id.workload);
        let trigger = active.as_ref().and_then(|active| active.triggers.get(&id.trigger)).cloned();
        let Some(trigger) = trigger else {
            return Err(CommandError::NotFound { what: "trigger", name: id.trigger.clone() });
        };
        if self.is_off(&id.workload, &id.trigger) || !trigger.enabled {
            return Err(CommandError::Refused(format!("`{}` is disabled: enable it first", id.trigger)));
        }
        let mut out = self.replay_to(&trigger, replay, &name, by, now).await?;
        if *dry_run {
            return Ok(out);
        }
        out.name = (out.matched > 0).then(|| name.clone());
        let mut data = serde_json::to_value(&out).expect("numbers and a name are JSON");
        data["trigger"] = json!(id.trigger);
        data["from"] = json!(replay.from);
        data["to"] = json!(replay.to);
        once::keep(replay.once.as_ref(), &mut data);
        let mut draft = self.record_draft("trigger.replayed", &id.workload, &[], &name, data, now);
        draft.id = record;
        draft.subject = Some(format!("trigger/{}", id.trigger));
        draft.actor = by.clone();
        self.append(vec![draft]).await?;
        Ok(out)
    }

    async fn replay_to(
        &mut self,
        trigger: &Trigger,
        replay: &Replay,
        name: &str,
        by: &Actor,
        now: Timestamp,
    ) -> Result<Replayed, CommandError> {
        let id = &replay.trigger;
        let mut out = Replayed::default();
        let head = self.parts.journal.head().seq;
        let mut place = 0;
        let mut looked_at = 0;
        // Events are in the order in which they came in, but for what agents say late and clocks that were set: the
        // whole journal is looked at.
        while place < head {
            let page = self.parts.journal.read(place, PAGE)?;
            let Some(last) = page.last() else { break };
            place = last.seq;
            looked_at += page.len();
            let mut found = Vec::new();
            for event in page.iter().filter(|event| event.seq <= head) {
                let when = came_in(event);
                let is_of_it = event.workload.as_deref().is_none_or(|name| name == id.workload);
                if when < replay.from
                    || when > replay.to
                    || !is_of_it
                    || is_bookkeeping(&event.kind)
                    || !is_for(trigger, event)
                {
                    continue;
                }
                let chain = super::chain::of(self.parts.journal.as_ref(), event)?;
                if chain.forbids(&id.trigger).is_some() {
                    out.circles += 1;
                    continue;
                }
                found.push((id.trigger.clone(), event.seq, None));
            }
            out.matched += found.len();
            if out.matched > MAX_REPLAYED {
                return Err(CommandError::Refused(format!(
                    "more than {MAX_REPLAYED} events of that time match; choose a shorter one{}",
                    if replay.dry_run { "" } else { ", from where this one stopped" }
                )));
            }
            if !replay.dry_run && !found.is_empty() {
                self.send_again(id, &found, &page, name, by, now).await?;
            }
            if looked_at >= STRIDE {
                looked_at = 0;
                tokio::task::yield_now().await;
            }
        }
        Ok(out)
    }

    async fn send_again(
        &mut self,
        id: &TriggerId,
        found: &[(String, u64, Option<String>)],
        page: &[std::sync::Arc<Event>],
        name: &str,
        by: &Actor,
        now: Timestamp,
    ) -> Result<(), CommandError> {
        let identity = format!("{name}-{}", found.first().map_or(0, |(_, place, _)| *place));
        let routed = super::record_id("trigger.routed", &id.workload, &identity);
        if self.parts.journal.read_by_id(SOURCE_SERVER, &routed)?.is_some() {
            // Sent before the replay was broken off.
            return Ok(());
        }
        let routed = self.route(&id.workload, found, page, Some(name), now)?;
        let mut drafts = routed.matched;
        let data = RoutedData { upto: None, closed: Vec::new(), record: routed.data };
        let mut draft = self.routed_draft(&id.workload, &data, &identity, now);
        draft.actor = by.clone();
        drafts.push(draft);
        let events = self.append(drafts).await?;
        if let Some(event) = events.last() {
            self.take(&id.workload, event.seq, &data.record, now, routed.cancel);
        }
        Ok(())
    }
}
