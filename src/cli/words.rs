//! Lists in one string, with the quoting of CSV as rclone has it: `"a b" c` is two words, `"say ""hi"""` is one.

/// Splits at `separator`, outside quotes. Spaces as separators may repeat.
///
/// # Errors
/// A quote is not closed, or stands within a word.
pub(super) fn split(text: &str, separator: char) -> Result<Vec<String>, BadQuotes> {
    let mut words = Vec::new();
    let mut chars = text.chars().peekable();
    let total = text.chars().count();
    loop {
        while separator == ' ' && chars.next_if_eq(&' ').is_some() {}
        let mut word = String::new();
        match chars.peek() {
            None if separator == ' ' || text.is_empty() => return Ok(words),
            Some('"') => {
                let at = total - chars.clone().count() + 1;
                chars.next();
                loop {
                    match chars.next() {
                        None => return Err(BadQuotes { at }),
                        Some('"') if chars.next_if_eq(&'"').is_none() => break,
                        Some(c) => word.push(c),
                    }
                }
            }
            _ => {
                while let Some(c) = chars.next_if(|&c| c != separator) {
                    if c == '"' {
                        return Err(BadQuotes { at: total - chars.count() });
                    }
                    word.push(c);
                }
            }
        }
        words.push(word);
        match chars.next() {
            None => return Ok(words),
            Some(c) if c == separator => {}
            Some(_) => return Err(BadQuotes { at: total - chars.count() }),
        }
    }
}

/// Quotes that don't match.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "the quotes do not match at character {at}: quote whole words with `\"`, and write `\"\"` for a quote within them"
)]
pub(super) struct BadQuotes {
    /// The character, from 1.
    pub(super) at: usize,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn splits_like_csv() {
        assert_eq!(split(r#"pass show "my vault""#, ' ').unwrap(), ["pass", "show", "my vault"]);
        assert_eq!(split("  a   b ", ' ').unwrap(), ["a", "b"]);
        assert_eq!(split(r#""say ""hi""" x"#, ' ').unwrap(), [r#"say "hi""#, "x"]);
        assert_eq!(split("*.jpg,\"{a,b}\",", ',').unwrap(), ["*.jpg", "{a,b}", ""]);
        assert_eq!(split("", ',').unwrap(), [""; 0]);
        for (bad, at) in [(r#""a"#, 1), (r#""a"b"#, 4), (r#"a"b"#, 2), (r#"x "a"#, 3)] {
            assert_eq!(split(bad, ' '), Err(BadQuotes { at }), "{bad}");
        }
    }
}
