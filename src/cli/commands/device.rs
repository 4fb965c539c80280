//! `device`

use std::ffi::OsString;

use super::key::{JsonCard, JsonMember, RoleArg, tell, warn_removed};
use crate::cli::output::{Align, CliError, local_time, rfc3339, write_array, write_object};
use crate::cli::shell::Shell;
use crate::ops::{self, MemberInfo};
use crate::path::printable;

/// Machines that open a vault without a password
///
/// `device add` makes this machine one of them, by the password or the recovery words. Where neither should be typed,
/// `device request` prints a text that `device approve` takes on a machine that is an admin already.
#[derive(Debug, clap::Args)]
#[command(arg_required_else_help = true, after_help = EXAMPLES)]
pub(crate) struct DeviceArgs {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, clap::Subcommand)]
enum What {
    /// Let this machine in, by the password or the recovery words
    Add(AddArgs),
    /// Print a request to let this machine in, for `device approve` on another one
    Request(RequestArgs),
    /// Let a machine in that has asked for it
    Approve(ApproveArgs),
    /// List the devices
    List(ListArgs),
    /// Shut a device out; what is written from now on is under new keys
    Remove(RemoveArgs),
}

#[derive(Debug, clap::Args)]
struct AddArgs {
    /// The remote, as `name:`
    remote: OsString,
    /// What the vault calls this machine [default: its name]
    #[arg(long, value_name = "NAME")]
    device_name: Option<String>,
    /// What it may do
    #[arg(long, value_name = "ROLE", default_value = "writer")]
    role: RoleArg,
}

#[derive(Debug, clap::Args)]
struct RequestArgs {
    /// The remote, as `name:`
    remote: OsString,
    /// What the vault will call this machine [default: its name]
    #[arg(long, value_name = "NAME")]
    device_name: Option<String>,
    /// Make a new key, instead of one that was removed
    #[arg(long)]
    new_key: bool,
}

#[derive(Debug, clap::Args)]
struct ApproveArgs {
    /// The remote, as `name:`
    remote: OsString,
    /// The text that `device request` has printed
    request: String,
    /// What the device may do
    #[arg(long, value_name = "ROLE", default_value = "writer")]
    role: RoleArg,
    /// The fingerprint that the other machine shows, instead of a question
    #[arg(long, value_name = "FINGERPRINT")]
    fingerprint: Option<String>,
}

#[derive(Debug, clap::Args)]
struct ListArgs {
    /// The remote, as `name:`
    remote: OsString,
}

#[derive(Debug, clap::Args)]
struct RemoveArgs {
    /// The remote, as `name:`
    remote: OsString,
    /// The device: its name, its id, or the beginning of it
    device: String,
}

pub(crate) fn run(shell: &Shell, args: &DeviceArgs) -> Result<(), CliError> {
    match &args.what {
        What::Add(args) => add(shell, args),
        What::Request(args) => request(shell, args),
        What::Approve(args) => approve(shell, args),
        What::List(args) => list(shell, args),
        What::Remove(args) => remove(shell, args),
    }
}

fn add(shell: &Shell, args: &AddArgs) -> Result<(), CliError> {
    let remote = shell.settings.remote(&args.remote)?;
    let name = args.device_name.as_ref().unwrap_or(&shell.settings.host_name);
    let report = shell.call(false, |ctx| ops::device_add(ctx, &remote, name, args.role.into()))?;
    tell(shell, &report)?;
    shell.printer.note(format_args!("this machine opens the vault without a password from now on"));
    Ok(())
}

fn request(shell: &Shell, args: &RequestArgs) -> Result<(), CliError> {
    let remote = shell.settings.remote(&args.remote)?;
    let name = args.device_name.as_ref().unwrap_or(&shell.settings.host_name);
    let request = shell.call(false, |ctx| ops::device_request(ctx, &remote, name, args.new_key))?;
    if shell.printer.is_json() {
        let expires = Some(rfc3339(request.expires, &shell.settings.time_zone));
        let (text, fingerprint) = (&*request.text, &*request.fingerprint);
        return Ok(write_object(&shell.printer, &JsonCard { text, fingerprint, expires })?);
    }
    shell.printer.note(format_args!(
        "on a machine that is an admin of the vault, run `cryptsync device approve {}: REQUEST` before {}; both have to show the fingerprint {}",
        printable(remote.name.as_bytes()),
        local_time(request.expires, &shell.settings.time_zone),
        request.fingerprint,
    ));
    Ok(shell.printer.data(&request.text)?)
}

fn approve(shell: &Shell, args: &ApproveArgs) -> Result<(), CliError> {
    let remote = shell.settings.remote(&args.remote)?;
    let fingerprint = args.fingerprint.as_deref();
    let report =
        shell.call(false, |ctx| ops::device_approve(ctx, &remote, &args.request, args.role.into(), fingerprint))?;
    tell(shell, &report)
}

fn list(shell: &Shell, args: &ListArgs) -> Result<(), CliError> {
    let (remote, zone) = (shell.settings.remote(&args.remote)?, &shell.settings.time_zone);
    let members = shell.call(false, |ctx| ops::key_members(ctx, &remote))?;
    let devices = members.iter().filter(|member| member.kind == "device");
    if shell.printer.is_json() {
        return write_array(&shell.printer, |add| {
            let mut devices = devices.map(|member| JsonMember::new(member, rfc3339(member.added, zone)));
            Ok(devices.try_for_each(|member| add(&member))?)
        });
    }
    let row = |member: &MemberInfo| {
        [
            member.id.clone(),
            member.role.to_owned(),
            printable(member.label.as_bytes()),
            local_time(member.added, zone),
            if member.is_this { "(this one)" } else { "" }.to_owned(),
        ]
    };
    let rows: Vec<_> = devices.map(row).collect();
    Ok(shell.printer.table([Align::Left; 5], &rows)?)
}

fn remove(shell: &Shell, args: &RemoveArgs) -> Result<(), CliError> {
    let remote = shell.settings.remote(&args.remote)?;
    let report = shell.call(false, |ctx| ops::device_remove(ctx, &remote, &args.device))?;
    tell(shell, &report)?;
    warn_removed(shell);
    Ok(())
}

const EXAMPLES: &str = "\
Examples:
  cryptsync device add nas:
  cryptsync device request nas:
  cryptsync device approve nas: csrequest1-…
  cryptsync device remove nas: old-laptop";
