//! `remote`

use std::ffi::{OsStr, OsString};

use super::config::set_upstreams;
use crate::class::Class;
use crate::cli::output::{Align, CliError, table, write_array};
use crate::cli::settings::Settings;
use crate::cli::shell::Shell;
use crate::ops::{self, CopyReport, HealOptions, RemoteProfile, Service};
use crate::units::ByteSize;

/// Try out a remote; add, heal and take out the copies of a mirror
///
/// A remote of type `mirror` writes to all its copies and reads from the fastest that answers. None of these verbs needs a key, and
/// nothing is encrypted again.
///
///   cryptsync config create both mirror upstreams="nas: b2:"
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment, arg_required_else_help = true)]
pub(crate) struct RemoteArgs {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, clap::Subcommand)]
enum What {
    /// Try out whether a remote does what is relied on, and how fast it is
    ///
    /// Some hundreds of small objects and one of 8 MiB are written to a directory `cryptsync-test-…` of the remote, read, listed and
    /// removed again. A vault that is there is not touched. Needs no key. What was seen is remembered, and counts for more than what the
    /// service declares. The exit code is that of the first failure.
    #[command(after_help = super::remote_test::EXAMPLES)]
    Test(super::remote_test::TestArgs),
    /// Give each copy what it lacks, from the others
    ///
    /// Exit code 24 if there are objects that no copy has whole.
    #[command(after_help = HEAL_EXAMPLES)]
    Heal(HealArgs),
    /// Make a remote a copy of a mirror, and give it everything
    ///
    /// From then on it is written to. If it is stopped, `heal` goes on.
    Add(CopyArgs),
    /// Give the other copies what only this one has, before it is taken out
    Drain(CopyArgs),
    /// Take a copy out of a mirror; what is stored at it stays
    ///
    /// Refused while it has objects that no other copy has, and for the last copy. Other machines have configurations of their own.
    Remove(RemoveArgs),
}

#[derive(Debug, clap::Args)]
struct HealArgs {
    /// The mirror, as `name:`
    mirror: OsString,
    /// Read every byte of all copies, and replace what is damaged as well
    #[arg(long)]
    read_data: bool,
    /// Show what each copy lacks and change nothing
    #[arg(short = 'n', long)]
    dry_run: bool,
}

#[derive(Debug, clap::Args)]
struct CopyArgs {
    /// The mirror, as `name:`
    mirror: OsString,
    /// The copy, as `name:`
    copy: OsString,
}

#[derive(Debug, clap::Args)]
struct RemoveArgs {
    #[command(flatten)]
    which: CopyArgs,
    /// Even if the copy does not answer, or has what no other has
    #[arg(long)]
    force: bool,
}

pub(crate) fn run(shell: &Shell, args: &RemoteArgs) -> Result<(), CliError> {
    match &args.what {
        What::Test(args) => super::remote_test::run(shell, args),
        What::Heal(args) => {
            let mirror = shell.settings.remote(&args.mirror)?;
            let options = HealOptions { only: Vec::new(), read_data: args.read_data, dry_run: args.dry_run };
            heal(shell, &mirror, &options)
        }
        What::Add(args) => add(shell, args),
        What::Drain(args) => drain(shell, args),
        What::Remove(args) => remove(shell, args),
    }
}

fn add(shell: &Shell, args: &CopyArgs) -> Result<(), CliError> {
    let mut mirror = shell.settings.remote(&args.mirror)?;
    let mut copies = copies_of(&mirror)?;
    let copy = name_of(&shell.settings, &args.copy)?;
    if !copies.contains(&copy) {
        copies.push(copy.clone());
        let service = shell.settings.mirror_of(&mirror.name, &copies)?;
        mirror.service = service;
        // What is there is looked at before the configuration is changed.
        shell.call(false, |ctx| ops::only_there(ctx, &mirror, &copy))?;
        set_upstreams(shell, &mirror.name, &copies)?;
    }
    heal(shell, &mirror, &HealOptions { only: vec![copy], ..HealOptions::default() })
}

fn drain(shell: &Shell, args: &CopyArgs) -> Result<(), CliError> {
    let mirror = shell.settings.remote(&args.mirror)?;
    let (others, _) = without(&shell.settings, &mirror, &args.copy)?;
    heal(shell, &mirror, &HealOptions { only: others, ..HealOptions::default() })
}

fn remove(shell: &Shell, args: &RemoveArgs) -> Result<(), CliError> {
    let mirror = shell.settings.remote(&args.which.mirror)?;
    let (others, copy) = without(&shell.settings, &mirror, &args.which.copy)?;
    if !args.force {
        let only_there = shell.call(false, |ctx| ops::only_there(ctx, &mirror, &copy)).map_err(|mut error| {
            error.hint.get_or_insert_with(|| "--force takes it out without asking it".to_owned());
            error
        })?;
        if only_there > 0 {
            return Err(CliError::new(Class::Fatal, format!("objects that only `{copy}:` has: {only_there}"))
                .hint(format!("`cryptsync remote drain {}: {copy}:` gives them to the others", mirror.name)));
        }
    }
    set_upstreams(shell, &mirror.name, &others)
}

fn heal(shell: &Shell, mirror: &RemoteProfile, options: &HealOptions) -> Result<(), CliError> {
    let reports = shell.call(true, |ctx| ops::heal(ctx, mirror, options))?;
    if shell.printer.is_json() {
        write_array(&shell.printer, |add| {
            reports.iter().try_for_each(|report| {
                let CopyReport { name, objects, bytes, healed, healed_bytes, lost } = report;
                add(&serde_json::json!({
                    "name": name, "objects": objects, "bytes": bytes,
                    "healed": healed, "healed_bytes": healed_bytes, "lost": lost,
                }))
            })?;
            Ok::<(), CliError>(())
        })?;
    } else {
        for line in lines(&reports, options.dry_run) {
            shell.printer.data(&line)?;
        }
    }
    match reports.iter().map(|report| report.lost.len()).max() {
        None | Some(0) => Ok(()),
        Some(lost) => Err(CliError::new(Class::Missing, format!("objects that no copy has whole: {lost}"))
            .hint("`verify` tells which files they belong to")),
    }
}

fn lines(reports: &[CopyReport], dry_run: bool) -> Vec<String> {
    let healed = if dry_run { "lacks" } else { "healed" };
    let mut rows = vec![["copy", "objects", "size", healed, "size"].map(str::to_owned)];
    for report in reports {
        rows.push([
            format!("{}:", report.name),
            report.objects.to_string(),
            ByteSize(report.bytes).to_string(),
            report.healed.to_string(),
            ByteSize(report.healed_bytes).to_string(),
        ]);
    }
    let mut lines = table([Align::Left, Align::Right, Align::Right, Align::Right, Align::Right], &rows);
    for report in reports {
        lines.extend(report.lost.iter().map(|name| format!("lost: {name} (of {}:)", report.name)));
    }
    lines
}

fn copies_of(mirror: &RemoteProfile) -> Result<Vec<String>, CliError> {
    match &mirror.service {
        Service::Mirror(copies) => Ok(copies.iter().map(|(name, _)| name.clone()).collect()),
        _ => Err(CliError::usage(format!("`{}:` is no mirror", mirror.name))
            .hint("`cryptsync config create NAME mirror upstreams=\"nas: b2:\"` makes one of remotes that are there")),
    }
}

fn name_of(settings: &Settings, text: &OsStr) -> Result<String, CliError> {
    Ok(settings.remote(text)?.name)
}

/// The other copies, and the name of this one.
fn without(settings: &Settings, mirror: &RemoteProfile, copy: &OsStr) -> Result<(Vec<String>, String), CliError> {
    let (copies, copy) = (copies_of(mirror)?, name_of(settings, copy)?);
    if !copies.contains(&copy) {
        return Err(CliError::usage(format!("`{copy}:` is no copy of the mirror `{}:`", mirror.name)));
    }
    let others: Vec<String> = copies.into_iter().filter(|name| *name != copy).collect();
    if others.is_empty() {
        return Err(CliError::usage(format!("`{copy}:` is the last copy of the mirror `{}:`", mirror.name)));
    }
    Ok((others, copy))
}

const HEAL_EXAMPLES: &str = "\
Examples:
  cryptsync remote heal both:
  cryptsync remote heal --read-data both:
  cryptsync remote add both: usb:
  cryptsync remote drain both: nas: && cryptsync remote remove both: nas:";
