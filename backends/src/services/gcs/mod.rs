//! Google Cloud Storage. Start reading at [`open`].
//!
//! Owns the settings, how a service account gets a token, and the requests. An object is put in one request on condition that no
//! generation of it is there; the answer has its MD5, which is compared. A server that ignores the condition is found out.

mod bucket;
mod token;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use self::bucket::Storage;
use super::objects::{CreatesOnce, Objects};
use crate::settings::Values;
use crate::{BadSetting, Kind, Provider, Setting, Transport};

/// What Google Cloud Storage can be told.
pub(super) const PROVIDER: Provider = Provider {
    name: "gcs",
    aliases: &["google cloud storage"],
    about: "Google Cloud Storage",
    settings: &[
        Setting::new("bucket", Kind::Text, "The bucket, which must be there").required(),
        Setting::new("root", Kind::Text, "Where in the bucket, for example `backup/vault`"),
        Setting::new("service_account_file", Kind::Directory, "The key file of a service account, as JSON"),
        Setting::new("service_account_credentials", Kind::Text, "The content of that file instead of its name")
            .secret()
            .advanced(),
        Setting::new(
            "env_auth",
            Kind::Switch,
            "Take the file from GOOGLE_APPLICATION_CREDENTIALS, or the machine's role",
        )
        .or("false"),
        Setting::new("access_token", Kind::Text, "A token that was got elsewhere; it holds for an hour")
            .secret()
            .advanced(),
        Setting::new("anonymous", Kind::Switch, "Show nothing: for public buckets and for tests")
            .or("false")
            .advanced(),
        Setting::new("endpoint", Kind::Text, "The address, if it is not https://storage.googleapis.com").advanced(),
        Setting::new("storage_class", Kind::Text, "The storage class of new objects, for example `NEARLINE`")
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
pub(super) fn open(values: &BTreeMap<String, String>, transport: &Transport) -> Result<Objects<Storage>, BadSetting> {
    let values = Values::check(&PROVIDER, values)?;
    let storage = Storage::of(&values, transport)?;
    let creates_once = if storage.is_googles() { CreatesOnce::Yes } else { CreatesOnce::Unknown };
    Objects::new(storage, &values, 32, creates_once)
}
