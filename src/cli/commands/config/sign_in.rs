//! Signing in: for a new remote, again for one that there is, and for a remote of another machine (`authorize`).

use std::collections::BTreeMap;

use serde_json::{Value as Json, json};
use zeroize::Zeroizing;

use crate::cli::browser;
use crate::cli::output::{CliError, write_object};
use crate::cli::shell::Shell;
use crate::config::{Given, Provider};
use crate::ops::{self, SignedIn};

use super::change::{How, Pairs, no_remote, piped, set, settings_of};
use super::providers::find;
use super::secrets::{SecretsArg, ensure_kept};
use super::{ReconnectArgs, bare};

/// How a person signs in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Way {
    /// Not at all: what there is has to do.
    Not,
    /// In a browser of this machine, which is opened.
    Browser,
    /// In a browser that the person opens.
    Address,
    /// On another machine, with `authorize`.
    Paste,
}

/// Ways to sign in
#[derive(Debug, Clone, Copy, clap::Args)]
pub(crate) struct WayArgs {
    /// Sign in on another machine: paste what `authorize` prints there, at the terminal or on standard input
    #[arg(long)]
    paste: bool,
    /// Show the address to sign in at, and do not open a browser
    #[arg(long, conflicts_with = "paste")]
    auth_no_open_browser: bool,
}

impl WayArgs {
    pub(super) fn way(self) -> Way {
        match self {
            Self { paste: true, .. } => Way::Paste,
            Self { auth_no_open_browser: true, .. } => Way::Address,
            _ => Way::Browser,
        }
    }
}

/// What signing in gives to a remote that has no token among its settings yet.
pub(super) fn joined(
    shell: &Shell,
    name: &str,
    of: &'static Provider,
    pairs: Pairs,
    how: How,
) -> Result<Pairs, CliError> {
    let has_token = pairs.iter().any(|(key, value)| key == "token" && !value.is_empty());
    if !of.sign_in || has_token || how.way == Way::Not {
        return Ok(pairs);
    }
    let value = |name: &str| pairs.iter().any(|(key, value)| key == name && !value.is_empty());
    if let Some(missing) = of.settings.iter().find(|setting| setting.required && !value(setting.name)) {
        return Err(CliError::usage(format!("`{}` is needed to sign in", missing.name)).hint(missing.help));
    }
    let text = |(key, value): &(String, Zeroizing<Vec<u8>>)| (key.clone(), String::from_utf8_lossy(value).into_owned());
    ensure_kept(shell, name, of, how.secrets)?;
    let given = signed(shell, of, &pairs.iter().map(text).collect(), how.way)?;
    let mut all = pairs;
    all.retain(|(key, _)| !given.iter().any(|(new, _)| new == key));
    all.extend(given);
    Ok(all)
}

/// `config reconnect`
pub(super) fn reconnect(shell: &Shell, args: &ReconnectArgs) -> Result<(), CliError> {
    let name = bare(&args.name);
    let document = shell.settings.config.file()?;
    let old = settings_of(&document, name);
    let remote = shell.settings.config.get()?.remote(name)?;
    let of = remote.provider;
    if !of.sign_in {
        let what = format!("the remote `{name}:` is of type `{}`, which needs no sign-in", of.name);
        return Err(
            CliError::usage(what).hint(format!("`cryptsync config update {name} SETTING=VALUE` changes its settings"))
        );
    }
    let old = old.ok_or_else(|| no_remote(&document, name))?;
    // The token stays where it was, unless somebody says otherwise.
    let was = old.iter().find(|(key, _)| key == "token").map(|(_, given)| match given {
        Given::Keyring(_) => SecretsArg::Keyring,
        Given::Text(_) => SecretsArg::File,
    });
    let values = shell.settings.values(&remote, &["token"])?;
    let how = How { probe: !args.no_probe, secrets: args.secrets.or(was), way: Way::Not };
    ensure_kept(shell, name, of, how.secrets)?;
    let given = signed(shell, of, &values, args.way.way())?;
    set(shell, name, given, how)
}

/// Sign in to a service for a remote of another machine
///
/// Prints what that machine takes: `config create NAME TYPE --paste`, or `config reconnect NAME --paste`. To be run where there
/// is a browser. What it prints lets whoever has it in: hand it over as you would a password.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct AuthorizeArgs {
    /// The service, as `config providers` lists them
    #[arg(value_name = "TYPE")]
    kind: String,
    /// The id of the application, its secret if it has one, and settings of the service as `name=value`
    #[arg(value_name = "CLIENT_ID|SETTING=VALUE", required = true)]
    settings: Vec<String>,
    /// Show the address to sign in at, and do not open a browser
    #[arg(long)]
    auth_no_open_browser: bool,
}

/// `authorize`
pub(crate) fn authorize(shell: &Shell, args: &AuthorizeArgs) -> Result<(), CliError> {
    let of = find(&args.kind)?;
    if !of.sign_in {
        return Err(CliError::usage(format!("a remote of type `{}` needs no sign-in", of.name)));
    }
    let mut plain = ["client_id", "client_secret"].into_iter();
    let mut values = BTreeMap::new();
    for text in &args.settings {
        let (name, value) = match text.split_once('=') {
            Some((name, value)) if of.setting(name).is_some() => (name, value),
            _ => match plain.next() {
                Some(name) => (name, text.as_str()),
                None => return Err(CliError::usage("there is an argument too many").hint("write `SETTING=VALUE`")),
            },
        };
        values.insert(name.to_owned(), value.to_owned());
    }
    let way = if args.auth_no_open_browser { Way::Address } else { Way::Browser };
    let token = blob(&in_browser(shell, of, &values, way)?);
    if shell.printer.is_json() {
        return Ok(write_object(&shell.printer, &json!({ "type": of.name, "token": token }))?);
    }
    shell.printer.note(format_args!("Paste this at the other machine, where --paste asks for it:"));
    Ok(shell.printer.data(&token)?)
}

fn signed(
    shell: &Shell,
    of: &'static Provider,
    values: &BTreeMap<String, String>,
    way: Way,
) -> Result<Pairs, CliError> {
    let token = if way == Way::Paste { pasted(shell, of)? } else { blob(&in_browser(shell, of, values, way)?) };
    let mut given = Pairs::new();
    // What the service has told travels with the token.
    if let Ok(Json::Object(parts)) = serde_json::from_str(&token) {
        for setting in of.settings.iter().filter(|setting| !setting.secret) {
            if let Some(value) = parts.get(setting.name).and_then(Json::as_str) {
                given.push((setting.name.to_owned(), Zeroizing::new(value.as_bytes().to_vec())));
            }
        }
    }
    given.push(("token".to_owned(), Zeroizing::new(token.into_bytes())));
    Ok(given)
}

fn pasted(shell: &Shell, of: &Provider) -> Result<String, CliError> {
    let text = if shell.settings.stdin_is_terminal {
        shell.printer.note(format_args!(
            "On a machine with a browser, run `cryptsync authorize {} CLIENT_ID` and paste here what it prints.",
            of.name
        ));
        shell.answers.ask("token> ", false)?
    } else {
        piped(shell)?
    };
    match text.trim() {
        "" => Err(CliError::usage("nothing was pasted").hint("paste the line that `cryptsync authorize` prints")),
        text => Ok(text.to_owned()),
    }
}

fn in_browser(shell: &Shell, of: &Provider, values: &BTreeMap<String, String>, way: Way) -> Result<SignedIn, CliError> {
    let show = |address: &str| {
        shell.printer.complain(format_args!("To sign in, open this address in a browser:\n  {address}"));
        if way == Way::Browser {
            browser::open(address, &shell.settings.config);
        }
    };
    shell.call(false, |ctx| ops::sign_in(ctx, of.name, values, &show))
}

/// A token, and what the service has told beside it.
fn blob(signed: &SignedIn) -> String {
    let Ok(Json::Object(mut parts)) = serde_json::from_str(&signed.token) else { return signed.token.clone() };
    for (name, value) in &signed.settings {
        parts.insert((*name).to_owned(), Json::from(value.as_str()));
    }
    Json::Object(parts).to_string()
}

const EXAMPLES: &str = "\
Examples:
  cryptsync authorize dropbox CLIENT_ID
  cryptsync authorize drive CLIENT_ID CLIENT_SECRET";
