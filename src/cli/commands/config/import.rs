//! `config import-rclone`: remotes of rclone's configuration, as far as there is a service for them here.

use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use crate::class::Class;
use crate::cli::output::{Align, CliError, table, write_array};
use crate::cli::password::PasswordSource;
use crate::cli::shell::Shell;
use crate::config::{Provider, check_remote_name, checked_setting, provider, read_config, shown_place};
use crate::crypto::{is_sealed_by_rclone, open_sealed_by_rclone, reveal};
use crate::path::printable;

use super::change::{How, Pairs, add, settings_of};
use super::ini::{self, Section};
use super::secrets::SecretsArg;
use super::sign_in::Way;

/// Take over remotes from rclone's configuration
///
/// Each remote is imported, or it is said why not and what to do instead. rclone's file stays as it is. A sealed one is opened with the
/// password of RCLONE_CONFIG_PASS, of --rclone-password-command, or typed at the terminal.
#[derive(Debug, clap::Args)]
pub(super) struct ImportArgs {
    /// rclone's configuration [default: where rclone looks for it]
    file: Option<PathBuf>,
    /// Only the remote of this name; may be repeated
    #[arg(long = "remote", value_name = "NAME")]
    remotes: Vec<String>,
    /// Say what would be imported, and change nothing
    #[arg(short = 'n', long)]
    dry_run: bool,
    /// Where secrets go [default: a sealed file, else the keyring of the system]
    #[arg(long, value_name = "WHERE")]
    secrets: Option<SecretsArg>,
    /// Read the password of rclone's configuration from the standard output of a command
    #[arg(long, value_name = "COMMAND")]
    rclone_password_command: Option<String>,
}

/// What becomes of a remote.
enum Verdict {
    Import(&'static Provider, Pairs, Vec<String>),
    Not(String),
}

pub(super) fn run(shell: &Shell, args: &ImportArgs) -> Result<(), CliError> {
    let path = path(shell, args)?;
    let text = text(shell, args, &path)?;
    let mut sections = ini::parse(&text).map_err(|bad| {
        CliError::usage(format!("{}:{}: {}", path.display(), bad.line, bad.message))
            .hint("`rclone config show` should be able to read the file too")
    })?;
    for name in &args.remotes {
        let name = name.strip_suffix(':').unwrap_or(name);
        if !sections.iter().any(|section| section.name == name) {
            return Err(CliError::usage(format!(
                "rclone's configuration has no remote `{}:`",
                printable(name.as_bytes())
            )));
        }
    }
    let wanted =
        |section: &Section| args.remotes.iter().any(|name| name.strip_suffix(':').unwrap_or(name) == section.name);
    sections.retain(|section| args.remotes.is_empty() || wanted(section));
    let mut rows = Vec::new();
    let mut failed = 0;
    for section in sections {
        let (what, why) = match verdict(shell, &section)? {
            Verdict::Not(why) => ("not imported", why),
            Verdict::Import(_, _, notes) if args.dry_run => ("would be imported", notes.join("; ")),
            Verdict::Import(of, pairs, notes) => {
                match add(shell, &section.name, of, pairs, How { probe: false, secrets: args.secrets, way: Way::Not }) {
                    Ok(()) => ("imported", notes.join("; ")),
                    Err(error) => {
                        failed += 1;
                        (
                            "failed",
                            error.chain.join(": ") + &error.hint.map(|hint| format!(" ({hint})")).unwrap_or_default(),
                        )
                    }
                }
            }
        };
        let kind = section.settings.iter().find(|(key, _)| key == "type").map_or("", |(_, kind)| kind).to_owned();
        rows.push([section.name, kind, what.to_owned(), why].map(|cell| printable(cell.as_bytes())));
    }
    tell(shell, &rows)?;
    match failed {
        0 => Ok(()),
        n => Err(CliError::new(Class::Failed, format!("{n} remotes could not be imported"))),
    }
}

fn tell(shell: &Shell, rows: &[[String; 4]]) -> Result<(), CliError> {
    if shell.printer.is_json() {
        return write_array(&shell.printer, |add| {
            let row = |[name, kind, what, why]: &[String; 4]| serde_json::json!({ "remote": name, "type": kind, "result": what, "why": why });
            Ok(rows.iter().try_for_each(|one| add(&row(one)))?)
        });
    }
    for line in table([Align::Left; 4], rows) {
        shell.printer.data(&line)?;
    }
    Ok(())
}

fn verdict(shell: &Shell, section: &Section) -> Result<Verdict, CliError> {
    let name = &section.name;
    let kind = section.settings.iter().find(|(key, _)| key == "type").map_or("", |(_, kind)| kind.as_str());
    if let Err(why) = check_remote_name(name) {
        return Ok(Verdict::Not(format!("its name can't be used here: {why}")));
    }
    if settings_of(&shell.settings.config.file()?, name).is_some() {
        return Ok(Verdict::Not("there is a remote of that name already".to_owned()));
    }
    if let Some(why) = instead(section, kind) {
        return Ok(Verdict::Not(why));
    }
    let Some(of) = provider(kind) else {
        return Ok(Verdict::Not(format!("this version has no service `{kind}`")));
    };
    let has = |name: &str| section.settings.iter().any(|(key, value)| key == name && !value.is_empty());
    if of.sign_in && !has("client_id") {
        return Ok(Verdict::Not(format!(
            "rclone has signed in as an application of its own, and nobody else can renew such a token: register one \
             (`cryptsync config providers {kind}` says where), and sign in with `cryptsync config create {name} {kind} client_id=ID`"
        )));
    }
    let (mut pairs, mut notes) = (Pairs::new(), Vec::new());
    for (key, value) in section.settings.iter().filter(|(key, value)| key != "type" && !value.is_empty()) {
        let Some(setting) = of.setting(key) else {
            notes.push(format!("`{key}` is left out"));
            continue;
        };
        let value = match setting.obscured {
            false => value.clone(),
            true => match reveal(value) {
                Some(value) => value,
                None => return Ok(Verdict::Not(format!("its {key} is not what rclone writes: it can't be revealed"))),
            },
        };
        if let Err(error) = checked_setting(Some(of), key, value.as_bytes()) {
            return Ok(Verdict::Not(error.to_string()));
        }
        pairs.push((key.clone(), Zeroizing::new(value.as_bytes().to_vec())));
    }
    Ok(Verdict::Import(of, pairs, notes))
}

/// What to do instead of importing a remote that is of no use here, if that is known.
fn instead(section: &Section, kind: &str) -> Option<String> {
    let setting = |name: &str| section.settings.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str());
    let name = &section.name;
    Some(match kind {
        "" => "it has no type".to_owned(),
        "local" => format!(
            "a path of this machine needs no remote; for a vault in it: `cryptsync config create {name} fs root=DIR`"
        ),
        "alias" => match setting("remote") {
            Some(to) if !to.contains(':') => {
                format!(
                    "a path of this machine needs no remote; for a vault in it: `cryptsync config create {name} fs root={to}`"
                )
            }
            to => format!(
                "a vault has paths of its own: write `{}` with the path behind it",
                to.map_or("the other remote".to_owned(), |to| shown_place(to.as_bytes()))
            ),
        },
        "crypt" => {
            "a vault encrypts by itself: copy what `rclone` decrypts into one, `rclone mount` or `rclone copy` first"
                .to_owned()
        }
        "chunker" | "compress" | "hasher" | "cache" => {
            "a vault does that by itself: make one at the remote below".to_owned()
        }
        "union" | "combine" => "several places are not one here: make a vault at each, or at one of them".to_owned(),
        _ => return None,
    })
}

fn path(shell: &Shell, args: &ImportArgs) -> Result<PathBuf, CliError> {
    if let Some(file) = &args.file {
        return Ok(shell.settings.cwd.join(file));
    }
    let config = &shell.settings.config;
    if let Some(file) = config.var("RCLONE_CONFIG") {
        return Ok(shell.settings.cwd.join(file));
    }
    let base = |name: &str, below: &str| config.var(name).map(|dir| Path::new(dir).join(below));
    let places: [Option<PathBuf>; 3] = [
        base("XDG_CONFIG_HOME", "rclone/rclone.conf"),
        base("HOME", ".config/rclone/rclone.conf"),
        base("HOME", ".rclone.conf"),
    ];
    places.into_iter().flatten().find(|path| path.exists()).ok_or_else(|| {
        CliError::usage("rclone has no configuration where it usually is")
            .hint("name the file that `rclone config file` prints")
    })
}

fn text(shell: &Shell, args: &ImportArgs, path: &Path) -> Result<Zeroizing<String>, CliError> {
    let shown = printable(path.as_os_str().as_bytes());
    let bytes = read_config(path)?;
    let bytes = Zeroizing::new(bytes.ok_or_else(|| CliError::usage(format!("there is no file `{shown}`")))?);
    let text = std::str::from_utf8(&bytes).map_err(|_| CliError::usage(format!("`{shown}` is not UTF-8")))?;
    if !is_sealed_by_rclone(text) {
        return Ok(Zeroizing::new(text.to_owned()));
    }
    let password = password(shell, args, &shown)?;
    open_sealed_by_rclone(text, &password).ok_or_else(|| {
        CliError::new(Class::NoKey, format!("the password does not open `{shown}`"))
            .hint("it is the one that rclone asks for")
    })
}

fn password(shell: &Shell, args: &ImportArgs, shown: &str) -> Result<Zeroizing<String>, CliError> {
    if let Some(command) = &args.rclone_password_command {
        return PasswordSource::command("--rclone-password-command", command)?.read(false);
    }
    if let Some(password) = shell.settings.config.var("RCLONE_CONFIG_PASS").and_then(|value| value.to_str()) {
        return Ok(Zeroizing::new(password.to_owned()));
    }
    if !shell.answers.is_attended() {
        return Err(CliError::usage(format!(
            "`{shown}` is sealed, and there is no terminal to ask for its password at"
        ))
        .hint("give it by RCLONE_CONFIG_PASS or --rclone-password-command"));
    }
    shell.answers.ask(&format!("Password of rclone's configuration {shown}: "), false)
}
