//! `mainstay test --watch`: runs the tests again whenever a file changes, and prints what that changed.

use std::path::PathBuf;

use super::{Piece, Sum, none_found, wanted};
use crate::exit::Failure;
use crate::screen::{Screen, clean_lines, say};
use crate::watching::Watch;

/// A run of all tests.
struct Round {
    sum: Sum,
    files: usize,
}

/// Runs until it is interrupted.
pub(super) fn run(screen: Screen, paths: &[PathBuf]) -> Result<(), Failure> {
    let watch = Watch::new()?;
    let mut before: Option<Round> = None;
    loop {
        // Folders are watched before they are read, so that nothing is missed in between.
        paths.iter().try_for_each(|path| watch.add(path))?;
        let now = round(screen, paths)?;
        // What the tests are about may lie elsewhere.
        now.sum.read.iter().try_for_each(|file| watch.add(file))?;
        let is_new = before.as_ref().is_none_or(|before| {
            (&before.sum.pieces, before.sum.value()) != (&now.sum.pieces, now.sum.value())
        });
        if is_new {
            show(screen, before.as_ref(), &now, paths)?;
        }
        if before.is_none() && !screen.is_json() {
            say("waiting for changes; Ctrl-C ends it");
        }
        before = Some(now);
        watch.wait()?;
    }
}

fn round(screen: Screen, paths: &[PathBuf]) -> Result<Round, Failure> {
    let wanted = wanted(paths)?;
    let mut sum = Sum::default();
    wanted.iter().for_each(|file| sum.file(screen, file));
    Ok(Round { sum, files: wanted.len() })
}

/// What is new is printed in full, what is gone is named.
fn show(screen: Screen, before: Option<&Round>, now: &Round, paths: &[PathBuf]) -> Result<(), Failure> {
    if screen.is_json() {
        return screen.json_line(&now.sum.value());
    }
    let old: &[Piece] = before.map_or(&[], |before| &before.sum.pieces);
    for piece in old.iter().filter(|piece| now.sum.pieces.iter().all(|other| other.about != piece.about)) {
        let (path, about) = &piece.about;
        let line = if about.is_empty() { path.clone() } else { format!("{path}: {about}") };
        screen.print(&clean_lines(&format!("gone  {line}\n")))?;
    }
    now.sum.pieces.iter().filter(|piece| !old.contains(piece)).try_for_each(|piece| piece.print(screen))?;
    if now.files == 0 {
        say(&none_found(paths).message);
        return Ok(());
    }
    screen.print(&now.sum.summary(now.files))
}
