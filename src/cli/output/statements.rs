//! What `adopt` and `writer retire` have done, as JSON.

use jiff::tz::TimeZone;
use serde::Serialize;

use super::json::{JsonCommit, JsonQuarantined};
use crate::ops::{AdoptReport, RetireReport};

#[derive(Debug, Serialize)]
pub(crate) struct JsonAdopted<'a> {
    adopted: Vec<JsonQuarantined<'a>>,
    commit: Option<&'a str>,
}

impl<'a> JsonAdopted<'a> {
    pub(crate) fn new(report: &'a AdoptReport, zone: &TimeZone) -> Self {
        let adopted = report.adopted.iter().map(|one| JsonQuarantined::new(one, zone)).collect();
        Self { adopted, commit: report.commit.as_deref() }
    }
}

#[derive(Debug, Serialize)]
pub(crate) struct JsonRetired<'a> {
    writer: &'a str,
    kept: Vec<JsonCommit<'a>>,
    commit: Option<&'a str>,
}

impl<'a> JsonRetired<'a> {
    pub(crate) fn new(report: &'a RetireReport, zone: &TimeZone) -> Self {
        let kept = report.kept.iter().map(|commit| JsonCommit::new(commit, zone)).collect();
        Self { writer: &report.writer, kept, commit: report.commit.as_deref() }
    }
}
