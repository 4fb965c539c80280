//! `init`: a new vault.

use std::fs::OpenOptions;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use super::open::connect;
use super::{Ctx, InitOptions, InitReport, KeyPlace, OpsError, RemoteProfile};
use crate::class::Class;
use crate::crypto::KdfParams;
use crate::format::genesis::ChunkerPolicy;
use crate::system_keyring;
use crate::vault::{NewVault, VaultError, exists, is_known};

/// A vault is made at the remote.
///
/// # Errors
/// There is one already, the settings are outside the limits, or the remote can't be written.
pub fn init(ctx: &Ctx<'_>, options: &InitOptions) -> Result<InitReport, OpsError> {
    let (m_kib, t, p) = options.kdf;
    let kdf = KdfParams { m_kib, t, p };
    kdf.check().map_err(|error| OpsError::new(Class::Usage, format!("`--kdf {m_kib},{t},{p}`: {error}")))?;
    let connection = connect(ctx, &options.remote)?;
    if exists(&connection.io)? {
        return Err(VaultError::Exists { location: connection.io.describe() }.into());
    }
    if options.remote.keyring {
        // Before a person is asked for anything, and before the recovery words are written.
        try_keyring().map_err(|error| in_file_hint(error.into()))?;
    }
    let name = format!("{}:", options.remote.name);
    let password = ctx
        .person
        .new_password(&name)
        .map_err(|error| OpsError::new(Class::Usage, format!("cannot get the new vault's password: {error}")))?;
    let new = NewVault {
        world: &ctx.world,
        state_dir: &ctx.state_dir,
        password: &password,
        kdf,
        device_label: &options.device_label,
        password_role: options.password_role,
        key_place: key_place(&options.remote),
        chunker: ChunkerPolicy::Gear { min: 256 << 10, avg: 1 << 20, max: 4 << 20 },
    };
    let mut keep = |words: &str| match &options.recovery_file {
        Some(path) => write_words(path, words),
        None => Ok(()),
    };
    let created = new.create(&connection.io, &mut keep).map_err(|error| in_file_hint(error.into()))?;
    Ok(InitReport {
        vault_id: created.vault.to_string(),
        words: options.recovery_file.is_none().then_some(created.words),
        checkpoint: checkpoint(&created.vault.to_string(), None),
    })
}

/// Finds out whether the keyring answers.
fn try_keyring() -> Result<(), VaultError> {
    let what = "the key of this device can't be kept in the keyring of the system".to_owned();
    system_keyring::get("device").map(drop).map_err(|why| VaultError::Keyring { what, why })
}

/// Where a new key of this device goes.
pub(super) fn key_place(remote: &RemoteProfile) -> KeyPlace {
    if remote.keyring { KeyPlace::Keyring } else { KeyPlace::File }
}

/// What to do where there is no keyring.
pub(super) fn in_file_hint(error: OpsError) -> OpsError {
    match error.class {
        Class::NoKey => error.hint(
            "unlock the keyring, or leave out --keyring (and `keyring: true` of the remote) to keep the key in a file that only you can read",
        ),
        _ => error,
    }
}

/// The string that, given to another machine, proves that what it is shown is not older than this.
pub(super) fn checkpoint(vault: &str, head: Option<&str>) -> String {
    format!("cs1.{vault}.{}", head.unwrap_or("empty"))
}

fn write_words(path: &Path, words: &str) -> Result<(), VaultError> {
    let write = || {
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
        file.write_all(words.as_bytes())?;
        file.write_all(b"\n")?;
        file.sync_all()
    };
    write().map_err(VaultError::local(format!("cannot write the recovery words to {}", path.display())))
}

/// Whether a vault is at the remote.
///
/// # Errors
/// The remote can't be read.
pub fn vault_exists(ctx: &Ctx<'_>, remote: &RemoteProfile) -> Result<bool, OpsError> {
    let connection = connect(ctx, remote)?;
    // A vault that was met there before costs no request: if it is gone, opening it will say so.
    Ok(is_known(&ctx.state_dir, &connection.io.describe()) || exists(&connection.io)?)
}
