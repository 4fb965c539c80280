//! Settings that can't be used, and answers.

use super::bucket::page_of;
use crate::services::given::{self, map};
use crate::services::objects::Page;
use crate::{Remote, Transport};

fn refusal(pairs: &[(&str, &str)]) -> String {
    given::refusal(super::open, pairs)
}

#[test]
fn bad_settings_are_named_and_secrets_are_not() {
    let bucket = ("bucket", "b");
    assert!(refusal(&[("anonymous", "true")]).starts_with("the setting `bucket` is missing"));
    assert!(refusal(&[("bucket", "a/b"), ("anonymous", "true")]).contains("`root`"));
    assert!(refusal(&[bucket]).starts_with("the setting `service_account_file` is missing"));
    assert!(refusal(&[bucket, ("service_account_file", "/nowhere")]).contains("can't be read"));
    for (text, expected) in [
        ("hush", "it is no JSON"),
        (r#"{"type": "hush"}"#, "its `type` is neither"),
        (r#"{"type": "service_account", "client_email": "hush"}"#, "it has no `private_key`"),
        (r#"{"type": "service_account", "private_key": "hush!"}"#, "`private_key` is no PEM"),
        (r#"{"type": "service_account", "private_key": "aHVzaA=="}"#, "`private_key` is no RSA key"),
        (r#"{"type": "authorized_user", "client_id": "hush"}"#, "it has no `client_secret`"),
    ] {
        let said = refusal(&[bucket, ("service_account_credentials", text)]);
        assert!(said.contains("service_account_credentials") && said.contains(expected), "{said}");
    }
    let values = map(&[bucket, ("access_token", "hush"), ("root", "a"), ("endpoint", "http://h:1/storage/v1/")]);
    let remote = super::open(&values, &Transport::default()).unwrap();
    assert_eq!(remote.describe(), "gcs:b at http://h:1/a");
    assert!(!format!("{remote:?}").contains("hush"));
}

#[test]
fn pages_are_read_and_what_is_none_is_not() {
    let page =
        page_of(br#"{"items": [{"name": "a/b", "size": "12"}, {"name": "c", "size": 3}], "nextPageToken": "x"}"#);
    let found = vec![("a/b".to_owned(), 12), ("c".to_owned(), 3)];
    assert_eq!(page, Some(Page { found, next: Some("x".to_owned()) }));
    assert_eq!(page_of(b"{}"), Some(Page::default()));
    for bad in ["", "<html>", "[]", r#"{"items": [{"name": "a"}]}"#, r#"{"items": [{"size": "1"}]}"#] {
        assert_eq!(page_of(bad.as_bytes()), None, "{bad}");
    }
}
