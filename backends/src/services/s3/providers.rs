//! The settings of S3, and what is known of those who offer it.

use crate::http;
use crate::settings::Values;
use crate::{BadSetting, Kind, Provider, Setting};

/// What S3 can be told.
pub(in crate::services) const PROVIDER: Provider = Provider {
    name: "s3",
    aliases: &[],
    about: "Amazon S3 and what speaks its language: MinIO, Cloudflare R2, Wasabi, Backblaze B2, Garage, Ceph …",
    settings: &[
        Setting::new("provider", Kind::Choice(PROVIDERS), "Who offers the storage").or("Other"),
        Setting::new("bucket", Kind::Text, "The bucket, which must be there").required(),
        Setting::new("root", Kind::Text, "Where in the bucket, for example `backup/vault`"),
        Setting::new("endpoint", Kind::Text, "The address, for example https://s3.example.org; not needed for AWS"),
        Setting::new("region", Kind::Text, "The region of the bucket, for example `eu-central-1`"),
        Setting::new("access_key_id", Kind::Text, "The access key; empty with `env_auth` or for a public bucket"),
        Setting::new("secret_access_key", Kind::Text, "The secret of the access key").secret(),
        Setting::new("session_token", Kind::Text, "The token of temporary credentials").secret().advanced(),
        Setting::new("env_auth", Kind::Switch, "Take credentials from AWS_… variables, ~/.aws or the machine's role")
            .or("false"),
        Setting::new("profile", Kind::Text, "The profile in ~/.aws, with `env_auth`").advanced(),
        Setting::new("role_arn", Kind::Text, "A role to take on with these credentials").advanced(),
        Setting::new(
            "force_path_style",
            Kind::Switch,
            "Put the bucket into the path and not into the host name; AWS alone does not by itself",
        )
        .or("false")
        .advanced(),
        Setting::new("storage_class", Kind::Text, "The storage class of new objects, for example `STANDARD_IA`")
            .advanced(),
        Setting::new("server_side_encryption", Kind::Text, "`AES256` or `aws:kms`, if the bucket demands it")
            .advanced(),
        Setting::new("sse_kms_key_id", Kind::Text, "The key for `aws:kms`").advanced(),
        Setting::new("requester_pays", Kind::Switch, "Pay for requests to somebody else's bucket")
            .or("false")
            .advanced(),
        Setting::new("ca_cert", Kind::Directory, "A PEM file of authorities to trust besides the system's").advanced(),
    ],
    sign_in: false,
    hidden: false,
};

const PROVIDERS: &[&str] = &[
    "AWS",
    "Backblaze",
    "Ceph",
    "Cloudflare",
    "DigitalOcean",
    "Garage",
    "GCS",
    "Hetzner",
    "IDrive",
    "IONOS",
    "Linode",
    "Minio",
    "OVHcloud",
    "Rclone",
    "Scaleway",
    "SeaweedFS",
    "Storj",
    "Synology",
    "Wasabi",
    "Other",
];

/// Where the requests go.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) endpoint: String,
    pub(super) region: String,
    /// Whether the bucket is part of the host name.
    pub(super) virtual_host: bool,
    /// Whether objects are known to be created exactly once; elsewhere it is tried.
    pub(super) creates_once: bool,
}

impl Place {
    pub(super) fn of(values: &Values<'_>) -> Result<Self, BadSetting> {
        let provider = values.text("provider").unwrap_or_default().to_ascii_lowercase();
        let given = values.text("region");
        let template = match provider.as_str() {
            "aws" => Some("https://s3.{region}.amazonaws.com"),
            "wasabi" => Some("https://s3.{region}.wasabisys.com"),
            "backblaze" => Some("https://s3.{region}.backblazeb2.com"),
            "digitalocean" => Some("https://{region}.digitaloceanspaces.com"),
            "hetzner" => Some("https://{region}.your-objectstorage.com"),
            "scaleway" => Some("https://s3.{region}.scw.cloud"),
            "gcs" => Some("https://storage.googleapis.com"),
            _ => None,
        };
        let region = match (given, provider.as_str()) {
            (Some(region), _) => region,
            (None, "aws" | "wasabi") => "us-east-1",
            (None, "cloudflare" | "gcs") => "auto",
            (None, "garage") => "garage",
            (None, _) => "us-east-1",
        };
        if !region.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c)) {
            return Err(BadSetting::new("region", "is not the name of a region"));
        }
        let endpoint = match (values.text("endpoint"), template) {
            (Some(endpoint), _) => http::endpoint("endpoint", endpoint, "`access_key_id` and `secret_access_key`")?,
            (None, Some(template))
                if template.contains("{region}") && given.is_none() && provider != "aws" && provider != "wasabi" =>
            {
                let (before, after) = template.split_once("{region}").unwrap_or_default();
                return Err(BadSetting::new(
                    "region",
                    format!("is missing: it is the part between `{before}` and `{after}`"),
                ));
            }
            (None, Some(template)) => template.replace("{region}", region),
            (None, None) => {
                return Err(BadSetting::new(
                    "endpoint",
                    "is missing: the address of the server, for example `https://s3.example.org`",
                ));
            }
        };
        let bucket = values.text("bucket").unwrap_or_default();
        // A bucket with a dot in its name has no certificate that fits the host's.
        let virtual_host = provider == "aws" && !values.switch("force_path_style") && !bucket.contains('.');
        let creates_once = matches!(provider.as_str(), "aws" | "cloudflare");
        Ok(Self { endpoint, region: region.to_owned(), virtual_host, creates_once })
    }
}
