//! `key`

use std::ffi::OsString;
use std::path::PathBuf;

use clap::ValueEnum;
use serde::Serialize;

use super::init::parse_kdf;
use super::recovery;
use crate::cli::output::{Align, CliError, local_time, rfc3339, table, write_array, write_object};
use crate::cli::password::PasswordSource;
use crate::cli::shell::Shell;
use crate::ops::{self, AccessStep, Card, KeyChange, KeyReport, MemberInfo, Role};
use crate::path::printable;

/// Show and change who can open a vault
///
/// A member is a key: a password, the recovery words, a device, or another person's public card. Members are named by
/// their name, by their id, or by the beginning of it. Whoever is removed keeps what they could read; what is written
/// from then on is under new keys.
#[derive(Debug, clap::Args)]
#[command(arg_required_else_help = true, after_help = EXAMPLES)]
pub(crate) struct KeyArgs {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, clap::Subcommand)]
enum What {
    /// List the members: kind, role, name, id, when they were added and by whom
    List(RemoteArgs),
    /// Show one member
    Show(NameArgs),
    /// List every change of access, newest first: what, who, when
    History(RemoteArgs),
    /// Add a password or a person
    #[command(subcommand)]
    Add(Add),
    /// Remove a member; what is written from now on is under new keys
    Remove(NameArgs),
    /// Change a password; what is written from now on is under new keys
    Passwd(PasswdArgs),
    /// Give a member another role
    Role(RoleArgs),
    /// Write from now on under new keys, with the members there are
    Rotate(RemoteArgs),
    /// Merge two changes of access that were made at the same moment; who was removed by either is removed
    Merge(RemoteArgs),
    /// Open the vault with the recovery words alone, to know that they are the right ones: the same as `recovery test`
    TestRecovery(RemoteArgs),
    /// Print the public card of the person who uses this machine, for `key add person` on another one
    Card(CardArgs),
}

#[derive(Debug, clap::Subcommand)]
enum Add {
    /// Another password
    Password(AddPasswordArgs),
    /// Another person, by their public card
    Person(AddPersonArgs),
}

#[derive(Debug, clap::Args)]
struct RemoteArgs {
    /// The remote, as `name:`
    remote: OsString,
}

#[derive(Debug, clap::Args)]
struct NameArgs {
    /// The remote, as `name:`
    remote: OsString,
    /// The member: its name, its id, or the beginning of it
    member: String,
}

#[derive(Debug, clap::Args)]
struct AddPasswordArgs {
    /// The remote, as `name:`
    remote: OsString,
    /// What the vault calls this password
    #[arg(long, value_name = "NAME", default_value = "password 2")]
    name: String,
    /// What it may do
    #[arg(long, value_name = "ROLE", default_value = "writer")]
    role: RoleArg,
    #[command(flatten)]
    new: NewPassword,
}

#[derive(Debug, clap::Args)]
struct AddPersonArgs {
    /// The remote, as `name:`
    remote: OsString,
    /// The card that `key card` has printed on their machine
    card: String,
    /// What they may do
    #[arg(long, value_name = "ROLE", default_value = "reader")]
    role: RoleArg,
    /// The fingerprint that they have told, instead of a question
    #[arg(long, value_name = "FINGERPRINT")]
    fingerprint: Option<String>,
}

#[derive(Debug, clap::Args)]
struct PasswdArgs {
    /// The remote, as `name:`
    remote: OsString,
    /// The password to change, if there are several: its name or its id
    member: Option<String>,
    #[command(flatten)]
    new: NewPassword,
}

#[derive(Debug, clap::Args)]
struct RoleArgs {
    #[command(flatten)]
    of: NameArgs,
    /// What it may do
    role: RoleArg,
}

#[derive(Debug, clap::Args)]
struct CardArgs {
    /// What the vault will call this person [default: the name of this machine]
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
}

/// Where a further password comes from. The usual sources are for the one that opens the vault.
#[derive(Debug, clap::Args)]
struct NewPassword {
    /// Read the new password from a file
    #[arg(long, value_name = "FILE")]
    new_password_file: Option<PathBuf>,
    /// Read the new password from the standard output of a command
    #[arg(long, value_name = "COMMAND")]
    new_password_command: Option<String>,
    /// Read the new password from an open file descriptor
    #[arg(long, value_name = "N")]
    new_password_fd: Option<u32>,
    /// Cost of guessing it (Argon2id): memory, passes and lanes [default: that of the passwords there are]
    #[arg(long, value_name = "M,T,P", value_parser = parse_kdf)]
    kdf: Option<(u32, u32, u32)>,
}

/// Roles as arguments.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum RoleArg {
    /// Reads
    Reader,
    /// Reads and writes
    Writer,
    /// Reads, writes, and changes who has access
    Admin,
}

impl From<RoleArg> for Role {
    fn from(role: RoleArg) -> Self {
        match role {
            RoleArg::Reader => Self::Reader,
            RoleArg::Writer => Self::Writer,
            RoleArg::Admin => Self::Admin,
        }
    }
}

impl NewPassword {
    fn tell(&self, shell: &Shell) -> Result<(), CliError> {
        let file = self.new_password_file.as_ref().map(|path| PasswordSource::File(shell.settings.cwd.join(path)));
        let command = self.new_password_command.as_ref();
        let command = command.map(|text| PasswordSource::command("--new-password-command", text)).transpose()?;
        let fd = self.new_password_fd.map(PasswordSource::Fd);
        if let Some(source) = fd.or(file).or(command) {
            shell.answers.set_other(source);
        }
        Ok(())
    }
}

pub(crate) fn run(shell: &Shell, args: &KeyArgs) -> Result<(), CliError> {
    match &args.what {
        What::List(args) => list(shell, args),
        What::Show(args) => show(shell, args),
        What::History(args) => history(shell, args),
        What::Add(Add::Password(args)) => {
            args.new.tell(shell)?;
            let added = KeyChange::AddPassword(args.name.clone(), args.role.into(), args.new.kdf);
            change(shell, &args.remote, &added)
        }
        What::Add(Add::Person(args)) => {
            let card = Card::decode(&args.card);
            let card = card.map_err(|error| CliError::usage("this is no card of a person").caused_by(error))?;
            if card.request.is_some() {
                return Err(CliError::usage("this is the request of a device")
                    .hint("approve it with `cryptsync device approve`"));
            }
            let added = KeyChange::AddPerson(Box::new(card), args.role.into(), args.fingerprint.clone());
            change(shell, &args.remote, &added)
        }
        What::Remove(args) => {
            change(shell, &args.remote, &KeyChange::Remove(args.member.clone()))?;
            warn_removed(shell);
            Ok(())
        }
        What::Passwd(args) => {
            args.new.tell(shell)?;
            change(shell, &args.remote, &KeyChange::Passwd(args.member.clone(), args.new.kdf))?;
            shell.printer.note(format_args!(
                "who knows the old password can still read what was stored until now, if they have a copy of it"
            ));
            Ok(())
        }
        What::Role(args) => {
            change(shell, &args.of.remote, &KeyChange::SetRole(args.of.member.clone(), args.role.into()))
        }
        What::Rotate(args) => change(shell, &args.remote, &KeyChange::Rotate),
        What::Merge(args) => change(shell, &args.remote, &KeyChange::Merge),
        What::TestRecovery(args) => recovery::test(shell, &args.remote, recovery::FILES, true),
        What::Card(args) => card(shell, args),
    }
}

fn change(shell: &Shell, remote: &OsString, change: &KeyChange) -> Result<(), CliError> {
    let remote = shell.settings.remote(remote)?;
    let report = shell.call(false, |ctx| ops::key_change(ctx, &remote, change))?;
    tell(shell, &report)
}

/// What was done, and the member that it was done to.
pub(super) fn tell(shell: &Shell, report: &KeyReport) -> Result<(), CliError> {
    let KeyReport { version, epoch, done, member } = report;
    if shell.printer.is_json() {
        let member = member.as_deref();
        return Ok(write_object(&shell.printer, &JsonChange { version: *version, epoch: *epoch, done, member })?);
    }
    shell.printer.note(format_args!("{}: access version {version}, epoch {epoch}", printable(done.as_bytes())));
    if let Some(member) = member {
        shell.printer.data(member)?;
    }
    Ok(())
}

/// What removing a member does not undo.
pub(super) fn warn_removed(shell: &Shell) {
    shell.printer.note(format_args!(
        "what was stored until now can still be read with the removed key, by who has a copy of it; if it had access to the storage itself, change that too"
    ));
}

fn list(shell: &Shell, args: &RemoteArgs) -> Result<(), CliError> {
    let (remote, zone) = (shell.settings.remote(&args.remote)?, &shell.settings.time_zone);
    let members = shell.call(false, |ctx| ops::key_members(ctx, &remote))?;
    if shell.printer.is_json() {
        return write_array(&shell.printer, |add| {
            Ok(members.iter().try_for_each(|member| add(&JsonMember::new(member, rfc3339(member.added, zone))))?)
        });
    }
    let row = |member: &MemberInfo| {
        [
            member.id.clone(),
            member.kind.to_owned(),
            member.role.to_owned(),
            printable(member.label.as_bytes()),
            local_time(member.added, zone),
            format!("by {}", printable(member.added_by.as_bytes())),
            if member.is_this { "(this one)" } else { "" }.to_owned(),
        ]
    };
    Ok(shell.printer.table([Align::Left; 7], &members.iter().map(row).collect::<Vec<_>>())?)
}

fn show(shell: &Shell, args: &NameArgs) -> Result<(), CliError> {
    let (remote, zone) = (shell.settings.remote(&args.remote)?, &shell.settings.time_zone);
    let member = shell.call(false, |ctx| ops::key_member(ctx, &remote, &args.member))?;
    if shell.printer.is_json() {
        return Ok(write_object(&shell.printer, &JsonMember::new(&member, rfc3339(member.added, zone)))?);
    }
    let row = |name: &str, value: &str| [name.to_owned(), printable(value.as_bytes())];
    let added =
        format!("{} by {}, in access version {}", local_time(member.added, zone), member.added_by, member.version);
    let rows = [
        row("id:", &member.id),
        row("name:", &member.label),
        row("kind:", member.kind),
        row("role:", member.role),
        row("added:", &added),
        row("this one:", if member.is_this { "yes" } else { "no" }),
    ];
    for line in table([Align::Left; 2], &rows) {
        shell.printer.data(&line)?;
    }
    Ok(())
}

fn history(shell: &Shell, args: &RemoteArgs) -> Result<(), CliError> {
    let (remote, zone) = (shell.settings.remote(&args.remote)?, &shell.settings.time_zone);
    let steps = shell.call(false, |ctx| ops::key_history(ctx, &remote))?;
    if shell.printer.is_json() {
        return write_array(&shell.printer, |add| {
            Ok(steps.iter().try_for_each(|step| add(&JsonStep::new(step, rfc3339(step.time, zone))))?)
        });
    }
    for step in &steps {
        let (by, note) = (printable(step.by.as_bytes()), printable(step.note.as_bytes()));
        let (version, epoch, time) = (step.version, step.epoch, local_time(step.time, zone));
        shell.printer.data(&format!("version {version}  epoch {epoch}  {time}  {by}: {note}"))?;
        for change in &step.changes {
            shell.printer.data(&format!("  {}", printable(change.as_bytes())))?;
        }
    }
    Ok(())
}

fn card(shell: &Shell, args: &CardArgs) -> Result<(), CliError> {
    let name = args.name.as_ref().unwrap_or(&shell.settings.host_name);
    let (card, fingerprint) = shell.call(false, |ctx| ops::key_card(ctx, name))?;
    if shell.printer.is_json() {
        return Ok(write_object(&shell.printer, &JsonCard { text: &card, fingerprint: &fingerprint, expires: None })?);
    }
    shell.printer.note(format_args!("the fingerprint of this card is {fingerprint}"));
    Ok(shell.printer.data(&card)?)
}

#[derive(Debug, Serialize)]
pub(super) struct JsonMember<'a> {
    id: &'a str,
    kind: &'a str,
    role: &'a str,
    label: &'a str,
    version: u32,
    added: String,
    added_by: &'a str,
    this: bool,
}

impl<'a> JsonMember<'a> {
    pub(super) fn new(member: &'a MemberInfo, added: String) -> Self {
        let MemberInfo { id, kind, role, label, version, added_by, is_this, .. } = member;
        Self { id, kind, role, label, version: *version, added, added_by, this: *is_this }
    }
}

#[derive(Debug, Serialize)]
struct JsonChange<'a> {
    version: u32,
    epoch: u32,
    done: &'a str,
    member: Option<&'a str>,
}

/// A card or a request.
#[derive(Debug, Serialize)]
pub(super) struct JsonCard<'a> {
    pub(super) text: &'a str,
    pub(super) fingerprint: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) expires: Option<String>,
}

#[derive(Debug, Serialize)]
struct JsonStep<'a> {
    version: u32,
    epoch: u32,
    id: &'a str,
    time: String,
    by: &'a str,
    note: &'a str,
    changes: &'a [String],
}

impl<'a> JsonStep<'a> {
    fn new(step: &'a AccessStep, time: String) -> Self {
        let AccessStep { version, epoch, id, by, note, changes, .. } = step;
        Self { version: *version, epoch: *epoch, id, time, by, note, changes }
    }
}

const EXAMPLES: &str = "\
Examples:
  cryptsync key list nas:
  cryptsync key passwd nas:
  cryptsync key remove nas: old-laptop
  cryptsync key add person nas: cscard1-… --role writer";
