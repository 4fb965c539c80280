//! Requests of services over HTTP: addresses, time stamps, and one way to send.

use std::time::{SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use http::header::CONTENT_LENGTH;
use http::{HeaderValue, Request, Uri};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use crate::http::{BODY_MAX, Failure, Http, Reply};
use crate::{BadSetting, ErrorKind};

/// Sends a request and reads the answer, whatever it is.
pub(super) async fn ask(http: &Http, request: http::request::Builder, body: &[Bytes]) -> Result<Reply, Failure> {
    let length: usize = body.iter().map(Bytes::len).sum();
    let request: Request<Vec<Bytes>> = request
        .header(CONTENT_LENGTH, length)
        .body(body.to_vec())
        .map_err(|_| Failure::new(ErrorKind::Misconfigured, "the address or a secret can't be sent as it is"))?;
    http.send(request).await?.read(BODY_MAX).await
}

/// An address of a setting: with a scheme, without a user, a query or a slash at its end.
pub(super) fn endpoint(setting: &str, text: &str) -> Result<String, BadSetting> {
    let bad = |message: &str| Err(BadSetting::new(setting, message));
    let full = if text.contains("://") { text.to_owned() } else { format!("https://{text}") };
    let Ok(uri) = full.parse::<Uri>() else { return bad("is not an address such as `https://example.org`") };
    match (uri.scheme_str(), uri.authority()) {
        (Some("http" | "https"), Some(authority)) if authority.as_str().contains('@') => {
            bad("holds a user or a password")
        }
        (Some("http" | "https"), Some(_)) if uri.query().is_some() => bad("has a part after a question mark"),
        (Some("http" | "https"), Some(_)) => Ok(full.trim_end_matches('/').to_owned()),
        _ => bad("does not begin with `https://` or `http://`"),
    }
}

/// A header's value that nobody prints.
pub(super) fn hidden(text: impl AsRef<str>) -> Result<HeaderValue, Failure> {
    let mut value = HeaderValue::try_from(text.as_ref())
        .map_err(|_| Failure::new(ErrorKind::Misconfigured, "a secret can't be sent as it is"))?;
    value.set_sensitive(true);
    Ok(value)
}

/// A name as a part of an address.
pub(super) fn encoded(text: &str) -> String {
    utf8_percent_encode(text, KEPT).to_string()
}

/// A path as a part of an address: its slashes stay.
pub(super) fn encoded_path(text: &str) -> String {
    utf8_percent_encode(text, KEPT_IN_PATHS).to_string()
}

/// Now, in seconds since 1970.
#[expect(
    clippy::disallowed_methods,
    reason = "what is signed for a server holds the time of the machine, and decides nothing here"
)]
pub(super) fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
}

/// Now as HTTP writes it: `Sun, 06 Nov 1994 08:49:37 GMT`.
pub(super) fn http_date() -> String {
    date_of(now())
}

fn date_of(seconds: u64) -> String {
    let (days, second) = (seconds / 86_400, seconds % 86_400);
    // Years that begin in March have their leap day at their end.
    let shifted = days + 719_468;
    let (era, day) = (shifted / 146_097, shifted % 146_097);
    let year = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let (day, month) = (day - (153 * month + 2) / 5 + 1, (month + 2) % 12);
    let year = era * 400 + year + u64::from(month < 2);
    let weekday = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"][(days % 7) as usize];
    let name = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"][month as usize];
    let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
    format!("{weekday}, {day:02} {name} {year} {hour:02}:{minute:02}:{second:02} GMT")
}

const KEPT_IN_PATHS: &AsciiSet = &KEPT.remove(b'/');
const KEPT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_those_of_http() {
        assert_eq!(date_of(0), "Thu, 01 Jan 1970 00:00:00 GMT");
        assert_eq!(date_of(784_111_777), "Sun, 06 Nov 1994 08:49:37 GMT");
        assert_eq!(date_of(951_782_400), "Tue, 29 Feb 2000 00:00:00 GMT");
        assert_eq!(date_of(1_795_289_541), "Sat, 21 Nov 2026 19:32:21 GMT");
        assert_eq!(date_of(4_107_542_399), "Sun, 28 Feb 2100 23:59:59 GMT");
        assert_eq!(date_of(4_107_542_400), "Mon, 01 Mar 2100 00:00:00 GMT");
    }

    #[test]
    fn addresses_hold_no_secrets() {
        assert_eq!(endpoint("endpoint", "example.org/x/").unwrap(), "https://example.org/x");
        assert_eq!(endpoint("endpoint", "http://127.0.0.1:1").unwrap(), "http://127.0.0.1:1");
        for bad in ["ftp://x", "https://me:hush@x", "https://x/?sig=hush", "https://x y"] {
            let said = endpoint("endpoint", bad).unwrap_err().to_string();
            assert!(said.starts_with("the setting `endpoint`") && !said.contains("hush"), "{said}");
        }
        assert_eq!(encoded("a/b c"), "a%2Fb%20c");
        assert_eq!(encoded_path("a/b=c"), "a/b%3Dc");
    }
}
