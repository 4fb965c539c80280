//! Azure Blob Storage. Start reading at [`open`].
//!
//! Owns the settings, the signature with an account's key, and its listings. An object is one block blob, put in one request on
//! condition that there is none, with its MD5, which the service compares.

mod account;
mod bucket;
mod listing;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use self::bucket::Container;
use super::objects::{CreatesOnce, Objects};
use crate::settings::Values;
use crate::{BadSetting, Kind, Provider, Setting, Transport};

/// What Azure Blob Storage can be told.
pub(super) const PROVIDER: Provider = Provider {
    name: "azureblob",
    aliases: &[],
    about: "Microsoft Azure Blob Storage",
    settings: &[
        Setting::new("account", Kind::Text, "The name of the storage account"),
        Setting::new("key", Kind::Text, "The account's key, as the portal shows it").secret(),
        Setting::new(
            "sas_url",
            Kind::Text,
            "A shared access signature instead of the key: the whole URL with its query",
        )
        .secret(),
        Setting::new("container", Kind::Text, "The container, which must be there").required(),
        Setting::new("root", Kind::Text, "Where in the container, for example `backup/vault`"),
        Setting::new("endpoint", Kind::Text, "The address of the service, if it is not that of the account at Azure")
            .advanced(),
        Setting::new("tenant", Kind::Text, "The tenant of a service principal, with `client_id` and `client_secret`")
            .advanced(),
        Setting::new("client_id", Kind::Text, "The service principal").advanced(),
        Setting::new("client_secret", Kind::Text, "Its secret").secret().advanced(),
        Setting::new(
            "access_tier",
            Kind::Choice(&["hot", "cool", "cold"]),
            "The tier of new objects, if it is not that of the account",
        )
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
pub(super) fn open(values: &BTreeMap<String, String>, transport: &Transport) -> Result<Objects<Container>, BadSetting> {
    let values = Values::check(&PROVIDER, values)?;
    Objects::new(Container::of(&values, transport)?, &values, 32, CreatesOnce::Yes)
}
