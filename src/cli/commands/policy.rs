//! `policy`

use std::ffi::OsString;

use super::forget::{show, warn_of_gc};
use crate::cli::output::{CliError, JsonKept, JsonPolicy, printed_policy, write_object};
use crate::cli::shell::Shell;
use crate::ops::{self, Count, KeepReport, PolicyChange, Rule, Scope, Span, is_tag};
use crate::path::TreePath;

/// Show or change which commits of a vault are kept
///
/// A vault begins with everything of the last 30 days, then one commit a day for a year, then one a month. The policy is
/// signed by an admin and part of the vault, so that it is the same for every machine. It frees no space by itself. Numbers
/// count for the commits of each member's key by themselves. Heads, the last commit of each writer and pinned commits are
/// always kept.
#[derive(Debug, clap::Args)]
#[command(arg_required_else_help = true)]
pub(crate) struct PolicyArgs {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, clap::Subcommand)]
enum What {
    /// Show the policy
    Show(ShowArgs),
    /// Change the policy
    ///
    /// Without `--for-tag` and `--for-path`, what is given takes the place of the rule for all commits. With one of them, it is a
    /// rule of its own, which keeps more of the commits with that tag, or of those that change something at or below that
    /// path. A commit is kept if any rule keeps it. See what would be kept with `--dry-run` first.
    #[command(after_help = EXAMPLES)]
    Set(Box<SetArgs>),
    /// Go back to the policy that every vault begins with, or take one rule away
    Reset(ResetArgs),
}

#[derive(Debug, clap::Args)]
struct ShowArgs {
    /// The remote, as `name:`
    remote: OsString,
}

#[derive(Debug, clap::Args)]
#[group(id = "scope", multiple = false)]
struct ScopeFlags {
    /// Speak of the commits with this tag
    #[arg(long, value_name = "TAG")]
    for_tag: Option<String>,
    /// Speak of the commits that change something at or below this path
    #[arg(long, value_name = "PATH")]
    for_path: Option<String>,
}

#[derive(Debug, clap::Args)]
struct ResetArgs {
    /// The remote, as `name:`
    remote: OsString,
    #[command(flatten)]
    scope: ScopeFlags,
    /// Show what would be kept and change nothing
    #[arg(short = 'n', long)]
    dry_run: bool,
}

#[derive(Debug, clap::Args)]
struct SetArgs {
    /// The remote, as `name:`
    remote: OsString,
    /// Keep the newest N commits; `unlimited` keeps all
    #[arg(short = 'l', long, value_name = "N")]
    keep_last: Option<Count>,
    /// Keep the newest commit of each of the last N hours that have any
    #[arg(short = 'H', long, value_name = "N")]
    keep_hourly: Option<Count>,
    /// Keep the newest commit of each of the last N days that have any
    #[arg(short = 'd', long, value_name = "N")]
    keep_daily: Option<Count>,
    /// Keep the newest commit of each of the last N weeks that have any
    #[arg(short = 'w', long, value_name = "N")]
    keep_weekly: Option<Count>,
    /// Keep the newest commit of each of the last N months that have any
    #[arg(short = 'm', long, value_name = "N")]
    keep_monthly: Option<Count>,
    /// Keep the newest commit of each of the last N years that have any
    #[arg(short = 'y', long, value_name = "N")]
    keep_yearly: Option<Count>,
    /// Keep all commits that are not older than this, counted from the newest: `1y6m`, `30d`, `12h`
    #[arg(long, value_name = "DURATION")]
    keep_within: Option<Span>,
    /// Keep hourly commits that are not older than this
    #[arg(long, value_name = "DURATION")]
    keep_within_hourly: Option<Span>,
    /// Keep daily commits that are not older than this
    #[arg(long, value_name = "DURATION")]
    keep_within_daily: Option<Span>,
    /// Keep weekly commits that are not older than this
    #[arg(long, value_name = "DURATION")]
    keep_within_weekly: Option<Span>,
    /// Keep monthly commits that are not older than this
    #[arg(long, value_name = "DURATION")]
    keep_within_monthly: Option<Span>,
    /// Keep yearly commits that are not older than this
    #[arg(long, value_name = "DURATION")]
    keep_within_yearly: Option<Span>,
    /// Keep all commits with this tag; may be given several times
    #[arg(long, value_name = "TAG")]
    keep_tag: Vec<String>,
    /// Keep everything
    #[arg(long, conflicts_with_all = ["scope", "keep_tag"])]
    keep_all: bool,
    #[command(flatten)]
    scope: ScopeFlags,
    /// Where hours, days, weeks, months and years begin: an offset from UTC such as `+02:00`
    #[arg(long, value_name = "OFFSET", value_parser = parse_offset, allow_hyphen_values = true)]
    zone: Option<i32>,
    /// Show what would be kept and change nothing
    #[arg(short = 'n', long)]
    dry_run: bool,
}

impl ScopeFlags {
    fn scope(&self) -> Result<Scope, CliError> {
        match (&self.for_tag, &self.for_path) {
            (Some(tag), _) => Ok(Scope::Tag(checked(tag)?)),
            (None, Some(path)) => match TreePath::from_bytes(path.trim_end_matches('/').as_bytes()) {
                Ok(path) => Ok(Scope::Path(path)),
                Err(error) => Err(CliError::usage(format!("--for-path: `{path}`: {error}"))),
            },
            (None, None) => Ok(Scope::All),
        }
    }
}

impl SetArgs {
    fn change(&self) -> Result<PolicyChange, CliError> {
        if self.keep_all {
            return Ok(PolicyChange::KeepAll);
        }
        let keep =
            [self.keep_last, self.keep_hourly, self.keep_daily, self.keep_weekly, self.keep_monthly, self.keep_yearly];
        let within = [
            self.keep_within,
            self.keep_within_hourly,
            self.keep_within_daily,
            self.keep_within_weekly,
            self.keep_within_monthly,
            self.keep_within_yearly,
        ];
        let (keep, within) = (keep.map(Option::unwrap_or_default), within.map(Option::unwrap_or_default));
        let rule = Rule { scope: self.scope.scope()?, keep, within };
        let tags = self.keep_tag.iter().map(|tag| checked(tag)).collect::<Result<Vec<_>, _>>()?;
        if rule.is_empty() && tags.is_empty() && (self.zone.is_none() || rule.scope != Scope::All) {
            return Err(CliError::usage("nothing is said about what to keep")
                .hint("for example `--keep-within 30d --keep-monthly unlimited`; `policy reset` takes rules away"));
        }
        Ok(PolicyChange::Set { rule, tags, offset: self.zone })
    }
}

pub(crate) fn run(shell: &Shell, args: &PolicyArgs) -> Result<(), CliError> {
    match &args.what {
        What::Show(args) => show_policy(shell, args),
        What::Set(args) => {
            let change = args.change()?;
            set(shell, &args.remote, &change, "policy set", args.dry_run)
        }
        What::Reset(args) => {
            let change = match args.scope.scope()? {
                Scope::All => PolicyChange::Reset,
                scope => PolicyChange::Drop(scope),
            };
            set(shell, &args.remote, &change, "policy reset", args.dry_run)
        }
    }
}

fn show_policy(shell: &Shell, args: &ShowArgs) -> Result<(), CliError> {
    let remote = shell.settings.remote(&args.remote)?;
    let report = shell.call(false, |ctx| ops::policy(ctx, &remote))?;
    let zone = &shell.settings.time_zone;
    if shell.printer.is_json() {
        return Ok(write_object(&shell.printer, &JsonPolicy::new(&report.policy, report.stated.as_ref(), zone))?);
    }
    for line in printed_policy(&report.policy) {
        shell.printer.data(&line)?;
    }
    match &report.stated {
        Some(by) => shell.printer.note(format_args!("stated by commit {}", by.id)),
        None => shell.printer.note(format_args!("this is what every vault begins with; `policy set` changes it")),
    }
    Ok(())
}

fn set(
    shell: &Shell,
    remote: &OsString,
    change: &PolicyChange,
    operation: &str,
    dry_run: bool,
) -> Result<(), CliError> {
    let remote = shell.settings.remote(remote)?;
    let report: KeepReport = shell.call(false, |ctx| ops::set_policy(ctx, &remote, change, operation, dry_run))?;
    let zone = &shell.settings.time_zone;
    if shell.printer.is_json() {
        return Ok(write_object(&shell.printer, &JsonKept::new(&report, zone))?);
    }
    if dry_run {
        show(shell, &report)?;
    }
    for line in printed_policy(&report.policy) {
        shell.printer.data(&line)?;
    }
    match &report.commit {
        Some(commit) => {
            shell.printer.note(format_args!("this is the policy now, by commit {commit}"));
            warn_of_gc(shell, &report);
        }
        None => shell.printer.note(format_args!("nothing was changed")),
    }
    Ok(())
}

/// A name that a commit can have.
pub(super) fn checked(name: &str) -> Result<String, CliError> {
    if is_tag(name) {
        return Ok(name.to_owned());
    }
    Err(CliError::usage(format!("`{name}` can't be the name of a commit"))
        .hint("take 1 to 128 bytes without white space and `,:~^` that do not begin with `-`"))
}

fn parse_offset(text: &str) -> Result<i32, String> {
    let bad = || format!("`{text}` is no offset from UTC; write for example `+02:00`, `-05:30` or `0`");
    if ["0", "UTC", "Z"].contains(&text) {
        return Ok(0);
    }
    let (sign, rest) = match text.split_at_checked(1) {
        Some(("+", rest)) => (1, rest),
        Some(("-", rest)) => (-1, rest),
        _ => return Err(bad()),
    };
    let (hours, minutes) = rest.split_once(':').ok_or_else(bad)?;
    let number = |text: &str, end: i32| text.parse().ok().filter(|n| text.len() == 2 && (0..end).contains(n));
    match (number(hours, 24), number(minutes, 60)) {
        (Some(hours), Some(minutes)) => Ok(sign * (hours * 60 + minutes)),
        _ => Err(bad()),
    }
}

const EXAMPLES: &str = "\
Examples:
  cryptsync policy set --dry-run nas: --keep-within 30d --keep-daily 60 --keep-monthly unlimited
  cryptsync policy set nas: --keep-tag release
  cryptsync policy set nas: --for-path taxes --keep-yearly unlimited";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn offsets() {
        for (text, minutes) in [("+02:00", 120), ("-05:30", -330), ("0", 0), ("UTC", 0), ("+23:59", 1439)] {
            assert_eq!(parse_offset(text), Ok(minutes));
        }
        for bad in ["", "2", "+2", "+24:00", "+02:60", "+2:00", "Europe/Berlin", "+-2:00", "é"] {
            assert!(parse_offset(bad).is_err(), "{bad}");
        }
    }
}
