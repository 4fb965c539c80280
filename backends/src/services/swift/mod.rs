//! OpenStack Swift: OVHcloud, Infomaniak, Rackspace and any OpenStack. Start reading at [`open`].
//!
//! Owns the settings, logging in by Keystone or by Swift's own v1, and the requests. An object is put in one request on condition
//! that there is none, with its MD5, which the server compares. Each of the server's disks looks for itself, so of two writers at
//! once both may pass.

mod container;
mod login;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use self::container::Container;
use super::objects::{CreatesOnce, Objects};
use crate::settings::Values;
use crate::{BadSetting, Kind, Provider, Setting, Transport};

/// What Swift can be told.
pub(super) const PROVIDER: Provider = Provider {
    name: "swift",
    aliases: &[],
    about: "OpenStack Swift: OVHcloud, Infomaniak and any OpenStack",
    settings: &[
        Setting::new("auth", Kind::Text, "Where one logs in, for example https://auth.example.org/v3"),
        Setting::new("user", Kind::Text, "The user (OS_USERNAME)"),
        Setting::new("key", Kind::Text, "The user's password or key (OS_PASSWORD)").secret(),
        Setting::new("tenant", Kind::Text, "The project by name (OS_PROJECT_NAME or OS_TENANT_NAME)"),
        Setting::new("tenant_id", Kind::Text, "The project by its id (OS_PROJECT_ID)").advanced(),
        Setting::new("domain", Kind::Text, "The user's domain (OS_USER_DOMAIN_NAME)").or("Default").advanced(),
        Setting::new("tenant_domain", Kind::Text, "The project's domain, if it is not the user's").advanced(),
        Setting::new("region", Kind::Text, "The region (OS_REGION_NAME), if there are several"),
        Setting::new("container", Kind::Text, "The container, which must be there").required(),
        Setting::new("root", Kind::Text, "Where in the container, for example `backup/vault`"),
        Setting::new("application_credential_id", Kind::Text, "An application credential instead of user and key")
            .advanced(),
        Setting::new("application_credential_secret", Kind::Text, "Its secret").secret().advanced(),
        Setting::new("auth_token", Kind::Text, "A token that was got elsewhere, with `storage_url`")
            .secret()
            .advanced(),
        Setting::new("storage_url", Kind::Text, "The address of the account, if it is not the one that a login gives")
            .advanced(),
        Setting::new("auth_version", Kind::Choice(&["1", "3"]), "How one logs in, if the end of `auth` does not tell")
            .advanced(),
        Setting::new("endpoint_type", Kind::Choice(&["public", "internal", "admin"]), "Which address of the catalogue")
            .or("public")
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
    Objects::new(Container::of(&values, transport)?, &values, 16, CreatesOnce::Mostly)
}
