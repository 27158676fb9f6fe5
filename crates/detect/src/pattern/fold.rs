//! Comparing without case, character by character as the service does: two characters are the same when their single
//! lower case or upper case forms are. Text never changes its length, so `ß` is not `SS`.

fn same(a: char, b: char) -> bool {
    a == b || a.to_lowercase().eq(b.to_lowercase()) || a.to_uppercase().eq(b.to_uppercase())
}

/// Whether two texts are equal without case.
pub(super) fn equal(a: &str, b: &str) -> bool {
    let (mut a, mut b) = (a.chars(), b.chars());
    loop {
        match (a.next(), b.next()) {
            (None, None) => return true,
            (Some(a), Some(b)) if same(a, b) => {}
            _ => return false,
        }
    }
}

/// Whether a text starts so without case.
pub(super) fn starts_with(text: &str, prefix: &str) -> bool {
    let mut text = text.chars();
    prefix.chars().all(|wanted| text.next().is_some_and(|found| same(found, wanted)))
}

/// Whether a text ends so without case.
pub(super) fn ends_with(text: &str, suffix: &str) -> bool {
    let mut text = text.chars().rev();
    suffix.chars().rev().all(|wanted| text.next().is_some_and(|found| same(found, wanted)))
}

/// Stands for the characters that `key` does not tell apart.
const OTHER: u8 = 0;

/// A byte that is equal for characters that are the same without case. Not the other way round: most characters beyond
/// ASCII share one.
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

    #[test]
    fn characters_that_are_the_same_have_one_key() {
        // Without an ASCII character as its other case, one beyond ASCII is the same as none of them.
        let near = |c: &char| c.to_lowercase().chain(c.to_uppercase()).any(|other| other.is_ascii());
        for wide in ('\u{80}'..=char::MAX).filter(near) {
            for ascii in '\0'..='\u{7f}' {
                assert!(!same(wide, ascii) || key(wide) == key(ascii), "{wide:?} and {ascii:?}");
            }
        }
        for a in '\0'..='\u{7f}' {
            for b in '\0'..='\u{7f}' {
                assert_eq!(same(a, b), key(a) == key(b), "{a:?} and {b:?}");
            }
        }
        // One beyond ASCII that has a key of its own must be the same as no other one beyond ASCII.
        for odd in ['ſ', 'ı', '\u{212a}'] {
            for wide in '\u{80}'..=char::MAX {
                assert!(!same(odd, wide) || key(odd) == key(wide), "{odd:?} and {wide:?}");
            }
        }
    }
}
