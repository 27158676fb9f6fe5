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
