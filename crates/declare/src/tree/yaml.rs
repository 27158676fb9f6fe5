//! YAML 1.2 into nodes, from the events of the parser.
//!
//! The parser states places in characters and includes in a scalar's span what precedes it (anchor, tag) or follows it
//! (white space), so spans are brought to the text itself here.

use std::collections::BTreeMap;
use std::ops::Range;

use compact_str::CompactString;
use saphyr_parser::{Event, Parser, ScalarStyle, ScanError, Span, Tag};

use super::{Entry, MAX_DEPTH, Node, NodeKind, Parsed, Style, Typed, scalar};
use crate::diagnostic::Diagnostic;
use crate::read::MAX_PROBLEMS;
use crate::source::Source;

/// The most values that aliases may repeat in one file, which stops a "billion laughs" early.
const MAX_ALIASED: usize = 100_000;

/// Reads a file as YAML.
pub(super) fn parse(source: &Source) -> Parsed {
    let mut builder = Builder::new(source);
    match builder.run() {
        Ok(()) => Parsed { documents: builder.documents, diagnostics: builder.diagnostics },
        Err(stop) => {
            builder.diagnostics.push(*stop);
            Parsed { documents: Vec::new(), diagnostics: builder.diagnostics }
        }
    }
}

type Stop = Box<Diagnostic>;

/// A value under construction.
struct Frame {
    anchor: usize,
    start: usize,
    kind: FrameKind,
    /// Values so far, this one included.
    size: usize,
    /// Levels below it.
    height: usize,
}

enum FrameKind {
    List(Vec<Node>),
    Map { entries: Entries, merged: Vec<Entry>, key: PendingKey },
}

/// So many entries are looked through sooner than they are indexed.
const WORTH_AN_INDEX: usize = 16;

/// The entries of a mapping that are written out.
#[derive(Default)]
struct Entries {
    list: Vec<Entry>,
    /// Where each key stands in the list; empty while the list is short.
    index: BTreeMap<CompactString, usize>,
}

impl Entries {
    fn get(&self, key: &str) -> Option<&Entry> {
        if self.index.is_empty() {
            self.list.iter().find(|entry| entry.key == key)
        } else {
            self.index.get(key).and_then(|at| self.list.get(*at))
        }
    }

    fn push(&mut self, entry: Entry) {
        if !self.index.is_empty() {
            self.index.insert(entry.key.clone(), self.list.len());
        }
        self.list.push(entry);
        if self.index.is_empty() && self.list.len() > WORTH_AN_INDEX {
            self.index = self.list.iter().enumerate().map(|(at, entry)| (entry.key.clone(), at)).collect();
        }
    }
}

enum PendingKey {
    /// The next value is a key.
    None,
    /// The next value belongs to this key.
    Key(CompactString, Range<usize>),
    /// The next value belongs to `<<`.
    Merge,
    /// The next value belongs to a key that was refused.
    Refused,
}

struct Anchored {
    node: Node,
    size: usize,
    height: usize,
}

struct Builder<'a> {
    source: &'a Source,
    base: usize,
    /// The byte of each character where the two differ.
    bytes: Option<Vec<usize>>,
    frames: Vec<Frame>,
    anchors: BTreeMap<usize, Anchored>,
    aliased: usize,
    documents: Vec<Node>,
    diagnostics: Vec<Diagnostic>,
}

impl<'a> Builder<'a> {
    fn new(source: &'a Source) -> Self {
        let base = source.content_start();
        let text = &source.text[base..];
        let bytes = (!text.is_ascii()).then(|| text.char_indices().map(|(at, _)| base + at).collect());
        Self {
            source,
            base,
            bytes,
            frames: Vec::new(),
            anchors: BTreeMap::new(),
            aliased: 0,
            documents: Vec::new(),
            diagnostics: Vec::new(),
        }
    }

    fn byte(&self, character: usize) -> usize {
        match &self.bytes {
            Some(bytes) => bytes.get(character).copied().unwrap_or(self.source.text.len()),
            None => (self.base + character).min(self.source.text.len()),
        }
    }

    fn run(&mut self) -> Result<(), Stop> {
        let source = self.source;
        let mut parser = Parser::new_from_str(&source.text[self.base..]);
        while let Some(event) = parser.next_event() {
            let (event, span) = event.map_err(|error| self.syntax(&error))?;
            self.event(event, span)?;
            if self.diagnostics.len() > MAX_PROBLEMS {
                // The rest would not be shown.
                self.documents.clear();
                break;
            }
        }
        Ok(())
    }

    fn event(&mut self, event: Event<'_>, span: Span) -> Result<(), Stop> {
        let start = self.byte(span.start.index());
        let end = self.byte(span.end.index()).max(start);
        match event {
            Event::Nothing | Event::StreamStart | Event::StreamEnd | Event::DocumentEnd => {}
            // Anchors end with their document.
            Event::DocumentStart(_) => self.anchors.clear(),
            Event::Alias(id) => self.alias(id, start..end)?,
            Event::Scalar(text, style, anchor, tag) => {
                let value_start = self.after_properties(start, end, anchor > 0 || tag.is_some());
                let mut node = self.scalar(&text, style, value_start..end);
                if let (Some(tag), NodeKind::Scalar(scalar)) = (tag, &node.kind) {
                    let typed =
                        self.tagged(&text, scalar.typed.clone(), &tag, start..value_start, &node.span);
                    node = Node::scalar(scalar.text.clone(), typed, scalar.style, node.span);
                }
                self.finish(node, anchor, 1, 0)?;
            }
            Event::SequenceStart(anchor, tag) => {
                self.collection_tag(tag.as_deref(), "seq", start..end);
                self.open(FrameKind::List(Vec::new()), anchor, start, end, anchor > 0 || tag.is_some())?;
            }
            Event::MappingStart(anchor, tag) => {
                self.collection_tag(tag.as_deref(), "map", start..end);
                let kind =
                    FrameKind::Map { entries: Entries::default(), merged: Vec::new(), key: PendingKey::None };
                self.open(kind, anchor, start, end, anchor > 0 || tag.is_some())?;
            }
            Event::SequenceEnd | Event::MappingEnd => self.close(end)?,
        }
        Ok(())
    }

    fn open(
        &mut self,
        kind: FrameKind,
        anchor: usize,
        start: usize,
        end: usize,
        properties: bool,
    ) -> Result<(), Stop> {
        let start = self.after_properties(start, end.max(start), properties);
        if self.frames.len() >= MAX_DEPTH {
            return Err(self.too_deep(start));
        }
        self.frames.push(Frame { anchor, start, kind, size: 1, height: 0 });
        Ok(())
    }

    fn too_deep(&self, at: usize) -> Stop {
        let message = format!("Values are nested deeper than {MAX_DEPTH} levels here");
        Box::new(self.source.error("too-deep", at..self.next_character(at), message))
    }

    fn close(&mut self, end: usize) -> Result<(), Stop> {
        // The parser closes what it opened.
        let Some(frame) = self.frames.pop() else { return Ok(()) };
        let flow = self.source.text[frame.start.min(self.source.text.len())..].starts_with(['{', '[']);
        let (kind, first, last) = match frame.kind {
            FrameKind::List(items) => {
                let last = items.last().map(|item| item.span.end);
                (NodeKind::List(items), None, last)
            }
            FrameKind::Map { mut entries, merged, .. } => {
                let first = entries.list.first().map(|entry| entry.key_span.start);
                let last = entries.list.last().map(|entry| entry.value.span.end.max(entry.key_span.end));
                for entry in merged {
                    // What is written out wins over what is merged, and an earlier merge over a later one.
                    if entries.get(&entry.key).is_none() {
                        entries.push(entry);
                    }
                }
                (NodeKind::Map(entries.list), first, last)
            }
        };
        let start = if flow { frame.start } else { first.unwrap_or(frame.start) };
        let end = if flow { end } else { last.unwrap_or(start) };
        let node = Node::container(kind, start..end.max(start), self.source);
        self.finish(node, frame.anchor, frame.size, frame.height + 1)
    }

    /// Puts a finished value where it belongs.
    fn finish(&mut self, node: Node, anchor: usize, size: usize, height: usize) -> Result<(), Stop> {
        if self.frames.len() + height > MAX_DEPTH {
            return Err(self.too_deep(node.span.start));
        }
        if anchor > 0 {
            self.anchors.insert(anchor, Anchored { node: node.clone(), size, height });
        }
        let source = self.source;
        let Some(frame) = self.frames.last_mut() else {
            self.documents.push(node);
            return Ok(());
        };
        frame.size += size;
        frame.height = frame.height.max(height);
        match &mut frame.kind {
            FrameKind::List(items) => items.push(node),
            FrameKind::Map { entries, merged, key } => match std::mem::replace(key, PendingKey::None) {
                PendingKey::None => *key = take_key(source, node, entries, &mut self.diagnostics),
                PendingKey::Refused => {}
                PendingKey::Merge => merge(source, node, merged, &mut self.diagnostics),
                PendingKey::Key(key, key_span) => {
                    let mut value = node.named(&key_span, source);
                    if value.is_null() && value.span.is_empty() {
                        value = Node::null(key_span.clone());
                    }
                    entries.push(Entry { key, key_span, value });
                }
            },
        }
        Ok(())
    }

    fn alias(&mut self, id: usize, span: Range<usize>) -> Result<(), Stop> {
        let Some(anchored) = self.anchors.get(&id) else {
            let is_inside = self.frames.iter().any(|frame| frame.anchor == id);
            let (message, help) = if is_inside {
                ("This alias stands inside the value that it repeats", "a value cannot contain itself")
            } else {
                (
                    "The anchor of this alias stands in another document",
                    "anchors end with their document at `---`: write the value out, or mark it again",
                )
            };
            return Err(Box::new(self.source.error("bad-alias", span, message).help(help)));
        };
        self.aliased += anchored.size;
        if self.aliased > MAX_ALIASED {
            let message = format!("With this alias, aliases repeat more than {MAX_ALIASED} values");
            return Err(Box::new(self.source.error("too-many-aliases", span, message)));
        }
        let (size, height) = (anchored.size, anchored.height);
        if self.frames.len() + height > MAX_DEPTH {
            return Err(self.too_deep(span.start));
        }
        let node = anchored.node.clone();
        self.finish(node, 0, size, height)
    }

    fn scalar(&self, text: &str, style: ScalarStyle, span: Range<usize>) -> Node {
        let style = match style {
            ScalarStyle::Plain => Style::Plain,
            ScalarStyle::SingleQuoted => Style::SingleQuoted,
            ScalarStyle::DoubleQuoted => Style::DoubleQuoted,
            ScalarStyle::Literal => Style::Literal,
            ScalarStyle::Folded => Style::Folded,
        };
        let span = scalar_span(&self.source.text, span, style, text);
        let typed = if style == Style::Plain { scalar::plain(text) } else { Typed::Text };
        Node::scalar(text.into(), typed, style, span)
    }

    fn tagged(
        &mut self,
        text: &str,
        typed: Typed,
        tag: &Tag,
        properties: Range<usize>,
        span: &Range<usize>,
    ) -> Typed {
        // `! text` says that it is a text.
        if tag.handle.is_empty() && tag.suffix == "!" {
            return Typed::Text;
        }
        let name = if tag.is_yaml_core_schema() { tag.suffix.as_str() } else { "" };
        let fits = match (name, scalar::plain(text)) {
            ("str", _) => Some(Typed::Text),
            ("null", Typed::Null) => Some(Typed::Null),
            ("bool", typed @ Typed::Bool(_)) => Some(typed),
            ("int", Typed::Number(number)) if !number.is_f64() => Some(Typed::Number(number)),
            ("float", typed @ (Typed::Number(_) | Typed::NotFinite)) => Some(typed),
            ("null" | "bool" | "int" | "float", _) => None,
            _ => {
                self.unsupported_tag(tag, properties);
                return typed;
            }
        };
        fits.unwrap_or_else(|| {
            let message = format!("This is tagged `!!{name}` but is not written as one");
            self.diagnostics.push(self.source.error("wrong-type", span.clone(), message));
            typed
        })
    }

    fn collection_tag(&mut self, tag: Option<&Tag>, expected: &str, span: Range<usize>) {
        if let Some(tag) = tag
            && !(tag.is_yaml_core_schema() && tag.suffix == expected)
        {
            self.unsupported_tag(tag, span);
        }
    }

    /// `properties` is the text before the value, where the tag stands.
    fn unsupported_tag(&mut self, tag: &Tag, properties: Range<usize>) {
        let shown = if tag.is_yaml_core_schema() {
            format!("!!{}", tag.suffix)
        } else {
            format!("{}{}", tag.handle, tag.suffix)
        };
        let text = self.source.text.get(properties.start..).unwrap_or_default();
        let start = properties.start + text.find('!').unwrap_or(0);
        let rest = self.source.text.get(start..).unwrap_or_default();
        let length = rest.find(|c: char| c.is_whitespace() || matches!(c, ',' | '[' | ']' | '{' | '}'));
        let span = start..start + length.unwrap_or(rest.len());
        self.diagnostics.push(
            self.source
                .error("unsupported-tag", span, format!("The tag `{shown}` means nothing here"))
                .help("put the text in quotes if it should start with `!`"),
        );
    }

    /// Where the value itself starts, after its anchor and tag.
    fn after_properties(&self, start: usize, end: usize, properties: bool) -> usize {
        if !properties {
            return start;
        }
        let text = &self.source.text;
        let mut at = start;
        while let Some(rest) = text.get(at..) {
            let trimmed = rest.trim_start();
            if trimmed.starts_with('#') {
                at = text.len() - trimmed.len() + trimmed.find('\n').unwrap_or(trimmed.len());
            } else if trimmed.starts_with(['&', '!']) {
                let length = trimmed
                    .find(|c: char| c.is_whitespace() || matches!(c, ',' | '[' | ']' | '{' | '}'))
                    .unwrap_or(trimmed.len());
                at = text.len() - trimmed.len() + length;
            } else {
                at = text.len() - trimmed.len();
                break;
            }
            if at >= end.max(start + 1) {
                break;
            }
        }
        at.min(text.len())
    }

    fn next_character(&self, at: usize) -> usize {
        at + self.source.text.get(at..).and_then(|rest| rest.chars().next()).map_or(0, char::len_utf8)
    }

    fn syntax(&self, error: &ScanError) -> Stop {
        let at = self.byte(error.marker().index());
        if error.info().contains("recursion limit") {
            return self.too_deep(at);
        }
        let at_the_end = self.source.text.get(at..).is_none_or(|rest| rest.trim().is_empty());
        let (message, help) = match error.info() {
            "while parsing a node, did not find expected node content" if at_the_end => {
                ("The file ends here, and a bracket is not closed".to_owned(), Some("close each `[` and `{`"))
            }
            info => explain(info),
        };
        let mut span = at..self.next_character(at);
        if error.info().contains("tab") {
            // The parser may notice the tab only after it; show the tab itself.
            let line = self.source.text[..at].rfind('\n').map_or(0, |at| at + 1);
            let rest = &self.source.text[line..];
            let indent = rest.len() - rest.trim_start_matches([' ', '\t']).len();
            if let Some(tab) = rest[..indent].find('\t') {
                span = line + tab..line + tab + 1;
            }
        }
        let mut diagnostic = self.source.error("syntax", span, message);
        diagnostic.help = help.map(str::to_owned);
        Box::new(diagnostic)
    }
}

fn take_key(source: &Source, node: Node, entries: &Entries, diagnostics: &mut Vec<Diagnostic>) -> PendingKey {
    let kind_name = node.kind_name();
    let NodeKind::Scalar(key) = node.kind else {
        diagnostics.push(
            source
                .error("bad-key", node.focus, format!("A key must be a text, and this is {kind_name}"))
                .help("put it in quotes if braces or brackets are meant as text, as in `\"{{ name }}\"`"),
        );
        return PendingKey::Refused;
    };
    if key.text.is_empty() && key.typed == Typed::Null {
        diagnostics.push(source.error("bad-key", node.focus, "There is no key before this `:`"));
        return PendingKey::Refused;
    }
    if key.text == "<<" && key.style == Style::Plain {
        return PendingKey::Merge;
    }
    if let Some(first) = entries.get(&key.text) {
        diagnostics.push(
            source
                .error("duplicate-key", node.span, format!("The key `{}` is here twice", key.text))
                .label("again here")
                .related(source.place(first.key_span.clone(), "first here")),
        );
        return PendingKey::Refused;
    }
    PendingKey::Key(key.text, node.span)
}

fn merge(source: &Source, node: Node, merged: &mut Vec<Entry>, diagnostics: &mut Vec<Diagnostic>) {
    let mut refuse = |focus: Range<usize>, kind_name: &str| {
        let message = format!("`<<` merges a mapping or a list of mappings, and this is {kind_name}");
        diagnostics.push(source.error("bad-merge", focus, message));
    };
    let kind_name = node.kind_name();
    match node.kind {
        NodeKind::Map(entries) => merged.extend(entries),
        NodeKind::List(items) => {
            for item in items {
                let kind_name = item.kind_name();
                match item.kind {
                    NodeKind::Map(entries) => merged.extend(entries),
                    _ => refuse(item.focus, kind_name),
                }
            }
        }
        NodeKind::Scalar(_) => refuse(node.focus, kind_name),
    }
}

/// The text of a scalar without what the parser adds before and after it.
fn scalar_span(text: &str, span: Range<usize>, style: Style, value: &str) -> Range<usize> {
    let start = span.start.min(text.len());
    let inside = text.get(start..span.end.min(text.len())).unwrap_or_default();
    match style {
        Style::Plain if value.is_empty() => start..start,
        Style::Plain => start..start + inside.trim_end().len(),
        Style::SingleQuoted | Style::DoubleQuoted => {
            let mut chars = inside.char_indices().skip(1).peekable();
            while let Some((at, c)) = chars.next() {
                match c {
                    '\\' if style == Style::DoubleQuoted => {
                        chars.next();
                    }
                    '\'' if style == Style::SingleQuoted => {
                        let doubled = chars.next_if(|(_, next)| *next == '\'').is_some();
                        if !doubled {
                            return start..start + at + 1;
                        }
                    }
                    '"' if style == Style::DoubleQuoted => return start..start + at + 1,
                    _ => {}
                }
            }
            start..start + inside.trim_end().len()
        }
        Style::Literal | Style::Folded => block_span(text, start, inside),
        // No parser makes these.
        Style::Filled => start..start + inside.len(),
    }
}

/// The lines of a block scalar, from the first character of the first line to the end of the last line with text.
fn block_span(text: &str, start: usize, inside: &str) -> Range<usize> {
    let mut from = 0;
    if inside.starts_with(['|', '>']) {
        // With an anchor or tag, or without content, the parser starts at the indicator.
        let Some(header) = inside.find('\n') else { return start..start + inside.trim_end().len() };
        let body = &inside[header + 1..];
        let first = body.len() - body.trim_start().len();
        let line = body[..first].rfind('\n').map_or(0, |at| at + 1);
        let spaces = body[line..].bytes().take_while(|b| *b == b' ').count();
        from = header + 1 + line + spaces;
        if body.trim().is_empty() {
            return start..start + inside[..header].trim_end().len();
        }
    }
    let trimmed = inside.trim_end().len().max(from);
    let rest = text.get(start + trimmed..).unwrap_or_default();
    let line_end = rest.find(['\n', '\r']).unwrap_or(rest.len());
    start + from..start + trimmed + line_end
}

/// The parser's words in ours, and what usually helps.
fn explain(info: &str) -> (String, Option<&'static str>) {
    const INDENT: &str = "look at the indentation of this line and of the one above it";
    const TABS: &str = "indent with spaces";
    const QUOTE: &str = "put the text in quotes if it holds `: ` or starts with one of `[]{}&*!|>%@`";
    const QUOTE_OR_INDENT: &str =
        "indent the line like the key above it, or put the text in quotes if it holds `: `";
    let (message, help) = match info {
        "while parsing a block mapping, did not find expected key" => ("Expected a key here", Some(INDENT)),
        "while parsing a block collection, did not find expected '-' indicator" => {
            ("Expected the next `- ` of the list here", Some(INDENT))
        }
        "simple key expected" | "simple key expect ':'" => ("Expected `:` after the key", Some(INDENT)),
        "mapping values are not allowed in this context" => {
            ("A `:` cannot stand here", Some(QUOTE_OR_INDENT))
        }
        "mapping keys are not allowed in this context" => ("A key cannot stand here", Some(INDENT)),
        "block sequence entries are not allowed in this context" => {
            ("A list cannot start here", Some(INDENT))
        }
        "illegal placement of ':' indicator" => ("A `:` cannot stand here", Some(QUOTE_OR_INDENT)),
        "invalid indentation" => ("This line is indented wrongly", Some(INDENT)),
        "invalid indentation in flow construct" => (
            "This line is indented less than the list or mapping it belongs to",
            Some("close the bracket, or indent the line"),
        ),
        "invalid indentation in quoted scalar" => (
            "This quote is not closed on its line, and the next line is indented too little to belong to it",
            None,
        ),
        "wrongly indented line in block scalar" => {
            ("This line of the text block is indented too little", Some(INDENT))
        }
        "while parsing a flow sequence, expected ',' or ']'" => {
            ("Expected `,` or `]` here", Some("a `[` before it is not closed, or a text needs quotes"))
        }
        "while parsing a flow mapping, did not find expected ',' or '}'" => (
            "Expected `,` or `}` here",
            Some("a `{` before it is not closed, or a text that holds `: ` needs quotes"),
        ),
        "while parsing a node, did not find expected node content" => ("Expected a value here", Some(QUOTE)),
        "while parsing node, found unknown anchor" => (
            "There is no anchor of this name before it",
            Some(
                "write `&name` before the value that `*name` should repeat; put the text in quotes if it should start with `*`",
            ),
        ),
        "while scanning a quoted scalar, found unexpected end of stream" => {
            ("This quote is never closed", None)
        }
        "while scanning a quoted scalar, found unexpected document indicator" => {
            ("This quote is not closed before the next document", None)
        }
        "while parsing a quoted scalar, found unknown escape character" => (
            "This double-quoted text has an unknown escape",
            Some("write `\\\\` for a backslash, or use single quotes"),
        ),
        "invalid trailing content after double-quoted scalar" => (
            "Nothing can follow the closing quote here",
            Some(
                "put the whole text in quotes; a quote inside double quotes is `\\\"`, inside single quotes `''`",
            ),
        ),
        "misplaced bracket" => ("This bracket closes nothing", None),
        "comment intercepting the multiline text" => {
            ("A comment cannot stand inside a text of several lines", None)
        }
        "missing explicit document end marker before directive" => {
            ("A directive needs `...` before it", None)
        }
        "did not find expected <document start>" | "invalid content after document end marker" => {
            ("Nothing can follow here", Some(INDENT))
        }
        "unexpected eof" => ("The file ends too early", None),
        info if info.starts_with("unexpected character") => {
            ("This character cannot start a text without quotes", Some(QUOTE))
        }
        info if info.starts_with("tab") || info.contains("a tab") => ("A tab cannot indent", Some(TABS)),
        info => {
            let mut chars = info.chars();
            let first = chars.next().map(|c| c.to_uppercase().to_string()).unwrap_or_default();
            return (format!("{first}{}", chars.as_str()), None);
        }
    };
    (message.to_owned(), help)
}
