//! The keys that this installation has of its own: a device's, one a vault, and a person's, for all vaults. Files of mode 0600; a device's
//! key may be in the keyring of the system, and the file then says under which name.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::Path;

use zeroize::Zeroizing;

use super::error::VaultError;
use super::state::State;
use crate::crypto::Secret32;
use crate::system_keyring::{self, KeyringError};
use crate::world::Entropy;

/// Where this device's key is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyPlace {
    /// In a file of the state directory that nobody else can read.
    File,
    /// In the keyring of the system.
    Keyring,
}

/// What a file of a key says.
enum Kept {
    Seed(Secret32),
    /// The name under which the keyring has it.
    Elsewhere(String),
}

impl State {
    /// The keys to try, this device's first.
    ///
    /// # Errors
    /// A file is there but can't be read, is readable by others, or is no key; or the keyring can't be used.
    pub(super) fn seeds(&self) -> Result<Vec<Secret32>, VaultError> {
        Ok(self.device_seed()?.into_iter().chain(self.person_seeds()?).collect())
    }

    /// The key of the person, if there is one.
    pub(super) fn person_seeds(&self) -> Result<Option<Secret32>, VaultError> {
        let path = self.home().parent().map(|base| base.join(PERSON));
        Ok(path.map(|path| read_seed(&path)).transpose()?.flatten())
    }

    /// The seed of this device's key; `None` if this installation has none.
    ///
    /// # Errors
    /// As for [`State::seeds`].
    pub fn device_seed(&self) -> Result<Option<Secret32>, VaultError> {
        let path = self.home().join(DEVICE);
        match read_kept(&path)? {
            None => Ok(None),
            Some(Kept::Seed(seed)) => Ok(Some(seed)),
            Some(Kept::Elsewhere(id)) => {
                let lost = |why: &str| KeyringError::Failed(why.to_owned());
                let seed = system_keyring::get(&id).and_then(|text| {
                    let text = text.ok_or_else(|| lost("it has nothing of that name any more"))?;
                    decode(&text).ok_or_else(|| lost("what it has is no key"))
                });
                seed.map(Some).map_err(|why| keyring("the key of this device is in the keyring of the system", why))
            }
        }
    }

    /// Where this device's key is; `None` if this installation has none.
    ///
    /// # Errors
    /// The file can't be read.
    pub fn device_place(&self) -> Result<Option<KeyPlace>, VaultError> {
        Ok(read_kept(&self.home().join(DEVICE))?.map(|kept| match kept {
            Kept::Seed(_) => KeyPlace::File,
            Kept::Elsewhere(_) => KeyPlace::Keyring,
        }))
    }

    /// Keeps the seed of this device's key, instead of one that was there before.
    ///
    /// # Errors
    /// The file can't be written, or the keyring can't be used.
    pub fn set_device_seed(&self, seed: &Secret32, place: KeyPlace, entropy: &dyn Entropy) -> Result<(), VaultError> {
        if !self.is_persistent() {
            return Err(VaultError::Refused(format!(
                "this device can't keep a key: {} can't be written",
                self.home().display()
            )));
        }
        let path = self.home().join(DEVICE);
        let old = read_kept(&path).unwrap_or_default();
        let text = Zeroizing::new(crate::id::base32(seed.expose()));
        match place {
            KeyPlace::File => write_private(&path, &text)?,
            KeyPlace::Keyring => {
                let mut random = [0; 10];
                entropy.fill(&mut random).map_err(VaultError::local("cannot get random bytes from the system"))?;
                let vault = self.home().file_name().unwrap_or_default().to_string_lossy();
                let id = format!("device/{vault}/{}", crate::id::base32(&random));
                let failed = |why| keyring("cannot keep the key of this device in the keyring of the system", why);
                system_keyring::set(&id, &text).map_err(failed)?;
                // A keyring that forgets is found out before the only copy of the key is left to it.
                match system_keyring::get(&id) {
                    Ok(Some(kept)) if *kept == *text => write_private(&path, &format!("{ELSEWHERE}{id}"))?,
                    Ok(_) => {
                        return Err(failed(KeyringError::Failed("it does not give back what it was given".into())));
                    }
                    Err(why) => return Err(failed(why)),
                }
            }
        }
        if let Some(Kept::Elsewhere(id)) = old {
            drop(system_keyring::remove(&id)); // what nothing refers to is in nobody's way
        }
        Ok(())
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
    write_private(path, &Zeroizing::new(crate::id::base32(seed.expose())))
}

fn write_private(path: &Path, text: &str) -> Result<(), VaultError> {
    let write = || -> io::Result<()> {
        let temp = path.with_extension(format!("tmp-{}", std::process::id()));
        let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&temp)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        fs::rename(&temp, path)?;
        path.parent().map_or(Ok(()), |dir| File::open(dir)?.sync_all())
    };
    write().map_err(VaultError::local(format!("cannot write {}", path.display())))
}

fn read_seed(path: &Path) -> Result<Option<Secret32>, VaultError> {
    match read_kept(path)? {
        None => Ok(None),
        Some(Kept::Seed(seed)) => Ok(Some(seed)),
        Some(Kept::Elsewhere(_)) => Err(bad(path, "is damaged")),
    }
}

fn read_kept(path: &Path) -> Result<Option<Kept>, VaultError> {
    let mut file = match OpenOptions::new().read(true).custom_flags(libc_nofollow()).open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(VaultError::local(format!("cannot read {}", path.display()))(error)),
    };
    let mode = file.metadata().map_err(VaultError::local(format!("cannot read {}", path.display())))?.mode();
    if mode & 0o077 != 0 {
        return Err(bad(path, "is open to other users; make it private with `chmod 600` if nobody can have read it"));
    }
    let mut text = Zeroizing::new(String::new());
    file.read_to_string(&mut text).map_err(VaultError::local(format!("cannot read {}", path.display())))?;
    if let Some(id) = text.strip_prefix(ELSEWHERE) {
        return Ok(Some(Kept::Elsewhere(id.trim_end().to_owned())));
    }
    decode(&text).map(|seed| Some(Kept::Seed(seed))).ok_or_else(|| bad(path, "is damaged"))
}

fn decode(text: &str) -> Option<Secret32> {
    let bytes = Zeroizing::new(crate::id::unbase32(text.trim_end())?);
    Some(Secret32::new(bytes.as_slice().try_into().ok()?))
}

fn bad(path: &Path, why: &str) -> VaultError {
    VaultError::NoKey(format!("the key {} {why}", path.display()))
}

fn keyring(what: &str, why: KeyringError) -> VaultError {
    VaultError::Keyring { what: what.to_owned(), why }
}

fn libc_nofollow() -> i32 {
    rustix::fs::OFlags::NOFOLLOW.bits() as i32
}

/// Begins a file whose key is in the keyring; no base32 has a colon.
const ELSEWHERE: &str = "keyring:";
const DEVICE: &str = "device.key";
const PERSON: &str = "person.key";
