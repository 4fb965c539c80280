//! The answer to PROPFIND, read without trust: whoever made it may be an adversary.

use std::time::SystemTime;

use quick_xml::events::Event;
use quick_xml::reader::Reader;

/// One resource of an answer.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Found {
    /// As the server writes it; whoever asked makes a path of it.
    pub(super) path: String,
    pub(super) is_directory: bool,
    pub(super) size: Option<u64>,
    pub(super) changed: Option<SystemTime>,
}

/// The resources of an answer; `None` if it is none.
pub(super) fn parse(body: &[u8]) -> Option<Vec<Found>> {
    let mut reader = Reader::from_str(std::str::from_utf8(body).ok()?);
    let (mut found, mut current) = (Vec::new(), Found::default());
    let (mut within, mut text, mut seen) = (Vec::<String>::new(), String::new(), false);
    loop {
        match reader.read_event().ok()? {
            Event::Start(element) => {
                let name = element.local_name().as_ref().to_owned();
                match name.as_str() {
                    "multistatus" => seen = true,
                    "response" => current = Found::default(),
                    "collection" => current.is_directory = true,
                    _ => {}
                }
                text.clear();
                within.push(name);
                if within.len() > DEPTH_MAX {
                    return None;
                }
            }
            Event::Empty(element) if element.local_name().as_ref() == "collection" => current.is_directory = true,
            Event::Empty(element) if element.local_name().as_ref() == "multistatus" => seen = true,
            Event::Text(piece) => text.push_str(&piece),
            Event::CData(piece) => text.push_str(&piece),
            Event::GeneralRef(name) => match name.resolve_char_ref().ok()? {
                Some(c) => text.push(c),
                None => text.push_str(match &*name {
                    "amp" => "&",
                    "lt" => "<",
                    "gt" => ">",
                    "quot" => "\"",
                    "apos" => "'",
                    _ => return None,
                }),
            },
            Event::End(_) => {
                let name = within.pop()?;
                // `href` also stands in other places, such as that of an owner.
                match (name.as_str(), within.last().map(String::as_str)) {
                    ("href", Some("response")) => text.trim().clone_into(&mut current.path),
                    ("getcontentlength", _) => current.size = text.trim().parse().ok().or(current.size),
                    ("getlastmodified", _) => current.changed = date(&text).or(current.changed),
                    ("response", _) => found.push(std::mem::take(&mut current)),
                    _ => {}
                }
                text.clear();
            }
            Event::Eof => return (seen && within.is_empty()).then_some(found),
            _ => {}
        }
    }
}

/// A date as HTTP writes it.
fn date(text: &str) -> Option<SystemTime> {
    Some(jiff::fmt::rfc2822::parse(text.trim()).ok()?.timestamp().into())
}

const DEPTH_MAX: usize = 32;
