//! A text under a password: the sealed configuration (docs/format.md, section 14).

use std::io;

use base64ct::{Base64, Encoding};
use chacha20poly1305::aead::{AeadInOut, KeyInit};
use chacha20poly1305::{Tag, XChaCha20Poly1305, XNonce};
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use super::domain::Domain;
use super::password::{KdfError, KdfParams, stretch};
use crate::world::Entropy;

/// Why a sealed text does not open.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SealedTextError {
    /// It is not what it says it is.
    #[error("what is sealed in it is damaged or cut short")]
    Damaged,
    /// It was sealed by a later version.
    #[error("it was sealed by a newer version of this program")]
    Newer,
    /// The password or its parameters.
    #[error(transparent)]
    Kdf(#[from] KdfError),
}

/// Whether this is a sealed text, of whatever version.
pub fn is_sealed_text(bytes: &[u8]) -> bool {
    let lines = bytes.split(|b| *b == b'\n').map(<[u8]>::trim_ascii);
    let mut said = lines.filter(|line| !line.is_empty() && !line.starts_with(b"#"));
    said.next().is_some_and(|line| line.starts_with(MAGIC.as_bytes()))
}

/// The cost of guessing the password of a sealed text.
///
/// # Errors
/// It is damaged, or its parameters are out of bounds.
pub fn sealed_text_params(text: &[u8]) -> Result<KdfParams, SealedTextError> {
    params(&body(text)?)
}

/// Seals a text.
///
/// # Errors
/// No entropy, or parameters outside the limits or beyond this machine.
pub fn seal_text(password: &str, text: &[u8], cost: KdfParams, entropy: &dyn Entropy) -> io::Result<String> {
    cost.check().map_err(io::Error::other)?;
    let mut salt = [0; 32];
    entropy.fill(&mut salt)?;
    let (cipher, commitment) = keys(password, &salt, cost).map_err(io::Error::other)?;
    let mut body = [cost.m_kib, cost.t, cost.p].map(u32::to_le_bytes).concat();
    body.extend_from_slice(&salt);
    body.extend_from_slice(&commitment);
    let mut sealed = text.to_vec();
    let tag = cipher
        .encrypt_inout_detached(&XNonce::default(), &body, sealed.as_mut_slice().into())
        .expect("a configuration is far shorter than the cipher's limit");
    body.extend_from_slice(&sealed);
    body.extend_from_slice(&tag);
    let coded = Base64::encode_string(&body);
    let lines = coded.as_bytes().chunks(LINE).map(|line| String::from_utf8_lossy(line).into_owned() + "\n");
    Ok(format!("{NOTE}\n{MAGIC}{VERSION}\n") + &lines.collect::<String>())
}

/// Opens a sealed text.
///
/// # Errors
/// The password is wrong, or the text is damaged, newer or asks for an unacceptable cost.
pub fn open_text(password: &str, text: &[u8]) -> Result<Zeroizing<Vec<u8>>, SealedTextError> {
    let body = body(text)?;
    let cost = params(&body)?;
    let (head, sealed) = body.split_at(HEAD);
    let salt = head[12..44].try_into().expect("thirty-two bytes");
    let (cipher, commitment) = keys(password, salt, cost)?;
    if !bool::from(commitment.ct_eq(&head[44..])) {
        return Err(KdfError::Wrong.into());
    }
    let (sealed, tag) = sealed.split_at(sealed.len() - TAG);
    let tag = Tag::try_from(tag).expect("the slice has the tag's length");
    let mut text = Zeroizing::new(sealed.to_vec());
    let opened = cipher.decrypt_inout_detached(&XNonce::default(), head, text.as_mut_slice().into(), &tag);
    opened.map_err(|_| SealedTextError::Damaged)?;
    Ok(text)
}

fn body(text: &[u8]) -> Result<Vec<u8>, SealedTextError> {
    let text = std::str::from_utf8(text).map_err(|_| SealedTextError::Damaged)?;
    let mut lines = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
    match lines.next().and_then(|line| line.strip_prefix(MAGIC)) {
        Some(VERSION) => {}
        Some(_) => return Err(SealedTextError::Newer),
        None => return Err(SealedTextError::Damaged),
    }
    let body = Base64::decode_vec(&lines.collect::<String>()).map_err(|_| SealedTextError::Damaged)?;
    if body.len() < HEAD + TAG { Err(SealedTextError::Damaged) } else { Ok(body) }
}

/// Held against the limits before anybody is asked for a password, and before any memory is taken.
fn params(body: &[u8]) -> Result<KdfParams, SealedTextError> {
    let number = |at: usize| u32::from_le_bytes(body[at..at + 4].try_into().expect("four bytes"));
    let cost = KdfParams { m_kib: number(0), t: number(4), p: number(8) };
    cost.check()?;
    Ok(cost)
}

fn keys(password: &str, salt: &[u8; 32], cost: KdfParams) -> Result<(XChaCha20Poly1305, [u8; 32]), KdfError> {
    let slow = stretch(password, salt, cost)?;
    let mut hasher = Domain::SealedText.hasher();
    hasher.update(&*slow).update(salt);
    for number in [cost.m_kib, cost.t, cost.p] {
        hasher.update(&number.to_le_bytes());
    }
    let mut okm = Zeroizing::new([0; 64]);
    hasher.finalize_xof().fill(&mut *okm);
    let cipher = XChaCha20Poly1305::new_from_slice(&okm[..32]).expect("the key has 32 bytes");
    Ok((cipher, okm[32..].try_into().expect("thirty-two bytes")))
}

const NOTE: &str =
    "# A configuration of cryptsync, sealed with a password. `cryptsync config encryption remove` opens it.";
const MAGIC: &str = "cryptsync-sealed-";
const VERSION: &str = "1";
const HEAD: usize = 76;
const TAG: usize = 16;
const LINE: usize = 76;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::world::World;

    #[test]
    fn opens_with_the_password_and_as_a_whole_only() {
        let entropy = World::system().entropy;
        let text = seal_text("pass", b"remotes: {}\n", KdfParams::FLOOR, &*entropy).unwrap();
        assert!(is_sealed_text(text.as_bytes()) && !is_sealed_text(b"remotes: {}\n"));
        assert_eq!(&**open_text("pass", text.as_bytes()).unwrap(), b"remotes: {}\n");
        assert_eq!(open_text("Pass", text.as_bytes()).err(), Some(KdfError::Wrong.into()));
        let newer = text.replace("sealed-1", "sealed-2");
        assert_eq!(open_text("pass", newer.as_bytes()).err(), Some(SealedTextError::Newer));
        let cut = &text[..text.len() - 40];
        assert!(open_text("pass", cut.as_bytes()).is_err());
        let other = seal_text("pass", b"remotes: {}\n", KdfParams::FLOOR, &*entropy).unwrap();
        assert_ne!(text, other, "every sealing has a salt of its own");
    }

    #[test]
    fn unacceptable_costs_are_refused_before_any_work() {
        for (numbers, error) in [
            ([8, 1, 1], KdfError::TooWeak),
            ([65_536, 3, 0], KdfError::TooWeak),
            ([u32::MAX, 3, 1], KdfError::TooCostly),
            ([65_536, u32::MAX, 1], KdfError::TooCostly),
        ] {
            let body = [&numbers.map(u32::to_le_bytes).concat()[..], &[0; 100]].concat();
            let text = format!("{MAGIC}{VERSION}\n{}\n", Base64::encode_string(&body));
            assert_eq!(open_text("pass", text.as_bytes()).err(), Some(error.into()));
            assert_eq!(sealed_text_params(text.as_bytes()).err(), Some(error.into()));
        }
        for text in ["cryptsync-sealed-1\n", "cryptsync-sealed-1\n!!!\n", "cryptsync-sealed-1\nAAAA\n"] {
            assert_eq!(open_text("pass", text.as_bytes()).err(), Some(SealedTextError::Damaged));
        }
    }
}
