//! Columns of text.

use super::width::{cut, width};

/// To which side a column leans.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Align {
    Left,
    Right,
}

/// Lines of cells two spaces apart, each column as wide as its widest cell, without trailing spaces.
pub(crate) fn table<const N: usize>(align: [Align; N], rows: &[[String; N]]) -> Vec<String> {
    fitted(align, rows, None)
}

/// The same in at most so many columns of a terminal: the widest columns that lean to the left give way, and what is cut ends
/// with `…`.
pub(crate) fn fitted<const N: usize>(align: [Align; N], rows: &[[String; N]], columns: Option<usize>) -> Vec<String> {
    let mut widths: [usize; N] = std::array::from_fn(|at| rows.iter().map(|row| width(&row[at])).max().unwrap_or(0));
    if let Some(columns) = columns {
        let room = columns.saturating_sub(N.saturating_sub(1) * GAP.len());
        while widths.iter().sum::<usize>() > room {
            let gives =
                (0..N).filter(|at| align[*at] == Align::Left && widths[*at] > LEAST).max_by_key(|at| widths[*at]);
            match gives {
                Some(at) => widths[at] -= 1,
                None => break,
            }
        }
    }
    let line = |row: &[String; N]| {
        let cells = row.iter().zip(align).zip(widths).map(|((cell, align), wide)| {
            let cell = cut(cell, wide);
            let space = " ".repeat(wide - width(&cell));
            if align == Align::Left { cell + &space } else { space + &cell }
        });
        let line = cells.collect::<Vec<_>>().join(GAP);
        let line = line.trim_end();
        columns.map_or_else(|| line.to_owned(), |columns| cut(line, columns))
    };
    rows.iter().map(line).collect()
}

const GAP: &str = "  ";
/// Columns do not get narrower than this; the line is cut instead.
const LEAST: usize = 6;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn aligns() {
        let rows = [["a".to_owned(), "1".to_owned()], ["é b".to_owned(), "100".to_owned()]];
        assert_eq!(table([Align::Left, Align::Right], &rows), ["a      1", "é b  100"]);
        assert_eq!(table([Align::Right, Align::Left], &rows), ["  a  1", "é b  100"]);
        assert_eq!(table([Align::Left, Align::Left], &[["日本".to_owned(), "x".to_owned()]]), ["日本  x"]);
    }

    #[test]
    fn gives_way_where_there_is_no_room() {
        let rows = [["a long first column".to_owned(), "1234567".to_owned(), "short".to_owned()]];
        let align = [Align::Left, Align::Right, Align::Left];
        assert_eq!(fitted(align, &rows, Some(80)), ["a long first column  1234567  short"]);
        assert_eq!(fitted(align, &rows, Some(28)), ["a long firs…  1234567  short"]);
        assert_eq!(fitted(align, &rows, Some(12)), ["a lon…  123…"]);
    }
}
