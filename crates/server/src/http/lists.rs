//! Pages of lists that are made anew for each request: their entries have keys, and a page goes on behind one.

use mainstay_api::v1::Page;
use mainstay_model::{Selector, Timestamp};

use super::error::Failure;
use crate::access::{Caller, Sight};
use crate::app::App;

/// The most entries of a page, and how many there are where it is not said.
pub const MANY: usize = 1000;

/// How many entries a page has.
pub fn limit(asked: Option<usize>) -> usize {
    asked.unwrap_or(MANY).clamp(1, MANY)
}

/// The page behind a cursor, in the order of the keys.
pub fn page<T>(mut all: Vec<(String, T)>, cursor: Option<&str>, asked: Option<usize>) -> Page<T> {
    let limit = limit(asked);
    all.sort_by(|a, b| a.0.cmp(&b.0));
    let from = cursor.map_or(0, |cursor| all.partition_point(|(key, _)| key.as_str() <= cursor));
    let next = all.get(from + limit).and(all.get(from + limit - 1)).map(|(key, _)| key.clone());
    Page { items: all.into_iter().skip(from).take(limit).map(|(_, entry)| entry).collect(), next }
}

/// A key by which what is later comes first.
pub fn newest_first(at: Timestamp, id: &str) -> String {
    format!("{:016x}.{id}", i64::MAX.saturating_sub(at.as_millis()))
}

/// Words with commas between them, each of which is one of those that are known.
pub fn words<'a>(
    asked: Option<&'a str>,
    what: &str,
    known: &[&str],
) -> Result<Option<Vec<&'a str>>, Failure> {
    let Some(asked) = asked else { return Ok(None) };
    let words: Vec<&str> = asked.split(',').map(str::trim).collect();
    match words.iter().find(|word| !known.contains(*word)) {
        Some(unknown) => Err(Failure::bad_request(format!("`{unknown}` is not a {what}"))
            .hint(format!("give one of: {}", known.join(", ")))),
        None => Ok(Some(words)),
    }
}

/// A selector that was asked for.
pub fn selector(asked: Option<&str>) -> Result<Option<Selector>, Failure> {
    let parsed = asked.map(str::parse::<Selector>).transpose();
    parsed.map_err(|error| Failure::bad_request("The selector is not one").because(error))
}

/// What who asks may see, and of it what belongs to workloads that a selector picks, where one is given.
pub fn sight(app: &App, caller: &Caller, selector: Option<&str>) -> Result<Sight, Failure> {
    let selector = self::selector(selector)?;
    Ok(caller.sight(&app.catalogue).picked(selector.as_ref(), &app.catalogue))
}

/// Whether a text that is asked for stands in one of these, in any case of letters.
pub fn contains<'a>(asked: Option<&str>, texts: impl IntoIterator<Item = &'a str>) -> bool {
    let Some(asked) = asked.map(str::to_lowercase).filter(|asked| !asked.is_empty()) else { return true };
    texts.into_iter().any(|text| text.to_lowercase().contains(&asked))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_follow_each_other_without_a_gap_whatever_goes_in_between() {
        let all = |numbers: &[u32]| numbers.iter().map(|n| (format!("k{n:03}"), *n)).collect::<Vec<_>>();
        let first = page(all(&[5, 3, 1, 2, 4]), None, Some(2));
        assert_eq!((first.items, first.next.as_deref()), (vec![1, 2], Some("k002")));
        // What the cursor named is gone, and something came before it.
        let second = page(all(&[5, 3, 1, 4, 0]), first.next.as_deref(), Some(2));
        assert_eq!((second.items, second.next.as_deref()), (vec![3, 4], Some("k004")));
        let last = page(all(&[5, 3, 1, 4, 0]), second.next.as_deref(), Some(2));
        assert_eq!((last.items, last.next), (vec![5], None));
        let exact = page(all(&[1, 2]), None, Some(2));
        assert_eq!((exact.items.len(), exact.next), (2, None), "no empty page at the end");
        assert_eq!(page(all(&[1]), Some("z"), None).items, [0; 0]);
        assert_eq!(page(all(&[1, 2]), None, Some(0)).items, [1], "at least one");
    }

    #[test]
    fn later_comes_first() {
        let key = |ms, id| newest_first(Timestamp::from_millis(ms), id);
        assert!(key(2, "a") < key(1, "a") && key(1, "a") < key(1, "b") && key(10, "a") < key(9, "a"));
    }

    #[test]
    fn words_are_known_ones() {
        assert_eq!(words(Some("a, b"), "x", &["a", "b"]).ok().flatten(), Some(vec!["a", "b"]));
        assert!(words(Some("a,c"), "x", &["a", "b"]).is_err() && words(None, "x", &[]).is_ok());
        assert!(contains(Some("AB"), ["xaby"]) && !contains(Some("ab"), ["xy", "a"]) && contains(None, []));
    }
}
