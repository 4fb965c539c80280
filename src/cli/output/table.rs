//! Columns of text.

/// To which side a column leans.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Align {
    Left,
    Right,
}

/// Lines of cells two spaces apart, each column as wide as its widest cell, without trailing spaces.
pub(crate) fn table<const N: usize>(align: [Align; N], rows: &[[String; N]]) -> Vec<String> {
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let widths: [usize; N] = std::array::from_fn(width);
    let line = |row: &[String; N]| {
        let cells = row.iter().zip(align).zip(widths).map(|((cell, align), width)| match align {
            Align::Left => format!("{cell:<width$}"),
            Align::Right => format!("{cell:>width$}"),
        });
        cells.collect::<Vec<_>>().join("  ").trim_end().to_owned()
    };
    rows.iter().map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn aligns() {
        let rows = [["a".to_owned(), "1".to_owned()], ["é b".to_owned(), "100".to_owned()]];
        assert_eq!(table([Align::Left, Align::Right], &rows), ["a      1", "é b  100"]);
        assert_eq!(table([Align::Right, Align::Left], &rows), ["  a  1", "é b  100"]);
    }
}
