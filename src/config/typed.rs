//! The file as typed values, read by serde: names of remotes, names of settings, and what each is set to. Texts are exactly as
//! they were written: `0123` and `1.10` are no numbers here. What the names mean is not known yet.

use std::fmt;

use serde::Deserialize;
use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, Visitor};

use super::value::Given;
use super::yaml::{Node, What};

/// Names with what belongs to each, in the order of the file; one may be there twice.
pub(super) type Pairs<T> = Vec<(String, T)>;

/// A remote: its settings.
pub(super) type Remote = Pairs<Set>;

/// What a setting is set to.
#[derive(Debug)]
pub(super) enum Set {
    /// To nothing, as if it were not there.
    Nothing,
    /// To a value.
    To(Given),
    /// To a map that is none of those there may be.
    Odd,
}

/// Reads the top of a file: what `root` has the places of.
///
/// # Errors
/// Line and column, from 1, at which the text can't be read. What stands there is not told: it may be a secret.
pub(super) fn read(text: &str, root: &Node) -> Result<Pairs<Pairs<Remote>>, Option<(usize, usize)>> {
    let remote = |node| OrNothing { node, below: |node| Setting { node } };
    let remotes = move |node| OrNothing { node, below: remote };
    let top = OrNothing { node: root, below: remotes };
    let place = |error: serde_yaml::Error| error.location().map(|place| (place.line(), place.column()));
    top.deserialize(serde_yaml::Deserializer::from_str(text)).map_err(place)
}

/// Reads a map, or nothing in its place. What reads the values is made by `below`.
struct OrNothing<'n, F> {
    node: &'n Node,
    below: F,
}

impl<'n, F> OrNothing<'n, F> {
    fn pairs(&self) -> &'n [(Node, Node)] {
        match &self.node.what {
            What::Map(pairs) => pairs,
            _ => &[],
        }
    }
}

impl<'de, 'n, S, F> DeserializeSeed<'de> for OrNothing<'n, F>
where
    S: DeserializeSeed<'de>,
    F: Fn(&'n Node) -> S,
{
    type Value = Pairs<S::Value>;

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<Self::Value, D::Error> {
        match self.node.what {
            What::Map(_) => from.deserialize_map(self),
            _ => IgnoredAny::deserialize(from).map(|_| Vec::new()),
        }
    }
}

impl<'de, 'n, S, F> Visitor<'de> for OrNothing<'n, F>
where
    S: DeserializeSeed<'de>,
    F: Fn(&'n Node) -> S,
{
    type Value = Pairs<S::Value>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("names with values")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut pairs = Vec::new();
        for (_, value) in self.pairs() {
            let name = map.next_key()?.ok_or_else(|| A::Error::custom("the map ends too early"))?;
            pairs.push((name, map.next_value_seed((self.below)(value))?));
        }
        match map.next_key::<IgnoredAny>()? {
            None => Ok(pairs),
            Some(_) => Err(A::Error::custom("the map goes on")),
        }
    }
}

/// Reads what one setting is set to.
struct Setting<'n> {
    node: &'n Node,
}

impl<'de> DeserializeSeed<'de> for Setting<'_> {
    type Value = Set;

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<Set, D::Error> {
        Ok(match &self.node.what {
            What::Null => IgnoredAny::deserialize(from).map(|_| Set::Nothing)?,
            What::Scalar => Set::To(Given::Text(String::deserialize(from)?.into_bytes())),
            What::Map(pairs) if matches!(pairs[..], [(_, Node { what: What::Scalar, .. })]) => {
                let below = |_| std::marker::PhantomData::<String>;
                let mut pairs = OrNothing { node: self.node, below }.deserialize(from)?;
                match pairs.pop() {
                    Some((name, id)) if name == KEYRING => Set::To(Given::Keyring(id)),
                    _ => Set::Odd,
                }
            }
            What::Map(_) => IgnoredAny::deserialize(from).map(|_| Set::Odd)?,
        })
    }
}

/// The name before a secret's name in the keyring of the system.
pub(super) const KEYRING: &str = "keyring";
