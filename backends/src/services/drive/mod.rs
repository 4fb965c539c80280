//! Google Drive. Start reading at [`Drive`].
//!
//! Owns the settings, and the words of Drive's interface, version 3. Drive knows files by ids and lets any number of them have the
//! same name in the same folder. Of twins the oldest is the one that counts, for everybody: whoever made a younger one finds that out
//! after the upload and takes it back. Folders may have twins too; then all of them are looked into, and the oldest is written to.

mod calls;
mod folders;
mod remote;

pub use remote::Drive;

use crate::oauth::{AUTH_URL, CLIENT_SECRET, Grants, REDIRECT_PORT, TOKEN, TOKEN_URL};
use crate::{Kind, Provider, Setting};

/// What Google Drive can be told.
pub(super) const PROVIDER: Provider = Provider {
    name: "drive",
    aliases: &["gdrive"],
    about: "Google Drive",
    settings: &[
        Setting::new(
            "client_id",
            Kind::Text,
            "The id of your application; make one at https://console.cloud.google.com (enable the Google Drive API, then \
             Credentials, OAuth client ID, desktop app)",
        )
        .required(),
        CLIENT_SECRET,
        Setting::new("root", Kind::Text, "The folder, for example `backup/vault`"),
        Setting::new("scope", Kind::Text, "What is asked for: `drive.file` is only what this program has made, `drive` all")
            .or("drive.file"),
        Setting::new("root_folder_id", Kind::Text, "The folder in which `root` is looked for, if not the top").advanced(),
        Setting::new("use_trash", Kind::Switch, "Whether what is deleted goes to the trash, where it takes up room")
            .or("false")
            .advanced(),
        TOKEN,
        AUTH_URL,
        TOKEN_URL,
        REDIRECT_PORT,
        Setting::new("endpoint", Kind::Text, "The address of the interface, if not the usual one").advanced(),
    ],
    sign_in: true,
    hidden: false,
};

pub(super) const GRANTS: Grants = Grants {
    auth_url: "https://accounts.google.com/o/oauth2/v2/auth",
    token_url: "https://oauth2.googleapis.com/token",
    scope: "drive.file",
    scope_base: "https://www.googleapis.com/auth/",
    more: &[("access_type", "offline"), ("prompt", "consent")],
    pkce: true,
    this_machine: "127.0.0.1",
    told: &[],
};
