//! Comparing without case as the service does: each character of a pattern stands for itself, its lower case and its
//! upper case, of which each may be several characters. What the event has is taken as it is: `ß` in a pattern takes `SS`
//! but not `ss`, and `k` does not take the Kelvin sign, though the lower case of that is `k`.

/// What follows in the text if it goes on with these characters.
fn after<I: Iterator<Item = char> + Clone>(text: &I, form: impl Iterator<Item = char>) -> Option<I> {
    let mut rest = text.clone();
    for wanted in form {
        if rest.next()? != wanted {
            return None;
        }
    }
    Some(rest)
}

/// How many bytes of a text follow the pattern that it starts with. Of the forms of a character no text starts with two.
fn stripped(text: &str, pattern: &str) -> Option<usize> {
    let start = text.chars();
    let rest = pattern.chars().try_fold(start, |text, wanted| {
        after(&text, std::iter::once(wanted))
            .or_else(|| after(&text, wanted.to_lowercase()))
            .or_else(|| after(&text, wanted.to_uppercase()))
    })?;
    Some(rest.as_str().len())
}

/// Whether two texts are equal without case.
pub(super) fn equal(text: &str, pattern: &str) -> bool {
    stripped(text, pattern) == Some(0)
}

/// Whether a text starts so without case.
pub(super) fn starts_with(text: &str, prefix: &str) -> bool {
    stripped(text, prefix).is_some()
}

/// Whether a text ends so without case.
pub(super) fn ends_with(text: &str, suffix: &str) -> bool {
    let end = text.chars().rev();
    let rest = suffix.chars().rev().try_fold(end, |text, wanted| {
        after(&text, std::iter::once(wanted))
            .or_else(|| after(&text, wanted.to_lowercase().rev()))
            .or_else(|| after(&text, wanted.to_uppercase().rev()))
    });
    rest.is_some()
}

/// Whether each character of a pattern takes one character, so that [`key`] tells where it may be found.
pub(super) fn keeps_length(pattern: &str) -> bool {
    let single = |c: char| c.to_lowercase().count() == 1 && c.to_uppercase().count() == 1;
    pattern.is_ascii() || pattern.chars().all(single)
}

/// Stands for the characters that `key` does not tell apart.
const OTHER: u8 = 0;

/// A byte that is equal for a character of a pattern and each single one that it takes. Not the other way round: most
/// characters beyond ASCII share one.
pub(super) fn key(c: char) -> u8 {
    match c {
        // These three are the only ones beyond ASCII that have an ASCII letter as their other case.
        'ſ' => b's',
        'ı' => b'i',
        '\u{212a}' => b'k',
        c => u8::try_from(c).ok().filter(u8::is_ascii).map_or(OTHER, |byte| byte.to_ascii_lowercase()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn forms(c: char) -> [String; 3] {
        [c.to_string(), c.to_lowercase().collect(), c.to_uppercase().collect()]
    }

    #[test]
    fn a_character_takes_its_forms_only() {
        for c in '\0'..=char::MAX {
            let (pattern, forms) = (c.to_string(), forms(c));
            for form in &forms {
                assert!(equal(form, &pattern), "{c:?} and {form:?}");
                // Otherwise the form that is tried first could hide another.
                let hides = |other: &String| {
                    other != form && (other.starts_with(form.as_str()) || other.ends_with(form.as_str()))
                };
                assert!(!forms.iter().any(hides), "{c:?}: {forms:?}");
                if keeps_length(&pattern) {
                    assert_eq!(form.chars().map(key).collect::<Vec<_>>(), [key(c)], "{c:?} and {form:?}");
                }
            }
        }
        for (text, pattern) in [
            ("ss", "ß"),
            ("ẞ", "ß"),
            ("\u{212a}", "k"),
            ("\u{212a}", "K"),
            ("K", "\u{212a}"),
            ("ſ", "S"),
            ("ı", "i"),
        ] {
            assert!(!equal(text, pattern), "{text:?} and {pattern:?}");
        }
    }

    #[test]
    fn ends_take_several_characters_for_one() {
        for (text, pattern, starts, ends) in [
            ("STRASSE", "straße", true, true),
            ("Strasse", "straße", false, false),
            ("SSa", "ß", true, false),
            ("aSS", "ß", false, true),
            ("S", "ß", false, false),
        ] {
            assert_eq!(starts_with(text, pattern), starts, "{text} and {pattern}");
            assert_eq!(ends_with(text, pattern), ends, "{text} and {pattern}");
        }
    }
}
