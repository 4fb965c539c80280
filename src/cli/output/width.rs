//! How wide what a person sees may be.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};

/// Columns for text on standard output: those of the terminal, and no more than one reads well.
pub(crate) fn terminal_width(vars: &BTreeMap<OsString, OsString>, is_terminal: bool) -> usize {
    let size = is_terminal.then(|| rustix::termios::tcgetwinsize(rustix::stdio::stdout()).ok()).flatten();
    let told = vars.get(OsStr::new("COLUMNS")).and_then(|value| value.to_str()?.parse().ok());
    let columns = size.map(|size| usize::from(size.ws_col)).or(told).filter(|columns| *columns > 0);
    columns.unwrap_or(WIDTH_DEFAULT).clamp(WIDTH_MIN, WIDTH_MAX)
}

const WIDTH_DEFAULT: usize = 80;
const WIDTH_MIN: usize = 20;
const WIDTH_MAX: usize = 100;
