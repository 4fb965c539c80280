//! pCloud. Start reading at [`PCloud`].
//!
//! Owns the settings, and the words of pCloud's interface, which answers 200 to everything and says in the body what is wrong. An upload
//! whose name is taken is stored under another one, which is how it is noticed, and taken back.

mod remote;

pub use remote::PCloud;

use crate::oauth::{AUTH_URL, Grants, REDIRECT_PORT, TOKEN, TOKEN_URL};
use crate::{Kind, Provider, Setting};

/// What pCloud can be told.
pub(super) const PROVIDER: Provider = Provider {
    name: "pcloud",
    aliases: &[],
    about: "pCloud",
    settings: &[
        Setting::new(
            "client_id",
            Kind::Text,
            "The id of your application; make one at https://docs.pcloud.com/my_apps (redirect URI http://localhost:53682/)",
        )
        .required(),
        Setting::new("client_secret", Kind::Text, "The secret of the application").required().secret(),
        Setting::new("root", Kind::Text, "The folder, for example `backup/vault`"),
        Setting::new("hostname", Kind::Text, "Where the account is: `eapi.pcloud.com` in Europe; signing in finds it out")
            .or("api.pcloud.com")
            .advanced(),
        TOKEN,
        AUTH_URL,
        TOKEN_URL,
        REDIRECT_PORT,
        Setting::new("endpoint", Kind::Text, "The address of the interface, if not that of `hostname`").advanced(),
    ],
    sign_in: true,
    hidden: false,
};

pub(super) const GRANTS: Grants = Grants {
    auth_url: "https://my.pcloud.com/oauth2/authorize",
    token_url: "https://api.pcloud.com/oauth2_token",
    scope: "",
    scope_base: "",
    more: &[],
    pkce: false,
    this_machine: "localhost",
    told: &["hostname"],
};
