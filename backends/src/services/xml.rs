//! Answers in XML, read without trust: whoever made them may be an adversary.

use quick_xml::events::Event;
use quick_xml::reader::Reader;

/// Calls `ended` at the end of each element, with the names that lead to it from the outermost on, without their namespaces, and
/// the text since the last of its elements. `None` if the document is none, is nested without end, or `ended` says so.
pub(super) fn elements(body: &[u8], mut ended: impl FnMut(&[&str], &str) -> Option<()>) -> Option<()> {
    let text = std::str::from_utf8(body).ok()?;
    let mut reader = Reader::from_str(text.trim_start_matches('\u{feff}'));
    reader.config_mut().expand_empty_elements = true;
    let (mut within, mut text) = (Vec::<String>::new(), String::new());
    loop {
        match reader.read_event().ok()? {
            Event::Start(element) => {
                within.push(element.local_name().as_ref().to_owned());
                text.clear();
                if within.len() > DEPTH_MAX {
                    return None;
                }
            }
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
                let names: Vec<&str> = within.iter().map(String::as_str).collect();
                ended(&names, &text)?;
                within.pop()?;
                text.clear();
            }
            Event::Eof => return within.is_empty().then_some(()),
            _ => {}
        }
    }
}

const DEPTH_MAX: usize = 32;
