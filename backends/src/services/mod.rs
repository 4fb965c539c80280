//! The services: one module each, with a table of its settings, and nothing shared between them but the trait. [`open`] makes one
//! from settings.

mod answers;
mod api;
mod azureblob;
mod b2;
mod bodies;
mod dal;
mod drive;
mod dropbox;
mod fs;
mod ftp;
mod gcs;
#[cfg(test)]
mod given;
mod koofr;
mod memory;
mod names;
mod objects;
mod onedrive;
mod opendal;
mod pcloud;
mod s3;
mod sftp;
mod store;
mod swift;
mod walk;
mod web;
mod webdav;
mod xml;

use std::collections::BTreeMap;
use std::sync::Arc;

pub use drive::Drive;
pub use dropbox::Dropbox;
pub use fs::Fs;
pub use ftp::Ftp;
pub use koofr::Koofr;
pub use memory::Memory;
pub use onedrive::OneDrive;
pub use pcloud::PCloud;
pub use sftp::Sftp;
pub use webdav::WebDav;

use crate::files::Files;
use crate::oauth::Grants;
use crate::{BadSetting, Provider, Remote, Transport};

/// All services that a configuration can name.
pub const PROVIDERS: &[&Provider] = &[
    // What a newcomer most likely wants comes first.
    &fs::PROVIDER,
    &azureblob::PROVIDER,
    &b2::PROVIDER,
    &drive::PROVIDER,
    &dropbox::PROVIDER,
    &ftp::PROVIDER,
    &gcs::PROVIDER,
    &koofr::PROVIDER,
    &onedrive::PROVIDER,
    &opendal::PROVIDER,
    &pcloud::PROVIDER,
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
        "drive" => Ok(Arc::new(Drive::open(values, transport)?)),
        "dropbox" => Ok(Arc::new(Dropbox::open(values, transport)?)),
        "ftp" => Ok(Arc::new(Ftp::open(values, transport)?)),
        "gcs" => Ok(Arc::new(gcs::open(values, transport)?)),
        "koofr" => Ok(Arc::new(Koofr::open(values, transport)?)),
        "onedrive" => Ok(Arc::new(OneDrive::open(values, transport)?)),
        "opendal" => Ok(Arc::new(opendal::open(values, transport)?)),
        "pcloud" => Ok(Arc::new(PCloud::open(values, transport)?)),
        "s3" => Ok(Arc::new(s3::open(values, transport)?)),
        "sftp" => Ok(Arc::new(Sftp::open(values, transport)?)),
        "swift" => Ok(Arc::new(swift::open(values, transport)?)),
        "webdav" => Ok(Arc::new(WebDav::open(values, transport)?)),
        "memory" => Ok(Arc::new(Memory::new())),
        _ => Err(BadSetting::new("type", format!("is `{kind}`, which this version does not know"))),
    }
}

/// The plain files of this kind that the settings describe; `None` if a service of this kind can't be that.
pub(crate) fn open_files(
    kind: &str,
    values: &BTreeMap<String, String>,
    transport: &Transport,
) -> Option<Result<Arc<dyn Files>, BadSetting>> {
    Some(match kind {
        "opendal" => opendal::open_files(values, transport).map(|files| Arc::new(files) as Arc<dyn Files>),
        "s3" => s3::open_files(values, transport).map(|files| Arc::new(files) as Arc<dyn Files>),
        "sftp" => Sftp::open(values, transport).map(|files| Arc::new(files) as Arc<dyn Files>),
        _ => return None,
    })
}

/// How a person signs in to a service of this kind, if one does.
pub(crate) fn signed(kind: &str) -> Option<(&'static Provider, &'static Grants)> {
    Some(match kind {
        "drive" => (&drive::PROVIDER, &drive::GRANTS),
        "dropbox" => (&dropbox::PROVIDER, &dropbox::GRANTS),
        "onedrive" => (&onedrive::PROVIDER, &onedrive::GRANTS),
        "pcloud" => (&pcloud::PROVIDER, &pcloud::GRANTS),
        _ => return None,
    })
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
