//! From settings to a bucket.

use std::collections::BTreeMap;

use opendal::Operator;

use super::PROVIDER;
use super::providers::Place;
use super::uploads::Uploads;
use crate::files::DalFiles;
use crate::http::Http;
use crate::services::dal::{Dal, through};
use crate::services::objects::CreatesOnce;
use crate::settings::Values;
use crate::{BadSetting, Transport};

/// The remote that the settings describe. Connects to nothing yet.
///
/// # Errors
/// A setting can't be used.
pub(in crate::services) fn open(values: &BTreeMap<String, String>, transport: &Transport) -> Result<Dal, BadSetting> {
    let values = Values::check(&PROVIDER, values)?;
    let place = Place::of(&values)?;
    let (operator, http, said) = operator(&values, &place, transport)?;
    let uploads = Uploads::of(&values, &place, http.clone());
    let creates_once = if place.creates_once { CreatesOnce::Yes } else { CreatesOnce::Unknown };
    Ok(Dal::new(operator, http, said, creates_once).with_uploads(uploads))
}

/// The plain files that the settings describe. Connects to nothing yet.
///
/// # Errors
/// A setting can't be used.
pub(in crate::services) fn open_files(
    values: &BTreeMap<String, String>,
    transport: &Transport,
) -> Result<DalFiles, BadSetting> {
    let values = Values::check(&PROVIDER, values)?;
    let (operator, http, said) = operator(&values, &Place::of(&values)?, transport)?;
    let whole = values.text("root").unwrap_or_default().trim_matches('/').is_empty();
    Ok(DalFiles::new(through(operator, http), said, whole))
}

/// The bucket, how it is reached, and what it is called.
fn operator(values: &Values<'_>, place: &Place, transport: &Transport) -> Result<(Operator, Http, String), BadSetting> {
    let bucket = values.text("bucket").unwrap_or_default();
    if bucket.contains('/') {
        return Err(BadSetting::new("bucket", "holds a `/`; what comes after it belongs to `root`"));
    }
    let root = values.text("root").unwrap_or_default().trim_matches('/');
    let mut builder = opendal::services::S3::default()
        .bucket(bucket)
        .root(&format!("/{root}"))
        .endpoint(&place.endpoint)
        .region(&place.region);
    if place.virtual_host {
        builder = builder.enable_virtual_host_style();
    }
    builder = credentials(builder, values)?;
    if let Some(class) = values.text("storage_class") {
        builder = builder.default_storage_class(class);
    }
    match values.text("server_side_encryption") {
        None => {}
        Some("AES256") => builder = builder.server_side_encryption_with_s3_key(),
        Some("aws:kms") => {
            builder = match values.text("sse_kms_key_id") {
                Some(key) => builder.server_side_encryption_with_customer_managed_kms_key(key),
                None => builder.server_side_encryption_with_aws_managed_kms_key(),
            }
        }
        Some(_) => return Err(BadSetting::new("server_side_encryption", "is neither `AES256` nor `aws:kms`")),
    }
    if values.switch("requester_pays") {
        builder = builder.enable_request_payer();
    }
    let http = Http::new(transport, values.text("ca_cert"))?;
    let operator = Operator::new(builder)
        .map_err(|error| BadSetting::new("endpoint", format!("can't be used: {}", error.message())))?;
    let slash = if root.is_empty() { "" } else { "/" };
    let said = format!("s3:{bucket}{slash}{root} at {}", place.endpoint);
    Ok((operator, http, said))
}

fn credentials(builder: opendal::services::S3, values: &Values<'_>) -> Result<opendal::services::S3, BadSetting> {
    let (key, secret) = (values.text("access_key_id"), values.text("secret_access_key"));
    let mut builder = match (key, secret) {
        (Some(key), Some(secret)) => builder.access_key_id(key).secret_access_key(secret),
        (Some(_), None) => {
            return Err(BadSetting::new("secret_access_key", "is missing: it belongs to `access_key_id`"));
        }
        (None, Some(_)) => {
            return Err(BadSetting::new("access_key_id", "is missing: it belongs to `secret_access_key`"));
        }
        // Nobody in particular: a public bucket can be read.
        (None, None) if !values.switch("env_auth") => builder.skip_signature(),
        (None, None) => builder,
    };
    if let Some(token) = values.text("session_token") {
        builder = builder.session_token(token);
    }
    if let Some(role) = values.text("role_arn") {
        builder = builder.role_arn(role);
    }
    if let Some(profile) = values.text("profile") {
        builder = builder.profile(profile);
    }
    Ok(if values.switch("env_auth") { builder } else { builder.disable_config_load().disable_ec2_metadata() })
}
