//! `config`: which remotes there are. One file for each kind of thing to do.

mod change;
mod dialogue;
mod encryption;
mod import;
mod ini;
mod providers;
mod secrets;
mod show;
mod sign_in;

use std::ffi::OsString;
use std::path::PathBuf;

use crate::cli::output::CliError;
use crate::cli::shell::Shell;

pub(crate) use secrets::SecretsArg;
pub(crate) use sign_in::{AuthorizeArgs, authorize};

/// Writes which copies a mirror has.
pub(super) fn set_upstreams(shell: &Shell, mirror: &str, copies: &[String]) -> Result<(), CliError> {
    let text = copies.iter().map(|name| format!("{name}:")).collect::<Vec<_>>().join(" ");
    let pairs = vec![("upstreams".to_owned(), zeroize::Zeroizing::new(text.into_bytes()))];
    change::set(shell, mirror, pairs, change::How { probe: false, secrets: None, way: sign_in::Way::Not })
}

/// Look at the configuration, and change it
///
/// Alone, it asks at the terminal what to do. The verbs below do the same without questions.
///
/// The file is YAML and may be written by hand:
///
///   remotes:
///     nas: {type: fs, root: /mnt/nas/vault}
///
/// Each setting can be given by a variable too: CRYPTSYNC_CONFIG_NAS_ROOT=/elsewhere.
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment, after_help = EXAMPLES)]
pub(crate) struct ConfigArgs {
    #[command(subcommand)]
    what: Option<What>,
}

#[derive(Debug, clap::Subcommand)]
enum What {
    /// Add a remote
    Create(CreateArgs),
    /// Change settings of a remote
    Update(UpdateArgs),
    /// Set a secret of a remote, typed at the terminal or read from standard input
    Password(PasswordArgs),
    /// Print remotes as they are in effect, from file and environment
    Show(ShowArgs),
    /// The same, never with secrets, for showing to others
    Redacted(OneArgs),
    /// Print all remotes as they are in effect as JSON
    Dump(RevealArgs),
    /// Remove a remote; what is stored at it stays
    Delete(NameArgs),
    /// Give a remote another name
    Rename(TwoArgs),
    /// Add a remote with the settings of another one
    Copy(TwoArgs),
    /// Print the path of the configuration file
    File,
    /// Print where configuration, state and caches are
    Paths,
    /// List the services and their settings
    Providers(ProvidersArgs),
    /// Sign in again to a service that needs it
    Reconnect(ReconnectArgs),
    /// Make the configuration file if there is none
    Touch,
    /// Seal the whole file with a password
    Encryption(encryption::EncryptionArgs),
    /// Take over remotes from rclone's configuration
    ImportRclone(import::ImportArgs),
}

#[derive(Debug, clap::Args)]
pub(super) struct CreateArgs {
    /// What it is to be called
    name: String,
    /// The service, as `config providers` lists them
    #[arg(value_name = "TYPE")]
    kind: String,
    /// Settings, as `name=value` or as `name value`
    #[arg(value_name = "SETTING=VALUE")]
    settings: Vec<OsString>,
    #[command(flatten)]
    how: HowArgs,
    #[command(flatten)]
    way: sign_in::WayArgs,
}

#[derive(Debug, clap::Args)]
pub(super) struct UpdateArgs {
    /// The remote
    name: String,
    /// Settings, as `name=value` or as `name value`; an empty value removes the setting
    #[arg(value_name = "SETTING=VALUE", required = true)]
    settings: Vec<OsString>,
    #[command(flatten)]
    how: HowArgs,
}

#[derive(Debug, clap::Args)]
pub(super) struct HowArgs {
    /// Do not look whether the remote can be used
    #[arg(long)]
    no_probe: bool,
    /// Where secrets go [default: a sealed file, else the keyring of the system]
    #[arg(long, value_name = "WHERE")]
    secrets: Option<SecretsArg>,
}

#[derive(Debug, clap::Args)]
pub(super) struct PasswordArgs {
    /// The remote
    name: String,
    /// The setting
    setting: String,
    /// Where it goes [default: a sealed file, else the keyring of the system]
    #[arg(long, value_name = "WHERE")]
    secrets: Option<SecretsArg>,
}

#[derive(Debug, clap::Args)]
pub(super) struct ShowArgs {
    #[command(flatten)]
    one: OneArgs,
    #[command(flatten)]
    reveal: RevealArgs,
}

#[derive(Debug, clap::Args)]
pub(super) struct RevealArgs {
    /// Print secrets too, which are left out otherwise
    #[arg(long)]
    reveal: bool,
}

#[derive(Debug, clap::Args)]
pub(super) struct OneArgs {
    /// The remote [default: all]
    name: Option<String>,
}

#[derive(Debug, clap::Args)]
pub(super) struct NameArgs {
    /// The remote
    name: String,
}

#[derive(Debug, clap::Args)]
pub(super) struct ReconnectArgs {
    /// The remote
    name: String,
    #[command(flatten)]
    way: sign_in::WayArgs,
    /// Do not look whether the remote can be used
    #[arg(long)]
    no_probe: bool,
    /// Where the token goes [default: where it was]
    #[arg(long, value_name = "WHERE")]
    secrets: Option<SecretsArg>,
}

#[derive(Debug, clap::Args)]
pub(super) struct TwoArgs {
    /// The remote
    from: String,
    /// Its new name, or that of the new one
    to: String,
}

#[derive(Debug, clap::Args)]
pub(super) struct ProvidersArgs {
    /// The service [default: all]
    name: Option<String>,
}

pub(crate) fn run(shell: &Shell, args: &ConfigArgs) -> Result<(), CliError> {
    let Some(what) = &args.what else { return dialogue::run(shell) };
    match what {
        What::Create(args) => change::create(shell, args),
        What::Update(args) => change::update(shell, args),
        What::Password(args) => change::password(shell, args),
        What::Show(args) => show::show(shell, args.one.name.as_deref(), !args.reveal.reveal),
        What::Redacted(args) => show::show(shell, args.name.as_deref(), true),
        What::Dump(args) => show::dump(shell, !args.reveal),
        What::Delete(args) => change::delete(shell, bare(&args.name)),
        What::Rename(args) => change::rename(shell, bare(&args.from), bare(&args.to)),
        What::Copy(args) => change::copy(shell, bare(&args.from), bare(&args.to)),
        What::File => show::file(shell),
        What::Paths => show::paths(shell),
        What::Providers(args) => providers::run(shell, args.name.as_deref()),
        What::Reconnect(args) => sign_in::reconnect(shell, args),
        What::Touch => shell.settings.config.touch(),
        What::Encryption(args) => encryption::run(shell, args),
        What::ImportRclone(args) => import::run(shell, args),
    }
}

/// The name of a remote, which may be typed with its colon.
fn bare(name: &str) -> &str {
    name.strip_suffix(':').unwrap_or(name)
}

/// The file, for messages.
fn file_name(shell: &Shell) -> PathBuf {
    shell.settings.config.path().map_or_else(PathBuf::new, std::path::Path::to_path_buf)
}

const EXAMPLES: &str = "\
Examples:
  cryptsync config
  cryptsync config create nas fs root=/mnt/nas/vault
  cryptsync config update nas max_staleness=7d
  cryptsync config redacted
  cryptsync config encryption set";
