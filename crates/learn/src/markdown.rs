//! Markdown that stays what it was meant to be, whatever texts from outside are put into it.

use crate::sentence::plain;

/// A text from outside as one line of Markdown that shows exactly that text: no link, no table cell, no HTML.
pub(crate) fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in plain(text).chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            // A bare address or name would become a link or a mention; an entity keeps the text and breaks that.
            '@' => out.push_str("&#64;"),
            '\\' | '`' | '*' | '_' | '{' | '}' | '[' | ']' | '#' | '|' | '~' | '!' | '$' => {
                out.push('\\');
                out.push(c);
            }
            c => out.push(c),
        }
    }
    // At the start of a list's item these would begin a quotation or another list.
    let digits = out.bytes().take_while(u8::is_ascii_digit).count();
    let at = if digits > 0 && out[digits..].starts_with(['.', ')']) { Some(digits) } else { None };
    if let Some(at) = at.or(out.starts_with(['>', '-', '+', '=']).then_some(0)) {
        out.insert(at, '\\');
    }
    out.replace("://", "&#58;//").replace("www.", "www&#46;")
}

/// Rows as a table. Cells are Markdown already.
pub(crate) fn table(head: &[&str], rows: &[Vec<String>]) -> String {
    let line = |cells: &[String]| format!("| {} |\n", cells.join(" | "));
    let head: Vec<String> = head.iter().map(|cell| (*cell).to_owned()).collect();
    let rule: Vec<String> = head.iter().map(|_| "---".to_owned()).collect();
    let mut out = line(&head) + &line(&rule);
    for row in rows {
        out.push_str(&line(row));
    }
    out
}

/// Where a fact stands in the journal.
pub(crate) fn seen(seq: u64) -> String {
    format!("(journal {seq})")
}
