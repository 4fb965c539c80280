//! Koofr. Start reading at [`Koofr`].
//!
//! Owns the settings, and the words of Koofr's interface, version 2. An upload is told neither to overwrite nor to take another name, so
//! one whose name is taken is refused.

mod remote;

pub use remote::Koofr;

use crate::{Kind, Provider, Setting};

/// What Koofr can be told.
pub(super) const PROVIDER: Provider = Provider {
    name: "koofr",
    aliases: &[],
    about: "Koofr, Digi Storage and others like them",
    settings: &[
        Setting::new("user", Kind::Text, "The user, an address of mail").required(),
        Setting::new(
            "password",
            Kind::Text,
            "A password for this program alone; make one at https://app.koofr.net/app/admin/preferences/password",
        )
        .required()
        .obscured(),
        Setting::new("root", Kind::Text, "The folder, for example `backup/vault`"),
        Setting::new("mountid", Kind::Text, "The place within the account, if not the first").advanced(),
        Setting::new("endpoint", Kind::Text, "The address, if it is not Koofr's own")
            .or("https://app.koofr.net")
            .advanced(),
    ],
    sign_in: false,
    hidden: false,
};
