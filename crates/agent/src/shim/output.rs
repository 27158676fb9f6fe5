//! Where output goes. Disk use is bounded whatever a process writes, and a full disk never stops the process: what
//! cannot be written is left out and counted.

use std::collections::VecDeque;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Seek as _, SeekFrom, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use super::spec::Kept;

/// The file with the last lines of a running command, replaced whole now and then; gone when it has ended.
pub const LIVE: &str = "live";

/// The largest such file.
pub const MAX_LIVE_BYTES: u64 = (TAIL_LINES * TAIL_LINE_CHARS * 4) as u64;

/// How many lines of the end are kept for events.
const TAIL_LINES: usize = 20;

/// How many bytes of the end are kept in memory to find those lines in.
const TAIL_BYTES: usize = 8 * 1024;

/// The longest line that is kept of the end, in characters.
const TAIL_LINE_CHARS: usize = 400;

fn open(path: &Path, append: bool) -> io::Result<File> {
    OpenOptions::new().create(true).append(append).write(true).truncate(!append).mode(0o600).open(path)
}

/// The last bytes of a stream.
#[derive(Debug)]
pub struct Ring {
    bytes: VecDeque<u8>,
    limit: usize,
}

impl Ring {
    /// Keeps at most `limit` bytes.
    pub fn new(limit: usize) -> Self {
        Self { bytes: VecDeque::new(), limit }
    }

    /// Adds bytes and says how many older ones went.
    pub fn push(&mut self, bytes: &[u8]) -> u64 {
        let before = self.bytes.len() + bytes.len();
        let bytes = &bytes[bytes.len().saturating_sub(self.limit)..];
        let surplus = (self.bytes.len() + bytes.len()).saturating_sub(self.limit);
        self.bytes.drain(..surplus);
        self.bytes.extend(bytes);
        (before - self.bytes.len()) as u64
    }

    /// The last lines, readable: at most 20, each cut to 400 characters.
    pub fn lines(&self) -> Vec<String> {
        let (front, back) = self.bytes.as_slices();
        let text = String::from_utf8_lossy(&[front, back].concat()).into_owned();
        let cut = self.bytes.len() == self.limit;
        let lines: Vec<&str> = text.lines().skip(usize::from(cut && text.lines().count() > 1)).collect();
        lines[lines.len().saturating_sub(TAIL_LINES)..]
            .iter()
            .map(|line| {
                line.chars().filter(|c| !c.is_control() || *c == '\t').take(TAIL_LINE_CHARS).collect()
            })
            .collect()
    }
}

/// A service's log, rotated by size.
#[derive(Debug)]
struct Log {
    path: PathBuf,
    file: Option<File>,
    written: u64,
    rotate_bytes: u64,
    keep: u32,
}

impl Log {
    fn older(&self, number: u32) -> PathBuf {
        let mut name = self.path.as_os_str().to_owned();
        if number > 0 {
            name.push(format!(".{number}"));
        }
        name.into()
    }

    fn rotate(&mut self) -> io::Result<()> {
        self.file = None;
        for number in (0..self.keep).rev() {
            match fs::rename(self.older(number), self.older(number + 1)) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
        self.file = Some(open(&self.path, false)?);
        self.written = 0;
        Ok(())
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        if self.file.is_none() {
            let file = open(&self.path, true)?;
            self.written = file.metadata()?.len();
            self.file = Some(file);
        }
        if self.written > 0 && self.written + bytes.len() as u64 > self.rotate_bytes {
            self.rotate()?;
        }
        if let Some(file) = &mut self.file {
            file.write_all(bytes)?;
            self.written += bytes.len() as u64;
        }
        Ok(())
    }
}

/// One output of a command: its beginning on disk, its end in memory until it is finished.
#[derive(Debug)]
struct HeadTail {
    path: PathBuf,
    file: Option<File>,
    head_left: u64,
    ring: Ring,
    kept: Kept,
}

impl HeadTail {
    fn new(path: PathBuf, limit: u64) -> Self {
        let head_left = limit / 2;
        let ring = Ring::new(usize::try_from(limit - head_left).unwrap_or(usize::MAX));
        Self { file: open(&path, false).ok(), path, head_left, ring, kept: Kept::default() }
    }

    fn write(&mut self, bytes: &[u8]) {
        let head = bytes.len().min(usize::try_from(self.head_left).unwrap_or(usize::MAX));
        let (head, rest) = bytes.split_at(head);
        if !head.is_empty() {
            if put(&mut self.file, self.kept.head_bytes, head).is_ok() {
                self.head_left -= head.len() as u64;
                self.kept.head_bytes += head.len() as u64;
            } else {
                // The disk is full: from here on the end is all that is kept, in memory until there is room again.
                self.head_left = 0;
                self.kept.left_out_bytes += self.ring.push(head);
            }
        }
        self.kept.left_out_bytes += self.ring.push(rest);
    }

    fn finish(&mut self) -> io::Result<Kept> {
        let (front, back) = self.ring.bytes.as_slices();
        let tail = [front, back].concat();
        if self.file.is_none() {
            self.file = Some(open(&self.path, false)?);
        }
        put(&mut self.file, self.kept.head_bytes, &tail)?;
        if let Some(file) = &mut self.file {
            file.sync_all()?;
        }
        Ok(self.kept)
    }
}

/// Writes bytes at this place of a file. A disk that fills up may take a part of them: it is written over the next time.
fn put(file: &mut Option<File>, at: u64, bytes: &[u8]) -> io::Result<()> {
    let file = file.as_mut().ok_or(io::ErrorKind::NotFound)?;
    file.seek(SeekFrom::Start(at))?;
    file.write_all(bytes)?;
    file.set_len(at + bytes.len() as u64)
}

/// Where the output of one process goes.
#[derive(Debug)]
pub struct Output {
    log: Option<Log>,
    streams: Option<(HeadTail, HeadTail)>,
    tail: Ring,
    /// Of a command: where its last lines go while it runs.
    live: Option<PathBuf>,
    /// Whether there are lines that are not there yet.
    news: bool,
}

/// Which stream bytes came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stream {
    /// Standard output; of a service, both.
    Stdout,
    /// Standard error of a command.
    Stderr,
}

impl Output {
    /// For a service.
    pub fn service(log: PathBuf, rotate_bytes: u64, rotate_keep: u32) -> Self {
        let log = Log { path: log, file: None, written: 0, rotate_bytes, keep: rotate_keep };
        Self { log: Some(log), streams: None, tail: Ring::new(TAIL_BYTES), live: None, news: false }
    }

    /// For a command whose files stand in `dir`.
    pub fn command(dir: &Path, limit: u64) -> Self {
        let stream = |name: &str| HeadTail::new(dir.join(name), limit);
        Self {
            log: None,
            streams: Some((stream("stdout"), stream("stderr"))),
            tail: Ring::new(TAIL_BYTES),
            live: Some(dir.join(LIVE)),
            news: false,
        }
    }

    /// Takes bytes. Never fails: what the disk does not take is lost to it, and the tail still has it.
    pub fn write(&mut self, stream: Stream, bytes: &[u8]) {
        self.tail.push(bytes);
        self.news = true;
        if let Some(log) = &mut self.log
            && log.write(bytes).is_err()
        {
            // Opened again at the next write: the disk may have room then.
            log.file = None;
        }
        match (&mut self.streams, stream) {
            (Some((stdout, _)), Stream::Stdout) => stdout.write(bytes),
            (Some((_, stderr)), Stream::Stderr) => stderr.write(bytes),
            (None, _) => {}
        }
    }

    /// The last lines.
    pub fn tail(&self) -> Vec<String> {
        self.tail.lines()
    }

    /// Whether [`Output::publish`] has something to do.
    pub fn has_news(&self) -> bool {
        self.news && self.live.is_some()
    }

    /// Shows the last lines to whoever watches. Nothing depends on it, so it is not synced and may fail.
    pub fn publish(&mut self) {
        self.news = false;
        if let Some(live) = &self.live {
            let beside = live.with_extension("new");
            let text = self.tail.lines().join("\n");
            if fs::write(&beside, text).is_ok() {
                let _ = fs::rename(&beside, live);
            }
        }
    }

    /// Completes the files, durably, and says what they hold of stdout and stderr.
    pub fn finish(&mut self) -> io::Result<(Kept, Kept)> {
        if let Some(live) = self.live.take() {
            let _ = fs::remove_file(live);
        }
        match &mut self.streams {
            Some((stdout, stderr)) => Ok((stdout.finish()?, stderr.finish()?)),
            None => Ok((Kept::default(), Kept::default())),
        }
    }
}

/// Reads an output of a command back: beginning, a line that says what is left out, end.
pub fn read_back(path: &Path, kept: Kept, limit: u64) -> Vec<u8> {
    let bytes = crate::files::read_limited(path, limit.max(1)).unwrap_or_default();
    if kept.left_out_bytes == 0 {
        return bytes;
    }
    let split = usize::try_from(kept.head_bytes).map_or(bytes.len(), |head| head.min(bytes.len()));
    let note = format!("\n[{} bytes left out]\n", kept.left_out_bytes);
    [&bytes[..split], note.as_bytes(), &bytes[split..]].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_keeps_the_beginning_and_the_end() {
        let dir = tempfile::tempdir().expect("a directory");
        let mut output = Output::command(dir.path(), 10);
        output.write(Stream::Stdout, b"abcdefgh");
        output.write(Stream::Stdout, b"ijklmnop");
        output.write(Stream::Stderr, b"ok\xff");
        let (stdout, stderr) = output.finish().expect("written");
        assert_eq!(stdout, Kept { head_bytes: 5, left_out_bytes: 6 });
        assert_eq!(
            read_back(&dir.path().join("stdout"), stdout, 10),
            b"abcde\n[6 bytes left out]\nlmnop".to_vec()
        );
        assert_eq!(read_back(&dir.path().join("stderr"), stderr, 10), b"ok\xff".to_vec());
    }

    #[test]
    fn what_a_full_disk_took_in_part_is_not_shown_as_output() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("stdout");
        let mut stream = HeadTail::new(path.clone(), 10);
        stream.write(b"ab");
        // The disk takes a part of what comes, and then nothing more.
        fs::write(&path, "abXXXXXXXX").expect("written");
        let full = OpenOptions::new().write(true).open("/dev/full").expect("a full disk");
        let file = stream.file.replace(full);
        stream.write(b"cd");
        assert!(stream.finish().is_err());
        stream.file = file;
        stream.write(b"efghij");
        let kept = stream.finish().expect("written");
        assert_eq!(kept, Kept { head_bytes: 2, left_out_bytes: 3 });
        assert_eq!(read_back(&path, kept, 10), b"ab\n[3 bytes left out]\nfghij".to_vec());
        // Finishing again, because what comes after it failed, adds nothing.
        assert_eq!(stream.finish().expect("written"), kept);
    }

    #[test]
    fn a_log_rotates_and_never_grows_past_its_bounds() {
        let dir = tempfile::tempdir().expect("a directory");
        let log = dir.path().join("s.log");
        let mut output = Output::service(log.clone(), 10, 2);
        for line in ["one 678\n", "two 678\n", "three 6\n", "four 67\n"] {
            output.write(Stream::Stdout, line.as_bytes());
        }
        assert_eq!(fs::read_to_string(&log).expect("there"), "four 67\n");
        assert_eq!(fs::read_to_string(dir.path().join("s.log.2")).expect("there"), "two 678\n");
        assert!(!dir.path().join("s.log.3").exists());
        assert_eq!(output.tail(), ["one 678", "two 678", "three 6", "four 67"]);
    }

    #[test]
    fn the_tail_is_short_readable_and_whole() {
        let mut ring = Ring::new(64);
        for number in 0..100 {
            ring.push(format!("line {number}\x1b[0m\n").as_bytes());
        }
        let lines = ring.lines();
        assert!(lines.len() <= TAIL_LINES && lines.iter().all(|line| line.starts_with("line ")), "{lines:?}");
        assert_eq!(lines.last().map(String::as_str), Some("line 99[0m"));
        ring.push(&[b'x'; 1000]);
        assert_eq!(ring.lines(), ["x".repeat(64)]);
    }
}
