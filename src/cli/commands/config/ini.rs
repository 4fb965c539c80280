//! The form of rclone's configuration: sections of `name = value`.

use zeroize::Zeroizing;

/// A section with its settings.
pub(super) struct Section {
    pub(super) name: String,
    pub(super) settings: Vec<(String, Zeroizing<String>)>,
}

/// A line that is neither, counted from 1, and why.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct BadIni {
    pub(super) line: usize,
    pub(super) message: &'static str,
}

/// Reads sections in order. A section or setting that is there twice counts as rclone counts it: the later value stands.
pub(super) fn parse(text: &str) -> Result<Vec<Section>, BadIni> {
    let mut sections: Vec<Section> = Vec::new();
    let mut current = None;
    for (at, line) in text.trim_start_matches('\u{feff}').lines().enumerate() {
        let bad = |message| BadIni { line: at + 1, message };
        let line = line.trim();
        if line.is_empty() || line.starts_with(['#', ';']) {
            continue;
        }
        if let Some(rest) = line.strip_prefix('[') {
            let name = rest.strip_suffix(']').ok_or_else(|| bad("`]` is missing at the end of the line"))?;
            current = Some(sections.iter().position(|section| section.name == name).unwrap_or_else(|| {
                sections.push(Section { name: name.to_owned(), settings: Vec::new() });
                sections.len() - 1
            }));
            continue;
        }
        let (key, value) = line.split_once('=').ok_or_else(|| bad("`name = value` is expected here"))?;
        let section = current.ok_or_else(|| bad("a `[name]` is expected before the first setting"))?;
        let (key, value) = (key.trim().to_owned(), Zeroizing::new(unquoted(value.trim()).to_owned()));
        let settings = &mut sections[section].settings;
        match settings.iter_mut().find(|(known, _)| *known == key) {
            Some((_, old)) => *old = value,
            None => settings.push((key, value)),
        }
    }
    Ok(sections)
}

/// rclone quotes values that begin or end with spaces.
fn unquoted(value: &str) -> &str {
    ["\"", "`"].iter().find_map(|quote| value.strip_prefix(quote)?.strip_suffix(quote)).unwrap_or(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_sections() {
        let text = "# c\n[a b]\ntype = sftp\nhost=x=y\r\npass = ` p `\n\n; c\n[b]\n[a b]\ntype = s3\n";
        let sections = parse(text).map_err(|bad| bad.line).unwrap_or_default();
        assert_eq!(sections.iter().map(|section| &*section.name).collect::<Vec<_>>(), ["a b", "b"]);
        let settings: Vec<(&str, &str)> = sections[0].settings.iter().map(|(key, value)| (&**key, &***value)).collect();
        assert_eq!(settings, [("type", "s3"), ("host", "x=y"), ("pass", " p ")]);
        for (text, line) in [("x = 1", 1), ("[a\n", 1), ("[a]\nnonsense", 2)] {
            assert_eq!(parse(text).err().map(|bad| bad.line), Some(line), "{text}");
        }
    }
}
