//! Settings that can't be used, and answers. What B2 refuses is in `tests/services/b2.rs`.

use serde_json::json;

use super::bucket::page_of;
use crate::services::given::map;
use crate::services::objects::Page;
use crate::{Remote, Transport};

#[test]
fn bad_settings_are_named_and_secrets_are_not() {
    let (account, key, bucket) = (("account", "id"), ("key", "hush"), ("bucket", "b"));
    for (pairs, expected) in [
        (vec![key, bucket], "the setting `account` is missing"),
        (vec![account, bucket], "the setting `key` is missing"),
        (vec![account, key], "the setting `bucket` is missing"),
        (vec![account, key, ("bucket", "a/b")], "the setting `bucket` holds a `/`"),
        (vec![account, key, bucket, ("root", "a/./b")], "the setting `root`"),
        (vec![account, key, bucket, ("endpoint", "ftp://x")], "the setting `endpoint`"),
    ] {
        let said = super::open(&map(&pairs), &Transport::default()).unwrap_err().to_string();
        assert!(said.starts_with(expected) && !said.contains("hush"), "{said}");
    }
    let remote = super::open(&map(&[account, key, bucket, ("root", "x/y/")]), &Transport::default()).unwrap();
    assert_eq!(remote.describe(), "b2:b/x/y");
    assert!(!format!("{remote:?}").contains("hush"));
}

#[test]
fn pages_are_read_and_what_is_none_is_not() {
    let file = |name: &str, action: &str| json!({"fileName": name, "contentLength": 7, "action": action});
    let page = page_of(
        &json!({"files": [file("a", "upload"), file("b", "start"), file("c/", "folder")], "nextFileName": "d"}),
    );
    assert_eq!(page, Some(Page { found: vec![("a".to_owned(), 7)], next: Some("d".to_owned()) }));
    assert_eq!(page_of(&json!({"files": [], "nextFileName": null})), Some(Page::default()));
    for bad in [json!({}), json!([]), json!({"files": [{"action": "upload"}]})] {
        assert_eq!(page_of(&bad), None, "{bad}");
    }
}
