//! Requests of services over HTTP: time stamps, and one way to send.

use std::time::{SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use http::Request;
use http::header::CONTENT_LENGTH;
use jiff::Timestamp;
use jiff::fmt::rfc2822::DateTimePrinter;

use super::bodies::length;
use super::store::Tried;
use crate::ErrorKind;
use crate::http::{BODY_MAX, Failure, Http, Reply};

/// Sends a request and reads the answer, whatever it is.
pub(super) async fn ask(http: &Http, request: http::request::Builder, body: &[Bytes]) -> Tried<Reply> {
    let request: Request<Vec<Bytes>> = request
        .header(CONTENT_LENGTH, length(body))
        .body(body.to_vec())
        .map_err(|_| Failure::new(ErrorKind::Misconfigured, "the address or a secret can't be sent as it is"))?;
    http.send(request).await?.read(BODY_MAX).await
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
    let time = i64::try_from(seconds).ok().and_then(|seconds| Timestamp::from_second(seconds).ok());
    let printed = DateTimePrinter::new().timestamp_to_rfc9110_string(&time.unwrap_or_default());
    printed.unwrap_or_default()
}

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
}
