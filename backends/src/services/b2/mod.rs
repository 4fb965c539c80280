//! Backblaze B2 by its own API. Start reading at [`open`].
//!
//! Owns the settings, logging in, upload addresses that one upload at a time may use, and the requests. B2 keeps every body that
//! was ever stored under a name, so an object is looked for before it is put, and deleted with all its versions.

mod account;
mod bucket;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use self::bucket::B2;
use super::objects::{CreatesOnce, Objects};
use crate::settings::Values;
use crate::{BadSetting, Kind, Provider, Setting, Transport};

/// What B2 can be told.
pub(super) const PROVIDER: Provider = Provider {
    name: "b2",
    aliases: &[],
    about: "Backblaze B2 by its own API; by that of Amazon it is `s3` with `provider: Backblaze`",
    settings: &[
        Setting::new("account", Kind::Text, "The keyID of an application key").required(),
        Setting::new("key", Kind::Text, "The application key itself").required().secret(),
        Setting::new("bucket", Kind::Text, "The bucket, which must be there").required(),
        Setting::new("root", Kind::Text, "Where in the bucket, for example `backup/vault`"),
        Setting::new(
            "hard_delete",
            Kind::Switch,
            "Whether what is deleted is gone and paid for no longer; otherwise it is hidden",
        )
        .or("true")
        .advanced(),
        Setting::new("endpoint", Kind::Text, "The address of the API, for tests")
            .or("https://api.backblazeb2.com")
            .advanced(),
        Setting::new("ca_cert", Kind::Directory, "A PEM file of authorities to trust besides the system's").advanced(),
    ],
    sign_in: false,
    hidden: false,
};

/// The remote that the settings describe. Connects to nothing yet.
///
/// # Errors
/// A setting can't be used.
pub(super) fn open(values: &BTreeMap<String, String>, transport: &Transport) -> Result<Objects<B2>, BadSetting> {
    let values = Values::check(&PROVIDER, values)?;
    Objects::new(B2::of(&values, transport)?, &values, 16, CreatesOnce::No)
}
