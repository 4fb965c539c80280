//! `config providers`: what the tables of the services say.

use serde_json::{Value as Json, json};

use crate::cli::output::{CliError, write_array};
use crate::cli::service_flags;
use crate::cli::shell::Shell;
use crate::config::{COMMON, Kind, Provider, Setting, nearest_provider, provider, shown_place, shown_providers};

pub(super) fn run(shell: &Shell, name: Option<&str>) -> Result<(), CliError> {
    let chosen: Vec<&Provider> = match name {
        Some(name) => vec![find(name)?],
        None => shown_providers().collect(),
    };
    if shell.printer.is_json() {
        return write_array(&shell.printer, |add| Ok(chosen.iter().try_for_each(|of| add(&provider_json(of)))?));
    }
    for of in &chosen {
        shell.printer.data(&format!("{}: {}", of.name, of.about))?;
        if !of.aliases.is_empty() {
            shell.printer.data(&format!("  also called {}", of.aliases.join(", ")))?;
        }
        for setting in of.settings {
            shell.printer.data(&line(setting))?;
            if !setting.secret {
                let variable = format!("CRYPTSYNC_{}_{}", of.name, setting.name).to_uppercase();
                shell.printer.data(&format!("      --{}, {variable}", service_flags::name(of, setting)))?;
            }
        }
    }
    shell.printer.data("every remote:")?;
    COMMON.iter().try_for_each(|setting| shell.printer.data(&line(setting)))?;
    Ok(())
}

pub(super) fn find(name: &str) -> Result<&'static Provider, CliError> {
    provider(name).ok_or_else(|| {
        let error = CliError::usage(format!("there is no service `{}`", shown_place(name.as_bytes())));
        match nearest_provider(name) {
            Some(meant) => error.hint(format!("did you mean `{meant}`?")),
            None => error.hint("`cryptsync config providers` lists the services"),
        }
    })
}

/// What may be written for a setting.
pub(super) fn kind(setting: &Setting) -> String {
    match setting.kind {
        Kind::Text => "text".to_owned(),
        Kind::Directory => "directory".to_owned(),
        Kind::Switch => "true or false".to_owned(),
        Kind::Age => "age, as 30d".to_owned(),
        Kind::Choice(choices) => choices.join(" | "),
    }
}

fn line(setting: &Setting) -> String {
    let mut notes = vec![kind(setting)];
    let flags = [(setting.required, "required"), (setting.secret, "secret"), (setting.advanced, "advanced")];
    notes.extend(flags.into_iter().filter(|(is, _)| *is).map(|(_, name)| name.to_owned()));
    notes.extend(setting.default.map(|default| format!("default {default}")));
    format!("  {} ({})\n      {}", setting.name, notes.join(", "), setting.help)
}

fn provider_json(of: &Provider) -> Json {
    let settings: Vec<Json> = of.settings.iter().chain(COMMON).map(setting_json).collect();
    json!({
        "name": of.name, "aliases": of.aliases, "description": of.about, "sign_in": of.sign_in, "settings": settings,
    })
}

fn setting_json(setting: &Setting) -> Json {
    json!({
        "name": setting.name, "help": setting.help, "type": kind(setting), "default": setting.default,
        "required": setting.required, "secret": setting.secret, "advanced": setting.advanced,
    })
}
