//! `config` alone: the same changes, asked for at the terminal.

use zeroize::Zeroizing;

use crate::class::Class;
use crate::cli::output::{Align, CliError, table};
use crate::cli::shell::Shell;
use crate::config::{Given, Provider, Setting, checked_setting, provider, shown_providers};
use crate::crypto::KdfParams;
use crate::path::printable;

use super::change::{self, How, Pairs, settings_of};
use super::sign_in::Way;
use super::{encryption, providers};

/// Asks what to do until somebody has had enough.
pub(super) fn run(shell: &Shell) -> Result<(), CliError> {
    if !shell.answers.is_attended() {
        return Err(CliError::usage("`config` alone asks questions, and there is no terminal to ask them at").hint(
            "use `config create`, `update`, `password`, `delete`, `rename`, `copy`, `encryption set` or `show`",
        ));
    }
    loop {
        list(shell)?;
        let sealed = shell.settings.config.is_sealed()?;
        show(shell, "e) edit  n) new  d) delete  r) rename  c) copy  s) password of the configuration  q) quit")?;
        let choice = line(shell, "e/n/d/r/c/s/q> ")?;
        let done = match choice.as_str() {
            "q" | "quit" => return Ok(()),
            "n" | "new" => new(shell),
            "e" | "edit" => edit(shell),
            "d" | "delete" => delete(shell),
            "r" | "rename" => rename(shell),
            "c" | "copy" => copy(shell),
            "s" | "password" => seal(shell, sealed),
            "" => continue,
            _ => Err(CliError::usage(format!("`{}` is none of these letters", printable(choice.as_bytes())))),
        };
        match done {
            Ok(()) => {}
            Err(error) if error.class == Class::Interrupted => return Err(error),
            // What went wrong with one thing is no reason to leave.
            Err(error) => show(shell, &error.render(false))?,
        }
    }
}

fn list(shell: &Shell) -> Result<(), CliError> {
    let document = shell.settings.config.file()?;
    let row = |(name, settings): (&str, Vec<(String, Given)>)| [format!("{name}:"), text_of(&settings, "type")];
    let names: Vec<&str> = document.remotes().map(|(name, _)| name).collect();
    let rows: Vec<_> = names.iter().filter_map(|name| Some(row((name, settings_of(&document, name)?)))).collect();
    show(shell, "")?;
    match rows.is_empty() {
        true => show(shell, "There are no remotes yet: n makes one."),
        false => table([Align::Left, Align::Left], &rows).iter().try_for_each(|line| show(shell, line)),
    }
}

fn new(shell: &Shell) -> Result<(), CliError> {
    let name = line(shell, "Name of the new remote> ")?;
    change::check_name(&name)?;
    let services: Vec<&Provider> = shown_providers().collect();
    for (number, of) in services.iter().enumerate() {
        show(shell, &format!("{:>3}  {}: {}", number + 1, of.name, of.about))?;
    }
    let answer = line(shell, &format!("Service [{}]> ", services[0].name))?;
    let numbered = answer.parse::<usize>().ok().and_then(|number| services.get(number.wrapping_sub(1)));
    let of = match (&*answer, numbered) {
        ("", _) => services[0],
        (_, Some(of)) => of,
        (name, None) => providers::find(name)?,
    };
    let mut pairs = Pairs::new();
    for setting in of.settings.iter().filter(|setting| !setting.advanced) {
        pairs.extend(asked(shell, of, setting, None)?);
    }
    if of.settings.iter().any(|setting| setting.advanced)
        && yes(shell, "Are there advanced settings to be made? [y/N]> ")?
    {
        for setting in of.settings.iter().filter(|setting| setting.advanced) {
            pairs.extend(asked(shell, of, setting, None)?);
        }
    }
    change::add(shell, &name, of, pairs, How { probe: true, secrets: None, way: Way::Browser })
}

fn edit(shell: &Shell) -> Result<(), CliError> {
    let (name, settings) = chosen(shell)?;
    let of = provider(&text_of(&settings, "type")).ok_or_else(|| CliError::usage("it has no type in the file"))?;
    let mut pairs = Pairs::new();
    for setting in of.settings {
        let old = settings.iter().find(|(key, _)| key == setting.name);
        let shown = old.map(|(key, _)| if setting.secret { "unchanged".to_owned() } else { text_of(&settings, key) });
        pairs.extend(asked(shell, of, setting, Some(shown.unwrap_or_default()))?);
    }
    match pairs.is_empty() {
        true => show(shell, "Nothing is changed."),
        false => change::set(shell, &name, pairs, How { probe: true, secrets: None, way: Way::Not }),
    }
}

fn delete(shell: &Shell) -> Result<(), CliError> {
    let (name, _) = chosen(shell)?;
    match yes(shell, &format!("Remove {name}: from the configuration? What is stored there stays. [y/N]> "))? {
        true => change::delete(shell, &name),
        false => Ok(()),
    }
}

fn rename(shell: &Shell) -> Result<(), CliError> {
    let (name, _) = chosen(shell)?;
    change::rename(shell, &name, &line(shell, "New name> ")?)
}

fn copy(shell: &Shell) -> Result<(), CliError> {
    let (name, _) = chosen(shell)?;
    change::copy(shell, &name, &line(shell, "Name of the new remote> ")?)
}

fn seal(shell: &Shell, sealed: bool) -> Result<(), CliError> {
    if !sealed {
        return encryption::set(shell, KdfParams::DEFAULT);
    }
    match line(shell, "c) change the password  r) remove it  c/r> ")?.as_str() {
        "c" => encryption::set(shell, KdfParams::DEFAULT),
        "r" => shell.settings.config.reseal(None),
        _ => Ok(()),
    }
}

/// A remote of the file, by its name.
fn chosen(shell: &Shell) -> Result<(String, Vec<(String, Given)>), CliError> {
    let name = line(shell, "Name of the remote> ")?;
    let name = name.strip_suffix(':').unwrap_or(&name).to_owned();
    let document = shell.settings.config.file()?;
    let settings = settings_of(&document, &name).ok_or_else(|| change::no_remote(&document, &name))?;
    Ok((name, settings))
}

/// A setting, and what it is set to.
type Answered = (String, Zeroizing<Vec<u8>>);

/// Asks for a setting until the answer is right. `old` is what holds now, if there is such a remote already.
fn asked(
    shell: &Shell,
    of: &'static Provider,
    setting: &'static Setting,
    old: Option<String>,
) -> Result<Option<Answered>, CliError> {
    show(shell, &format!("{} ({})", setting.help, providers::kind(setting)))?;
    let held = old.as_deref().filter(|old| !old.is_empty()).or(setting.default);
    let prompt = match held {
        Some(held) => format!("{} [{}]> ", setting.name, printable(held.as_bytes())),
        None => format!("{}> ", setting.name),
    };
    loop {
        let answer =
            if setting.secret { shell.answers.ask(&prompt, false)? } else { shell.answers.ask(&prompt, true)? };
        let answer =
            Zeroizing::new(if setting.secret { answer.as_bytes().to_vec() } else { answer.trim().as_bytes().to_vec() });
        if answer.is_empty() {
            if setting.required && held.is_none() {
                show(shell, "This one is needed.")?;
                continue;
            }
            return Ok(None);
        }
        match checked_setting(Some(of), setting.name, &answer) {
            Ok(_) => return Ok(Some((setting.name.to_owned(), answer))),
            Err(error) => show(shell, &CliError::from(error).render(false))?,
        }
    }
}

fn text_of(settings: &[(String, Given)], key: &str) -> String {
    settings
        .iter()
        .find_map(|(known, given)| match given {
            Given::Text(text) if known == key => Some(printable(text)),
            _ => None,
        })
        .unwrap_or_default()
}

fn yes(shell: &Shell, prompt: &str) -> Result<bool, CliError> {
    Ok(matches!(line(shell, prompt)?.to_lowercase().as_str(), "y" | "yes"))
}

fn line(shell: &Shell, prompt: &str) -> Result<String, CliError> {
    Ok(shell.answers.ask(prompt, true)?.trim().to_owned())
}

fn show(shell: &Shell, text: &str) -> Result<(), CliError> {
    let failed = |error| CliError::new(Class::Failed, "cannot write to the terminal").caused_by(error);
    shell.answers.show(&format!("{text}\n")).map_err(failed)
}
