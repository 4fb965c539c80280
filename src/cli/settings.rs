//! Settings, resolved once: flag, then environment, then configuration file, then default. Past here no clap.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use jiff::tz::TimeZone;

use super::args::{ColorWhen, GlobalFlags};
use super::config_source::ConfigSource;
use super::env::{Env, Input};
use super::moment;
use super::network::Retries;
use super::output::{CliError, ProgressMode, Verbosity, rclone_short_size};
use super::tokens::Unsaved;
use crate::age::{Age, BadAge};
use crate::id::VaultId;
use crate::ops::{Demands, EngineOptions, Moment, Shaper};
use crate::units::ByteSize;
use crate::world::World;

/// Everything that is not about one verb.
#[derive(Debug)]
pub(super) struct Settings {
    pub(super) config: Arc<ConfigSource>,
    /// Flags that were typed, and whose variables thus do not count, by the names of the settings that they stand for.
    pub(super) typed_flags: Vec<&'static str>,
    pub(super) cwd: PathBuf,
    pub(super) dirs: Dirs,
    pub(super) engine: EngineOptions,
    /// What SIGUSR2 lifts, if there is a limit.
    pub(super) shaper: Option<Arc<Shaper>>,
    pub(super) retries: Retries,
    pub(super) progress: ProgressMode,
    /// Whether listings write sizes with a unit.
    pub(super) human_readable: bool,
    pub(super) vault_id: Option<String>,
    pub(super) witness: Option<OsString>,
    pub(super) ephemeral: bool,
    /// Be like rclone wherever docs/cli.md says that this flag makes a difference.
    pub(super) rclone_compat: bool,
    pub(super) demands: Demands,
    /// The moment at which vaults are looked at, if not now.
    pub(super) at: Option<Moment>,
    pub(super) host_name: String,
    pub(super) time_zone: TimeZone,
    pub(super) stdin_is_terminal: bool,
    /// Standard input, for flags that read lists from it.
    pub(super) stdin: Stdin,
    pub(super) world: World,
    /// What is to be said before the next thing is done, and after it.
    pub(super) notes: Arc<Mutex<Vec<String>>>,
    /// The token that was renewed last.
    pub(super) unsaved: Unsaved,
}

impl Settings {
    pub(super) fn resolve(flags: &GlobalFlags, env: &Env) -> Result<Self, CliError> {
        let dirs = Dirs::new(flags, env);
        let config_path = flags.config.clone().or_else(|| dirs.config_file()).unwrap_or_default();
        let command = flags.password.config_password_command.as_deref();
        let config = ConfigSource::new(&config_path, flags.config.is_some(), command, env);
        if let Some(id) = &flags.vault_id {
            id.parse::<VaultId>().map_err(|bad| {
                CliError::usage(format!("--vault-id: `{}` is {bad}", crate::path::printable(id.as_bytes())))
                    .hint("`cryptsync status REMOTE:` shows the id of a vault")
            })?;
        }
        let network = flags.network.network(&env.world, &env.time_zone);
        Ok(Self {
            config: Arc::new(config.with_flags(flags.service_flags.clone())),
            typed_flags: typed(&env.args),
            shaper: flags.network.has_limit().then(|| Arc::clone(&network.shaper)),
            cwd: env.cwd.clone(),
            dirs,
            engine: EngineOptions {
                memory: flags.memory.0,
                transfers: usize::from(flags.transfers),
                checkers: usize::from(flags.checkers),
                pack_size: pack_size(flags)?,
                compression: (!flags.no_compress).then_some(i32::from(flags.zstd_level)),
                network,
            },
            retries: flags.network.retries(),
            progress: progress_mode(flags, env),
            human_readable: flags.log.human_readable,
            vault_id: flags.vault_id.clone(),
            witness: flags.witness.clone(),
            ephemeral: flags.ephemeral,
            rclone_compat: flags.rclone_compat,
            demands: Demands {
                checkpoint: flags.checkpoint,
                max_staleness: flags.max_staleness,
                accept_rollback: flags.accept_rollback,
                retiring: None,
                salvage: false,
            },
            at: moment::at(flags.at.as_deref(), &env.world, &env.time_zone)?,
            host_name: env.host_name.clone(),
            time_zone: env.time_zone.clone(),
            stdin_is_terminal: env.stdin.is_terminal,
            stdin: Stdin(Arc::clone(&env.stdin.io)),
            world: env.world.clone(),
            notes: Arc::default(),
            unsaved: Unsaved::default(),
        })
    }
}

/// How large packs are to get, if somebody says so: what fits neither the format nor the memory is refused, not bent.
fn pack_size(flags: &GlobalFlags) -> Result<Option<u64>, CliError> {
    let Some(ByteSize(size)) = flags.pack_size else { return Ok(None) };
    if !PACK_SIZES.contains(&size) {
        return Err(CliError::usage("--pack-size is not between 1M and 128M"));
    }
    let memory = size.saturating_mul(8);
    if flags.memory.0 < memory {
        return Err(CliError::usage(format!("packs of {} do not fit into --memory {}", ByteSize(size), flags.memory))
            .hint(format!("give --memory {}M: several packs are in memory at once", memory >> 20)));
    }
    Ok(Some(size))
}

/// Standard input.
pub(super) struct Stdin(pub(super) Input);

impl std::fmt::Debug for Stdin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Stdin")
    }
}

/// The settings of remotes whose flags are among the arguments.
fn typed(args: &[std::ffi::OsString]) -> Vec<&'static str> {
    let settings = ["vault_id", "checkpoint", "max_staleness", "witness"].into_iter();
    let is_typed = |setting: &&str| {
        let flag = format!("--{}", setting.replace('_', "-"));
        let is_it = |arg: &str| arg.strip_prefix(&flag).is_some_and(|rest| rest.is_empty() || rest.starts_with('='));
        args.iter().take_while(|arg| *arg != "--").filter_map(|arg| arg.to_str()).any(is_it)
    };
    settings.filter(is_typed).collect()
}

impl Settings {
    /// A size in a listing: bytes, unless `--human-readable`.
    pub(super) fn listed_size(&self, bytes: u64) -> String {
        if self.human_readable { rclone_short_size(bytes) } else { bytes.to_string() }
    }
}

/// How much is said.
pub(super) fn verbosity(flags: &GlobalFlags) -> Verbosity {
    match (flags.quiet, flags.verbose) {
        _ if flags.log.level().is_some() => flags.log.level().unwrap_or(Verbosity::Normal),
        (true, _) => Verbosity::Quiet,
        (false, 0) => Verbosity::Normal,
        (false, 1) => Verbosity::Verbose,
        (false, _) => Verbosity::Debug,
    }
}

/// Whether stderr is coloured.
pub(super) fn color(when: ColorWhen, env: &Env) -> bool {
    match when {
        ColorWhen::Always => true,
        ColorWhen::Never => false,
        ColorWhen::Auto if env.var("NO_COLOR").is_some() => false,
        ColorWhen::Auto if env.var("CLICOLOR_FORCE").is_some_and(|force| force != "0") => true,
        ColorWhen::Auto => can_draw(env) && env.var("CLICOLOR").is_none_or(|color| color != "0"),
    }
}

/// Whether stderr is a terminal that knows colours and can go back to what it has shown.
fn can_draw(env: &Env) -> bool {
    env.stderr.is_terminal && env.var("TERM").is_none_or(|term| term != "dumb")
}

fn progress_mode(flags: &GlobalFlags, env: &Env) -> ProgressMode {
    let interval = flags.stats.unwrap_or(super::args::STATS_DEFAULT);
    match flags.stats {
        _ if verbosity(flags) < Verbosity::Normal => ProgressMode::Off,
        Some(interval) if interval.is_zero() => ProgressMode::Off,
        _ if can_draw(env) => ProgressMode::Live(interval),
        None if flags.progress => ProgressMode::Lines(super::args::STATS_WITH_PROGRESS),
        _ => ProgressMode::Lines(interval),
    }
}

/// Where this program keeps its files, after the XDG rules. `None` where neither a flag nor HOME says.
#[derive(Debug)]
pub(super) struct Dirs {
    config: Option<PathBuf>,
    data: Option<PathBuf>,
    state: Option<PathBuf>,
    cache: Option<PathBuf>,
}

impl Dirs {
    fn new(flags: &GlobalFlags, env: &Env) -> Self {
        let base = |variable: &str, below_home: &str| {
            let set = env.var(variable).map(PathBuf::from).filter(|path| path.is_absolute());
            let home = || env.var("HOME").map(|home| Path::new(home).join(below_home));
            set.or_else(home).map(|base| base.join("cryptsync"))
        };
        let flag = |path: &Option<PathBuf>| path.as_ref().map(|path| env.cwd.join(path));
        Self {
            config: base("XDG_CONFIG_HOME", ".config"),
            data: base("XDG_DATA_HOME", ".local/share"),
            state: flag(&flags.state_dir).or_else(|| base("XDG_STATE_HOME", ".local/state")),
            cache: flag(&flags.cache_dir).or_else(|| base("XDG_CACHE_HOME", ".cache")),
        }
    }

    fn config_file(&self) -> Option<PathBuf> {
        self.config.as_ref().map(|dir| dir.join("config.yaml"))
    }

    /// Where the objects of `local:` are.
    pub(super) fn local_vault(&self) -> Result<PathBuf, CliError> {
        known(&self.data, "XDG_DATA_HOME").map(|dir| dir.join("local"))
    }

    pub(super) fn state(&self) -> Result<PathBuf, CliError> {
        known(&self.state, "--state-dir")
    }

    pub(super) fn cache(&self) -> Result<PathBuf, CliError> {
        known(&self.cache, "--cache-dir")
    }
}

fn known(dir: &Option<PathBuf>, setting: &str) -> Result<PathBuf, CliError> {
    let error = || CliError::usage("the home directory is not known").hint(format!("set HOME or {setting}"));
    dir.clone().ok_or_else(error)
}

/// An age as people type it: `30d`, `2w`, or a duration.
pub(super) fn parse_age(text: &str) -> Result<std::time::Duration, String> {
    parse_duration(text)
}

/// A duration as people type it: `90s`, `1m30s`, `500ms`; a plain number is seconds.
pub(super) fn parse_duration(text: &str) -> Result<std::time::Duration, String> {
    let age: Age = text.parse().map_err(|error: BadAge| error.to_string())?;
    let bad = || format!("`{text}` is not a length of time; write for example `30s`, `1m30s` or `2w`, or `0` for none");
    age.duration().ok_or_else(bad)
}

/// What is worth a request, and what the format holds with room to spare.
const PACK_SIZES: std::ops::RangeInclusive<u64> = 1 << 20..=128 << 20;
