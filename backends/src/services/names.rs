//! What every service needs to turn the names of a server into ours.

use crate::settings::Values;
use crate::{BadSetting, Listed, RemotePath};

/// Whether any object of ours can begin like this.
pub(crate) fn is_prefix(prefix: &str) -> bool {
    RemotePath::new(format!("{prefix}x")).is_ok()
}

/// An entry of a server's listing, if it is an object of ours: below the prefix, no directory, with a name that we could have given.
pub(crate) fn listed(path: &str, prefix: &str, size: u64) -> Option<Listed> {
    if !path.starts_with(prefix) {
        return None;
    }
    Some(Listed { path: RemotePath::new(path).ok()?, size })
}

/// The setting `root` without slashes at its ends: empty for the top.
pub(crate) fn root(values: &Values<'_>) -> Result<String, BadSetting> {
    let parts: Vec<&str> = values.text("root").unwrap_or_default().split('/').filter(|part| !part.is_empty()).collect();
    if parts.iter().any(|part| matches!(*part, "." | "..")) {
        return Err(BadSetting::new("root", "has a component `.` or `..`"));
    }
    Ok(parts.join("/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_ours_is_no_entry() {
        assert!(is_prefix("") && is_prefix("log/") && is_prefix("log/c0"));
        assert!(!is_prefix("/") && !is_prefix("../") && !is_prefix("a//") && !is_prefix("a/\n"));
        assert!(listed("log/a", "log/", 1).is_some());
        assert!(listed("log/", "log/", 1).is_none() && listed("logs/a", "log/", 1).is_none());
        assert!(listed("log/\u{e4}", "log/", 1).is_none());
    }
}
