//! The command line as clap sees it. Each command's own arguments are in its file below `commands`.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::path::PathBuf;
use std::time::Duration;

use clap::builder::{OsStringValueParser, Styles, TypedValueParser};
use clap::{CommandFactory, FromArgMatches, Parser, Subcommand, ValueEnum};

use super::commands;
use super::flag_env;
use super::log_flags::LogFlags;
use super::mistakes;
use super::network::NetworkFlags;
use super::output::CliError;
use super::password::PasswordFlags;
use super::service_flags::{self, ServiceFlag};
use super::settings::{parse_age, parse_duration};
use super::without_effect;
use crate::class::EXIT_CODES;
use crate::ops::{Checkpoint, Newest};
use crate::units::ByteSize;

/// Encrypted, deduplicated, versioned sync over any storage
///
/// A remote is a place that holds objects, named in the configuration; the vault in it is the encrypted tree. Paths are
/// written `name:path` for what is in a vault, and as usual for what is on this machine: a path without a colon before
/// its first slash is local. `local:` is a vault on this machine that needs no configuration.
///
/// Data goes to standard output; everything else, errors and progress included, to standard error.
#[derive(Debug, Parser)]
#[command(name = "cryptsync", version, propagate_version = false, max_term_width = 100, styles = Styles::plain())]
#[command(disable_help_subcommand = true, subcommand_required = true, arg_required_else_help = true)]
pub(super) struct Cli {
    #[command(subcommand)]
    pub(super) command: Verb,
    #[command(flatten)]
    pub(super) global: GlobalFlags,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub(super) enum Verb {
    Init(commands::init::InitArgs),
    Copy(commands::copy::CopyArgs),
    Sync(commands::sync::SyncArgs),
    Move(commands::move_::MoveArgs),
    Copyto(commands::copyto::CopytoArgs),
    Moveto(commands::moveto::MovetoArgs),
    Mv(commands::mv::MvArgs),
    Cp(commands::cp::CpArgs),
    Mkdir(commands::mkdir::MkdirArgs),
    Rmdir(commands::rmdir::RmdirArgs),
    Rmdirs(commands::rmdirs::RmdirsArgs),
    #[command(visible_alias = "deletefile")]
    Rm(commands::rm::RmArgs),
    Delete(commands::delete::DeleteArgs),
    Purge(commands::purge::PurgeArgs),
    Touch(commands::touch::TouchArgs),
    Dedupe(commands::dedupe::DedupeArgs),
    Ls(commands::ls::LsArgs),
    Lsf(commands::lsf::LsfArgs),
    Lsl(commands::lsl::LslArgs),
    Lsd(commands::lsd::LsdArgs),
    Lsjson(commands::lsjson::LsjsonArgs),
    Tree(commands::tree::TreeArgs),
    Find(commands::find::FindArgs),
    Stat(commands::stat::StatArgs),
    Size(commands::size::SizeArgs),
    Du(commands::du::DuArgs),
    Ncdu(commands::ncdu::NcduArgs),
    #[command(visible_alias = "dump")]
    Cat(commands::cat::CatArgs),
    Rcat(commands::rcat::RcatArgs),
    Check(commands::check::CheckArgs),
    Hashsum(commands::hashsum::HashsumArgs),
    /// Write an MD5 sum for every file: the same as `hashsum md5`
    #[command(after_help = commands::hashsum::EXAMPLES)]
    Md5sum(commands::hashsum::SumArgs),
    /// Write a SHA-1 sum for every file: the same as `hashsum sha1`
    #[command(after_help = commands::hashsum::EXAMPLES)]
    Sha1sum(commands::hashsum::SumArgs),
    /// Write a SHA-256 sum for every file: the same as `hashsum sha256`
    #[command(after_help = commands::hashsum::EXAMPLES)]
    Sha256sum(commands::hashsum::SumArgs),
    About(commands::about::AboutArgs),
    Verify(commands::verify::VerifyArgs),
    Repair(commands::repair::RepairArgs),
    Rescue(commands::rescue::RescueArgs),
    Recovery(commands::recovery::RecoveryArgs),
    Doctor(commands::doctor::DoctorArgs),
    Replicate(commands::replicate::ReplicateArgs),
    Cleanup(commands::cleanup::CleanupArgs),
    Remote(commands::remote::RemoteArgs),
    #[command(visible_alias = "snapshots")]
    Log(commands::log::LogArgs),
    Diff(commands::diff::DiffArgs),
    Restore(commands::restore::RestoreArgs),
    Undo(commands::undo::UndoArgs),
    Status(commands::status::StatusArgs),
    Leaks(commands::leaks::LeaksArgs),
    Policy(commands::policy::PolicyArgs),
    Forget(commands::forget::ForgetArgs),
    Pin(commands::names::PinArgs),
    Unpin(commands::names::UnpinArgs),
    Tag(commands::names::TagArgs),
    Key(commands::key::KeyArgs),
    Device(commands::device::DeviceArgs),
    Adopt(commands::adopt::AdoptArgs),
    Writer(commands::writer::WriterArgs),
    Gc(commands::gc::GcArgs),
    Conflicts(commands::conflicts::ConflictsArgs),
    Authorize(commands::config::AuthorizeArgs),
    Config(commands::config::ConfigArgs),
    Listremotes(commands::listremotes::ListremotesArgs),
    Version(commands::version::VersionArgs),
    Completion(commands::completion::CompletionArgs),
    Help(commands::help::HelpArgs),
    #[command(hide = true)]
    Gendocs(commands::gendocs::GendocsArgs),
}

/// Flags that every command has.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Global options")]
pub(super) struct GlobalFlags {
    /// Configuration file [default: ~/.config/cryptsync/config.yaml]
    ///
    /// `""` or `/dev/null` is none. A file that is named has to exist. By default it is
    /// `$XDG_CONFIG_HOME/cryptsync/config.yaml`.
    #[arg(long, value_name = "FILE", global = true, value_parser = OsStringValueParser::new().map(PathBuf::from))]
    pub(super) config: Option<PathBuf>,
    /// Write results as JSON to standard output, and everything else as JSON objects, one a line, to standard error
    #[arg(long, global = true)]
    pub(super) json: bool,
    /// Say more: -v a line for each file, -vv everything
    #[arg(short, long, action = clap::ArgAction::Count, global = true, conflicts_with = "quiet")]
    pub(super) verbose: u8,
    /// Say nothing but errors
    #[arg(short, long, global = true, conflicts_with = "verbose")]
    pub(super) quiet: bool,
    /// Show all figures of progress; some are shown on a terminal anyway
    #[arg(short = 'P', long, global = true)]
    pub(super) progress: bool,
    /// How often figures are told where there is no terminal; 0 shows no progress at all [default: 1m, with -P 1s]
    #[arg(long, value_name = "DURATION", global = true, value_parser = parse_duration)]
    pub(super) stats: Option<Duration>,
    /// When to colour messages
    #[arg(long, value_name = "WHEN", global = true, default_value = "auto", ignore_case = true)]
    pub(super) color: ColorWhen,
    /// Be like rclone where cryptsync differs for safety or for sense: sizes, links, empty directories, delete brake, patterns
    #[arg(long, global = true)]
    pub(super) rclone_compat: bool,
    /// Memory for buffers
    #[arg(long, value_name = "SIZE", global = true, default_value = "128M")]
    pub(super) memory: ByteSize,
    /// How large objects get into which chunks are packed, 1M to 128M [default: as suits the service]
    ///
    /// 16M for most, 32M for those that take long for each object (Dropbox, Drive, OneDrive, pCloud, Koofr), if an eighth of `--memory` is so much.
    #[arg(long, value_name = "SIZE", global = true)]
    pub(super) pack_size: Option<ByteSize>,
    /// Objects in transfer at once
    #[arg(long, value_name = "N", global = true, default_value_t = 4, value_parser = clap::value_parser!(u16).range(1..=256))]
    pub(super) transfers: u16,
    /// Files compared, read or restored at once
    #[arg(long, value_name = "N", global = true, default_value_t = 8, value_parser = clap::value_parser!(u16).range(1..=256))]
    pub(super) checkers: u16,
    /// How hard to compress, 1 to 19
    #[arg(long, value_name = "LEVEL", global = true, default_value_t = 3, value_parser = clap::value_parser!(u8).range(1..=19), conflicts_with = "no_compress")]
    pub(super) zstd_level: u8,
    /// Store everything uncompressed
    #[arg(long, global = true, conflicts_with = "zstd_level")]
    pub(super) no_compress: bool,
    /// The vault that must be at the remote, as `init` and `status` show it
    #[arg(long, value_name = "ID", global = true)]
    pub(super) vault_id: Option<String>,
    /// A checkpoint that the vault must have reached, as `init` and `status` show it on any machine
    ///
    /// Exit code 21 if it has not. It pins the vault too (exit code 23).
    #[arg(long, value_name = "CHECKPOINT", global = true)]
    pub(super) checkpoint: Option<Checkpoint>,
    /// Another remote with a copy of the vault, as `name:`; fail if it has commits that the vault does not show
    ///
    /// The exit code is 21 then: the storage was set back, or somebody hides what is newer. `replicate` makes such copies. One that
    /// lags behind is fine.
    #[arg(long, value_name = "REMOTE", global = true)]
    pub(super) witness: Option<OsString>,
    /// Fail if nothing in the vault is newer than this; 0 demands nothing
    ///
    /// The exit code is 21 if the newest commit (or change of access) is older; one that claims to be of the future does
    /// not count.
    #[arg(long, value_name = "AGE", global = true, value_parser = parse_age)]
    pub(super) max_staleness: Option<Duration>,
    /// Go on from this commit though more was seen here before; `empty` for an empty vault
    ///
    /// After exit code 21, 22 or 24, on this machine alone. It takes the commit's whole id. What was seen here and is not in
    /// its ancestry is given up and named; the next commit from here says so. Does nothing if nothing is amiss.
    #[arg(long, value_name = "COMMIT", global = true)]
    pub(super) accept_rollback: Option<Newest>,
    /// Look at the vault as it was: at a time (`2 days ago`, `3h`, `2026-11-01 14:00`) or after a commit, as `log` shows it
    ///
    /// For commands that read, and for the source of copy and sync. A date alone means its beginning, in local time; `COMMIT~2` is the second
    /// commit before. The commits that are meant are told on standard error.
    #[arg(long, value_name = "MOMENT", global = true)]
    pub(super) at: Option<String>,
    /// Where this installation keeps its keys and state [default: ~/.local/state/cryptsync]
    ///
    /// By default `$XDG_STATE_HOME/cryptsync`.
    #[arg(long, value_name = "DIR", global = true)]
    pub(super) state_dir: Option<PathBuf>,
    /// Keep no state: each run is a writer of its own, for containers and CI
    ///
    /// Nothing is written to the state directory (what is there is read), and the run closes its log.
    #[arg(long, global = true)]
    pub(super) ephemeral: bool,
    /// Where re-downloadable copies of metadata are kept [default: ~/.cache/cryptsync]
    ///
    /// By default `$XDG_CACHE_HOME/cryptsync`.
    #[arg(long, value_name = "DIR", global = true)]
    pub(super) cache_dir: Option<PathBuf>,
    #[command(flatten)]
    pub(super) password: PasswordFlags,
    #[command(flatten)]
    pub(super) network: NetworkFlags,
    #[command(flatten)]
    pub(super) log: LogFlags,
    /// Settings of services.
    #[arg(skip)]
    pub(super) service_flags: Vec<ServiceFlag>,
}

/// When to use colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum ColorWhen {
    /// On a terminal, unless NO_COLOR is set; anywhere with CLICOLOR_FORCE
    Auto,
    /// Not at all
    Never,
    /// In any case
    Always,
}

/// Why there is nothing to run.
#[derive(Debug)]
pub(super) enum NotParsed {
    /// clap has the text: help, the version, or an error.
    Clap(Box<clap::Error>),
    /// The environment is wrong.
    Environment(CliError),
}

impl From<clap::Error> for NotParsed {
    fn from(error: clap::Error) -> Self {
        Self::Clap(Box::new(error))
    }
}

/// The whole command line: what is derived, and what is only taken.
pub(super) fn command() -> clap::Command {
    service_flags::add(without_effect::add(Cli::command())).after_long_help(exit_codes())
}

/// Parses the arguments, and then again with what the environment adds.
pub(super) fn parse(args: &[OsString], vars: &BTreeMap<OsString, OsString>) -> Result<Cli, NotParsed> {
    let mut command = command();
    let matches = command.try_get_matches_from_mut(args)?;
    let extra = flag_env::extra(&command, &matches, vars).map_err(NotParsed::Environment)?;
    if extra.args.is_empty() {
        return with_services(&matches);
    }
    let end = args.iter().position(|arg| arg == OsStr::new("--")).unwrap_or(args.len());
    let all = args[..end].iter().cloned().chain(extra.args).chain(args[end..].iter().cloned());
    let blame = |error: clap::Error| {
        let what = mistakes::headline(&error);
        NotParsed::Environment(
            CliError::usage(what).hint(format!("set by the environment: {}", extra.variables.join(", "))),
        )
    };
    let matches = command.try_get_matches_from_mut(all).map_err(blame)?;
    with_services(&matches)
}

/// What was given, with the flags that are made from tables.
fn with_services(matches: &clap::ArgMatches) -> Result<Cli, NotParsed> {
    let mut cli = Cli::from_arg_matches(matches)?;
    cli.global.service_flags = service_flags::given(matches);
    Ok(cli)
}

/// Whether `--json` was asked for on a command line that can't be parsed.
pub(super) fn wants_json(args: &[OsString], vars: &BTreeMap<OsString, OsString>) -> bool {
    let typed = args.iter().take_while(|arg| *arg != "--").any(|arg| arg == "--json");
    typed || vars.get(OsStr::new("CRYPTSYNC_JSON")).is_some_and(|value| value == "true" || value == "1")
}

fn exit_codes() -> String {
    let rows = EXIT_CODES.iter().map(|(class, text)| format!("  {:>3}  {text}", class.code()));
    let head = ["Exit codes:".to_owned(), "    0  Success".to_owned()];
    let foot = "\nEvery option can be set in the environment too: --dry-run is CRYPTSYNC_DRY_RUN=true.".to_owned();
    head.into_iter().chain(rows).chain([foot]).collect::<Vec<_>>().join("\n")
}

pub(super) const STATS_DEFAULT: Duration = Duration::from_secs(60);
pub(super) const STATS_WITH_PROGRESS: Duration = Duration::from_secs(1);
