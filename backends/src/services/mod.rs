//! The services: one module each, with a table of its settings, and nothing shared between them but the trait. [`open`] makes one
//! from settings.

mod azureblob;
mod b2;
mod dal;
mod fs;
mod ftp;
mod gcs;
mod memory;
mod names;
mod objects;
mod opendal;
mod s3;
mod sftp;
mod swift;
mod walk;
mod web;
mod webdav;

use std::collections::BTreeMap;
use std::sync::Arc;

pub use fs::Fs;
pub use ftp::Ftp;
pub use memory::Memory;
pub use sftp::Sftp;
pub use webdav::WebDav;

use crate::{BadSetting, Provider, Remote, Transport};

/// All services that a configuration can name.
pub const PROVIDERS: &[&Provider] = &[
    // What a newcomer most likely wants comes first.
    &fs::PROVIDER,
    &azureblob::PROVIDER,
    &b2::PROVIDER,
    &ftp::PROVIDER,
    &gcs::PROVIDER,
    &opendal::PROVIDER,
    &s3::PROVIDER,
    &sftp::PROVIDER,
    &swift::PROVIDER,
    &webdav::PROVIDER,
    &crate::layers::mirror::PROVIDER,
    #[cfg(any(test, feature = "testing"))]
    &memory::PROVIDER,
];

/// The remote of this kind that the settings describe. Connects to nothing yet.
///
/// # Errors
/// There is no such kind, or a setting can't be used.
pub fn open(
    kind: &str,
    values: &BTreeMap<String, String>,
    transport: &Transport,
) -> Result<Arc<dyn Remote>, BadSetting> {
    match kind {
        "azureblob" => Ok(Arc::new(azureblob::open(values, transport)?)),
        "b2" => Ok(Arc::new(b2::open(values, transport)?)),
        "ftp" => Ok(Arc::new(Ftp::open(values, transport)?)),
        "gcs" => Ok(Arc::new(gcs::open(values, transport)?)),
        "opendal" => Ok(Arc::new(opendal::open(values, transport)?)),
        "s3" => Ok(Arc::new(s3::open(values, transport)?)),
        "sftp" => Ok(Arc::new(Sftp::open(values, transport)?)),
        "swift" => Ok(Arc::new(swift::open(values, transport)?)),
        "webdav" => Ok(Arc::new(WebDav::open(values, transport)?)),
        "memory" => Ok(Arc::new(Memory::new())),
        _ => Err(BadSetting::new("type", format!("is `{kind}`, which this version does not know"))),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::PROVIDERS;
    use crate::Kind;

    #[test]
    fn the_tables_are_sound() {
        let names: Vec<&str> =
            PROVIDERS.iter().flat_map(|provider| [&[provider.name], provider.aliases].concat()).collect();
        assert_eq!(names.iter().collect::<BTreeSet<_>>().len(), names.len(), "a name is there twice: {names:?}");
        for provider in PROVIDERS {
            let settings: BTreeSet<&str> = provider.settings.iter().map(|setting| setting.name).collect();
            assert_eq!(settings.len(), provider.settings.len(), "{}", provider.name);
            for setting in provider.settings {
                let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
                assert!(setting.name.chars().all(plain) && !setting.help.ends_with('.'), "{setting:?}");
                assert!(!(setting.required && setting.default.is_some()), "{setting:?}");
                if let (Kind::Choice(choices), Some(default)) = (setting.kind, setting.default) {
                    assert!(choices.contains(&default), "{setting:?}");
                }
            }
        }
    }
}
