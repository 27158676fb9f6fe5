//! Two texts as a unified diff, as `diff -u` and `git diff` print it.

use std::collections::BTreeMap;

use similar::TextDiff;

use crate::screen::{Style, Tone, clean_lines};

/// What differs between two sets of files, path by path; empty when nothing does.
pub fn of_files(
    old: &BTreeMap<String, String>,
    new: &BTreeMap<String, String>,
    names: (&str, &str),
    style: Style,
) -> String {
    let mut out = String::new();
    let mut paths: Vec<&String> = old.keys().chain(new.keys()).collect();
    paths.sort();
    paths.dedup();
    for path in paths {
        let (before, after) = (old.get(path), new.get(path));
        if before == after {
            continue;
        }
        let name = |side: &str, there: bool| {
            if there { format!("{side}/{path}") } else { "/dev/null".to_owned() }
        };
        let head = (name(names.0, before.is_some()), name(names.1, after.is_some()));
        let empty = String::new();
        let diff = TextDiff::from_lines(before.unwrap_or(&empty), after.unwrap_or(&empty));
        let text = diff.unified_diff().context_radius(3).header(&head.0, &head.1).to_string();
        if text.is_empty() {
            // A file that comes or goes without a line in it.
            out.push_str(&format!("--- {}\n+++ {}\n", head.0, head.1));
        }
        for line in clean_lines(&text).lines() {
            let tone = match line.as_bytes().first() {
                _ if line.starts_with("+++") || line.starts_with("---") => None,
                Some(b'+') => Some(Tone::Good),
                Some(b'-') => Some(Tone::Bad),
                Some(b'@') => Some(Tone::Dim),
                _ => None,
            };
            out.push_str(&tone.map_or_else(|| line.to_owned(), |tone| style.paint(tone, line)));
            out.push('\n');
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_compared_by_path() {
        let files = |pairs: &[(&str, &str)]| -> BTreeMap<String, String> {
            pairs.iter().map(|(path, text)| ((*path).to_owned(), (*text).to_owned())).collect()
        };
        let old = files(&[("a.yaml", "one\ntwo\n"), ("b.yaml", "gone\n"), ("same", "x\n")]);
        let new = files(&[("a.yaml", "one\n2\n"), ("c.yaml", "new\n"), ("same", "x\n")]);
        assert_eq!(
            of_files(&old, &new, ("r1", "r2"), Style::default()),
            "--- r1/a.yaml\n+++ r2/a.yaml\n@@ -1,2 +1,2 @@\n one\n-two\n+2\n\
             --- r1/b.yaml\n+++ /dev/null\n@@ -1 +0,0 @@\n-gone\n\
             --- /dev/null\n+++ r2/c.yaml\n@@ -0,0 +1 @@\n+new\n"
        );
        assert_eq!(of_files(&new, &new, ("r1", "r2"), Style::default()), "");
    }
}
