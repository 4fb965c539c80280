//! What rclone's configuration has to be read with: its obscured passwords, and its own sealing of the file. For reading only:
//! neither protects anything here.

use aes::Aes256;
use aes::cipher::{BlockCipherEncrypt, KeyInit};
use base64ct::{Base64, Base64UrlUnpadded, Encoding};
use poly1305::Poly1305;
use salsa20::XSalsa20;
use salsa20::cipher::{KeyIvInit, StreamCipher};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use unicode_normalization::UnicodeNormalization;
use zeroize::Zeroizing;

/// The text behind an obscured one; `None` if it is none.
pub fn reveal(obscured: &str) -> Option<Zeroizing<String>> {
    let bytes = Base64UrlUnpadded::decode_vec(obscured.trim()).ok()?;
    let (iv, text) = bytes.split_at_checked(16)?;
    let mut counter = u128::from_be_bytes(iv.try_into().ok()?);
    let cipher = Aes256::new(&OBSCURING.into());
    let mut text = Zeroizing::new(text.to_vec());
    for block in text.chunks_mut(16) {
        let mut stream = counter.to_be_bytes().into();
        cipher.encrypt_block(&mut stream);
        block.iter_mut().zip(stream).for_each(|(byte, key)| *byte ^= key);
        counter = counter.wrapping_add(1);
    }
    std::str::from_utf8(&text).ok().map(|text| Zeroizing::new(text.to_owned()))
}

/// Whether a configuration of rclone is sealed with a password.
pub fn is_sealed_by_rclone(text: &str) -> bool {
    said(text).next().is_some_and(|line| line.starts_with("RCLONE_ENCRYPT_"))
}

/// The configuration in a sealed one; `None` if the password is wrong or the text is damaged.
pub fn open_sealed_by_rclone(text: &str, password: &str) -> Option<Zeroizing<String>> {
    let mut lines = said(text);
    if lines.next() != Some("RCLONE_ENCRYPT_V0:") {
        return None;
    }
    let sealed = Base64::decode_vec(&lines.collect::<String>()).ok()?;
    let (nonce, sealed) = sealed.split_at_checked(24)?;
    let (tag, body) = sealed.split_at_checked(16)?;
    let password: Zeroizing<String> = Zeroizing::new(password.nfkc().collect());
    let key =
        Sha256::new().chain_update(b"[").chain_update(password.as_bytes()).chain_update(b"][rclone-config]").finalize();
    let nonce: [u8; 24] = nonce.try_into().ok()?;
    let mut stream = XSalsa20::new(&key, &nonce.into());
    let mut mac_key = Zeroizing::new([0; 32]);
    stream.apply_keystream(&mut *mac_key);
    let found = Poly1305::new(&(*mac_key).into()).compute_unpadded(body);
    if !bool::from(found.as_slice().ct_eq(tag)) {
        return None;
    }
    let mut body = Zeroizing::new(body.to_vec());
    stream.apply_keystream(&mut body);
    std::str::from_utf8(&body).ok().map(|text| Zeroizing::new(text.to_owned()))
}

fn said(text: &str) -> impl Iterator<Item = &str> {
    text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with(['#', ';']))
}

/// The key that every rclone has: whoever has the file can read what it obscures.
const OBSCURING: [u8; 32] = [
    0x9c, 0x93, 0x5b, 0x48, 0x73, 0x0a, 0x55, 0x4d, 0x6b, 0xfd, 0x7c, 0x63, 0xc8, 0x86, 0xa9, 0x2b, 0xd3, 0x90, 0x19,
    0x8e, 0xb8, 0x12, 0x8a, 0xfb, 0xf4, 0xde, 0x16, 0x2b, 0x8b, 0x95, 0xf6, 0x38,
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_rclone_has_written() {
        assert_eq!(&**reveal("6B-r2sK5NVwg0N6BMzW96_lHQNchH9CiJvLSTW8").unwrap(), "correct horse");
        let sealed = "# Encrypted rclone configuration File\n\nRCLONE_ENCRYPT_V0:\nr3mYeOLIPCes3RR6sDazy8kMLEjCXQXYDU14NtOOa7dTEfJuWk4EVA7hFg80zHItUokW+M+i2HN6/is=\n";
        assert!(is_sealed_by_rclone(sealed) && !is_sealed_by_rclone("[a]\ntype = local\n"));
        assert!(open_sealed_by_rclone(sealed, "pw").unwrap().contains("[m]\ntype = memory"));
        assert!(open_sealed_by_rclone(sealed, "pW").is_none());
        assert!(open_sealed_by_rclone("RCLONE_ENCRYPT_V0:\nAAAA", "pw").is_none());
        for bad in ["", "x", "!!", "AAAA"] {
            assert!(reveal(bad).is_none(), "{bad}");
        }
    }
}
