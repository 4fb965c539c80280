//! Reports as JSON: field names are part of the interface, as docs/cli.md lists them.

use std::collections::BTreeMap;
use std::io;

use jiff::tz::TimeZone;
use serde::Serialize;

use super::mime;
use super::printer::Printer;
use super::times::{exact_rfc3339, rfc3339};
use crate::ops::{
    CheckReport, Conflict, Hit, KeyPlace, Listed, ListedKind, LogEntry, QuarantinedEntry, Stat, StatusReport,
    VerifyReport, Version, WriterRow,
};
use crate::path::printable;

/// A conflict that waits.
#[derive(Debug, Serialize)]
pub(crate) struct JsonConflict<'a> {
    path: String,
    lost: String,
    copy: JsonVersion<'a>,
    current: Option<JsonVersion<'a>>,
}

/// One of its versions.
#[derive(Debug, Serialize)]
struct JsonVersion<'a> {
    kind: &'static str,
    size: u64,
    modified: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    commit: Option<JsonCommit<'a>>,
}

impl<'a> JsonConflict<'a> {
    pub(crate) fn new(conflict: &'a Conflict, zone: &TimeZone) -> Self {
        let version = |version: &'a Version| JsonVersion {
            kind: match version.listed.kind {
                ListedKind::File => "file",
                ListedKind::Dir => "directory",
                ListedKind::Symlink(_) => "symlink",
            },
            size: version.listed.size,
            modified: rfc3339(version.listed.mtime, zone),
            commit: version.commit.as_ref().map(|commit| JsonCommit::new(commit, zone)),
        };
        Self {
            path: text(conflict.copy.listed.path.as_bytes()),
            lost: text(conflict.lost.as_bytes()),
            copy: version(&conflict.copy),
            current: conflict.current.as_ref().map(version),
        }
    }
}

/// An entry, as rclone's `lsjson` shows it.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct JsonEntry {
    path: String,
    name: String,
    size: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    mime_type: Option<&'static str>,
    mod_time: String,
    is_dir: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    hashes: Option<BTreeMap<&'static str, String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    link_target: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    metadata: Option<BTreeMap<String, String>>,
}

impl JsonEntry {
    pub(crate) fn new(listed: &Listed, zone: &TimeZone) -> Self {
        let is_dir = listed.kind == ListedKind::Dir;
        Self {
            path: text(listed.path.as_bytes()),
            name: text(listed.path.name().unwrap_or_default()),
            size: if is_dir { -1 } else { i64::try_from(listed.size).unwrap_or(i64::MAX) },
            mime_type: None,
            mod_time: exact_rfc3339(listed.mtime, zone),
            is_dir,
            hashes: None,
            metadata: None,
            link_target: match &listed.kind {
                ListedKind::Symlink(target) => Some(text(target)),
                _ => None,
            },
        }
    }

    /// With the MIME type that the name suggests.
    pub(crate) fn with_mime_type(self) -> Self {
        let mime_type = Some(if self.is_dir { "inode/directory" } else { mime::by_name(&self.name) });
        Self { mime_type, ..self }
    }

    /// The MIME type, if it was asked for.
    pub(crate) fn mime_type(&self) -> &'static str {
        self.mime_type.unwrap_or_default()
    }

    /// The metadata as JSON of its own, if it was asked for.
    pub(crate) fn metadata_text(&self) -> String {
        self.metadata.as_ref().and_then(|all| serde_json::to_string(all).ok()).unwrap_or_default()
    }

    /// With all that is kept of an entry beside its content, under rclone's names.
    pub(crate) fn with_metadata(self, listed: &Listed, zone: &TimeZone) -> Self {
        let kind = match listed.kind {
            ListedKind::File => 0o100_000,
            ListedKind::Dir => 0o040_000,
            ListedKind::Symlink(_) => 0o120_000,
        };
        let mut metadata: BTreeMap<String, String> = listed.attributes.iter().cloned().collect();
        metadata.insert("mtime".to_owned(), exact_rfc3339(listed.mtime, zone));
        if let Some(mode) = listed.mode {
            metadata.insert("mode".to_owned(), format!("{:o}", kind | u32::from(mode)));
        }
        Self { metadata: Some(metadata), ..self }
    }

    /// With the sums that were computed.
    pub(crate) fn with_hashes(self, listed: &Listed) -> Self {
        let hashes: BTreeMap<_, _> = listed.sums.iter().map(|(kind, sum)| (kind.name(), sum.hex())).collect();
        Self { hashes: Some(hashes).filter(|hashes| !hashes.is_empty()), ..self }
    }

    /// Without the time, for whom it matters.
    pub(crate) fn without_time(self) -> Self {
        Self { mod_time: String::new(), ..self }
    }
}

/// What `stat` knows.
#[derive(Debug, Serialize)]
pub(crate) struct JsonStat {
    path: String,
    kind: &'static str,
    size: u64,
    mod_time: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    mode: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    link_target: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    entries_below: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    bytes_below: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    chunks: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    hole_bytes: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    content_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    conflict_of: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    conflict_commit: Option<String>,
}

impl JsonStat {
    pub(crate) fn new(stat: &Stat, zone: &TimeZone) -> Self {
        let listed = &stat.listed;
        let (kind, link_target) = match &listed.kind {
            ListedKind::File => ("file", None),
            ListedKind::Dir => ("dir", None),
            ListedKind::Symlink(target) => ("symlink", Some(text(target))),
        };
        let stored = stat.stored.as_ref();
        Self {
            path: text(listed.path.as_bytes()),
            kind,
            size: listed.size,
            mod_time: rfc3339(listed.mtime, zone),
            mode: listed.mode.map(|mode| format!("{mode:04o}")),
            link_target,
            entries_below: stat.below.map(|(entries, _)| entries),
            bytes_below: stat.below.map(|(_, bytes)| bytes),
            chunks: stored.map(|stored| stored.chunks),
            hole_bytes: stored.map(|stored| stored.holes),
            content_id: stored.and_then(|stored| stored.id.clone()),
            conflict_of: stat.conflict.as_ref().map(|(name, _)| name.clone()),
            conflict_commit: stat.conflict.as_ref().map(|(_, commit)| commit.clone()),
        }
    }
}

#[derive(Debug, Serialize)]
pub(crate) struct JsonCommit<'a> {
    id: &'a str,
    time: String,
    writer: &'a str,
    operation: &'a str,
    entries: u64,
    bytes: u64,
    kind: &'a str,
    writer_id: &'a str,
    number: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    given_up: Option<&'a [String]>,
}

impl<'a> JsonCommit<'a> {
    pub(crate) fn new(commit: &'a LogEntry, zone: &TimeZone) -> Self {
        let LogEntry { id, time, writer, operation, entries, bytes, kind, writer_id, number, given_up } = commit;
        let (time, given_up) = (rfc3339(*time, zone), given_up.as_deref());
        let (entries, bytes, number) = (*entries, *bytes, *number);
        Self { id, time, writer, operation, entries, bytes, kind, writer_id, number, given_up }
    }
}

#[derive(Debug, Serialize)]
pub(crate) struct JsonStatus<'a> {
    location: &'a str,
    vault_id: &'a str,
    access_version: u32,
    epoch: u32,
    members: Vec<JsonMember<'a>>,
    writer: Option<&'a str>,
    head: Option<JsonCommit<'a>>,
    heads: Vec<JsonCommit<'a>>,
    writers: Vec<JsonWriterRow<'a>>,
    quarantined: Vec<JsonQuarantined<'a>>,
    foreign: &'a [String],
    conflicts: u64,
    entries: u64,
    bytes: u64,
    policy: Vec<String>,
    pinned: u64,
    unwanted: u64,
    age_seconds: Option<u64>,
    records: u64,
    checkpoint: &'a str,
    device_key: Option<&'static str>,
    unfinished_objects: u64,
    unfinished_bytes: u64,
    warnings: &'a [String],
}

/// A commit that does not count.
#[derive(Debug, Serialize)]
pub(crate) struct JsonQuarantined<'a> {
    #[serde(flatten)]
    commit: JsonCommit<'a>,
    why: &'a str,
    adoptable: bool,
}

impl<'a> JsonQuarantined<'a> {
    pub(crate) fn new(one: &'a QuarantinedEntry, zone: &TimeZone) -> Self {
        Self { commit: JsonCommit::new(&one.entry, zone), why: &one.why, adoptable: one.adoptable }
    }
}

#[derive(Debug, Serialize)]
struct JsonMember<'a> {
    kind: &'a str,
    role: &'a str,
    label: &'a str,
    id: &'a str,
}

impl<'a> JsonStatus<'a> {
    pub(crate) fn new(status: &'a StatusReport, zone: &TimeZone) -> Self {
        let members = status.members.iter().map(|[kind, role, label, id]| JsonMember { kind, role, label, id });
        Self {
            location: &status.location,
            vault_id: &status.vault_id,
            access_version: status.access_version,
            epoch: status.epoch,
            members: members.collect(),
            writer: status.writer.as_deref(),
            head: status.head.as_ref().map(|head| JsonCommit::new(head, zone)),
            heads: status.heads.iter().map(|head| JsonCommit::new(head, zone)).collect(),
            writers: status.writers.iter().map(|writer| JsonWriterRow::new(writer, zone)).collect(),
            quarantined: status.quarantined.iter().map(|one| JsonQuarantined::new(one, zone)).collect(),
            foreign: &status.foreign,
            conflicts: status.conflicts,
            entries: status.tree.0,
            bytes: status.tree.1,
            policy: super::printed_policy(&status.policy),
            pinned: status.named.0,
            unwanted: status.named.1,
            age_seconds: status.age,
            records: status.records,
            checkpoint: &status.checkpoint,
            device_key: status.device_key.map(|place| match place {
                KeyPlace::File => "file",
                KeyPlace::Keyring => "keyring",
            }),
            unfinished_objects: status.unfinished.0,
            unfinished_bytes: status.unfinished.1,
            warnings: &status.warnings,
        }
    }
}

#[derive(Debug, Serialize)]
pub(crate) struct JsonWriterRow<'a> {
    id: &'a str,
    label: &'a str,
    member: Option<&'a str>,
    member_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    first: Option<String>,
    last: String,
    commit: &'a str,
    seq: u64,
    state: &'a str,
    own: bool,
}

impl<'a> JsonWriterRow<'a> {
    pub(crate) fn new(writer: &'a WriterRow, zone: &TimeZone) -> Self {
        let member = writer.member.as_ref();
        Self {
            id: &writer.id,
            label: &writer.label,
            member: member.map(|(label, _)| label.as_str()),
            member_id: member.map(|(_, id)| id.as_str()),
            first: writer.first.map(|first| rfc3339(first, zone)),
            last: rfc3339(writer.last, zone),
            commit: &writer.commit,
            seq: writer.seq,
            state: writer.state.name(),
            own: writer.own,
        }
    }
}

#[derive(Debug, Serialize)]
pub(crate) struct JsonVerify<'a> {
    entries: u64,
    nodes: u64,
    chunks: u64,
    objects: u64,
    objects_read: u64,
    bytes_read: u64,
    foreign: &'a [String],
    quarantined: Vec<String>,
    problems: Vec<JsonProblem<'a>>,
    files: Vec<JsonHit<'a>>,
}

/// A file that rests on something missing or damaged.
#[derive(Debug, Serialize)]
pub(crate) struct JsonHit<'a> {
    path: String,
    code: u8,
    why: &'a str,
    newest: bool,
    commits: &'a [String],
    commit_count: u64,
}

impl<'a> JsonHit<'a> {
    /// The files among hits; parts of trees are no files.
    pub(crate) fn all(hits: &'a [Hit]) -> Vec<Self> {
        let of = |hit: &'a Hit| {
            let path = hit.path.as_ref()?.to_string();
            let Hit { class, why, newest, commits, count, .. } = hit;
            Some(Self { path, code: class.code(), why, newest: *newest, commits, commit_count: *count })
        };
        hits.iter().filter_map(of).collect()
    }
}

#[derive(Debug, Serialize)]
struct JsonProblem<'a> {
    code: u8,
    message: &'a str,
}

impl<'a> JsonVerify<'a> {
    pub(crate) fn new(report: &'a VerifyReport) -> Self {
        let problems = report.problems.iter().map(|(class, message)| JsonProblem { code: class.code(), message });
        Self {
            entries: report.entries,
            nodes: report.nodes,
            chunks: report.chunks,
            objects: report.objects,
            objects_read: report.objects_read,
            bytes_read: report.bytes_read,
            foreign: &report.foreign,
            quarantined: report.quarantined.iter().map(|one| one.entry.id.clone()).collect(),
            problems: problems.collect(),
            files: JsonHit::all(&report.hits),
        }
    }
}

#[derive(Debug, Serialize)]
pub(crate) struct JsonCheck {
    message_type: &'static str,
    same: u64,
    differ: u64,
    only_source: u64,
    only_dest: u64,
    errors: u64,
}

impl JsonCheck {
    pub(crate) fn new(report: &CheckReport) -> Self {
        let CheckReport { same, differ, only_source, only_dest, errors } = *report;
        Self { message_type: "summary", same, differ, only_source, only_dest, errors }
    }
}

/// Text as it is; what is not UTF-8, which JSON can't carry, is escaped.
pub(super) fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap_or_else(|_| printable(bytes))
}

/// Writes one object on one line.
pub(crate) fn write_object(printer: &Printer, value: &impl Serialize) -> io::Result<()> {
    printer.data(&serde_json::to_string(value)?)
}

/// Writes an array as rclone does: `[`, an object a line with commas between, `]`. `fill` gets the function that adds one.
pub(crate) fn write_array<T: Serialize, E: From<io::Error>>(
    printer: &Printer,
    fill: impl FnOnce(&mut dyn FnMut(&T) -> io::Result<()>) -> Result<(), E>,
) -> Result<(), E> {
    let mut first = true;
    let filled = fill(&mut |value| {
        let separator: &[u8] = if std::mem::take(&mut first) { b"[\n" } else { b",\n" };
        printer.record(separator, &serde_json::to_vec(value)?)
    });
    match (filled, first) {
        (Ok(()), true) => Ok(printer.data("[\n]")?),
        (Err(error), true) => Err(error), // and no data with it
        // What was listed until then is a whole array: that it is not all of it, the error and the exit code tell.
        (filled, false) => printer.data("\n]").map_err(E::from).and(filled),
    }
}
