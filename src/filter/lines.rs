//! Files of rules and lists of names, taken apart. Reading them is the caller's.

/// How a list is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ListForm {
    /// Lines, trimmed; empty ones and those that begin with `#` or `;` are skipped.
    Lines,
    /// Lines as they are.
    Raw,
    /// Records that end with a NUL byte.
    Nul,
}

/// The records of a list with their numbers, counted from 1.
pub fn lines(text: &[u8], form: ListForm) -> impl Iterator<Item = (usize, &[u8])> {
    let end = if form == ListForm::Nul { 0 } else { b'\n' };
    let text = text.strip_suffix(&[end]).unwrap_or(text);
    let none = text.is_empty();
    let records = text.split(move |byte| *byte == end).map(move |line| match form {
        ListForm::Lines => line.trim_ascii(),
        ListForm::Raw => line.strip_suffix(b"\r").unwrap_or(line),
        ListForm::Nul => line,
    });
    let skipped = move |line: &[u8]| form == ListForm::Lines && matches!(line.first(), None | Some(b'#' | b';'));
    records.enumerate().filter(move |(_, line)| !none && !skipped(line)).map(|(at, line)| (at + 1, line))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn are_taken_apart() {
        let all = |text: &'static [u8], form| lines(text, form).collect::<Vec<_>>();
        assert_eq!(
            all(b" a b \r\n\n# c\n  ;d\n-e", ListForm::Lines),
            [(1, &b"a b"[..]), (5, b"-e")],
            "numbers count what is skipped"
        );
        assert_eq!(all(b" a\r\n\n#c\n", ListForm::Raw), [(1, &b" a"[..]), (2, b""), (3, b"#c")]);
        assert_eq!(all(b"a\nb\0c", ListForm::Nul), [(1, &b"a\nb"[..]), (2, b"c")]);
        assert_eq!(all(b"", ListForm::Raw), []);
        assert_eq!(all(b"", ListForm::Lines), []);
    }
}
