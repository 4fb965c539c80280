//! The person's browser, where there is one.

use std::process::{Command, Stdio};

use super::config_source::ConfigSource;

/// Opens an address in the browser, if this session has one. Nobody is told if that fails: the address is shown anyway.
pub(super) fn open(address: &str, config: &ConfigSource) {
    let graphical = ["DISPLAY", "WAYLAND_DISPLAY"].iter().any(|name| config.var(name).is_some());
    let program = match () {
        () if cfg!(target_os = "macos") => "open",
        () if graphical => "xdg-open",
        () => return,
    };
    let mut command = Command::new(program);
    command.arg(address).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    if let Ok(mut child) = command.spawn() {
        std::thread::spawn(move || drop(child.wait()));
    }
}
