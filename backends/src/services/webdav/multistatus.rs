//! The answer to PROPFIND.

use std::time::SystemTime;

use crate::services::xml::elements;

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
    let (mut found, mut current, mut seen) = (Vec::new(), Found::default(), false);
    elements(body, |names, text| {
        match names {
            // `href` also stands in other places, such as that of an owner.
            [.., "response", "href"] => text.trim().clone_into(&mut current.path),
            [.., "collection"] => current.is_directory = true,
            [.., "getcontentlength"] => current.size = text.trim().parse().ok().or(current.size),
            [.., "getlastmodified"] => current.changed = date(text).or(current.changed),
            [.., "response"] => found.push(std::mem::take(&mut current)),
            [.., "multistatus"] => seen = true,
            _ => {}
        }
        Some(())
    })?;
    seen.then_some(found)
}

/// A date as HTTP writes it.
fn date(text: &str) -> Option<SystemTime> {
    Some(jiff::fmt::rfc2822::parse(text.trim()).ok()?.timestamp().into())
}
