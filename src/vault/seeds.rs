//! The keys that this installation has of its own: a device's, one a vault, and a person's, for all vaults. Files of mode 0600.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::Path;

use zeroize::Zeroizing;

use super::error::VaultError;
use super::state::State;
use crate::crypto::Secret32;
use crate::world::Entropy;

impl State {
    /// The keys to try, this device's first.
    ///
    /// # Errors
    /// A file is there but can't be read, is readable by others, or is no key.
    pub(super) fn seeds(&self) -> Result<Vec<Secret32>, VaultError> {
        let person = self.home().parent().map(|base| read_seed(&base.join(PERSON))).transpose()?.flatten();
        Ok([self.device_seed()?, person].into_iter().flatten().collect())
    }

    /// The seed of this device's key; `None` if this installation has none.
    ///
    /// # Errors
    /// As for [`State::seeds`].
    pub fn device_seed(&self) -> Result<Option<Secret32>, VaultError> {
        read_seed(&self.home().join(DEVICE))
    }

    /// Keeps the seed of this device's key, instead of one that was there before.
    ///
    /// # Errors
    /// The file can't be written.
    pub fn set_device_seed(&self, seed: &Secret32) -> Result<(), VaultError> {
        if !self.is_persistent() {
            return Err(VaultError::Refused(format!(
                "this device can't keep a key: {} can't be written",
                self.home().display()
            )));
        }
        write_seed(&self.home().join(DEVICE), seed)
    }
}

/// The seed of the person who uses this installation, made at first use.
///
/// # Errors
/// The file can't be read or written, or there is no entropy.
pub fn person_seed(state_dir: &Path, entropy: &dyn Entropy) -> Result<Secret32, VaultError> {
    let path = state_dir.join(PERSON);
    if let Some(seed) = read_seed(&path)? {
        return Ok(seed);
    }
    let seed = Secret32::random(entropy).map_err(VaultError::local("cannot get random bytes from the system"))?;
    let made = fs::DirBuilder::new().recursive(true).mode(0o700).create(state_dir);
    made.map_err(VaultError::local(format!("cannot create {}", state_dir.display())))?;
    write_seed(&path, &seed)?;
    Ok(seed)
}

fn write_seed(path: &Path, seed: &Secret32) -> Result<(), VaultError> {
    let write = || -> io::Result<()> {
        let temp = path.with_extension(format!("tmp-{}", std::process::id()));
        let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&temp)?;
        let text = Zeroizing::new(crate::id::base32(seed.expose()));
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        fs::rename(&temp, path)?;
        path.parent().map_or(Ok(()), |dir| File::open(dir)?.sync_all())
    };
    write().map_err(VaultError::local(format!("cannot write {}", path.display())))
}

fn read_seed(path: &Path) -> Result<Option<Secret32>, VaultError> {
    let mut file = match OpenOptions::new().read(true).custom_flags(libc_nofollow()).open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(VaultError::local(format!("cannot read {}", path.display()))(error)),
    };
    let bad = |why: &str| VaultError::NoKey(format!("the key {} {why}", path.display()));
    let mode = file.metadata().map_err(VaultError::local(format!("cannot read {}", path.display())))?.mode();
    if mode & 0o077 != 0 {
        return Err(bad("is open to other users; make it private with `chmod 600` if nobody can have read it"));
    }
    let mut text = Zeroizing::new(String::new());
    file.read_to_string(&mut text).map_err(VaultError::local(format!("cannot read {}", path.display())))?;
    let bytes = Zeroizing::new(crate::id::unbase32(text.trim_end()).ok_or_else(|| bad("is damaged"))?);
    Ok(Some(Secret32::new(bytes.as_slice().try_into().map_err(|_| bad("is damaged"))?)))
}

fn libc_nofollow() -> i32 {
    rustix::fs::OFlags::NOFOLLOW.bits() as i32
}

const DEVICE: &str = "device.key";
const PERSON: &str = "person.key";
