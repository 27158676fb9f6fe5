//! Links that open something to a browser, once and for ten minutes. They are kept in memory only, and hold no longer than
//! what they were made for: whoever is disabled, or gets another password, is signed in by no link of before.

use std::time::Duration;

use mainstay_api::v1::ErrorKind;
use mainstay_model::{Actor, EventId, Timestamp};

use super::people::once_id;
use super::{Access, Caller, OPERATOR, Opened, Via, locked, secret};
use crate::http::Failure;
use crate::once::Keyed;

/// How long a link may be opened.
pub const LINK_LASTS: Duration = Duration::from_secs(600);
/// The most links of a kind that wait for one user to open them, or that one user has made; the oldest is forgotten for a
/// new one.
const MAX_OF_A_USER: usize = 8;
/// The most links of a kind.
const MAX_LINKS: usize = 512;

/// What a link opens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Door {
    /// The documentation of a workload, for as long as who made the link may read it.
    Documentation {
        /// The workload.
        workload: String,
        /// By what it was known who made the link.
        by: Via,
    },
    /// Everything that this user may.
    SignIn(String),
}

/// What a link has opened.
pub enum Entered {
    /// A session.
    SignedIn(Opened),
    /// The documentation of a workload.
    Documentation {
        /// The workload.
        workload: String,
        /// Who made the link.
        by: Caller,
    },
}

/// Whose place a link takes: links of another kind, and of other users, are never forgotten for it.
#[derive(Clone, PartialEq, Eq)]
struct Room {
    signs_in: bool,
    user: String,
}

/// A link that was made.
pub(super) struct Link {
    until: Timestamp,
    room: Room,
    /// What it opens; nothing after it was opened.
    door: Option<Door>,
    /// The key under which it was asked for.
    once: Option<(EventId, Keyed)>,
}

impl Access {
    /// A code that opens a door, once and for a while.
    pub fn make_link(&self, door: Door) -> (String, Timestamp) {
        self.keep_link(door, None, &Actor::Person(OPERATOR.to_owned()))
    }

    /// The same, asked for by somebody: of one that signs in it is put on record. Under the same key it is made once, and told
    /// again as long as it waits to be opened.
    pub async fn make_link_once(
        &self,
        door: Door,
        once: Option<Keyed>,
        by: &Actor,
    ) -> Result<(String, Timestamp), Failure> {
        let operation = match &door {
            Door::SignIn(_) => "link to sign in".to_owned(),
            // A token may less than its user: it is not told what a session of theirs has made.
            Door::Documentation { by, .. } => format!("link to documentation {by:?}"),
        };
        let key = once.map(|keyed| (once_id(&operation, by, &keyed), keyed));
        let _turn = self.turn.lock().await;
        if let Some(link) = self.link_of(key.as_ref())? {
            return Ok(link);
        }
        if let Door::SignIn(user) = &door {
            if self.grants_of(user, false)?.is_none() {
                let title = format!("The user `{user}` is disabled, or there is none");
                return Err(Failure::new(ErrorKind::Conflict, title));
            }
            self.record_link(user, by).await?;
        }
        Ok(self.keep_link(door, key, by))
    }

    /// The link that was made under a key, if it still waits.
    fn link_of(&self, key: Option<&(EventId, Keyed)>) -> Result<Option<(String, Timestamp)>, Failure> {
        let Some((id, keyed)) = key else { return Ok(None) };
        let now = self.now();
        let links = locked(&self.links);
        let mut held = links.iter().filter(|(_, link)| link.until > now);
        let found = held.find(|(_, link)| link.once.as_ref().is_some_and(|(known, _)| known == id));
        if let Some((_, Link { once: Some((_, before)), .. })) = found {
            keyed.check(Some(before.asked()))?;
        }
        match found {
            Some((_, Link { door: None, .. })) => Err(Failure::new(
                ErrorKind::Conflict,
                "The link that this `Idempotency-Key` made was opened already, or taken back",
            )
            .hint("ask for another one under another key")),
            found => Ok(found.map(|(code, link)| (code.clone(), link.until))),
        }
    }

    fn keep_link(&self, door: Door, once: Option<(EventId, Keyed)>, by: &Actor) -> (String, Timestamp) {
        let now = self.now();
        let until = now.plus(LINK_LASTS);
        let code = secret();
        let room = match &door {
            Door::SignIn(user) => Room { signs_in: true, user: user.clone() },
            Door::Documentation { .. } => Room { signs_in: false, user: by.to_string() },
        };
        let mut links = locked(&self.links);
        links.retain(|_, link| link.until > now);
        let is_mine = |link: &Link| link.room == room;
        let is_alike = |link: &Link| link.room.signs_in == room.signs_in;
        for (of, most) in [(&is_mine as &dyn Fn(&Link) -> bool, MAX_OF_A_USER), (&is_alike, MAX_LINKS)] {
            let held = || links.iter().filter(|(_, link)| of(link));
            if held().count() >= most {
                let oldest = held().min_by_key(|(_, link)| link.until).map(|(code, _)| code.clone());
                oldest.map(|code| links.remove(&code));
            }
        }
        links.insert(code.clone(), Link { until, room, door: Some(door), once });
        (code, until)
    }

    /// Whether a code waits to begin a session.
    pub fn signs_in(&self, code: &str) -> bool {
        let now = self.now();
        let links = locked(&self.links);
        links.get(code).is_some_and(|link| link.until > now && matches!(link.door, Some(Door::SignIn(_))))
    }

    /// What a code opens. It opens nothing afterwards.
    pub(super) fn open_link(&self, code: &str) -> Option<Door> {
        let now = self.now();
        let mut links = locked(&self.links);
        let link = links.get_mut(code).filter(|link| link.until > now)?;
        let door = link.door.take();
        if link.once.is_none() {
            links.remove(code);
        }
        door
    }

    /// Takes back the links that sign a user in.
    pub(super) fn drop_links(&self, user: &str) {
        for link in locked(&self.links).values_mut() {
            if matches!(&link.door, Some(Door::SignIn(of)) if of == user) {
                link.door = None;
            }
        }
    }

    /// Opens what a code is for, if it still is: nothing where the code is not known or was used, or where whom it would let
    /// in may not come in any more.
    pub async fn enter(&self, code: &str) -> Result<Option<Entered>, Failure> {
        // Whoever is disabled meanwhile is disabled before the session begins, or has it ended.
        let _turn = self.turn.lock().await;
        match self.open_link(code) {
            Some(Door::SignIn(user)) if self.grants_of(&user, false)?.is_some() => {
                self.open_session(&user, "link").await.map(|opened| Some(Entered::SignedIn(opened)))
            }
            Some(Door::Documentation { workload, by }) => {
                Ok(self.holder(&by)?.map(|by| Entered::Documentation { workload, by }))
            }
            Some(Door::SignIn(_)) | None => Ok(None),
        }
    }
}
