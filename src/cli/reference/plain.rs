//! Markdown as text for a terminal of some width. Knows what the topics use: headings, paragraphs, lists, tables and code.

/// Renders it. Lines are at most `width` columns long, but for words and code that are longer.
pub(super) fn render(markdown: &str, width: usize) -> String {
    let mut out: Vec<String> = Vec::new();
    let mut lines = markdown.lines().peekable();
    while let Some(line) = lines.next() {
        if line.starts_with("```") {
            out.extend(
                lines
                    .by_ref()
                    .take_while(|line| !line.starts_with("```"))
                    .map(|line| format!("    {line}").trim_end().to_owned()),
            );
        } else if line.starts_with('|') {
            let mut rows = vec![cells(line)];
            while let Some(row) = lines.next_if(|line| line.starts_with('|')) {
                rows.push(cells(row));
            }
            out.extend(table(rows, width));
        } else if let Some(heading) = line.strip_prefix('#') {
            out.push(inline(heading.trim_start_matches('#').trim()));
        } else if line.is_empty() {
            out.push(String::new());
        } else {
            let (text, first, later) = match line.strip_prefix("- ") {
                Some(item) => (item, "  - ", "    "),
                None => (line, "", ""),
            };
            let mut text = text.trim().to_owned();
            while let Some(more) = lines.next_if(|line| {
                !line.is_empty() && !line.starts_with(['|', '#']) && !line.starts_with("- ") && !line.starts_with("```")
            }) {
                text = format!("{text} {}", more.trim());
            }
            out.extend(wrap(&inline(&text), width, first, later));
        }
    }
    out.join("\n")
}

/// The cells of a row; a bar behind a backslash is no border.
fn cells(row: &str) -> Vec<String> {
    let row = row.trim().trim_start_matches('|');
    let row = row.strip_suffix('|').unwrap_or(row);
    let mut all = vec![String::new()];
    let mut chars = row.chars().peekable();
    while let Some(c) = chars.next() {
        match (c, all.last_mut()) {
            ('\\', Some(cell)) if matches!(chars.peek(), Some('|' | '<')) => cell.extend(chars.next()),
            ('|', _) => all.push(String::new()),
            (c, Some(cell)) => cell.push(c),
            (_, None) => {}
        }
    }
    all.iter().map(|cell| inline(cell.trim())).collect()
}

/// Columns if they fit, otherwise the last column below the others.
fn table(rows: Vec<Vec<String>>, width: usize) -> Vec<String> {
    let is_rule =
        |row: &[String]| row.iter().all(|cell| !cell.is_empty() && cell.chars().all(|c| c == '-' || c == ':'));
    let rows: Vec<Vec<String>> = rows.into_iter().skip(1).filter(|row| !is_rule(row)).collect();
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let Some(last) = columns.checked_sub(1) else { return Vec::new() };
    let cell = |row: &[String], at: usize| row.get(at).cloned().unwrap_or_default();
    let widths: Vec<usize> =
        (0..last).map(|at| rows.iter().map(|row| columns_of(&cell(row, at))).max().unwrap_or(0)).collect();
    let taken: usize = INDENT + widths.iter().map(|width| width + GAP).sum::<usize>();
    let fits = taken + LAST_MIN <= width;
    let mut out = Vec::new();
    for row in &rows {
        let mut head = " ".repeat(INDENT);
        for (at, width) in widths.iter().enumerate() {
            let text = cell(row, at);
            let pad = if fits {
                width + GAP - columns_of(&text)
            } else if text.is_empty() {
                0
            } else {
                GAP
            };
            head = head + &text + &" ".repeat(pad);
        }
        let text = cell(row, last);
        if fits {
            out.extend(wrap(&text, width, &head, &" ".repeat(taken)));
        } else {
            out.extend(wrap(head.trim(), width, &" ".repeat(INDENT), &" ".repeat(INDENT)));
            let indent = " ".repeat(INDENT * 3);
            out.extend(wrap(&text, width, &indent, &indent));
        }
    }
    out
}

/// Breaks text at spaces.
pub(super) fn wrap(text: &str, width: usize, first: &str, later: &str) -> Vec<String> {
    let mut lines = Vec::new();
    let mut line = first.to_owned();
    let mut empty = true;
    for word in text.split_whitespace() {
        if !empty && columns_of(&line) + 1 + columns_of(word) > width {
            lines.push(std::mem::replace(&mut line, later.to_owned()).trim_end().to_owned());
            empty = true;
        }
        if !empty {
            line.push(' ');
        }
        line.push_str(word);
        empty = false;
    }
    lines.push(line.trim_end().to_owned());
    lines
}

/// Text without marks for stress, and links as their text. Backticks stay: they say what is to be typed.
fn inline(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut code = false;
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        code ^= c == '`';
        if !code && let Some(after) = rest.strip_prefix("**") {
            rest = after;
            continue;
        }
        if !code
            && c == '['
            && let Some((shown, after)) = link(rest)
        {
            out.push_str(&inline(shown));
            rest = after;
            continue;
        }
        out.push(c);
        rest = &rest[c.len_utf8()..];
    }
    out
}

/// `[text](address)` at the start, and what is behind it.
fn link(text: &str) -> Option<(&str, &str)> {
    let (shown, rest) = text.strip_prefix('[')?.split_once("](")?;
    let (_, after) = rest.split_once(')')?;
    (!shown.contains(']')).then_some((shown, after))
}

fn columns_of(text: &str) -> usize {
    text.chars().count()
}

const INDENT: usize = 2;
const GAP: usize = 2;
const LAST_MIN: usize = 24;

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "Some **strong** words and a [link](#x), `**`\nand more.\n\n| a | b |\n|---|---|\n| `x\\|y` | does this and that and so on |\n\n- one\n  two\n- three\n\n```\ncode  here\n```";

    #[test]
    fn fits_a_terminal() {
        assert_eq!(
            render(TEXT, 36),
            "Some strong words and a link, `**`\nand more.\n\n  `x|y`  does this and that and so\n         on\n\n  - one two\n  - three\n\n    code  here"
        );
        assert_eq!(
            render(TEXT, 20),
            "Some strong words\nand a link, `**` and\nmore.\n\n  `x|y`\n      does this and\n      that and so on\n\n  - one two\n  - three\n\n    code  here"
        );
    }
}
