//! WebDAV: Nextcloud, ownCloud and any server that speaks it. Start reading at [`WebDav`].
//!
//! Owns the settings, and how an object is created whole and once with what WebDAV has: a body is put under a temporary name and
//! then moved to its own without overwriting. Directories are made when one turns out to be missing.

mod multistatus;
mod remote;
mod site;

#[cfg(test)]
mod tests;

pub use remote::WebDav;

use crate::{Kind, Provider, Setting};

/// What WebDAV can be told.
pub(super) const PROVIDER: Provider = Provider {
    name: "webdav",
    aliases: &[],
    about: "WebDAV: Nextcloud, ownCloud and any server that speaks it",
    settings: &[
        Setting::new("url", Kind::Text, "The address, for example https://cloud.example.org/remote.php/dav/files/me")
            .required(),
        Setting::new("vendor", Kind::Choice(VENDORS), "What the server is").or("other"),
        Setting::new("user", Kind::Text, "The user"),
        Setting::new("pass", Kind::Text, "The user's password, or better one for this program alone").obscured(),
        Setting::new("bearer_token", Kind::Text, "A token instead of user and password").secret().advanced(),
        Setting::new("root", Kind::Text, "Where below the address, for example `backup/vault`"),
        Setting::new("ca_cert", Kind::Directory, "A PEM file of authorities to trust besides the system's").advanced(),
    ],
    sign_in: false,
    hidden: false,
};

const VENDORS: &[&str] = &["nextcloud", "owncloud", "infinitescale", "fastmail", "rclone", "other"];
