//! What an answer that is no success means, where that is the same for all services. Start reading at [`verdict`].

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, StatusCode};

use super::Failure;
use crate::ErrorKind;

/// An answer that was read to its end, or as far as anybody looks at one that is no success.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Reply {
    /// The code by which services say more than a status does: S3's `<Code>`, Google's `reason`, Dropbox's `error_summary`.
    pub(crate) fn code(&self) -> Option<&str> {
        let text = self.text();
        let json = |name: &str| {
            let rest = &text[text.find(&format!("\"{name}\""))? + name.len() + 2..];
            between(rest.trim_start_matches([':', ' ', '\n', '\t']), "\"", "\"")
        };
        between(text, "<Code>", "</Code>").or_else(|| json("reason")).or_else(|| json("error_summary"))
    }

    /// What an element of the body or a header says.
    pub(crate) fn element(&self, name: &str) -> Option<&str> {
        between(self.text(), &format!("<{name}>"), &format!("</{name}>"))
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    fn text(&self) -> &str {
        match std::str::from_utf8(&self.body) {
            Ok(text) => text,
            Err(error) => std::str::from_utf8(&self.body[..error.valid_up_to()]).unwrap_or_default(),
        }
    }

    /// How long the server asks to be left alone.
    pub(crate) fn retry_after(&self) -> Option<Duration> {
        let seconds: u64 = self.header("retry-after")?.trim().parse().ok()?;
        Some(Duration::from_secs(seconds.min(RETRY_AFTER_MAX)))
    }
}

/// What an answer means, unless only its service can tell (a 404, a precondition).
pub(crate) fn verdict(reply: &Reply) -> Option<Failure> {
    if let Some(failure) = reply.code().and_then(|code| of_code(code, reply)) {
        return Some(failure);
    }
    let status = reply.status.as_u16();
    let said = format!("the server answers {}", described(reply));
    Some(match status {
        429 => Failure::new(ErrorKind::Throttled, "the server asks for fewer requests").after(reply.retry_after()),
        503 => Failure::new(ErrorKind::Throttled, "the server is too busy").after(reply.retry_after()),
        408 => Failure::new(ErrorKind::Timeout, "the server did not get the request in time"),
        507 => full(),
        413 => Failure::new(ErrorKind::Unsupported, "the server takes no request of this size"),
        401 => Failure::new(ErrorKind::PermissionDenied, "the server does not accept the user or the password")
            .advice(CHECK_SECRETS),
        403 => Failure::new(ErrorKind::PermissionDenied, said).advice("check what these credentials may do there"),
        407 => Failure::new(ErrorKind::PermissionDenied, "the proxy wants to know who we are")
            .advice("give user and password in the variable: HTTPS_PROXY=http://user:password@host:port"),
        301 | 302 | 303 | 307 | 308 => Failure::new(ErrorKind::Misconfigured, moved(reply))
            .advice("check the address of the remote (`endpoint` or `url`, and `region`)"),
        499..=599 if status != 501 && status != 505 => Failure::new(ErrorKind::Reset, said).after(reply.retry_after()),
        _ => return None,
    })
}

/// What an answer means that is no success and that its service has no words of its own for.
pub(crate) fn refusal(reply: &Reply) -> Failure {
    verdict(reply)
        .unwrap_or_else(|| Failure::new(ErrorKind::Unexpected, format!("the server answers {}", described(reply))))
}

fn of_code(code: &str, reply: &Reply) -> Option<Failure> {
    let denied = |says: &str| Failure::new(ErrorKind::PermissionDenied, says).advice(CHECK_SECRETS);
    let throttled = |says: &str| Failure::new(ErrorKind::Throttled, says).after(reply.retry_after());
    let misconfigured = |says: &str| Failure::new(ErrorKind::Misconfigured, says);
    Some(match code {
        "RequestTimeTooSkewed" | "RequestExpired" => {
            let theirs = reply.element("ServerTime").or_else(|| reply.header("date")).unwrap_or("another time");
            misconfigured(&format!("the clock of this machine is wrong: the server says it is {theirs}"))
                .advice("set the clock of this machine and run the command again")
        }
        "SignatureDoesNotMatch" => denied("the secret access key is not the one of this access key"),
        "InvalidAccessKeyId" | "NoSuchAccessKey" => denied("the server does not know this access key"),
        "ExpiredToken" | "TokenRefreshRequired" | "InvalidToken" => {
            denied("the session token is not valid or has expired").advice("get a new one and set `session_token`")
        }
        "AccessDenied" | "AllAccessDisabled" | "AccountProblem" => {
            denied("the server allows these credentials no such thing")
                .advice("check what these credentials may do with the bucket")
        }
        "NoSuchBucket" => misconfigured("there is no such bucket")
            .advice("create the bucket with the service, or correct `bucket` (and `endpoint`)"),
        "InvalidBucketName" => misconfigured("the server takes no bucket of this name").advice("correct `bucket`"),
        "PermanentRedirect"
        | "TemporaryRedirect"
        | "AuthorizationHeaderMalformed"
        | "IllegalLocationConstraintException"
        | "InvalidRegionName" => {
            let region = reply.header("x-amz-bucket-region").or_else(|| reply.element("Region"));
            match region {
                Some(region) => misconfigured(&format!("the bucket is in the region {region}"))
                    .advice(format!("set `region: {}`", printable(region))),
                None => misconfigured("the bucket is in another region, or at another endpoint")
                    .advice("correct `region` and `endpoint`"),
            }
        }
        "QuotaExceeded"
        | "storageQuotaExceeded"
        | "quotaLimitReached"
        | "teamDriveFileLimitExceeded"
        | "EntityTooLargeForQuota"
        | "XMinioStorageFull" => full(),
        code if code.starts_with("path/insufficient_space") => full(),
        "SlowDown"
        | "TooManyRequests"
        | "rateLimitExceeded"
        | "userRateLimitExceeded"
        | "RequestLimitExceeded"
        | "ExceedAccountQPSLimit"
        | "ExceedBucketQPSLimit"
        | "ExceedAccountRateLimit"
        | "ExceedBucketRateLimit" => throttled("the server asks for fewer requests"),
        code if code.starts_with("too_many_") => throttled("the server asks for fewer requests"),
        "ServiceUnavailable" | "Throttling" => throttled("the server is too busy"),
        "RequestTimeout" => Failure::new(ErrorKind::Timeout, "the server did not get the request in time"),
        "InternalError" | "OperationAborted" | "ConditionalRequestConflict" | "backendError" => {
            Failure::new(ErrorKind::Reset, format!("the server answers {}", described(reply)))
                .after(reply.retry_after())
        }
        "EntityTooLarge" => Failure::new(ErrorKind::Unsupported, "the server takes no object of this size"),
        _ => return None,
    })
}

fn full() -> Failure {
    Failure::new(ErrorKind::NoSpace, "the storage, or your share of it, is full")
        .advice("free some space at the service or buy more; what was sent is not sent again")
}

fn moved(reply: &Reply) -> String {
    // Where to is shown without what follows a `?`: that may be a signature.
    match reply.header("location").and_then(|to| to.split(['?', '#']).next()) {
        Some(to) => format!("the server points to {}", printable(without_user(to))),
        None => format!("the server answers {}", described(reply)),
    }
}

/// `user:password@` of an address is nobody's business.
fn without_user(address: &str) -> String {
    match address.split_once("://") {
        Some((scheme, rest)) => match rest.split_once('/').unwrap_or((rest, "")).0.rsplit_once('@') {
            Some((user, _)) => format!("{scheme}://{}", &rest[user.len() + 1..]),
            None => address.to_owned(),
        },
        None => address.to_owned(),
    }
}

/// The status and the service's own words, cut to what fits a line.
pub(crate) fn described(reply: &Reply) -> String {
    let mut said = reply.status.as_u16().to_string();
    if let Some(reason) = reply.status.canonical_reason() {
        said.push(' ');
        said.push_str(reason);
    }
    let words = reply.element("Message").or_else(|| reply.element("s:message")).or_else(|| reply.code());
    if let Some(words) = words.map(printable).filter(|words| !words.is_empty()) {
        said.push_str(": ");
        said.push_str(&words);
    }
    said
}

fn printable(text: impl AsRef<str>) -> String {
    let plain = text.as_ref().chars().map(|c| if c.is_control() { ' ' } else { c });
    plain.take(WORDS_MAX).collect::<String>().trim().to_owned()
}

fn between<'a>(text: &'a str, from: &str, to: &str) -> Option<&'a str> {
    let rest = &text[text.find(from)? + from.len()..];
    Some(&rest[..rest.find(to)?])
}

const CHECK_SECRETS: &str = "check the credentials of the remote (`config update` or the environment)";
/// Nobody is obeyed for longer, in seconds.
const RETRY_AFTER_MAX: u64 = 120;
const WORDS_MAX: usize = 200;
