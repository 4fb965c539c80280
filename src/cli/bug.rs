//! What is said when the program itself is wrong: one line that names the place, and what to do.

use std::backtrace::Backtrace;
use std::io::{self, Write};
use std::panic::{self, PanicHookInfo};

/// From here on a panic tells that it is a bug. The trace of calls comes with it if somebody has asked for it.
pub(super) fn report_panics(with_trace: bool) {
    panic::set_hook(Box::new(move |info| {
        let mut text = describe(message(info), &info.location().map(ToString::to_string).unwrap_or_default());
        if with_trace {
            text.push_str(&format!("{}\n", Backtrace::force_capture()));
        }
        drop(io::stderr().write_all(text.as_bytes())); // nobody left to tell
    }));
}

fn message<'a>(info: &'a PanicHookInfo<'_>) -> &'a str {
    let payload = info.payload();
    let owned = || payload.downcast_ref::<String>().map(String::as_str);
    payload.downcast_ref::<&str>().copied().or_else(owned).unwrap_or("unknown")
}

fn describe(message: &str, place: &str) -> String {
    let message = crate::path::printable(message.as_bytes());
    format!(
        "error: a bug in cryptsync {}: {message} ({place})\nhint: please report this line and what was being done; \
         no file under its final name is half written, and the command can be run again\n",
        env!("CARGO_PKG_VERSION"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_the_place_and_moves_no_cursor() {
        let text = describe("index out of\x1b[2J bounds", "src/a.rs:1:2");
        assert!(text.contains(": index out of\\x1b[2J bounds (src/a.rs:1:2)\nhint: please report"), "{text}");
    }
}
