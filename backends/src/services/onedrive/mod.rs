//! OneDrive: personal ones, and those of Microsoft 365 by `drive_id`. Start reading at [`OneDrive`].
//!
//! Owns the settings, and the words of Microsoft Graph. What is small is put in one request that fails if the name is taken; what is
//! larger goes in pieces into a session, which is given up where it can't be finished. Content is read from addresses that the
//! service signs, and that are never shown who we are.

mod remote;

pub use remote::OneDrive;

use crate::oauth::{AUTH_URL, CLIENT_SECRET, Grants, REDIRECT_PORT, TOKEN, TOKEN_URL};
use crate::{Kind, Provider, Setting};

/// What OneDrive can be told.
pub(super) const PROVIDER: Provider = Provider {
    name: "onedrive",
    aliases: &[],
    about: "OneDrive",
    settings: &[
        Setting::new(
            "client_id",
            Kind::Text,
            "The id of your application; register one at https://portal.azure.com under App registrations (accounts of any \
             directory and personal ones, platform mobile and desktop, redirect URI http://localhost)",
        )
        .required(),
        CLIENT_SECRET,
        Setting::new("root", Kind::Text, "The folder, for example `backup/vault`"),
        Setting::new("drive_id", Kind::Text, "The drive, if it is not the person's own").advanced(),
        Setting::new("scope", Kind::Text, "What is asked for, if not the usual").advanced(),
        TOKEN,
        AUTH_URL,
        TOKEN_URL,
        REDIRECT_PORT,
        Setting::new("endpoint", Kind::Text, "The address of the interface, for example of a national cloud").advanced(),
    ],
    sign_in: true,
    hidden: false,
};

pub(super) const GRANTS: Grants = Grants {
    auth_url: "https://login.microsoftonline.com/common/oauth2/v2.0/authorize",
    token_url: "https://login.microsoftonline.com/common/oauth2/v2.0/token",
    scope: "Files.ReadWrite offline_access",
    scope_base: "",
    more: &[],
    pkce: true,
    this_machine: "localhost",
    told: &[],
};
