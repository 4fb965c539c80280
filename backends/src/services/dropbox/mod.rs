//! Dropbox. Start reading at [`Dropbox`].
//!
//! Owns the settings, and the words of Dropbox's interface. An object is created by one call that the service makes exclusive, or by
//! a session that ends in such a call; what arrived is compared by Dropbox's own hash of the content.

mod remote;

pub use remote::Dropbox;

use crate::oauth::{AUTH_URL, CLIENT_SECRET, Grants, REDIRECT_PORT, TOKEN, TOKEN_URL};
use crate::{Kind, Provider, Setting};

/// What Dropbox can be told.
pub(super) const PROVIDER: Provider = Provider {
    name: "dropbox",
    aliases: &[],
    about: "Dropbox",
    settings: &[
        Setting::new(
            "client_id",
            Kind::Text,
            "The key of your application; make one at https://www.dropbox.com/developers/apps (scoped access, permissions \
             files.content.read, files.content.write and files.metadata.read, redirect URI http://localhost:53682/)",
        )
        .required(),
        CLIENT_SECRET,
        Setting::new("root", Kind::Text, "The folder, for example `backup/vault`"),
        TOKEN,
        AUTH_URL,
        TOKEN_URL,
        REDIRECT_PORT,
        Setting::new("endpoint", Kind::Text, "The address of the interface, if not the usual ones").advanced(),
    ],
    sign_in: true,
    hidden: false,
};

pub(super) const GRANTS: Grants = Grants {
    auth_url: "https://www.dropbox.com/oauth2/authorize",
    token_url: "https://api.dropboxapi.com/oauth2/token",
    scope: "files.metadata.read files.content.read files.content.write",
    scope_base: "",
    more: &[("token_access_type", "offline")],
    pkce: true,
    this_machine: "localhost",
    told: &[],
};
