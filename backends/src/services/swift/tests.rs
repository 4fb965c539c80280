//! Settings that can't be used, and answers.

use serde_json::json;

use super::container::page_of;
use super::login::storage;
use crate::services::given::{self, map};
use crate::services::objects::Page;
use crate::{Remote, Transport};

fn refusal(pairs: &[(&str, &str)]) -> String {
    given::refusal(super::open, pairs)
}

#[test]
fn bad_settings_are_named_and_secrets_are_not() {
    let (container, auth) = (("container", "c"), ("auth", "https://auth.example.org/v3"));
    let (user, key) = (("user", "me"), ("key", "hush"));
    assert!(refusal(&[auth, user, key]).starts_with("the setting `container` is missing"));
    assert!(refusal(&[container, user, key]).starts_with("the setting `auth` is missing"));
    assert!(refusal(&[container, auth, key]).starts_with("the setting `user` is missing"));
    assert!(refusal(&[container, auth, user, key]).starts_with("the setting `tenant` is missing"));
    assert!(refusal(&[container, ("auth_token", "hush")]).starts_with("the setting `storage_url` is missing"));
    assert!(refusal(&[container, auth, ("application_credential_id", "x")]).contains("application_credential_secret"));
    let values = map(&[container, ("auth", "http://h/auth/v1.0"), user, key, ("root", "a/b")]);
    let remote = super::open(&values, &Transport::default()).unwrap();
    assert_eq!(remote.describe(), "swift:c at http://h/auth/v1.0/a/b");
    assert!(!format!("{remote:?}").contains("hush"));
}

#[test]
fn the_catalogue_has_the_address() {
    let at = |region: &str, interface: &str| json!({"interface": interface, "region": region, "url": format!("https://{interface}.{region}")});
    let answer = json!({"token": {"catalog": [
        {"type": "compute", "endpoints": [at("A", "public")]},
        {"type": "object-store", "endpoints": [at("A", "internal"), at("A", "public"), at("B", "public")]},
    ]}});
    assert_eq!(storage(&answer, None, "public").unwrap(), "https://public.A");
    assert_eq!(storage(&answer, Some("B"), "public").unwrap(), "https://public.B");
    assert_eq!(storage(&answer, Some("B"), "internal"), None);
    assert_eq!(storage(&json!({}), None, "public"), None);
}

#[test]
fn pages_are_read_and_what_is_none_is_not() {
    let page = page_of(br#"[{"name": "a/b", "bytes": 12, "hash": "x"}, {"subdir": "c/"}, {"name": "d", "bytes": 0}]"#);
    let found = vec![("a/b".to_owned(), 12), ("d".to_owned(), 0)];
    assert_eq!(page, Some(Page { found, next: Some("d".to_owned()) }));
    assert_eq!(page_of(b"[]"), Some(Page::default()));
    for bad in ["", "<html>", "{}", r#"[{"name": "a"}]"#] {
        assert_eq!(page_of(bad.as_bytes()), None, "{bad}");
    }
}
