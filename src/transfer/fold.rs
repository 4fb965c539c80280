//! Names as file systems that fold them see them. An approximation: tables differ between systems, so that what counts in
//! the end is what the file system says.

use unicode_normalization::UnicodeNormalization;

use super::traits::Traits;

/// The form that names which `traits` takes for one have in common.
pub(super) fn fold(name: &[u8], traits: &Traits) -> Vec<u8> {
    let name = if traits.trims { trimmed(name) } else { name };
    let Ok(text) = std::str::from_utf8(name) else {
        return if traits.folds_case { name.to_ascii_lowercase() } else { name.to_vec() };
    };
    let text: String = if traits.folds_forms { text.nfd().collect() } else { text.to_owned() };
    if !traits.folds_case {
        return text.into_bytes();
    }
    let lower: String = text.chars().map(simple).collect();
    let lower = if traits.folds_forms { lower.nfd().collect() } else { lower };
    lower.into_bytes()
}

/// Another spelling of `name` that a file system which folds takes for the same; `None` if it has only one.
pub(super) fn respelled(name: &[u8]) -> [Option<Vec<u8>>; 2] {
    let flip = |b: &u8| if b.is_ascii_lowercase() { b.to_ascii_uppercase() } else { b.to_ascii_lowercase() };
    let case = name.iter().any(u8::is_ascii_alphabetic).then(|| name.iter().map(flip).collect());
    let form = std::str::from_utf8(name).ok().filter(|text| !text.is_ascii()).and_then(|text| {
        let (composed, decomposed): (String, String) = (text.nfc().collect(), text.nfd().collect());
        let other = if composed == text { decomposed } else { composed };
        (other != text).then(|| other.into_bytes())
    });
    [case, form]
}

/// Upper and lower case as one, without changing how many characters there are.
fn simple(c: char) -> char {
    let upper = single(c.to_uppercase(), c);
    single(upper.to_lowercase(), upper)
}

fn single(mut mapped: impl Iterator<Item = char>, otherwise: char) -> char {
    match (mapped.next(), mapped.next()) {
        (Some(one), None) => one,
        _ => otherwise,
    }
}

fn trimmed(name: &[u8]) -> &[u8] {
    let end = name.iter().rposition(|b| !matches!(b, b'.' | b' '));
    end.map_or(name, |end| &name[..=end])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_one_name_folds_to_one() {
        let case = Traits { folds_case: true, ..Traits::default() };
        let forms = Traits { folds_forms: true, ..Traits::default() };
        let all = Traits { folds_case: true, folds_forms: true, trims: true, ..Traits::default() };
        let same = |a: &str, b: &str, traits: &Traits| fold(a.as_bytes(), traits) == fold(b.as_bytes(), traits);
        assert!(same("README", "readme", &case) && !same("README", "readme", &forms));
        assert!(same("\u{c9}t\u{e9}", "\u{e9}T\u{c9}", &case) && !same("\u{e9}", "e\u{301}", &case));
        assert!(same("\u{e9}", "e\u{301}", &forms) && !same("\u{e9}", "E\u{301}", &forms));
        assert!(same("\u{e9}", "E\u{301}", &all) && same("a. .", "A", &all) && !same("..", "a", &all));
        assert!(same("\u{3c3}", "\u{3c2}", &case), "both sigmas");
        assert!(!same("ma\u{df}e", "masse", &all), "lengths do not change");
        assert_eq!(fold(b"\xffA", &case), b"\xffa");
        assert_eq!(fold(b"A.", &Traits::default()), b"A.");
    }

    #[test]
    fn other_spellings() {
        assert_eq!(respelled(b"aB1"), [Some(b"Ab1".to_vec()), None]);
        assert_eq!(respelled("1\u{e9}".as_bytes()), [None, Some("1e\u{301}".into())]);
        assert_eq!(respelled(b"12"), [None, None]);
    }
}
