//! Parts of requests: addresses, and what is sent of secrets.

use http::{HeaderValue, Uri};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use super::Failure;
use crate::{BadSetting, ErrorKind};

/// A name, one component of a path or a value of a query, as an address has it.
pub(crate) fn encoded(text: &str) -> String {
    utf8_percent_encode(text, KEPT).to_string()
}

/// A path as a part of an address: its slashes stay.
pub(crate) fn encoded_path(text: &str) -> String {
    utf8_percent_encode(text, KEPT_IN_PATHS).to_string()
}

/// A header's value that nobody prints.
pub(crate) fn hidden(text: impl AsRef<str>) -> Result<HeaderValue, Failure> {
    let mut value = HeaderValue::try_from(text.as_ref())
        .map_err(|_| Failure::new(ErrorKind::Misconfigured, "a secret can't be sent as it is"))?;
    value.set_sensitive(true);
    Ok(value)
}

/// An address of a setting: with a scheme, without a query or a slash at its end, and without a user, who belongs into the settings
/// that `instead` names.
pub(crate) fn endpoint(setting: &str, text: &str, instead: &str) -> Result<String, BadSetting> {
    let bad = |message: &str| Err(BadSetting::new(setting, message));
    let full = if text.contains("://") { text.to_owned() } else { format!("https://{text}") };
    let Ok(uri) = full.parse::<Uri>() else {
        return bad("is not an address such as `https://example.org` or `http://example.org:9000`");
    };
    match (uri.scheme_str(), uri.authority()) {
        (Some("http" | "https"), Some(authority)) if authority.as_str().contains('@') => {
            bad(&format!("holds a user or a password; give them as {instead}"))
        }
        (Some("http" | "https"), Some(_)) if uri.query().is_some() => bad("has a part after a question mark"),
        (Some("http" | "https"), Some(_)) => Ok(full.trim_end_matches('/').to_owned()),
        _ => bad("does not begin with `https://` or `http://`"),
    }
}

const KEPT_IN_PATHS: &AsciiSet = &KEPT.remove(b'/');
const KEPT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_hold_no_secrets() {
        let endpoint = |text| endpoint("endpoint", text, "`user`");
        assert_eq!(endpoint("example.org/x/").unwrap(), "https://example.org/x");
        assert_eq!(endpoint("http://127.0.0.1:1").unwrap(), "http://127.0.0.1:1");
        for bad in ["ftp://x", "https://me:hush@x", "https://x/?sig=hush", "https://x y"] {
            let said = endpoint(bad).unwrap_err().to_string();
            assert!(said.starts_with("the setting `endpoint`") && !said.contains("hush"), "{said}");
        }
        assert_eq!(encoded("a/b c"), "a%2Fb%20c");
        assert_eq!(encoded_path("a/b=c"), "a/b%3Dc");
    }
}
