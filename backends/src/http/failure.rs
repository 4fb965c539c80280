//! Why a request came to nothing, in words that hold no secret.

use std::error::Error;
use std::fmt;
use std::io;
use std::time::Duration;

use rustls::CertificateError;

use crate::{ErrorKind, Op, RemoteError};

/// Why a request came to nothing. `Display` is a sentence for people, without the remote's name.
#[derive(Debug, Clone)]
pub(crate) struct Failure {
    pub(crate) kind: ErrorKind,
    pub(crate) says: String,
    pub(crate) advice: Option<String>,
    pub(crate) retry_after: Option<Duration>,
}

impl Failure {
    pub(crate) fn new(kind: ErrorKind, says: impl Into<String>) -> Self {
        Self { kind, says: says.into(), advice: None, retry_after: None }
    }

    #[must_use]
    pub(crate) fn advice(mut self, advice: impl Into<String>) -> Self {
        self.advice = Some(advice.into());
        self
    }

    #[must_use]
    pub(crate) fn after(mut self, pause: Option<Duration>) -> Self {
        self.retry_after = pause;
        self
    }

    /// The error of an operation.
    pub(crate) fn of(self, op: Op, path: &str, remote: &str) -> RemoteError {
        let error = RemoteError::new(self.kind, op, path).on(remote);
        let error = error.with_advice(self.advice.clone()).with_retry_after(self.retry_after);
        error.with_source(self)
    }

    /// What the connection, or the attempt to make one, has failed with. `contacted` says whether this server has answered
    /// before: then a failure is an interruption, otherwise it is not there.
    pub(super) fn of_connection(error: &reqwest::Error, host: &str, contacted: bool) -> Self {
        let missing = if contacted { ErrorKind::Reset } else { ErrorKind::Unreachable };
        if let Some(failure) = of_causes(error, host, missing) {
            return failure;
        }
        if error.is_timeout() {
            let kind = if contacted { ErrorKind::Timeout } else { ErrorKind::Unreachable };
            return Self::new(kind, format!("{host} does not answer")).advice(CHECK_ADDRESS);
        }
        let root = root_cause(error);
        if error.is_connect() {
            return Self::new(missing, format!("cannot connect to {host}: {root}")).advice(CHECK_ADDRESS);
        }
        Self::new(ErrorKind::Reset, format!("the exchange with {host} broke off: {root}"))
    }

    /// The same for a connection without HTTP.
    pub(crate) fn of_socket(error: &io::Error, host: &str, contacted: bool) -> Self {
        let missing = if contacted { ErrorKind::Reset } else { ErrorKind::Unreachable };
        of_causes(error, host, missing).unwrap_or_else(|| {
            Self::new(missing, format!("cannot connect to {host}: {}", root_cause(error))).advice(CHECK_ADDRESS)
        })
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.says)
    }
}

impl Error for Failure {}

/// What the causes of an error tell, if one of them tells anything.
fn of_causes(error: &(dyn Error + 'static), host: &str, missing: ErrorKind) -> Option<Failure> {
    let mut cause = Some(error);
    while let Some(at) = cause {
        if let Some(tls) = at.downcast_ref() {
            return Some(of_tls(tls, host));
        }
        if let Some(io) = at.downcast_ref::<io::Error>()
            && let Some(failure) = of_io(io, host, missing)
        {
            return Some(failure);
        }
        let said = at.to_string();
        if said.starts_with("dns error") || said.starts_with("failed to lookup address") {
            let failure = Failure::new(missing, format!("the name {host} can't be resolved"));
            return Some(
                failure
                    .advice("check the network and the spelling of the remote's address (`endpoint`, `url` or `host`)"),
            );
        }
        cause = below(at);
    }
    None
}

/// The cause of an error. An I/O error that wraps another shows the cause of that, and so hides it.
fn below<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a (dyn Error + 'static)> {
    match error.downcast_ref::<io::Error>().and_then(io::Error::get_ref) {
        Some(wrapped) => Some(wrapped),
        None => error.source(),
    }
}

fn of_tls(error: &rustls::Error, host: &str) -> Failure {
    let untrusted = |what: &str| Failure::new(ErrorKind::Untrusted, format!("the certificate of {host} {what}"));
    match error {
        rustls::Error::InvalidCertificate(why) => match why {
            CertificateError::Expired | CertificateError::ExpiredContext { .. } => untrusted("has expired")
                .advice("whoever runs the server has to renew it; if it is new, check the clock of this machine"),
            CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
                untrusted("is not valid yet").advice("check the clock of this machine")
            }
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
                untrusted("is for another name").advice("check the address of the remote")
            }
            CertificateError::UnknownIssuer => untrusted("is signed by nobody this machine trusts").advice(
                "check the address; if the server is your own, name its authority's certificate with `ca_cert: FILE`",
            ),
            other => untrusted(&format!("is not accepted: {other}")),
        },
        rustls::Error::InvalidMessage(_) => {
            Failure::new(ErrorKind::Misconfigured, format!("{host} does not speak TLS"))
                .advice("if the server is without encryption on purpose, write the address with `http://`")
        }
        other => Failure::new(ErrorKind::Reset, format!("no secure connection to {host}: {other}")),
    }
}

fn of_io(error: &io::Error, host: &str, missing: ErrorKind) -> Option<Failure> {
    Some(match error.kind() {
        io::ErrorKind::ConnectionRefused => {
            Failure::new(missing, format!("nothing listens at {host}")).advice(CHECK_ADDRESS)
        }
        io::ErrorKind::HostUnreachable | io::ErrorKind::NetworkUnreachable => {
            Failure::new(missing, format!("there is no way to {host}")).advice("check the network")
        }
        io::ErrorKind::TimedOut => Failure::new(ErrorKind::Timeout, format!("{host} does not answer")),
        io::ErrorKind::ConnectionReset | io::ErrorKind::ConnectionAborted | io::ErrorKind::BrokenPipe => {
            Failure::new(ErrorKind::Reset, format!("{host} has closed the connection"))
        }
        io::ErrorKind::UnexpectedEof => Failure::new(ErrorKind::Reset, format!("the answer of {host} breaks off")),
        _ => return None,
    })
}

fn root_cause(error: &(dyn Error + 'static)) -> String {
    let mut at = error;
    while let Some(cause) = below(at) {
        at = cause;
    }
    at.to_string()
}

const CHECK_ADDRESS: &str = "check the network and the remote's address (`endpoint`, `url` or `host`, with its port)";
