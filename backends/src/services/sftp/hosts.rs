//! Which keys of hosts are known. What is not known is refused, or learned if that is wanted; what is another is always refused.

use std::path::PathBuf;

use russh::keys::known_hosts::{known_host_keys_path, learn_known_hosts_path};
use russh::keys::{Algorithm, HashAlg, PublicKey, PublicKeyBase64};

use crate::ErrorKind;
use crate::http::Failure;

/// The keys of one host.
#[derive(Debug, Clone)]
pub(super) struct Hosts {
    pub(super) host: String,
    pub(super) port: u16,
    /// The file of known keys.
    pub(super) file: PathBuf,
    /// Whether a host without any known key is let in, and remembered.
    pub(super) learns: bool,
}

impl Hosts {
    /// The kinds of keys that are known of the host, so that the server is asked for one of them.
    pub(super) fn known_kinds(&self) -> Vec<Algorithm> {
        self.known().map(|known| known.iter().map(PublicKey::algorithm).collect()).unwrap_or_default()
    }

    /// Whether this is the host's key.
    pub(super) fn check(&self, shown: &PublicKey) -> Result<(), Failure> {
        let at = if self.port == 22 { self.host.clone() } else { format!("{}:{}", self.host, self.port) };
        let file = self.file.display();
        let theirs = shown.fingerprint(HashAlg::Sha256);
        let refuse = |says: String, advice: String| Err(Failure::new(ErrorKind::Untrusted, says).advice(advice));
        if self.is_revoked(shown) {
            return refuse(
                format!("the host key {theirs} of {at} is revoked in {file}"),
                "do not use this server".to_owned(),
            );
        }
        let known = self.known()?;
        if known.contains(shown) {
            return Ok(());
        }
        if !known.is_empty() {
            let ours: Vec<String> = known.iter().map(|known| known.fingerprint(HashAlg::Sha256).to_string()).collect();
            return refuse(
                format!("{at} shows the host key {theirs}, but {} is known for it", ours.join(", ")),
                format!(
                    "somebody may be between you and the server; if its key was changed on purpose, remove the old one with `ssh-keygen -R '{}' -f {file}`",
                    if self.port == 22 { self.host.clone() } else { format!("[{}]:{}", self.host, self.port) }
                ),
            );
        }
        if self.learns {
            return learn_known_hosts_path(&self.host, self.port, shown, &self.file)
                .map_err(|error| Failure::new(ErrorKind::Misconfigured, format!("cannot write {file}: {error}")));
        }
        refuse(
            format!("the host key of {at} is not known; it shows {theirs}"),
            format!(
                "compare it with what the server's owner says; then log in once with `ssh -p {} {}`, or set `host_key: accept-new`",
                self.port, self.host
            ),
        )
    }

    fn known(&self) -> Result<Vec<PublicKey>, Failure> {
        let found = known_host_keys_path(&self.host, self.port, &self.file).map_err(|error| {
            let says = format!("{} can't be read: {error}", self.file.display());
            Failure::new(ErrorKind::Misconfigured, says)
                .advice("correct the line of this host, or name another `known_hosts_file`")
        })?;
        Ok(found.into_iter().map(|(_, key)| key).collect())
    }

    fn is_revoked(&self, key: &PublicKey) -> bool {
        let text = std::fs::read_to_string(&self.file).unwrap_or_default();
        let shown = key.public_key_base64();
        text.lines().any(|line| line.starts_with("@revoked") && line.split_whitespace().any(|word| word == shown))
    }
}
