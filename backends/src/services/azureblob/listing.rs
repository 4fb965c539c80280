//! The answer to a listing.

use crate::services::objects::Page;
use crate::services::xml::elements;

/// A page; `None` if the answer is none, or a blob in it has no name or no size.
pub(super) fn page_of(body: &[u8]) -> Option<Page> {
    let (mut page, mut seen, mut name, mut size) = (Page::default(), false, None, None);
    elements(body, |names, text| {
        match names {
            [_, "Blobs", "Blob", "Name"] => name = Some(text.to_owned()),
            [_, "Blobs", "Blob", "Properties", "Content-Length"] => size = text.trim().parse().ok(),
            [_, "Blobs", "Blob"] => page.found.push((name.take()?, size.take()?)),
            [_, "NextMarker"] if !text.is_empty() => page.next = Some(text.to_owned()),
            ["EnumerationResults", "Blobs"] => seen = true,
            _ => {}
        }
        Some(())
    })?;
    seen.then_some(page)
}

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
