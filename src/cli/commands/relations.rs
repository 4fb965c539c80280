//! The reports of `copy`, `sync` and `move`: how each file related when the plan was made. They are kept in a spool until
//! the run has ended, because a plan may have to be made again.

use std::ffi::{OsStr, OsString};
use std::io::{self, BufReader, BufWriter, Read, Seek, SeekFrom, Write};
use std::sync::{Arc, Mutex, PoisonError};

use tempfile::SpooledTempFile;

use super::reports::{ReportFlags, Reports};
use crate::class::Class;
use crate::cli::output::{CliError, Printer};
use crate::cli::settings::Settings;
use crate::ops::{Difference, HearsRows, RowSink};
use crate::path::TreePath;

/// Where the lists go.
#[derive(Debug, clap::Args)]
pub(crate) struct RelationFlags {
    #[command(flatten)]
    reports: ReportFlags,
    /// Write the paths of all files that the destination has afterwards
    #[arg(long, value_name = "FILE", help_heading = "Reports")]
    dest_after: Option<OsString>,
}

/// The lists, open, and what is to be written there.
pub(crate) struct Relations {
    reports: Reports,
    spool: Arc<Spool>,
}

impl RelationFlags {
    /// Opens what is wanted; `None` if nothing is.
    ///
    /// # Errors
    /// A file can't be written.
    pub(crate) fn open(&self, settings: &Settings, printer: &Printer) -> Result<Option<Relations>, CliError> {
        if !self.reports.is_wanted() && self.dest_after.is_none() {
            return Ok(None);
        }
        let on_stdout = self.reports.on_stdout() || self.dest_after.as_deref() == Some(OsStr::new("-"));
        if printer.is_json() && on_stdout {
            return Err(CliError::usage("--json and a report to - both write to standard output")
                .hint("write the report to a file"));
        }
        let reports = self.reports.open(settings)?.with_after(settings, self.dest_after.as_deref())?;
        Ok(Some(Relations { reports, spool: Arc::default() }))
    }
}

impl Relations {
    /// What the op tells.
    pub(crate) fn sink(&self) -> RowSink {
        let spool: Arc<Spool> = Arc::clone(&self.spool);
        RowSink::new(spool)
    }

    /// Writes the lists.
    ///
    /// # Errors
    /// They can't be written.
    pub(crate) fn finish(mut self, printer: &Printer) -> Result<(), CliError> {
        self.write(printer).map_err(|error| CliError::new(Class::Failed, "cannot write a report").caused_by(error))?;
        self.reports.finish()
    }

    fn write(&mut self, printer: &Printer) -> io::Result<()> {
        let mut rows = self.spool.rows.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(error) = rows.failure.take() {
            return Err(error);
        }
        rows.out.seek(SeekFrom::Start(0))?;
        let mut input = BufReader::new(rows.out.get_mut());
        let mut head = [0; 5];
        while input.read_exact(&mut head[..1]).is_ok() {
            input.read_exact(&mut head[1..])?;
            let [tag, len @ ..] = head;
            let mut path = vec![0; u32::from_le_bytes(len) as usize];
            input.read_exact(&mut path)?;
            let path = TreePath::from_bytes(&path).map_err(io::Error::other)?;
            let kind = KINDS.into_iter().nth(usize::from(tag >> 1)).ok_or(io::ErrorKind::InvalidData)?;
            self.reports.write(printer, kind, &path)?;
            self.reports.write_after(printer, &path, tag & 1 == 1)?;
        }
        Ok(())
    }
}

/// Rows as they are told.
#[derive(Default)]
struct Spool {
    rows: Mutex<Rows>,
}

struct Rows {
    out: BufWriter<SpooledTempFile>,
    failure: Option<io::Error>,
}

impl Default for Rows {
    fn default() -> Self {
        Self { out: BufWriter::new(SpooledTempFile::new(IN_MEMORY)), failure: None }
    }
}

impl HearsRows for Spool {
    fn row(&self, difference: Difference, path: &TreePath, after: bool) {
        let mut rows = self.rows.lock().unwrap_or_else(PoisonError::into_inner);
        let kind = KINDS.iter().position(|kind| *kind == difference).unwrap_or_default() as u8;
        let len = (path.as_bytes().len() as u32).to_le_bytes();
        let record = [&[kind << 1 | u8::from(after)][..], &len, path.as_bytes()].concat();
        if let Err(error) = rows.out.write_all(&record) {
            rows.failure.get_or_insert(error);
        }
    }

    fn begin(&self) {
        *self.rows.lock().unwrap_or_else(PoisonError::into_inner) = Rows::default();
    }
}

const KINDS: [Difference; 5] =
    [Difference::Same, Difference::Differ, Difference::OnlySource, Difference::OnlyDest, Difference::Error];
const IN_MEMORY: usize = 1 << 20;
