//! What a server's refusals mean: few numbers, and words that differ from server to server.

use std::time::Duration;

use suppaftp::{FtpError, FtpResult};

use crate::ErrorKind;
use crate::http::Failure;

/// Why a command came to nothing.
#[derive(Debug)]
pub(super) enum Trouble {
    /// The server says no. The session is as before.
    Refused {
        /// Its number.
        code: u32,
        /// Its words.
        words: String,
    },
    /// The connection has failed.
    Broken(std::io::Error),
    /// The server speaks otherwise than it should.
    Strange(String),
    /// Nothing came for too long.
    Silent,
}

impl From<FtpError> for Trouble {
    fn from(error: FtpError) -> Self {
        match error {
            FtpError::UnexpectedResponse(response) => {
                let words = String::from_utf8_lossy(&response.body).into_owned();
                // The library has names for some numbers only.
                let number = words.get(..3).and_then(|number| number.parse().ok());
                let words = words.chars().map(|c| if c.is_control() { ' ' } else { c }).take(WORDS_MAX);
                Self::Refused {
                    code: number.unwrap_or(response.status.code()),
                    words: words.collect::<String>().trim().to_owned(),
                }
            }
            FtpError::ConnectionError(error) => Self::Broken(error),
            other => Self::Strange(other.to_string()),
        }
    }
}

impl Trouble {
    /// What it means after the login.
    pub(super) fn failure(self) -> Failure {
        match self {
            Self::Broken(error) => Failure::of_socket(&error, "the server", true),
            Self::Silent => Failure::new(ErrorKind::Timeout, "the server has been silent for too long"),
            Self::Strange(why) => Failure::new(ErrorKind::Reset, format!("the server is not understood: {why}")),
            Self::Refused { code, words } => refused(code, &words),
        }
    }

    /// What it means on the way to a session.
    pub(super) fn of_login(self, at: &str, contacted: bool) -> Failure {
        match self {
            Self::Refused { code, words } if wants_tls(code, &words) => refused(code, &words),
            Self::Refused { code: 430 | 530..=533, words } => {
                Failure::new(ErrorKind::PermissionDenied, format!("{at} does not let this user in: {words}"))
                    .advice("check `user` and `pass`")
            }
            Self::Refused { code: 500 | 502 | 503 | 504 | 534, words } => {
                Failure::new(ErrorKind::Misconfigured, format!("{at} does not do what it has to: {words}"))
            }
            Self::Broken(error) => Failure::of_socket(&error, at, contacted),
            Self::Strange(why) => Failure::new(ErrorKind::Misconfigured, format!("{at} does not speak FTP: {why}"))
                .advice("check `host` and `port`; a server at port 990 wants `tls: true`"),
            other => other.failure(),
        }
    }

    /// Whether it says, in one of many ways, that a name is not there, is there already, or is something else.
    pub(super) fn is_about_the_name(&self) -> bool {
        matches!(self, Self::Refused { code: 450 | 501 | 521 | 550 | 553, .. })
    }
}

/// Waits for an answer, but not for ever.
pub(super) async fn within<T>(idle: Duration, call: impl Future<Output = FtpResult<T>>) -> Result<T, Trouble> {
    match tokio::time::timeout(idle, call).await {
        Ok(done) => Ok(done?),
        Err(_) => Err(Trouble::Silent),
    }
}

fn wants_tls(code: u32, words: &str) -> bool {
    let words = words.to_lowercase();
    matches!(code, 421 | 522 | 530 | 534 | 550)
        && ["encrypt", "tls", "ssl", "secure"].iter().any(|word| words.contains(word))
}

fn refused(code: u32, words: &str) -> Failure {
    let lower = words.to_lowercase();
    let said = format!("the server says: {words}");
    let any = |list: &[&str]| list.iter().any(|word| lower.contains(word));
    match code {
        // Some servers want data to continue the session of its commands; another session may have what that takes.
        _ if lower.contains("reuse") => Failure::new(ErrorKind::Reset, said)
            .advice("the server wants sessions of TLS to be continued: set `disable_tls13: true`"),
        _ if wants_tls(code, words) => {
            Failure::new(ErrorKind::Misconfigured, said).advice("the server wants TLS: set `explicit_tls: true`")
        }
        452 | 552 => full(said),
        _ if any(&["no space", "quota", "disk full", "exceeded storage"]) => full(said),
        _ if any(&["read-only", "read only"]) => Failure::new(ErrorKind::ReadOnly, said),
        421 if any(&["too many", "maximum", "connections"]) => Failure::new(ErrorKind::Throttled, said)
            .advice("the server allows fewer sessions: set a lower `concurrency`"),
        421 | 425 | 426 | 450 | 451 => Failure::new(ErrorKind::Reset, said),
        430 | 530..=533 => Failure::new(ErrorKind::PermissionDenied, said).advice("check `user` and `pass`"),
        550 | 553 if any(&["denied", "permission", "not allowed", "enough privileges"]) => {
            Failure::new(ErrorKind::PermissionDenied, said).advice("check what this user may do there, and `root`")
        }
        550 => Failure::new(ErrorKind::NotFound, said),
        500..=504 => Failure::new(ErrorKind::Unsupported, said),
        _ => Failure::new(ErrorKind::Unexpected, said),
    }
}

fn full(said: String) -> Failure {
    Failure::new(ErrorKind::NoSpace, said).advice("free some space at the service; what was sent is not sent again")
}

const WORDS_MAX: usize = 200;
