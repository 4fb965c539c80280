//! Settings that can't be used.

use crate::services::given::{self, map};
use crate::{Remote, Transport};

fn refusal(pairs: &[(&str, &str)]) -> String {
    given::refusal(super::open, pairs)
}

#[test]
fn bad_settings_are_named_and_secrets_are_not() {
    let (container, account, key) = (("container", "c"), ("account", "me"), ("key", "aHVzaA=="));
    assert!(refusal(&[account, key]).starts_with("the setting `container` is missing"));
    assert!(refusal(&[container, ("container", "A/b"), account, key]).contains("`container`"));
    assert!(refusal(&[container, account]).starts_with("the setting `key` is missing"));
    assert!(refusal(&[container, key]).starts_with("the setting `account` is missing"));
    assert!(refusal(&[container, account, ("key", "hush!")]).contains("Base64"));
    assert!(refusal(&[container, ("sas_url", "https://me.blob.core.windows.net/c")]).contains("`sas_url`"));
    assert!(refusal(&[container, account, key, ("sas_url", "https://x/?sig=hush")]).contains("exclude each other"));
    assert!(refusal(&[container, account, ("tenant", "t")]).contains("`client_id` is missing"));
    assert!(refusal(&[container, account, key, ("access_tier", "warm")]).contains("hot, cool, cold"));
    assert!(refusal(&[container, account, key, ("root", "../x")]).contains("`root`"));
    let values = map(&[container, account, key, ("root", "/a/b/")]);
    let remote = super::open(&values, &Transport::default()).unwrap();
    assert_eq!(remote.describe(), "azureblob:c at https://me.blob.core.windows.net/a/b");
    assert!(!format!("{remote:?}").contains("aHVz"));
    let values = map(&[container, ("sas_url", "https://me.blob.core.windows.net/c?sv=1&sig=hush")]);
    let remote = super::open(&values, &Transport::default()).unwrap();
    assert_eq!(remote.describe(), "azureblob:c at https://me.blob.core.windows.net");
    assert!(!format!("{remote:?}").contains("hush"));
}
