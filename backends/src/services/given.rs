//! Settings for tests of services.

use std::collections::BTreeMap;

use crate::{BadSetting, Transport};

type Given = BTreeMap<String, String>;

pub(super) fn map(pairs: &[(&str, &str)]) -> Given {
    pairs.iter().map(|(name, value)| (name.to_string(), value.to_string())).collect()
}

/// What is said about settings that can't be used. No secret of the tests is in it.
pub(super) fn refusal<T>(open: impl Fn(&Given, &Transport) -> Result<T, BadSetting>, pairs: &[(&str, &str)]) -> String {
    let said = open(&map(pairs), &Transport::default()).err().expect("such settings can't be used").to_string();
    assert!(!said.contains("hush") && !said.contains("aHVzaA"), "{said}");
    said
}
