//! Recovery words: a member's seed as 24 words of the English BIP39 list. The words are the seed itself, not a passphrase
//! that is stretched into one.

use bip39::{Language, Mnemonic};
use zeroize::{Zeroize, Zeroizing};

use super::keys::Secret32;

/// Words that are no seed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadWords {
    /// Not 24 of them.
    #[error("there are {0} words, but recovery words are 24")]
    Count(usize),
    /// Not of the list.
    #[error("word {position} is not in the list of recovery words")]
    Unknown {
        /// Which, counted from 1.
        position: usize,
    },
    /// All of the list, but not together.
    #[error("the words do not fit together: one of them is wrong, or two have changed places")]
    Checksum,
}

/// The 24 words of a seed, separated by spaces.
pub fn to_words(seed: &Secret32) -> Zeroizing<String> {
    let mnemonic = Mnemonic::from_entropy(seed.expose()).expect("32 bytes are 24 words");
    Zeroizing::new(mnemonic.words().collect::<Vec<_>>().join(" "))
}

/// The seed of 24 words. Case, surrounding and repeated spaces do not matter.
///
/// # Errors
/// [`BadWords`] says which word to look at.
pub fn from_words(text: &str) -> Result<Secret32, BadWords> {
    let lower = Zeroizing::new(text.to_lowercase());
    let words: Vec<&str> = lower.split_whitespace().collect();
    if words.len() != 24 {
        return Err(BadWords::Count(words.len()));
    }
    if let Some(at) = words.iter().position(|word| Language::English.find_word(word).is_none()) {
        return Err(BadWords::Unknown { position: at + 1 });
    }
    let joined = Zeroizing::new(words.join(" "));
    let mnemonic = Mnemonic::parse_in_normalized(Language::English, &joined).map_err(|_| BadWords::Checksum)?;
    let (mut entropy, len) = mnemonic.to_entropy_array();
    assert_eq!(len, 32, "24 words are 32 bytes");
    let seed = Secret32::new(entropy[..32].try_into().expect("thirty-two bytes"));
    entropy.zeroize();
    Ok(seed)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The vectors of the BIP39 reference implementation for 32 bytes of entropy.
    #[test]
    fn bip39_vectors() {
        let zeros = format!("{}art", "abandon ".repeat(23));
        assert_eq!(*to_words(&Secret32::new([0; 32])), zeros);
        assert_eq!(*to_words(&Secret32::new([0xff; 32])), format!("{}vote", "zoo ".repeat(23)));
        assert_eq!(from_words(&zeros.to_uppercase().replace(' ', "  \n")).unwrap().expose(), &[0; 32]);
    }

    #[test]
    fn mistakes_are_named() {
        assert_eq!(from_words("abandon art").err(), Some(BadWords::Count(2)));
        let unknown = format!("{}abandom art", "abandon ".repeat(22));
        assert_eq!(from_words(&unknown).err(), Some(BadWords::Unknown { position: 23 }));
        assert_eq!(from_words(&"abandon ".repeat(24)).err(), Some(BadWords::Checksum));
    }
}
