//! Patterns of file names as test files use them: `*`, `?` and `[a-z]` within one part of a path.

use std::path::{Path, PathBuf};

/// A pattern may name so many files.
const MAX_FILES: usize = 10_000;

/// Whether a text holds anything but plain characters.
fn is_pattern(text: &str) -> bool {
    text.contains(['*', '?', '[', '\\'])
}

/// The files that a pattern names, relative to a folder, in order of their paths. A pattern that is wrong, or names
/// too much, is an error in one sentence.
pub fn files(folder: &Path, pattern: &str) -> Result<Vec<PathBuf>, String> {
    let (mut found, rest) = match pattern.strip_prefix('/') {
        Some(rest) => (vec![PathBuf::from("/")], rest),
        None => (vec![folder.to_owned()], pattern),
    };
    for part in rest.split('/').filter(|part| !part.is_empty() && *part != ".") {
        let chars: Vec<char> = part.chars().collect();
        if !is_pattern(part) {
            found.iter_mut().for_each(|path| path.push(part));
            continue;
        }
        // Reads the whole pattern once, so that a wrong one is told whatever files there are.
        matches(&chars, &[])?;
        let mut next = Vec::new();
        for path in found {
            let Ok(entries) = std::fs::read_dir(&path) else { continue };
            for entry in entries.filter_map(Result::ok) {
                let name = entry.file_name();
                let Some(text) = name.to_str() else { continue };
                if matches(&chars, &text.chars().collect::<Vec<_>>())? {
                    next.push(path.join(&name));
                }
            }
        }
        if next.len() > MAX_FILES {
            return Err(format!("`{pattern}` names more than {MAX_FILES} files"));
        }
        found = next;
    }
    found.retain(|path| path.exists());
    found.sort();
    Ok(found)
}

/// One step of a pattern.
enum Piece {
    Any,
    One,
    Char(char),
    Class { negated: bool, ranges: Vec<(char, char)> },
}

fn pieces(pattern: &[char]) -> Result<Vec<Piece>, String> {
    let wrong = || format!("`{}` is not a pattern", pattern.iter().collect::<String>());
    let mut out = Vec::new();
    let mut at = 0;
    while let Some(c) = pattern.get(at) {
        at += 1;
        match c {
            '*' => out.push(Piece::Any),
            '?' => out.push(Piece::One),
            '\\' => {
                out.push(Piece::Char(*pattern.get(at).ok_or_else(wrong)?));
                at += 1;
            }
            '[' => {
                let negated = pattern.get(at) == Some(&'^');
                at += usize::from(negated);
                let mut ranges = Vec::new();
                while ranges.is_empty() || pattern.get(at) != Some(&']') {
                    let low = *pattern.get(at).ok_or_else(wrong)?;
                    at += 1;
                    let mut high = low;
                    if pattern.get(at) == Some(&'-') && pattern.get(at + 1) != Some(&']') {
                        high = *pattern.get(at + 1).ok_or_else(wrong)?;
                        at += 2;
                    }
                    ranges.push((low, high));
                }
                at += 1;
                out.push(Piece::Class { negated, ranges });
            }
            c => out.push(Piece::Char(*c)),
        }
    }
    Ok(out)
}

/// Whether a name matches a pattern as a whole.
fn matches(pattern: &[char], name: &[char]) -> Result<bool, String> {
    let pieces = pieces(pattern)?;
    // Back to the last `*`, which then takes one character more.
    let (mut p, mut n) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    loop {
        let step = match (pieces.get(p), name.get(n)) {
            (None, None) => return Ok(true),
            (Some(Piece::Any), _) => {
                star = Some((p, n));
                p += 1;
                continue;
            }
            (Some(Piece::One), Some(_)) => true,
            (Some(Piece::Char(wanted)), Some(c)) => wanted == c,
            (Some(Piece::Class { negated, ranges }), Some(c)) => {
                ranges.iter().any(|(low, high)| low <= c && c <= high) != *negated
            }
            _ => false,
        };
        if step {
            (p, n) = (p + 1, n + 1);
            continue;
        }
        match star {
            Some((at, taken)) if taken < name.len() => {
                star = Some((at, taken + 1));
                (p, n) = (at + 1, taken + 1);
            }
            _ => return Ok(false),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_match_whole_names() {
        let is = |pattern: &str, name: &str| {
            matches(&pattern.chars().collect::<Vec<_>>(), &name.chars().collect::<Vec<_>>())
        };
        for (pattern, name, expected) in [
            ("*.yml", "a.yml", true),
            ("*.yml", "a.yaml", false),
            ("*", "", true),
            ("a*b*c", "aXbbYc", true),
            ("a*b*c", "aXbbY", false),
            ("?[a-c][^x]", "1by", true),
            ("?[a-c][^x]", "1bx", false),
            ("\\*", "*", true),
            ("\\*", "a", false),
        ] {
            assert_eq!(is(pattern, name), Ok(expected), "{pattern} {name}");
        }
        assert!(is("[a", "a").is_err() && is("a\\", "a").is_err());
    }

    #[test]
    fn files_are_found_in_order() {
        let folder = tempfile::tempdir().expect("a folder");
        for name in ["rules/b.yml", "rules/a.yml", "rules/c.txt", "more/a.yml"] {
            let path = folder.path().join(name);
            std::fs::create_dir_all(path.parent().expect("inside")).expect("made");
            std::fs::write(path, "").expect("written");
        }
        let names = |pattern: &str| -> Vec<String> {
            let found = files(&folder.path().join("rules"), pattern).expect("a pattern");
            found
                .iter()
                .map(|path| path.display().to_string().rsplit("rules/").next().unwrap_or_default().to_owned())
                .collect()
        };
        assert_eq!(names("*.yml"), ["a.yml", "b.yml"]);
        assert_eq!(names("./a.yml"), ["a.yml"]);
        assert_eq!(names("../more/*.yml"), ["../more/a.yml"]);
        assert_eq!(names("d.yml"), Vec::<String>::new());
    }
}
