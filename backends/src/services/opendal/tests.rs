//! Settings that can't be used, and the tables against OpenDAL's own.

use opendal::services::{CosConfig, ObsConfig, OssConfig, S3Config};
use serde_json::Value;

use super::{COMMON, OPTIONS, PROVIDER};
use crate::services::given::{self, map};
use crate::{Kind, Remote, Transport};

fn refusal(pairs: &[(&str, &str)]) -> String {
    given::refusal(super::open, pairs)
}

#[test]
fn bad_settings_are_named_and_secrets_are_not() {
    let (scheme, bucket, endpoint) = (("scheme", "oss"), ("bucket", "b"), ("endpoint", "https://oss.example.org"));
    let (id, secret) = (("access_key_id", "me"), ("access_key_secret", "hush"));
    assert!(refusal(&[bucket, endpoint]).starts_with("the setting `scheme` is missing"));
    assert!(refusal(&[("scheme", "os"), bucket, endpoint]).contains("is none of cos, obs, oss, s3"));
    assert!(refusal(&[scheme, endpoint, id, secret]).starts_with("the setting `bucket` is missing"));
    assert!(refusal(&[scheme, bucket, id, secret]).starts_with("the setting `endpoint` is missing"));
    let said = refusal(&[scheme, bucket, endpoint, id, secret, ("secret_key", "hush")]);
    assert!(said.contains("`secret_key` is none of `oss`") && said.contains("access_key_secret"), "{said}");
    assert!(refusal(&[scheme, bucket, endpoint, id]).starts_with("the setting `access_key_secret` is missing"));
    assert!(refusal(&[scheme, ("bucket", "a/b"), endpoint, id, secret]).contains("`root`"));
    assert!(refusal(&[scheme, bucket, ("endpoint", "https://me:hush@x"), id, secret]).contains("`endpoint`"));
    let values = map(&[scheme, bucket, endpoint, id, secret, ("root", "/x/")]);
    let remote = super::open(&values, &Transport::default()).unwrap();
    assert_eq!(remote.describe(), "oss:b/x at https://oss.example.org");
    assert!(!remote.caps().put_new || !format!("{remote:?}").contains("hush"));
    assert!(!format!("{remote:?}").contains("hush"));
}

#[test]
fn every_option_is_one_of_opendals() {
    let Some(Kind::Choice(schemes)) = PROVIDER.setting("scheme").map(|setting| setting.kind) else { panic!() };
    assert_eq!(OPTIONS.iter().map(|(scheme, _)| *scheme).collect::<Vec<_>>(), schemes);
    for (scheme, options) in OPTIONS {
        let known = match *scheme {
            "cos" => serde_json::to_value(CosConfig::default()),
            "obs" => serde_json::to_value(ObsConfig::default()),
            "oss" => serde_json::to_value(OssConfig::default()),
            _ => serde_json::to_value(S3Config::default()),
        };
        let Value::Object(known) = known.unwrap() else { panic!() };
        for option in options.iter().chain(COMMON) {
            assert!(known.contains_key(*option), "{scheme} has no {option}");
            assert!(PROVIDER.setting(option).is_some(), "{option}");
        }
    }
}
