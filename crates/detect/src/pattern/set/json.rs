//! Walks the text of an event once. All of it is checked to be JSON; only what lies at paths that patterns name is
//! looked at.

use serde_json::{Number, Value};

use super::paths::{PathId, Paths, ROOT};
use super::scratch::{Scratch, What};

/// The deepest nesting of an event, which is that of `serde_json`.
pub const MAX_EVENT_DEPTH: usize = 127;

/// The largest event, in bytes.
pub const MAX_EVENT_BYTES: usize = 64 << 20;

/// Why bytes are not an event.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EventError {
    /// Some bytes are not UTF-8.
    #[error("the event is not UTF-8 from byte {at} on")]
    NotUtf8 {
        /// Where, counted from 0.
        at: usize,
    },
    /// It is not JSON.
    #[error("the event is not JSON: {what} at byte {at}")]
    NotJson {
        /// Where, counted from 0.
        at: usize,
        /// What is wrong there.
        what: &'static str,
    },
    /// It nests too deep.
    #[error("the event nests more than {MAX_EVENT_DEPTH} deep at byte {at}")]
    TooDeep {
        /// Where, counted from 0.
        at: usize,
    },
    /// It is too large.
    #[error("the event has {bytes} bytes, and {MAX_EVENT_BYTES} are the most")]
    TooLarge {
        /// How many it has.
        bytes: usize,
    },
}

/// What ended a walk before its end.
enum Stop {
    Error(EventError),
    /// A key may be there twice, and then the last counts: only a walk that has read all of the object can tell.
    Repeated,
}

/// Boxed, because it hardly ever comes and what is handed on otherwise fits into registers.
type Step<T = ()> = Result<T, Box<Stop>>;

/// The inside of a string: where it starts and ends, and whether it has escapes. Events have at most
/// [`MAX_EVENT_BYTES`], so 31 bits are enough for a place.
#[derive(Clone, Copy)]
struct Inside(u64);

impl Inside {
    fn new(start: usize, end: usize, escaped: bool) -> Self {
        Self((start as u64) << 32 | (end as u64) << 1 | u64::from(escaped))
    }

    fn start(self) -> usize {
        (self.0 >> 32) as usize
    }

    fn end(self) -> usize {
        (self.0 as u32 >> 1) as usize
    }

    fn is_escaped(self) -> bool {
        self.0 & 1 == 1
    }
}

impl Scratch {
    /// Walks the text of an event.
    pub(super) fn read<'e>(&mut self, paths: &Paths, event: &'e [u8]) -> Result<&'e str, EventError> {
        if event.len() > MAX_EVENT_BYTES {
            return Err(EventError::TooLarge { bytes: event.len() });
        }
        let text =
            std::str::from_utf8(event).map_err(|error| EventError::NotUtf8 { at: error.valid_up_to() })?;
        self.begin(paths.bound());
        let mut walk = Walk { text, bytes: event, at: 0, depth: 0, paths, out: self };
        match walk.event() {
            Ok(()) => Ok(text),
            Err(stop) => match *stop {
                Stop::Error(error) => Err(error),
                Stop::Repeated => {
                    self.begin(paths.bound());
                    let value: Value = serde_json::from_str(text).map_err(|error| not_json(text, &error))?;
                    self.walk(paths, &value);
                    Ok(text)
                }
            },
        }
    }
}

/// The place of a fault that `serde_json` found.
fn not_json(text: &str, error: &serde_json::Error) -> EventError {
    let before: usize = text.split_inclusive('\n').take(error.line().saturating_sub(1)).map(str::len).sum();
    let at = before + error.column().saturating_sub(1);
    EventError::NotJson { at, what: "a number or a text that JSON does not have" }
}

struct Walk<'e, 's> {
    text: &'e str,
    bytes: &'e [u8],
    at: usize,
    depth: usize,
    paths: &'s Paths,
    out: &'s mut Scratch,
}

/// Whether one of eight bytes ends a plain run of a string: a quote, a backslash, or a control character.
fn ends_run(word: u64) -> u64 {
    const ONES: u64 = 0x0101_0101_0101_0101;
    const HIGH: u64 = 0x8080_8080_8080_8080;
    let zero = |word: u64| word.wrapping_sub(ONES) & !word;
    let quote = zero(word ^ (ONES * b'"' as u64));
    let backslash = zero(word ^ (ONES * b'\\' as u64));
    let control = word.wrapping_sub(ONES * 0x20) & !word;
    (quote | backslash | control) & HIGH
}

impl<'e> Walk<'e, '_> {
    #[cold]
    fn fail<T>(&self, what: &'static str) -> Step<T> {
        let what = if self.at >= self.bytes.len() { "it ends too early" } else { what };
        Err(Box::new(Stop::Error(EventError::NotJson { at: self.at, what })))
    }

    fn peek(&self) -> u8 {
        self.bytes.get(self.at).copied().unwrap_or(0)
    }

    fn space(&mut self) {
        while matches!(self.peek(), b' ' | b'\n' | b'\r' | b'\t') {
            self.at += 1;
        }
    }

    /// The next byte that is no space.
    fn next(&mut self) -> u8 {
        let byte = self.peek();
        if byte > b' ' {
            return byte;
        }
        self.space();
        self.peek()
    }

    fn event(&mut self) -> Step {
        match self.next() {
            b'{' => self.object(ROOT)?,
            _ => self.skip()?,
        }
        self.next();
        if self.at < self.bytes.len() { self.fail("there is more after its end") } else { Ok(()) }
    }

    fn deeper(&mut self) -> Step {
        self.depth += 1;
        if self.depth > MAX_EVENT_DEPTH {
            return Err(Box::new(Stop::Error(EventError::TooDeep { at: self.at })));
        }
        self.at += 1;
        Ok(())
    }

    /// After a member or an element: whether another follows.
    fn another(&mut self, end: u8) -> Step<bool> {
        match self.next() {
            b',' => {
                self.at += 1;
                Ok(true)
            }
            byte if byte == end => {
                self.at += 1;
                self.depth -= 1;
                Ok(false)
            }
            _ => self.fail("a comma or a closing bracket is missing"),
        }
    }

    /// Whether what was opened is closed right away.
    fn empty(&mut self, end: u8) -> bool {
        let empty = self.next() == end;
        if empty {
            self.at += 1;
            self.depth -= 1;
        }
        empty
    }

    /// Over a key and its colon.
    fn key(&mut self) -> Step<Inside> {
        if self.next() != b'"' {
            return self.fail("a key in quotes is missing");
        }
        let key = self.string()?;
        if self.next() != b':' {
            return self.fail("a colon is missing");
        }
        self.at += 1;
        Ok(key)
    }

    fn object(&mut self, place: PathId) -> Step {
        self.deeper()?;
        if self.empty(b'}') {
            return Ok(());
        }
        let object = self.out.object();
        loop {
            let key = self.key()?;
            let next = if key.is_escaped() {
                let key = self.unescape(key)?;
                self.paths.step(place, key.as_bytes())
            } else {
                self.paths.step(place, &self.bytes[key.start()..key.end()])
            };
            match next {
                None => self.skip()?,
                Some(next) => {
                    if self.out.is_repeated(object, next) {
                        return Err(Box::new(Stop::Repeated));
                    }
                    self.value(next)?;
                }
            }
            if !self.another(b'}')? {
                return Ok(());
            }
        }
    }

    /// A value at a place of the tree.
    fn value(&mut self, place: PathId) -> Step {
        match self.next() {
            b'{' if self.paths.is_end(place) => self.skip(),
            b'{' => self.object(place),
            b'[' => self.list(place),
            _ if self.paths.is_wanted(place) => {
                let what = self.scalar()?;
                self.out.note(place, what);
                Ok(())
            }
            _ => self.skip(),
        }
    }

    fn list(&mut self, place: PathId) -> Step {
        self.deeper()?;
        if self.empty(b']') {
            return Ok(());
        }
        let list = self.out.list();
        let mut index = 0;
        loop {
            if matches!(self.next(), b'{' | b'[') {
                self.out.enter(list, index);
                self.value(place)?;
                self.out.leave();
            } else {
                self.value(place)?;
            }
            index += 1;
            if !self.another(b']')? {
                return Ok(());
            }
        }
    }

    fn scalar(&mut self) -> Step<What> {
        let start = self.at;
        match self.peek() {
            b'"' => {
                let inside = self.string()?;
                if inside.is_escaped() {
                    let text = self.unescape(inside)?;
                    return Ok(self.out.keep(&text));
                }
                Ok(What::Plain(inside.start() as u32, inside.end() as u32))
            }
            b't' | b'f' | b'n' => {
                self.skip()?;
                Ok(match self.bytes[start] {
                    b't' => What::Bool(true),
                    b'f' => What::Bool(false),
                    _ => What::Null,
                })
            }
            _ => {
                self.skip()?;
                let text = &self.text[start..self.at];
                let plain = text.len() <= 18 && text.bytes().all(|byte| byte.is_ascii_digit());
                if plain {
                    let value = text.bytes().fold(0_u64, |value, byte| value * 10 + u64::from(byte - b'0'));
                    return Ok(What::Number(value.into()));
                }
                match serde_json::from_str::<Number>(text) {
                    Ok(number) => Ok(What::Number(number)),
                    Err(_) => {
                        self.at = start;
                        self.fail("a number is out of range")
                    }
                }
            }
        }
    }

    /// The text of a string with escapes.
    fn unescape(&self, inside: Inside) -> Step<String> {
        let start = inside.start();
        serde_json::from_str(&self.text[start - 1..=inside.end()]).map_err(|_| {
            let what = "an escape does not stand for a character";
            Box::new(Stop::Error(EventError::NotJson { at: start, what }))
        })
    }

    /// Over a string.
    fn string(&mut self) -> Step<Inside> {
        let start = self.at + 1;
        self.at = start;
        let mut escaped = false;
        loop {
            while let Some(chunk) = self.bytes[self.at..].first_chunk::<8>() {
                let ends = ends_run(u64::from_le_bytes(*chunk));
                if ends != 0 {
                    self.at += (ends.trailing_zeros() / 8) as usize;
                    break;
                }
                self.at += 8;
            }
            match self.bytes.get(self.at).copied() {
                Some(b'"') => {
                    self.at += 1;
                    return Ok(Inside::new(start, self.at - 1, escaped));
                }
                Some(b'\\') => {
                    escaped = true;
                    self.escape()?;
                }
                None | Some(..0x20) => return self.fail("a control character stands in a text"),
                Some(_) => self.at += 1,
            }
        }
    }

    fn escape(&mut self) -> Step {
        match self.bytes.get(self.at + 1) {
            Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => {
                self.at += 2;
                Ok(())
            }
            Some(b'u')
                if self.bytes[self.at..]
                    .iter()
                    .skip(2)
                    .take(4)
                    .filter(|byte| byte.is_ascii_hexdigit())
                    .count()
                    == 4 =>
            {
                self.at += 6;
                Ok(())
            }
            _ => self.fail("a backslash is followed by something else than an escape"),
        }
    }

    fn word(&mut self, word: &'static [u8]) -> Step {
        if self.bytes[self.at..].starts_with(word) {
            self.at += word.len();
            return Ok(());
        }
        self.fail("a value is missing")
    }

    fn digits(&mut self) -> Step {
        if !self.peek().is_ascii_digit() {
            return self.fail("a digit is missing");
        }
        while self.peek().is_ascii_digit() {
            self.at += 1;
        }
        Ok(())
    }

    fn number(&mut self) -> Step {
        if self.peek() == b'-' {
            self.at += 1;
        }
        if self.peek() == b'0' {
            self.at += 1;
            if self.peek().is_ascii_digit() {
                return self.fail("a number starts with 0");
            }
        } else {
            self.digits()?;
        }
        if self.peek() == b'.' {
            self.at += 1;
            self.digits()?;
        }
        if matches!(self.peek(), b'e' | b'E') {
            self.at += 1;
            if matches!(self.peek(), b'+' | b'-') {
                self.at += 1;
            }
            self.digits()?;
        }
        Ok(())
    }

    /// Over a value that nobody asks for.
    fn skip(&mut self) -> Step {
        match self.next() {
            b'"' => self.string().map(drop),
            b'{' => {
                self.deeper()?;
                if self.empty(b'}') {
                    return Ok(());
                }
                loop {
                    self.key()?;
                    self.skip()?;
                    if !self.another(b'}')? {
                        return Ok(());
                    }
                }
            }
            b'[' => {
                self.deeper()?;
                if self.empty(b']') {
                    return Ok(());
                }
                loop {
                    self.skip()?;
                    if !self.another(b']')? {
                        return Ok(());
                    }
                }
            }
            b't' => self.word(b"true"),
            b'f' => self.word(b"false"),
            b'n' => self.word(b"null"),
            b'-' | b'0'..=b'9' => self.number(),
            _ => self.fail("a value is missing"),
        }
    }
}
