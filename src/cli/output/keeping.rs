//! What is kept, as text and as JSON.

use jiff::tz::TimeZone;
use serde::Serialize;

use super::json::JsonCommit;
use crate::ops::{KeepReport, KeepRow, LogEntry, NamedRow, Policy, Scope};
use crate::path::printable;

/// A policy, a line for each rule.
pub(crate) fn printed_policy(policy: &Policy) -> Vec<String> {
    let of = |scope: &Scope| match scope {
        Scope::All => String::new(),
        Scope::Tag(tag) => format!("--for-tag {tag} "),
        Scope::Path(path) => format!("--for-path {path} "),
    };
    let mut lines: Vec<String> =
        policy.rules.iter().map(|rule| printable(format!("{}{rule}", of(&rule.scope)).as_bytes())).collect();
    if lines.is_empty() {
        lines.push("--keep-all".to_owned());
    }
    if policy.offset != 0 {
        lines.push(format!("--zone {}", offset(policy.offset)));
    }
    lines
}

fn offset(minutes: i32) -> String {
    let sign = if minutes < 0 { '-' } else { '+' };
    format!("{sign}{:02}:{:02}", minutes.abs() / 60, minutes.abs() % 60)
}

#[derive(Debug, Serialize)]
pub(crate) struct JsonPolicy<'a> {
    rules: Vec<String>,
    zone: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    stated: Option<JsonCommit<'a>>,
}

impl<'a> JsonPolicy<'a> {
    pub(crate) fn new(policy: &Policy, stated: Option<&'a LogEntry>, zone: &TimeZone) -> Self {
        let mut rules = printed_policy(policy);
        rules.retain(|rule| !rule.starts_with("--zone"));
        Self { rules, zone: offset(policy.offset), stated: stated.map(|commit| JsonCommit::new(commit, zone)) }
    }
}

#[derive(Debug, Serialize)]
pub(crate) struct JsonKept<'a> {
    policy: JsonPolicy<'a>,
    keep: Vec<JsonKeepRow<'a>>,
    forget: Vec<JsonKeepRow<'a>>,
    commit: Option<&'a str>,
}

#[derive(Debug, Serialize)]
struct JsonKeepRow<'a> {
    #[serde(flatten)]
    commit: JsonCommit<'a>,
    tags: &'a [String],
    reasons: Vec<String>,
    by_hand: bool,
}

impl<'a> JsonKept<'a> {
    pub(crate) fn new(report: &'a KeepReport, zone: &TimeZone) -> Self {
        let row = |row: &'a KeepRow| JsonKeepRow {
            commit: JsonCommit::new(&row.entry, zone),
            tags: &row.tags,
            reasons: row.reasons.iter().map(ToString::to_string).collect(),
            by_hand: row.unwanted,
        };
        let (keep, forget): (Vec<_>, Vec<_>) = report.rows.iter().partition(|row| !row.reasons.is_empty());
        Self {
            policy: JsonPolicy::new(&report.policy, None, zone),
            keep: keep.into_iter().map(row).collect(),
            forget: forget.into_iter().map(row).collect(),
            commit: report.commit.as_deref(),
        }
    }
}

#[derive(Debug, Serialize)]
pub(crate) struct JsonNamed<'a> {
    #[serde(flatten)]
    commit: JsonCommit<'a>,
    names: &'a [String],
}

impl<'a> JsonNamed<'a> {
    pub(crate) fn new(row: &'a NamedRow, zone: &TimeZone) -> Self {
        Self { commit: JsonCommit::new(&row.entry, zone), names: &row.names }
    }
}
