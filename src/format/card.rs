//! Public keys as text that people hand each other: a device's request to be let in, and a person's card
//! (docs/format.md, section 13). Never holds a secret; whoever takes one in compares its fingerprint.

use super::access::text;
use super::limits::LABEL_MAX;
use super::wire::{Malformed, Put, Reader};
use crate::crypto::{self, MemberPublic};
use crate::id::{VaultId, base32, unbase32};
use crate::world::Timestamp;

/// Public keys, and what they are for.
#[derive(Clone, PartialEq, Eq)]
pub struct Card {
    /// The keys.
    pub public: MemberPublic,
    /// A name for people.
    pub label: String,
    /// Which vault they are for; `None` in a person's card, which is for any.
    pub request: Option<Request>,
}

/// What a device asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Request {
    /// The vault.
    pub vault: VaultId,
    /// Until when the request may be approved.
    pub expires: Timestamp,
}

/// Why a text is no card.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadCard {
    /// It begins like nothing that this program writes.
    #[error("it does not begin with `{REQUEST}` or `{PERSON}`")]
    Unknown,
    /// A part is missing or mistyped.
    #[error("a part of it is missing or mistyped")]
    Mistyped,
    /// A key in it must not be used.
    #[error("a key in it is malformed or weak")]
    BadKey,
}

impl Card {
    /// The text.
    pub fn encode(&self) -> String {
        let mut out = Vec::new();
        out.put(&self.public.kem[..]);
        out.put(&self.public.sign);
        if let Some(request) = &self.request {
            out.put(request.vault.as_bytes());
            out.put_time(request.expires);
        }
        out.put_bytes(self.label.as_bytes());
        let check = crypto::hash(&out);
        out.put(&check[..CHECK]);
        format!("{}{}", if self.request.is_some() { REQUEST } else { PERSON }, base32(&out))
    }

    /// Reads a text. Spaces and line ends within it do not matter.
    ///
    /// # Errors
    /// [`BadCard`].
    pub fn decode(text: &str) -> Result<Self, BadCard> {
        let text: String = text.split_whitespace().collect();
        let (is_request, body) = match (text.strip_prefix(REQUEST), text.strip_prefix(PERSON)) {
            (Some(body), _) => (true, body),
            (_, Some(body)) => (false, body),
            _ => return Err(BadCard::Unknown),
        };
        let bytes = unbase32(body).ok_or(BadCard::Mistyped)?;
        let (content, check) = bytes.split_at_checked(bytes.len().wrapping_sub(CHECK)).ok_or(BadCard::Mistyped)?;
        if crypto::hash(content)[..CHECK] != *check {
            return Err(BadCard::Mistyped);
        }
        let card = Self::parse(content, is_request).map_err(|_| BadCard::Mistyped)?;
        card.public.check().map_err(|_| BadCard::BadKey)?;
        Ok(card)
    }

    fn parse(content: &[u8], is_request: bool) -> Result<Self, Malformed> {
        let mut reader = Reader::new(content, "card");
        let public = MemberPublic { kem: Box::new(reader.array()?), sign: reader.array()? };
        let request = if is_request {
            Some(Request { vault: VaultId::new(reader.array()?), expires: reader.time()? })
        } else {
            None
        };
        let label = text(&mut reader, LABEL_MAX)?;
        reader.finish()?;
        Ok(Self { public, label, request })
    }
}

const REQUEST: &str = "csrequest1-";
const PERSON: &str = "cscard1-";
const CHECK: usize = 8;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::{MemberKeys, Secret32};

    fn card(request: Option<Request>) -> Card {
        Card { public: MemberKeys::from_seed(&Secret32::new([1; 32])).public(), label: "läptop".into(), request }
    }

    #[test]
    fn cards_are_read_back_and_mistakes_are_found() {
        let request = Request { vault: VaultId::new([5; 32]), expires: Timestamp { secs: 1_800_000_000, nanos: 0 } };
        for card in [card(None), card(Some(request))] {
            let text = card.encode();
            assert!(Card::decode(&text) == Ok(card.clone()));
            let broken: Vec<String> = text.as_bytes().chunks(70).map(|l| String::from_utf8_lossy(l).into()).collect();
            assert!(Card::decode(&broken.join("\n  ")) == Ok(card));
            for at in (11..text.len()).step_by(97) {
                let mut bytes = text.clone().into_bytes();
                bytes[at] = if bytes[at] == b'a' { b'b' } else { b'a' };
                assert_eq!(Card::decode(&String::from_utf8(bytes).unwrap()).err(), Some(BadCard::Mistyped));
                assert_eq!(Card::decode(&text[..at]).err(), Some(BadCard::Mistyped));
            }
        }
        let swapped = card(Some(request)).encode().replace(REQUEST, PERSON);
        assert_eq!(Card::decode(&swapped).err(), Some(BadCard::Mistyped));
        assert_eq!(Card::decode("").err(), Some(BadCard::Unknown));
    }

    #[test]
    fn weak_keys_are_refused() {
        let mut card = card(None);
        card.public.sign = [0; 32];
        assert_eq!(Card::decode(&card.encode()).err(), Some(BadCard::BadKey));
    }
}
