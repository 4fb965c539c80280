//! Settings, addresses, and answers of servers that mean no good.

use super::multistatus::{Found, parse};
use super::site::Site;
use super::{PROVIDER, WebDav};
use crate::services::given::{self, map};
use crate::settings::Values;
use crate::{Remote, Transport};

fn refusal(pairs: &[(&str, &str)]) -> String {
    given::refusal(WebDav::open, pairs)
}

#[test]
fn bad_settings_are_named_and_secrets_are_not() {
    assert!(refusal(&[]).starts_with("the setting `url` is missing"));
    assert!(refusal(&[("url", "example.org/dav")]).contains("`url`"));
    assert!(refusal(&[("url", "https://me:hush@example.org/")]).contains("`pass`"));
    let said = refusal(&[("url", "https://example.org/"), ("pass", "hush")]);
    assert!(said.contains("`user` is missing") && !said.contains("hush"));
    assert!(refusal(&[("url", "https://example.org/"), ("root", "a/../b")]).contains("`root`"));
    let values = map(&[("url", "https://example.org/dav/"), ("user", "me"), ("pass", "hush-hush"), ("root", "a b/c")]);
    let remote = WebDav::open(&values, &Transport::default()).unwrap();
    assert_eq!(remote.describe(), "webdav https://example.org/dav/a%20b/c");
    assert!(!format!("{remote:?}").contains("hush"));
    assert!(!format!("{remote:?}").contains("Basic"));
}

#[test]
fn only_directories_of_ours_are_made() {
    let values = map(&[("url", "https://example.org/dav/me"), ("root", "a/b")]);
    let site = Site::of(&Values::check(&PROVIDER, &values).unwrap(), &Transport::default()).unwrap();
    let expected = ["a/", "a/b/", "a/b/data/", "a/b/data/x/"].map(|path| format!("https://example.org/dav/me/{path}"));
    assert_eq!(site.directories("data/x/y"), expected);
    assert_eq!(site.address("log/c=1"), "https://example.org/dav/me/a/b/log/c%3D1");
}

#[test]
fn answers_are_read_whatever_they_call_their_namespace() {
    let answer = r#"<?xml version="1.0"?><D:multistatus xmlns:D="DAV:" xmlns:x="urn:x"><D:response><D:href>/dav/a/</D:href>
        <D:propstat><D:prop><D:resourcetype><D:collection/></D:resourcetype><x:owner><D:href>/me</D:href></x:owner></D:prop></D:propstat>
        </D:response><response xmlns="DAV:"><href>/dav/a/b&amp;c</href><propstat><prop><getcontentlength> 12 </getcontentlength>
        <resourcetype/></prop></propstat></response></D:multistatus>"#;
    let expected = [
        Found { path: "/dav/a/".to_owned(), is_directory: true, size: None, changed: None },
        Found { path: "/dav/a/b&c".to_owned(), is_directory: false, size: Some(12), changed: None },
    ];
    assert_eq!(parse(answer.as_bytes()).unwrap(), expected);
}

#[test]
fn what_is_no_answer_is_none() {
    for bad in [
        "",
        "<html><body>hello</body></html>",
        "<multistatus><response>",
        "<a>&evil;</a>",
        "no xml",
        &"<a>".repeat(100),
    ] {
        assert_eq!(parse(bad.as_bytes()), None, "{bad}");
    }
}
