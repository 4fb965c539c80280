//! The services: one module each, and nothing shared between them but the trait. [`open`] makes one from settings.

mod fs;
mod memory;
mod names;
mod s3;
mod sftp;
mod webdav;

use std::collections::BTreeMap;
use std::sync::Arc;

pub use fs::Fs;
pub use memory::Memory;
pub use s3::S3;
pub use sftp::Sftp;
pub use webdav::WebDav;

use crate::{BadSetting, Provider, Remote, Transport};

/// All services that a configuration can name.
pub const PROVIDERS: &[&Provider] = &[&s3::PROVIDER, &sftp::PROVIDER, &webdav::PROVIDER];

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
        "s3" => Ok(Arc::new(S3::open(values, transport)?)),
        "sftp" => Ok(Arc::new(Sftp::open(values, transport)?)),
        "webdav" => Ok(Arc::new(WebDav::open(values, transport)?)),
        _ => Err(BadSetting::new("type", format!("is `{kind}`, which this version does not know"))),
    }
}
