//! Settings that can't be used, and answers of servers.

use std::collections::BTreeMap;

use super::Ftp;
use super::trouble::Trouble;
use crate::services::given::map;
use crate::{ErrorKind, Remote, Transport};

fn refusal(pairs: &[(&str, &str)]) -> String {
    let usual = [("host", "h"), ("user", "me"), ("pass", "hush-hush")];
    let values: BTreeMap<String, String> = map(&usual).into_iter().chain(map(pairs)).collect();
    let said = Ftp::open(&values, &Transport::default()).unwrap_err().to_string();
    assert!(!said.contains("hush"), "{said}");
    said
}

#[test]
fn bad_settings_are_named_and_secrets_are_not() {
    assert!(refusal(&[("host", "")]).starts_with("the setting `host` is missing"));
    assert!(refusal(&[("host", "ftp://h/")]).contains("`host`"));
    assert!(refusal(&[("port", "0")]).contains("`port`"));
    assert!(refusal(&[("tls", "true"), ("explicit_tls", "true")]).contains("exclude each other"));
    assert!(refusal(&[("pass", "hush\r\nDELE x")]).contains("`pass`"));
    assert!(refusal(&[("concurrency", "many")]).contains("`concurrency`"));
    assert!(refusal(&[("root", "a/../b")]).contains("`root`"));
    assert!(refusal(&[("explicit_tls", "true"), ("ca_cert", "/nowhere")]).contains("can't be read"));
    let values = map(&[("host", "h"), ("user", "me"), ("pass", "hush-hush"), ("root", "/a/b/")]);
    let remote = Ftp::open(&values, &Transport::default()).unwrap();
    assert_eq!(remote.describe(), "ftp:me@h:21/a/b");
    assert!(!format!("{remote:?}").contains("hush"));
}

#[test]
fn refusals_are_told_apart_by_their_words() {
    for (code, words, expected) in [
        (550, "Failed to open file.", ErrorKind::NotFound),
        (550, "Permission denied.", ErrorKind::PermissionDenied),
        (550, "Not enough privileges.", ErrorKind::PermissionDenied),
        (553, "Could not create file: Permission denied", ErrorKind::PermissionDenied),
        (552, "Exceeded storage allocation", ErrorKind::NoSpace),
        (451, "Failure writing to local file.", ErrorKind::Reset),
        (550, "No space left on device", ErrorKind::NoSpace),
        (550, "Read-only file system", ErrorKind::ReadOnly),
        (421, "There are too many connections from your internet address.", ErrorKind::Throttled),
        (421, "Timeout.", ErrorKind::Reset),
        (426, "Failure writing network stream.", ErrorKind::Reset),
        (530, "Please login with USER and PASS.", ErrorKind::PermissionDenied),
        (530, "Non-anonymous sessions must use encryption.", ErrorKind::Misconfigured),
        (550, "SSL/TLS required on the control channel.", ErrorKind::Misconfigured),
        (522, "SSL connection failed: session reuse required", ErrorKind::Reset),
        (502, "MLSD not implemented", ErrorKind::Unsupported),
    ] {
        let failure = Trouble::Refused { code, words: words.to_owned() }.failure();
        assert_eq!(failure.kind, expected, "{code} {words}");
        assert!(failure.says.contains(words));
    }
}
