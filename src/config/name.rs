//! Names of remotes, and the nearest of several names to a mistyped one.

/// Checks the name of a remote: letters, digits, `_`, `-`, `.`, `+`, `@` and inner spaces, not starting with `-`.
///
/// # Errors
/// What is wrong, as a clause that completes "`x` is not the name of a remote: …".
pub fn check_remote_name(name: &str) -> Result<(), &'static str> {
    if name.is_empty() {
        return Err("it is empty");
    }
    if name.starts_with(['-', ' ']) || name.ends_with(' ') {
        return Err("it starts with `-` or a space, or ends with a space");
    }
    if name.chars().all(|c| c.is_alphanumeric() || "_-.+@ ".contains(c)) {
        Ok(())
    } else {
        Err("only letters, digits, `_`, `-`, `.`, `+`, `@` and spaces are allowed")
    }
}

/// A name as variables spell it: upper case, everything but letters and digits as `_`.
pub(super) fn variable_form(name: &str) -> String {
    name.chars().map(|c| if c.is_alphanumeric() { c } else { '_' }).collect::<String>().to_uppercase()
}

/// The candidate most like `word`, if one is close enough to have been meant.
pub fn nearest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let limit = 1 + word.chars().count() / 4;
    let ranked = candidates.into_iter().map(|candidate| (distance(word, candidate), candidate));
    ranked.filter(|(distance, _)| *distance <= limit).min().map(|(_, candidate)| candidate)
}

/// Insertions, deletions, replacements and swaps of neighbours that lead from one word to the other, regardless of case.
fn distance(from: &str, to: &str) -> usize {
    let from: Vec<char> = from.to_lowercase().chars().take(WORD_MAX).collect();
    let to: Vec<char> = to.to_lowercase().chars().take(WORD_MAX).collect();
    let mut rows: Vec<Vec<usize>> = vec![(0..=to.len()).collect()];
    for i in 1..=from.len() {
        let mut row = vec![i];
        for j in 1..=to.len() {
            let replace = rows[i - 1][j - 1] + usize::from(from[i - 1] != to[j - 1]);
            let mut best = replace.min(row[j - 1] + 1).min(rows[i - 1][j] + 1);
            if i > 1 && j > 1 && from[i - 1] == to[j - 2] && from[i - 2] == to[j - 1] {
                best = best.min(rows[i - 2][j - 2] + 1);
            }
            row.push(best);
        }
        rows.push(row);
    }
    rows[from.len()][to.len()]
}

const WORD_MAX: usize = 64;
