//! Which links of a site lead nowhere. For tests: of generated documentation here, and of the example's elsewhere.

use std::collections::{BTreeMap, BTreeSet};

use pulldown_cmark::{Event, Options, Parser, Tag, TagEnd};

/// The values of an attribute on a page.
pub fn values<'p>(page: &'p str, attribute: &str) -> Vec<&'p str> {
    let start = format!(" {attribute}=\"");
    page.split(&start).skip(1).filter_map(|rest| rest.split('"').next()).collect()
}

/// Whether a link leaves the site.
fn leaves(address: &str) -> bool {
    ["https://", "http://", "mailto:"].iter().any(|scheme| address.starts_with(scheme))
}

/// The links of a page, or of a Markdown text.
fn links(path: &str, page: &str) -> Vec<String> {
    if !path.ends_with(".md") {
        let pictures = values(page, "src").into_iter().chain(values(page, "data"));
        return values(page, "href").into_iter().chain(pictures).map(str::to_owned).collect();
    }
    let address = |event| match event {
        Event::Start(Tag::Link { dest_url, .. } | Tag::Image { dest_url, .. }) => Some(dest_url.to_string()),
        _ => None,
    };
    Parser::new_ext(page, Options::ENABLE_TABLES).filter_map(address).collect()
}

/// The places within a page. Readers of Markdown make those of a text from its headings.
fn places(path: &str, page: &str) -> BTreeSet<String> {
    if !path.ends_with(".md") {
        return values(page, "id").into_iter().map(str::to_owned).collect();
    }
    let mut found = BTreeSet::new();
    let mut heading: Option<String> = None;
    for event in Parser::new_ext(page, Options::ENABLE_TABLES) {
        match event {
            Event::Start(Tag::Heading { .. }) => heading = Some(String::new()),
            Event::End(TagEnd::Heading(_)) => {
                let text = heading.take().unwrap_or_default().to_lowercase();
                let kept = text.chars().filter(|c| c.is_alphanumeric() || matches!(c, '-' | '_' | ' '));
                let slug: String = kept.map(|c| if c == ' ' { '-' } else { c }).collect();
                // A second heading of the same words gets a number, so that it is never meant by them.
                let again = (1..).map(|number| format!("{slug}-{number}"));
                let free = std::iter::once(slug.clone()).chain(again).find(|slug| !found.contains(slug));
                found.extend(free);
            }
            Event::Text(text) | Event::Code(text) => {
                if let Some(heading) = &mut heading {
                    heading.push_str(&text);
                }
            }
            _ => {}
        }
    }
    found
}

/// Every link that stays in the site and leads to no file or to no place of one.
pub fn broken(site: &BTreeMap<String, String>) -> Vec<String> {
    let mut broken = Vec::new();
    let linking = |path: &str| [".html", ".svg", ".md"].iter().any(|end| path.ends_with(end));
    for (path, page) in site.iter().filter(|(path, _)| linking(path)) {
        let folder = path.rsplit_once('/').map_or("", |(folder, _)| folder);
        for address in links(path, page).into_iter().filter(|address| !leaves(address)) {
            let (file, fragment) = address.split_once('#').unwrap_or((&address, ""));
            let target = match file.strip_prefix("../") {
                Some(up) => up.to_owned(),
                None if file.is_empty() => path.clone(),
                None if folder.is_empty() => file.to_owned(),
                None => format!("{folder}/{file}"),
            };
            let leads = site
                .get(&target)
                .is_some_and(|page| fragment.is_empty() || places(&target, page).contains(fragment));
            if !leads {
                broken.push(format!("{path}: {address}"));
            }
        }
    }
    broken
}

#[test]
fn a_link_that_leads_nowhere_is_found() {
    let site = |pages: &[(&str, &str)]| -> BTreeMap<String, String> {
        pages.iter().map(|(path, page)| ((*path).to_owned(), (*page).to_owned())).collect()
    };
    let sound = site(&[
        ("index.html", "<a href=\"a/b.html#x\">1</a> <img src=\"d.svg\"/> <a href=\"https://x/nope\">2</a>"),
        ("a/b.html", "<p id=\"x\"></p><a href=\"../docs.md\">1</a><a href=\"#x\">2</a>"),
        ("d.svg", "<a href=\"a/b.html\">1</a>"),
        ("docs.md", "# An `alarm` B\n\n[b](#an-alarm-b) ![d](d.svg)\n"),
    ]);
    assert_eq!(broken(&sound), [""; 0]);
    let torn = site(&[
        ("index.html", "<a href=\"b.html\">1</a> <a href=\"a/b.html#y\">2</a> <img src=\"e.svg\"/>"),
        ("a/b.html", "<p id=\"x\"></p><a href=\"b.md\">1</a>"),
        ("docs.md", "# A\n\n# A\n\n[a](#a-1) [a](#a-2) ![d](d.svg)\n"),
    ]);
    let expected = [
        "a/b.html: b.md",
        "docs.md: #a-2",
        "docs.md: d.svg",
        "index.html: b.html",
        "index.html: a/b.html#y",
        "index.html: e.svg",
    ];
    assert_eq!(broken(&torn), expected);
}
