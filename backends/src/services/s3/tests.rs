//! Settings that can't be used. What a server does with the rest is asked of real ones: `tests/services.rs`.

use super::providers::Place;
use crate::services::given::{self, map};
use crate::settings::Values;
use crate::{Remote, Transport};

fn refusal(pairs: &[(&str, &str)]) -> String {
    given::refusal(super::open, pairs)
}

#[test]
fn bad_settings_are_named_and_secrets_are_not() {
    let server = ("endpoint", "http://127.0.0.1:9000");
    assert!(refusal(&[server]).starts_with("the setting `bucket` is missing"));
    assert!(refusal(&[("bucket", "b")]).starts_with("the setting `endpoint` is missing"));
    assert!(refusal(&[("bucket", "a/b"), server]).contains("`root`"));
    assert!(refusal(&[("bucket", "b"), ("endpoint", "ftp://x")]).starts_with("the setting `endpoint`"));
    assert!(refusal(&[("bucket", "b"), ("endpoint", "https://key:secret@x")]).contains("access_key_id"));
    assert!(refusal(&[("bucket", "b"), ("provider", "Nobody"), server]).contains("AWS"));
    assert!(refusal(&[("bucket", "b"), ("env_auth", "maybe"), server]).contains("`env_auth` is neither"));
    assert!(refusal(&[("bucket", "b"), ("buckett", "b"), server]).contains("`buckett` is none of"));
    assert!(refusal(&[("bucket", "b"), ("provider", "Wasabi"), ("region", "a b")]).contains("`region`"));
    assert!(refusal(&[("bucket", "b"), ("provider", "Scaleway")]).contains("`region` is missing"));
    let said = refusal(&[("bucket", "b"), ("secret_access_key", "hush"), server]);
    assert!(said.contains("`access_key_id` is missing") && !said.contains("hush"), "{said}");
    assert!(refusal(&[("bucket", "b"), ("ca_cert", "/nowhere"), server]).contains("can't be read"));
}

#[test]
fn providers_know_their_places() {
    let place = |pairs: &[(&str, &str)]| {
        let values = map(pairs);
        Place::of(&Values::check(&super::PROVIDER, &values).unwrap()).unwrap()
    };
    let aws = place(&[("provider", "AWS"), ("bucket", "b"), ("region", "eu-west-1")]);
    assert_eq!((aws.endpoint.as_str(), aws.virtual_host), ("https://s3.eu-west-1.amazonaws.com", true));
    assert!(!place(&[("provider", "AWS"), ("bucket", "b.c")]).virtual_host);
    let r2 = place(&[("provider", "Cloudflare"), ("bucket", "b"), ("endpoint", "x.r2.cloudflarestorage.com/")]);
    assert_eq!((r2.endpoint.as_str(), r2.region.as_str()), ("https://x.r2.cloudflarestorage.com", "auto"));
}

#[test]
fn a_remote_says_where_it_is_and_nothing_more() {
    let values = map(&[
        ("bucket", "b"),
        ("root", "/x/y/"),
        ("endpoint", "http://h:1"),
        ("access_key_id", "me"),
        ("secret_access_key", "hush"),
    ]);
    let remote = super::open(&values, &Transport::default()).unwrap();
    assert_eq!(remote.describe(), "s3:b/x/y at http://h:1");
    assert!(!format!("{remote:?}").contains("hush"));
}
