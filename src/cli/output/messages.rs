//! What `--json` makes of talk: objects, one a line, told apart by `message_type` as restic's are. docs/cli.md lists them.

use std::time::Duration;

use serde::Serialize;

use super::error::CliError;
use super::json::text;
use super::status_line::Snapshot;
use crate::class::Class;
use crate::ops::SyncReport;
use crate::path::TreePath;

/// One line on standard error.
#[derive(Debug, Default, Serialize)]
pub(crate) struct Message<'a> {
    message_type: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<u8>,
    #[serde(skip_serializing_if = "Option::is_none")]
    class: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    path: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    action: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    size: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<&'a str>,
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    causes: &'a [String],
    #[serde(skip_serializing_if = "Option::is_none")]
    hint: Option<&'a str>,
    #[serde(flatten)]
    status: Option<Status>,
}

/// How far a run is.
#[derive(Debug, Serialize)]
struct Status {
    seconds_elapsed: f64,
    checked: u64,
    files_done: u64,
    bytes_done: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    total_files: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    total_bytes: Option<u64>,
    errors: u64,
}

impl<'a> Message<'a> {
    /// A sentence.
    pub(crate) fn text(kind: &'a str, text: &'a str) -> Self {
        Self { message_type: kind, message: Some(text), ..Self::default() }
    }

    /// What was done, or would be, to an entry.
    pub(crate) fn entry(kind: &'a str, path: &TreePath, action: &'a str, size: u64) -> Self {
        let path = Some(text(path.as_bytes()));
        Self { message_type: kind, path, action: Some(action), size: Some(size), ..Self::default() }
    }

    /// An entry that could not be handled: the run goes on.
    pub(crate) fn failed(path: &TreePath, reason: &'a str) -> Self {
        let (code, class) = (Some(Class::Failed.code()), Some(class_name(Class::Failed)));
        let path = Some(text(path.as_bytes()));
        Self { message_type: "error", code, class, path, message: Some(reason), ..Self::default() }
    }

    /// The error that ends the run.
    pub(crate) fn exit(error: &'a CliError) -> Self {
        let (message, causes) = error.chain.split_first().map_or(("", &[][..]), |(head, rest)| (head.as_str(), rest));
        Self {
            message_type: "exit_error",
            code: Some(error.class.code()),
            class: Some(class_name(error.class)),
            path: error.path.as_deref().map(text),
            message: Some(message),
            causes,
            hint: error.advice(),
            ..Self::default()
        }
    }

    /// How far the run is.
    pub(super) fn status(snapshot: &Snapshot, elapsed: Duration) -> Self {
        let status = Status {
            seconds_elapsed: elapsed.as_secs_f64(),
            checked: snapshot.checked,
            files_done: snapshot.files,
            bytes_done: snapshot.bytes,
            total_files: snapshot.planned.map(|(files, _)| files),
            total_bytes: snapshot.planned.map(|(_, bytes)| bytes),
            errors: snapshot.failed,
        };
        Self { message_type: "status", status: Some(status), ..Self::default() }
    }

    /// The line.
    pub(crate) fn render(&self) -> String {
        serde_json::to_string(self).expect("plain fields and text always serialise")
    }
}

/// What a run that changes something did: the last line, on standard output.
#[derive(Debug, Serialize)]
pub(crate) struct JsonSummary<'a> {
    message_type: &'static str,
    dry_run: bool,
    checked: u64,
    files: u64,
    bytes: u64,
    updated: u64,
    deleted: u64,
    moved: u64,
    failed: u64,
    deduplicated: u64,
    stored: u64,
    conflicts: u64,
    requests: u64,
    total_duration: f64,
    commit: Option<&'a str>,
}

impl<'a> JsonSummary<'a> {
    pub(crate) fn new(report: &'a SyncReport, elapsed: Duration, dry_run: bool) -> Self {
        Self {
            message_type: "summary",
            dry_run,
            checked: report.checked,
            files: report.files,
            bytes: report.bytes,
            updated: report.updated,
            deleted: report.deleted,
            moved: report.moved,
            failed: report.failed,
            deduplicated: report.deduplicated,
            stored: report.stored,
            conflicts: report.conflicts,
            requests: report.requests,
            total_duration: elapsed.as_secs_f64(),
            commit: report.commit.as_deref(),
        }
    }
}

/// `DirNotFound` as `dir_not_found`.
fn class_name(class: Class) -> String {
    let mut name = String::new();
    for c in format!("{class:?}").chars() {
        if c.is_uppercase() && !name.is_empty() {
            name.push('_');
        }
        name.extend(c.to_lowercase());
    }
    name
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_object_a_line_whatever_is_said() {
        let error = CliError::new(Class::DirNotFound, "`v:a\nb` does not exist").caused_by("because");
        let line = Message::exit(&error).render();
        assert_eq!(
            line,
            r#"{"message_type":"exit_error","code":3,"class":"dir_not_found","message":"`v:a\nb` does not exist","causes":["because"]}"#
        );
        let path = TreePath::from_bytes(b"a/\xff").unwrap();
        assert_eq!(
            Message::entry("would", &path, "copy", 3).render(),
            r#"{"message_type":"would","path":"a/\\xff","action":"copy","size":3}"#
        );
        assert!(Message::exit(&CliError::new(Class::NoKey, "x")).render().contains("\"hint\":\"check the password"));
    }
}
