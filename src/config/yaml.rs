//! Where things stand in a YAML text: maps and scalars with the place of each, for messages and for edits that leave the rest of
//! a file alone. What they say is for serde to read (`typed`). Anchors, tags, sequences and several documents are refused, so
//! that a file says the same to every reader.

use saphyr_parser::{Event, Marker, Parser, ScalarStyle};

/// A place in a text: line and column from 1, and bytes from its beginning.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Mark {
    pub(super) line: usize,
    pub(super) column: usize,
    pub(super) at: usize,
}

/// A value with its place: from its first character to behind its last one.
#[derive(Debug, Clone)]
pub(super) struct Node {
    pub(super) start: Mark,
    pub(super) end: usize,
    pub(super) what: What,
}

#[derive(Debug, Clone)]
pub(super) enum What {
    /// Nothing, `~` or `null`.
    Null,
    Scalar,
    Map(Vec<(Node, Node)>),
}

/// What is wrong, and where.
#[derive(Debug)]
pub(super) struct BadYaml {
    pub(super) line: usize,
    pub(super) column: usize,
    pub(super) message: String,
}

/// A mapping that is being read: where it began, its pairs, and a key that waits for its value.
type OpenMapping = (Mark, Vec<(Node, Node)>, Option<Node>);

/// The one document of a text; `None` if there is nothing in it.
pub(super) fn parse(text: &str) -> Result<Option<Node>, BadYaml> {
    // Places are told in characters; everything here is cut by bytes.
    let bytes: Vec<usize> = text.char_indices().map(|(at, _)| at).chain([text.len()]).collect();
    let byte = |mark: &Marker| bytes[mark.index().min(bytes.len() - 1)];
    let mark = |mark: &Marker| Mark { line: mark.line(), column: mark.col() + 1, at: byte(mark) };
    let mut open: Vec<OpenMapping> = Vec::new();
    let mut root = None;
    let mut documents = 0;
    for event in Parser::new_from_str(text) {
        let (event, span) = event.map_err(|error| BadYaml {
            line: error.marker().line(),
            column: error.marker().col() + 1,
            message: error.info().to_owned(),
        })?;
        let start = mark(&span.start);
        let bad = |message: &str| BadYaml { line: start.line, column: start.column, message: message.to_owned() };
        let node = match event {
            Event::DocumentStart(_) => {
                documents += 1;
                if documents > 1 {
                    return Err(bad("a second document begins here; there may be one only"));
                }
                continue;
            }
            Event::Alias(_) => return Err(bad("aliases (`*name`) are not supported: write the value itself")),
            Event::SequenceStart(..) => return Err(bad("a list is not expected here")),
            Event::Scalar(_, _, anchor, ref tag) | Event::MappingStart(anchor, ref tag)
                if anchor != 0 || tag.is_some() =>
            {
                return Err(bad("anchors (`&name`) and tags (`!name`) are not supported: leave it out"));
            }
            Event::MappingStart(..) if open.len() >= DEPTH_MAX => return Err(bad("this is nested too deeply")),
            Event::MappingStart(..) => {
                open.push((start, Vec::new(), None));
                continue;
            }
            Event::MappingEnd => {
                let (start, pairs, _) = open.pop().unwrap_or((start, Vec::new(), None));
                Node { start, end: byte(&span.end), what: What::Map(pairs) }
            }
            Event::Scalar(value, style, ..) => {
                let plain = style == ScalarStyle::Plain;
                // The parser's end may lie behind a comment.
                let end = match style {
                    ScalarStyle::Plain => start.at + value.len(),
                    ScalarStyle::SingleQuoted | ScalarStyle::DoubleQuoted => start.at + quoted_len(&text[start.at..]),
                    _ => byte(&span.end),
                };
                let null = plain && matches!(&*value, "" | "~" | "null" | "Null" | "NULL");
                let what = if null { What::Null } else { What::Scalar };
                Node { start, end, what }
            }
            _ => continue,
        };
        match open.last_mut() {
            None => root = Some(node),
            Some((_, pairs, key)) => match key.take() {
                None if !matches!(node.what, What::Scalar) => return Err(bad("a name is expected here")),
                None => *key = Some(node),
                Some(name) => pairs.push((name, node)),
            },
        }
    }
    Ok(root.filter(|root| !matches!(root.what, What::Null)))
}

/// The length of the quoted scalar that a text begins with.
fn quoted_len(text: &str) -> usize {
    let quote = text.bytes().next().unwrap_or_default();
    let mut bytes = text.bytes().enumerate().skip(1).peekable();
    while let Some((at, byte)) = bytes.next() {
        let doubled = byte == b'\'' && quote == byte && bytes.peek().is_some_and(|(_, next)| *next == quote);
        if doubled || (byte == b'\\' && quote == b'"') {
            bytes.next();
        } else if byte == quote {
            return at + 1;
        }
    }
    text.len()
}

/// Text as a scalar that reads as just that, within braces too.
pub(super) fn scalar(text: &str) -> String {
    let plain = |c: char| c.is_alphanumeric() || "._/+@~-".contains(c);
    let safe = text.chars().all(plain)
        && !matches!(text, "" | "~" | "null" | "Null" | "NULL")
        && !text.starts_with(['-', '@']);
    if safe {
        return text.to_owned();
    }
    // A text in JSON is one in YAML too, but for some characters that YAML wants escaped.
    let escaped =
        |c: char| matches!(c, '\u{7f}'..='\u{9f}' | '\u{2028}' | '\u{2029}' | '\u{feff}' | '\u{fffe}' | '\u{ffff}');
    let mut out = String::new();
    for c in serde_json::Value::from(text).to_string().chars() {
        match escaped(c) {
            true => out += &format!("\\u{:04x}", u32::from(c)),
            false => out.push(c),
        }
    }
    out
}

const DEPTH_MAX: usize = 8;

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn refuses_what_a_configuration_does_not_need() {
        for (text, line, column) in [
            ("a: [1]", 1, 4),
            ("a: &x 1\nb: *x", 1, 4),
            ("a: !t 1", 1, 4),
            ("a: 1\n---\nb: 1", 2, 1),
            ("a: b: c", 1, 5),
            ("{a: {b: {c: {d: {e: {f: {g: {h: {i: 1}}}}}}}}}", 1, 33),
            ("a:\n\t- x", 2, 1),
            ("{a: 1", 2, 1),
            ("a: \"x", 1, 4),
        ] {
            let bad = parse(text).unwrap_err();
            assert!(bad.line == line && bad.column.abs_diff(column) <= 2, "{text}: {bad:?}");
        }
        assert!(parse(&"[".repeat(100_000)).is_err() && parse(&"{".repeat(100_000)).is_err());
        assert!(parse("").unwrap().is_none() && parse("# x\n").unwrap().is_none());
    }

    proptest! {
        #[test]
        fn scalars_read_as_what_they_are(text in "\\PC{0,20}|[ -~]{0,12}|[\u{7e}-\u{a1}\u{2027}-\u{202a}\u{feff}]{0,4}|[\\x00-\\x1f\"'\\\\:#]{0,6}") {
            for yaml in [format!("k: {}\n", scalar(&text)), format!("{{k: {}, l: x}}", scalar(&text))] {
                let node = parse(&yaml).map_err(|bad| TestCaseError::fail(format!("{yaml}: {bad:?}")))?.unwrap();
                let What::Map(pairs) = node.what else { panic!() };
                prop_assert!(matches!(pairs[0].1.what, What::Scalar), "{}", yaml);
                let read: BTreeMap<String, String> = serde_yaml::from_str(&yaml).unwrap();
                prop_assert_eq!(&*read["k"], &*text, "{}", yaml);
            }
        }

        #[test]
        fn any_text_is_answered(text in "[a-c:{}\\[\\]\"'#&*!|>%@`, \n-]{0,40}") {
            drop(parse(&text));
        }
    }
}
