//! The answer to a listing, read without trust.

use quick_xml::events::Event;
use quick_xml::reader::Reader;

use crate::services::objects::Page;

/// A page; `None` if the answer is none, or a blob in it has no name or no size.
pub(super) fn page_of(body: &[u8]) -> Option<Page> {
    let text = std::str::from_utf8(body).ok()?;
    let mut reader = Reader::from_str(text.trim_start_matches('\u{feff}'));
    let (mut page, mut within, mut text, mut seen) = (Page::default(), Vec::<String>::new(), String::new(), false);
    let (mut name, mut size) = (None, None);
    loop {
        match reader.read_event().ok()? {
            Event::Start(element) => {
                within.push(element.local_name().as_ref().to_owned());
                seen |= within == ["EnumerationResults", "Blobs"];
                text.clear();
                if within.len() > DEPTH_MAX {
                    return None;
                }
            }
            Event::Empty(element) => seen |= within.len() == 1 && element.local_name().as_ref() == "Blobs",
            Event::Text(piece) => text.push_str(&piece),
            Event::CData(piece) => text.push_str(&piece),
            Event::GeneralRef(entity) => match entity.resolve_char_ref().ok()? {
                Some(c) => text.push(c),
                None => text.push_str(match &*entity {
                    "amp" => "&",
                    "lt" => "<",
                    "gt" => ">",
                    "quot" => "\"",
                    "apos" => "'",
                    _ => return None,
                }),
            },
            Event::End(_) => {
                let path: Vec<&str> = within.iter().map(String::as_str).skip(1).collect();
                match path[..] {
                    ["Blobs", "Blob", "Name"] => name = Some(std::mem::take(&mut text)),
                    ["Blobs", "Blob", "Properties", "Content-Length"] => size = text.trim().parse().ok(),
                    ["Blobs", "Blob"] => page.found.push((name.take()?, size.take()?)),
                    ["NextMarker"] if !text.is_empty() => page.next = Some(std::mem::take(&mut text)),
                    _ => {}
                }
                text.clear();
                within.pop()?;
            }
            Event::Eof => return (seen && within.is_empty()).then_some(page),
            _ => {}
        }
    }
}

const DEPTH_MAX: usize = 16;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_are_read_and_what_is_none_is_not() {
        let text = "\u{feff}<?xml version=\"1.0\"?><EnumerationResults><Prefix>a</Prefix><Blobs><Blob><Name>a/b&amp;c</Name>\
                    <Properties><Etag>x</Etag><Content-Length>12</Content-Length></Properties></Blob></Blobs>\
                    <NextMarker>2!8</NextMarker></EnumerationResults>";
        let expected = Page { found: vec![("a/b&c".to_owned(), 12)], next: Some("2!8".to_owned()) };
        assert_eq!(page_of(text.as_bytes()), Some(expected));
        let empty = "<EnumerationResults><Blobs /><NextMarker/></EnumerationResults>";
        assert_eq!(page_of(empty.as_bytes()), Some(Page::default()));
        let nameless = text.replace("Name>", "Nome>");
        for bad in ["", "<html/>", "<EnumerationResults><Blobs>", &nameless, &"<a>".repeat(50)] {
            assert_eq!(page_of(bad.as_bytes()), None, "{bad}");
        }
    }
}
