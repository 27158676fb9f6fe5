//! Markdown of people, made harmless: as HTML for pages, and as Markdown within a larger document.

use pulldown_cmark::{CowStr, Event, HeadingLevel, LinkType, Options, Parser, Tag, TagEnd, html};

/// The longest text that is rendered. A file may be no larger.
const MAX_TEXT: usize = 1 << 20;

/// The deepest nesting (quotations within lists within ...) that is kept.
const MAX_NESTING: usize = 32;

fn options() -> Options {
    Options::ENABLE_TABLES | Options::ENABLE_STRIKETHROUGH | Options::ENABLE_TASKLISTS
}

/// What a link of a text becomes: an address that may be followed, or nothing.
pub(super) type Resolve<'a> = dyn Fn(&str) -> Option<String> + 'a;

/// Whether an address leads to the web or to a mailbox.
pub(super) fn is_web(address: &str) -> bool {
    let scheme = address.split(':').next().unwrap_or_default().to_ascii_lowercase();
    let known = matches!(scheme.as_str(), "http" | "https" | "mailto") && address.len() > scheme.len();
    known && !address.chars().any(|c| c.is_control() || c.is_whitespace())
}

/// As much of a text as is rendered, without control characters and without those that turn the direction of writing.
fn bounded(text: &str) -> String {
    let mut end = text.len().min(MAX_TEXT);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    let turns = |c: char| matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    let odd = |c: char| turns(c) || (c.is_control() && !matches!(c, '\n' | '\t' | '\r'));
    text[..end].chars().map(|c| if odd(c) { ' ' } else { c }).collect()
}

/// A text as HTML. HTML within it is shown, not obeyed; pictures become their descriptions, because a page loads
/// nothing; links go where `resolve` says, and those it does not know become text. Headings begin at the third level.
pub(super) fn to_html(text: &str, resolve: &Resolve<'_>) -> String {
    let mut depth = 0_usize;
    let mut links: Vec<bool> = Vec::new();
    let text = bounded(text);
    let events = Parser::new_ext(&text, options()).filter_map(|event| {
        let level = match &event {
            Event::Start(_) => {
                depth += 1;
                depth
            }
            Event::End(_) => {
                depth = depth.saturating_sub(1);
                depth + 1
            }
            _ => 0,
        };
        if level > MAX_NESTING {
            return None;
        }
        Some(match event {
            Event::Html(html) | Event::InlineHtml(html) => Event::Text(html),
            Event::Start(Tag::HtmlBlock) => Event::Start(Tag::Paragraph),
            Event::End(TagEnd::HtmlBlock) => Event::End(TagEnd::Paragraph),
            Event::Start(Tag::Heading { level, .. }) => Event::Start(Tag::Heading {
                level: lower(level),
                id: None,
                classes: Vec::new(),
                attrs: Vec::new(),
            }),
            Event::End(TagEnd::Heading(level)) => Event::End(TagEnd::Heading(lower(level))),
            Event::Start(Tag::Image { .. }) | Event::End(TagEnd::Image) => return None,
            Event::Start(Tag::Link { link_type, dest_url, .. }) => {
                let address = if link_type == LinkType::Email {
                    format!("mailto:{dest_url}")
                } else {
                    dest_url.to_string()
                };
                let leads = resolve(&address);
                links.push(leads.is_some());
                Event::Start(Tag::Link {
                    link_type: LinkType::Inline,
                    dest_url: CowStr::from(leads?),
                    title: CowStr::Borrowed(""),
                    id: CowStr::Borrowed(""),
                })
            }
            Event::End(TagEnd::Link) if links.pop() == Some(false) => return None,
            other => other,
        })
    });
    let mut out = String::new();
    html::push_html(&mut out, events);
    out
}

fn lower(level: HeadingLevel) -> HeadingLevel {
    match level {
        HeadingLevel::H1 => HeadingLevel::H3,
        HeadingLevel::H2 => HeadingLevel::H4,
        HeadingLevel::H3 => HeadingLevel::H5,
        _ => HeadingLevel::H6,
    }
}

/// One line of our own words as HTML, without a paragraph around it.
pub(super) fn line_to_html(text: &str) -> String {
    let html = to_html(text, &|address| is_web(address).then(|| address.to_owned()));
    let inner = html.trim().strip_prefix("<p>").and_then(|rest| rest.strip_suffix("</p>"));
    match inner.filter(|inner| !inner.contains("<p>")) {
        Some(inner) => inner.to_owned(),
        None => html.trim().to_owned(),
    }
}

/// A text as Markdown that can stand in another document: HTML is escaped, pictures and links that do not lead to the
/// web show as they are written.
pub(super) fn to_markdown(text: &str) -> String {
    to_markdown_with(text, &|_| None)
}

/// The same, where links that `resolve` knows lead to where it says.
pub(super) fn to_markdown_with(text: &str, resolve: &Resolve<'_>) -> String {
    let text = &*bounded(text);
    let mut marks: Vec<(usize, usize, String)> = Vec::new();
    for (event, range) in Parser::new_ext(text, options()).into_offset_iter() {
        match event {
            Event::Html(_) | Event::InlineHtml(_) => {
                let opened = text[range.clone()].match_indices('<');
                marks.extend(opened.map(|(at, _)| (range.start + at, 1, "&lt;".to_owned())));
            }
            Event::Start(Tag::Image { .. }) => marks.push((range.start, 1, "\\!\\".to_owned())),
            Event::Start(Tag::Link { dest_url, link_type, .. })
                if !is_web(&dest_url) && link_type != LinkType::Email =>
            {
                // Where the address stands as it is meant, it can be replaced by the one it leads to.
                let written = text[range.clone()].rfind(&format!("]({dest_url}"));
                if let (Some(at), Some(leads)) = (written, resolve(&dest_url)) {
                    marks.push((range.start + at + 2, dest_url.len(), leads));
                    continue;
                }
                let bracket = text[range.start..].starts_with('<');
                let with = if bracket { "&lt;" } else { "\\" };
                marks.push((range.start, usize::from(bracket), with.to_owned()));
            }
            _ => {}
        }
    }
    marks.sort_unstable();
    marks.dedup_by_key(|mark| mark.0);
    let mut out = String::with_capacity(text.len() + marks.len() * 4);
    let mut from = 0;
    for (at, skip, with) in marks {
        if at < from {
            continue;
        }
        out.push_str(&text[from..at]);
        out.push_str(&with);
        from = at + skip;
    }
    out.push_str(&text[from..]);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hostile_markdown_stays_text() {
        let web = |address: &str| is_web(address).then(|| address.to_owned());
        for (text, html) in [
            ("a <script>alert(1)</script>", "<p>a &lt;script&gt;alert(1)&lt;/script&gt;</p>\n"),
            ("<img src=x onerror=y>", "<p>&lt;img src=x onerror=y&gt;</p>\n"),
            ("[a](javascript:alert(1))", "<p>a</p>\n"),
            ("[a](JaVaScRiPt:alert(1))", "<p>a</p>\n"),
            ("[a][b]\n\n[b]: data:text/html,x", "<p>a</p>\n"),
            ("![pic](http://x/y.png)", "<p>pic</p>\n"),
            ("[w](https://x/?a=\"b)", "<p><a href=\"https://x/?a=%22b\">w</a></p>\n"),
            ("<https://x>", "<p><a href=\"https://x\">https://x</a></p>\n"),
            ("# Big", "<h3>Big</h3>\n"),
            ("`<b>`", "<p><code>&lt;b&gt;</code></p>\n"),
        ] {
            assert_eq!(to_html(text, &web), html, "{text}");
        }
        assert_eq!(line_to_html("`a` *b*"), "<code>a</code> <em>b</em>");
        for (text, markdown) in [
            ("a <b>c</b>", "a &lt;b>c&lt;/b>"),
            ("`<b>`", "`<b>`"),
            ("![p](x.png)", "\\!\\[p](x.png)"),
            ("[a](javascript:x) [b](https://x)", "\\[a](javascript:x) [b](https://x)"),
            ("<javascript:x>", "&lt;javascript:x>"),
        ] {
            assert_eq!(to_markdown(text), markdown, "{text}");
        }
        let known = |address: &str| (address == "alarm/A").then(|| "#alarm-a".to_owned());
        for (text, markdown) in [
            ("[a](alarm/A) [b](alarm/B)", "[a](#alarm-a) \\[b](alarm/B)"),
            ("[a](alarm/A \"t\")", "[a](#alarm-a \"t\")"),
            ("[*a* [x]](alarm/A)", "[*a* [x]](#alarm-a)"),
            ("[a][r]\n\n[r]: alarm/A", "\\[a][r]\n\n[r]: alarm/A"),
            ("[a](<alarm/A>)", "\\[a](<alarm/A>)"),
        ] {
            assert_eq!(to_markdown_with(text, &known), markdown, "{text}");
        }
        let deep = to_html(&"> ".repeat(5000), &web);
        assert_eq!(deep.matches("<blockquote>").count(), deep.matches("</blockquote>").count());
    }
}
