//! The lists that `check` and the transfers write for programs, as rclone does: all paths with a sign each, or those of one kind.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{self, BufWriter, Write};

use crate::class::Class;
use crate::cli::output::{CliError, Printer};
use crate::cli::settings::Settings;
use crate::ops::Difference;
use crate::path::TreePath;

/// Where the lists go.
#[derive(Debug, Default, clap::Args)]
#[command(next_help_heading = "Reports")]
pub(crate) struct ReportFlags {
    /// Write a line for every file to this file: a sign and the path; `-` is standard output
    #[arg(long, value_name = "FILE")]
    combined: Option<OsString>,
    /// Write the paths of files that are the same
    #[arg(long, value_name = "FILE")]
    r#match: Option<OsString>,
    /// Write the paths of files that are different
    #[arg(long, value_name = "FILE")]
    differ: Option<OsString>,
    /// Write the paths of files that are only in the destination
    #[arg(long, value_name = "FILE")]
    missing_on_src: Option<OsString>,
    /// Write the paths of files that are only in the source
    #[arg(long, value_name = "FILE")]
    missing_on_dst: Option<OsString>,
    /// Write the paths of files that can't be compared
    #[arg(long, value_name = "FILE")]
    error: Option<OsString>,
}

/// The lists, open, and that of what the destination has afterwards.
pub(crate) struct Reports(Vec<Report>, Option<Target>);

/// A file; standard output if `None`.
type Target = Option<BufWriter<File>>;

struct Report {
    /// What is listed; everything, with signs, if `None`.
    only: Option<Difference>,
    file: Target,
}

impl ReportFlags {
    fn targets(&self) -> impl Iterator<Item = (Option<Difference>, &OsStr)> {
        let all = [
            (None, &self.combined),
            (Some(Difference::Same), &self.r#match),
            (Some(Difference::Differ), &self.differ),
            (Some(Difference::OnlyDest), &self.missing_on_src),
            (Some(Difference::OnlySource), &self.missing_on_dst),
            (Some(Difference::Error), &self.error),
        ];
        all.into_iter().filter_map(|(only, target)| Some((only, target.as_deref()?)))
    }

    /// Whether there are any.
    pub(crate) fn is_wanted(&self) -> bool {
        self.targets().next().is_some()
    }

    /// Whether standard output is one of them.
    pub(crate) fn on_stdout(&self) -> bool {
        self.targets().any(|(_, target)| target == "-")
    }

    pub(crate) fn open(&self, settings: &Settings) -> Result<Reports, CliError> {
        let open = |(only, target): (_, &OsStr)| {
            let file = match target {
                name if name == "-" => None,
                name => Some(create(settings, name)?),
            };
            Ok::<_, CliError>(Report { only, file })
        };
        Ok(Reports(self.targets().map(open).collect::<Result<_, _>>()?, None))
    }
}

/// A file to write a report to.
pub(crate) fn create(settings: &Settings, name: &OsStr) -> Result<BufWriter<File>, CliError> {
    let file = File::create(settings.cwd.join(name));
    file.map(BufWriter::new)
        .map_err(|error| CliError::usage(format!("cannot write to `{}`", name.display())).caused_by(error))
}

impl Reports {
    /// Everything on standard output.
    pub(crate) fn combined() -> Self {
        Self(vec![Report { only: None, file: None }], None)
    }

    pub(crate) fn write(&mut self, printer: &Printer, difference: Difference, path: &TreePath) -> io::Result<()> {
        for report in &mut self.0 {
            let sign: &[u8] = match report.only {
                None => sign(difference),
                Some(only) if only == difference => b"",
                Some(_) => continue,
            };
            match &mut report.file {
                None => printer.record(&[sign, &*printer.name(path.as_bytes())].concat(), b"\n")?,
                Some(file) => file.write_all(&[sign, path.as_bytes(), b"\n"].concat())?,
            }
        }
        Ok(())
    }

    /// With a list of what the destination has afterwards.
    pub(crate) fn with_after(self, settings: &Settings, target: Option<&OsStr>) -> Result<Self, CliError> {
        let after = match target {
            None => None,
            Some(name) if name == "-" => Some(None),
            Some(name) => Some(Some(create(settings, name)?)),
        };
        Ok(Self(self.0, after))
    }

    /// Lists what the destination has afterwards.
    pub(crate) fn write_after(&mut self, printer: &Printer, path: &TreePath, after: bool) -> io::Result<()> {
        match &mut self.1 {
            _ if !after => Ok(()),
            None => Ok(()),
            Some(None) => printer.record(&printer.name(path.as_bytes()), b"\n"),
            Some(Some(file)) => file.write_all(&[path.as_bytes(), b"\n"].concat()),
        }
    }

    /// Writes out what is in buffers.
    pub(crate) fn finish(mut self) -> Result<(), CliError> {
        let lists = self.0.iter_mut().filter_map(|report| report.file.as_mut());
        for file in lists.chain(self.1.iter_mut().flatten()) {
            file.flush().map_err(|error| CliError::new(Class::Failed, "cannot write a report").caused_by(error))?;
        }
        Ok(())
    }
}

fn sign(difference: Difference) -> &'static [u8] {
    match difference {
        Difference::Same => b"= ",
        Difference::Differ => b"* ",
        Difference::OnlySource => b"+ ",
        Difference::OnlyDest => b"- ",
        Difference::Error => b"! ",
    }
}
