//! Services that OpenDAL knows and that have no type of their own here. Start reading at [`open`].
//!
//! Owns which they are and which options each has. OpenDAL ignores an option that it does not know, so these tables are what is
//! believed; a test holds them against OpenDAL's own.

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use opendal::{Operator, services};

use super::dal::{Dal, through};
use super::objects::CreatesOnce;
use crate::files::DalFiles;
use crate::http::{Http, endpoint};
use crate::settings::Values;
use crate::{BadSetting, Kind, Provider, Setting, Transport};

/// What these services can be told, all together.
pub(super) const PROVIDER: Provider = Provider {
    name: "opendal",
    aliases: &[],
    about: "a service that has no type of its own here: Alibaba OSS, Huawei OBS, Tencent COS",
    settings: &[
        Setting::new("scheme", Kind::Choice(&["cos", "obs", "oss", "s3"]), "Which service, by OpenDAL's name for it")
            .required(),
        Setting::new("bucket", Kind::Text, "The bucket, which must be there").required(),
        Setting::new("root", Kind::Text, "Where in the bucket, for example `backup/vault`"),
        Setting::new("endpoint", Kind::Text, "The address, for example https://oss-eu-central-1.aliyuncs.com")
            .required(),
        Setting::new("region", Kind::Text, "The region (s3)"),
        Setting::new("access_key_id", Kind::Text, "The access key (obs, oss, s3)"),
        Setting::new("access_key_secret", Kind::Text, "The secret of the access key (oss)").secret(),
        Setting::new("secret_access_key", Kind::Text, "The secret of the access key (obs, s3)").secret(),
        Setting::new("secret_id", Kind::Text, "The access key (cos)"),
        Setting::new("secret_key", Kind::Text, "The secret of the access key (cos)").secret(),
        Setting::new("security_token", Kind::Text, "The token of temporary credentials (cos, oss)").secret().advanced(),
        Setting::new("session_token", Kind::Text, "The token of temporary credentials (s3)").secret().advanced(),
        Setting::new("server_side_encryption", Kind::Text, "What the service encrypts with (oss, s3)").advanced(),
        Setting::new("server_side_encryption_key_id", Kind::Text, "The key that the service encrypts with (oss)")
            .advanced(),
        Setting::new("ca_cert", Kind::Directory, "A PEM file of authorities to trust besides the system's").advanced(),
    ],
    sign_in: false,
    hidden: false,
};

/// What a service is told besides what all are told.
const OPTIONS: &[(&str, &[&str])] = &[
    ("cos", &["secret_id", "secret_key", "security_token"]),
    ("obs", &["access_key_id", "secret_access_key"]),
    (
        "oss",
        &[
            "access_key_id",
            "access_key_secret",
            "security_token",
            "server_side_encryption",
            "server_side_encryption_key_id",
        ],
    ),
    ("s3", &["region", "access_key_id", "secret_access_key", "session_token", "server_side_encryption"]),
];
const COMMON: &[&str] = &["bucket", "root", "endpoint"];

/// The remote that the settings describe. Connects to nothing yet.
///
/// # Errors
/// A setting can't be used.
pub(super) fn open(values: &BTreeMap<String, String>, transport: &Transport) -> Result<Dal, BadSetting> {
    let (operator, http, said) = operator(values, transport)?;
    // What is not declared by OpenDAL's service is not sent; the rest is found out.
    let knows = operator.info().capability().write_with_if_not_exists;
    let creates_once = if knows { CreatesOnce::Unknown } else { CreatesOnce::No };
    Ok(Dal::new(operator, http, said, creates_once))
}

/// The plain files that the settings describe. Connects to nothing yet.
///
/// # Errors
/// A setting can't be used.
pub(super) fn open_files(values: &BTreeMap<String, String>, transport: &Transport) -> Result<DalFiles, BadSetting> {
    let (operator, http, said) = operator(values, transport)?;
    let whole = values.get("root").is_none_or(|root| root.trim_matches('/').is_empty());
    Ok(DalFiles::new(through(operator, http), said, whole))
}

/// The bucket, how it is reached, and what it is called.
fn operator(values: &BTreeMap<String, String>, transport: &Transport) -> Result<(Operator, Http, String), BadSetting> {
    let checked = Values::check(&PROVIDER, values)?;
    let scheme = checked.text("scheme").unwrap_or_default();
    let options = OPTIONS.iter().find(|(name, _)| *name == scheme).map_or(&[][..], |(_, options)| options);
    let is_known = |name: &str| options.contains(&name) || COMMON.contains(&name);
    if let Some(name) = values.keys().find(|name| !is_known(name) && !matches!(name.as_str(), "scheme" | "ca_cert")) {
        return Err(BadSetting::new(name, format!("is none of `{scheme}`, which has {}", options.join(", "))));
    }
    let bucket = checked.text("bucket").unwrap_or_default();
    if bucket.contains('/') {
        return Err(BadSetting::new("bucket", "holds a `/`; what comes after it belongs to `root`"));
    }
    // The one service that is reached by name alone has its own way to say so.
    if let Some(missing) = options.iter().find(|name| is_credential(name) && checked.text(name).is_none()) {
        return Err(BadSetting::new(missing, "is missing"));
    }
    let endpoint = endpoint("endpoint", checked.text("endpoint").unwrap_or_default(), "options of the service")?;
    let root = checked.text("root").unwrap_or_default().trim_matches('/');
    let mut given: BTreeMap<String, String> = values.clone();
    given.retain(|name, value| is_known(name) && !value.is_empty());
    given.insert("endpoint".to_owned(), endpoint.clone());
    given.insert("root".to_owned(), format!("/{root}"));
    if scheme == "s3" {
        given.entry("region".to_owned()).or_insert_with(|| "us-east-1".to_owned());
        given.insert("disable_ec2_metadata".to_owned(), "true".to_owned());
    }
    if matches!(scheme, "s3" | "cos") {
        given.insert("disable_config_load".to_owned(), "true".to_owned());
    }
    let http = Http::new(transport, checked.text("ca_cert"))?;
    // What it says may hold what it was given.
    let made = match scheme {
        "cos" => Operator::from_iter::<services::Cos>(given),
        "obs" => Operator::from_iter::<services::Obs>(given),
        "oss" => Operator::from_iter::<services::Oss>(given),
        _ => Operator::from_iter::<services::S3>(given),
    };
    let operator = made.map_err(|error| BadSetting::new("scheme", format!("can't be used: {}", error.kind())))?;
    let slash = if root.is_empty() { "" } else { "/" };
    let said = format!("{scheme}:{bucket}{slash}{root} at {endpoint}");
    Ok((operator, http, said))
}

/// Without these nothing can be stored.
fn is_credential(name: &str) -> bool {
    matches!(name, "access_key_id" | "access_key_secret" | "secret_access_key" | "secret_id" | "secret_key")
}
