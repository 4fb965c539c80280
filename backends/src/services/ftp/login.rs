//! From settings to a session: connecting, turning to TLS, and being known.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rustls::ClientConfig;
use rustls::client::Resumption;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls_platform_verifier::Verifier;
use suppaftp::tokio::{AsyncRustlsStream, AsyncTlsConnector, ImplAsyncFtpStream};
use suppaftp::types::FileType;
use suppaftp::{FtpError, FtpResult, Mode, Status};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use super::session::Session;
use super::trouble::{Trouble, within};
use crate::http::Failure;
use crate::settings::Values;
use crate::{BadSetting, ErrorKind, Transport};

/// What it takes to log in. Its `Debug` shows no secret.
pub(super) struct Login {
    host: String,
    port: u16,
    user: String,
    password: String,
    /// TLS, if it is spoken, and whether from the first byte on.
    tls: Option<(Tls, bool)>,
    mlsd: bool,
    connect_timeout: Duration,
    idle_timeout: Duration,
}

impl std::fmt::Debug for Login {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}@{}:{}", self.user, self.host, self.port)
    }
}

impl Login {
    pub(super) fn of(values: &Values<'_>, transport: &Transport) -> Result<Self, BadSetting> {
        let host = values.text("host").unwrap_or_default();
        if host.contains(['/', '@', ' ']) {
            return Err(BadSetting::new("host", "is not the name or address of a machine alone"));
        }
        let (implicit, explicit) = (values.switch("tls"), values.switch("explicit_tls"));
        if implicit && explicit {
            return Err(BadSetting::new("tls", "and `explicit_tls` exclude each other"));
        }
        let port = match values.text("port") {
            None => Some(if implicit { 990 } else { 21 }),
            Some(port) => port.parse().ok().filter(|port| *port != 0),
        };
        for name in ["user", "pass"] {
            if values.text(name).is_some_and(|text| text.contains(['\r', '\n'])) {
                return Err(BadSetting::new(name, "holds a line break"));
            }
        }
        let tls = (implicit || explicit).then(|| Tls::of(values)).transpose()?;
        Ok(Self {
            host: host.trim_matches(['[', ']']).to_owned(),
            port: port.ok_or_else(|| BadSetting::new("port", "is not a number from 1 to 65535"))?,
            user: values.text("user").unwrap_or_default().to_owned(),
            password: values.text("pass").unwrap_or_default().to_owned(),
            tls: tls.map(|tls| (tls, implicit)),
            mlsd: !values.switch("disable_mlsd"),
            connect_timeout: transport.connect_timeout,
            idle_timeout: transport.idle_timeout,
        })
    }

    /// A session. `contacted` says whether the server has ever answered.
    pub(super) async fn open(&self, contacted: bool) -> Result<Session, Failure> {
        let at = format!("{}:{}", self.host, self.port);
        let opened = tokio::time::timeout(self.connect_timeout, self.open_slowly()).await;
        let trouble = match opened {
            Ok(Ok(session)) => return Ok(session),
            // The library keeps of an error of TLS its words alone.
            Ok(Err(Trouble::Strange(why))) => {
                self.tls.as_ref().and_then(|(tls, _)| tls.failed()).map_or(Trouble::Strange(why), Trouble::Broken)
            }
            Ok(Err(trouble)) => trouble,
            Err(_) => {
                let kind = if contacted { ErrorKind::Timeout } else { ErrorKind::Unreachable };
                return Err(Failure::new(kind, format!("{at} does not answer")).advice(CHECK_HOST));
            }
        };
        let mut failure = trouble.of_login(&at, contacted);
        if failure.kind == ErrorKind::Misconfigured && self.tls.is_some() {
            failure = failure.advice(
                "set `explicit_tls: true` for a server that begins in the open, `tls: true` for one at port 990, neither for one without TLS",
            );
        }
        Err(failure)
    }

    async fn open_slowly(&self) -> Result<Session, Trouble> {
        let address = (self.host.as_str(), self.port);
        let mut ftp: ImplAsyncFtpStream<AsyncRustlsStream> = match &self.tls {
            None => ImplAsyncFtpStream::connect(address).await?,
            Some((tls, true)) => {
                let ftp = ImplAsyncFtpStream::connect_secure_implicit(address, tls.afresh(), &self.host);
                let mut ftp = ftp.await?;
                for command in ["PBSZ 0", "PROT P"] {
                    ftp.custom_command(command, &[Status::CommandOk]).await?;
                }
                ftp
            }
            Some((tls, false)) => {
                ImplAsyncFtpStream::connect(address).await?.into_secure(tls.afresh(), &self.host).await?
            }
        };
        ftp.login(&self.user, &self.password).await?;
        // What a server has that does not tell is found out by asking.
        let features = match within(self.idle_timeout, ftp.feat()).await {
            Ok(features) => features,
            Err(Trouble::Refused { .. }) => Default::default(),
            Err(trouble) => return Err(trouble),
        };
        ftp.transfer_type(FileType::Binary).await?;
        let peer = ftp.get_ref().await.peer_addr().map_err(FtpError::ConnectionError)?;
        // The address that a server gives for its data is not believed: it may lead to somebody else.
        ftp.set_mode(if peer.is_ipv6() { Mode::ExtendedPassive } else { Mode::Passive });
        ftp.set_passive_nat_workaround(true);
        let home = ftp.pwd().await?;
        let mlsd = self.mlsd && features.keys().any(|name| name.eq_ignore_ascii_case("MLST"));
        Ok(Session::new(ftp, home, mlsd, self.idle_timeout))
    }
}

/// How TLS is begun.
#[derive(Clone)]
struct Tls {
    config: Arc<ClientConfig>,
    /// The error of the last attempt.
    error: Arc<Mutex<Option<std::io::Error>>>,
}

impl Tls {
    fn of(values: &Values<'_>) -> Result<Self, BadSetting> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut authorities = Vec::new();
        if let Some(path) = values.text("ca_cert") {
            let bad = |why: String| BadSetting::new("ca_cert", format!("`{path}` {why}"));
            let found = CertificateDer::pem_file_iter(path).map_err(|error| bad(format!("can't be read: {error}")))?;
            authorities = found.collect::<Result<_, _>>().map_err(|error| bad(format!("is no PEM: {error}")))?;
            if authorities.is_empty() {
                return Err(bad("holds no PEM certificate".to_owned()));
            }
        }
        let bad = |error: rustls::Error| {
            let why = format!("and the system's certificates give no way to check servers: {error}");
            BadSetting::new("ca_cert", why)
        };
        let verifier = Verifier::new_with_extra_roots(authorities, Arc::clone(&provider)).map_err(bad)?;
        let versions: &[_] = match values.switch("disable_tls13") {
            true => &[&rustls::version::TLS12],
            false => rustls::DEFAULT_VERSIONS,
        };
        let config = ClientConfig::builder_with_provider(provider).with_protocol_versions(versions).map_err(bad)?;
        let config = config.dangerous().with_custom_certificate_verifier(Arc::new(verifier)).with_no_client_auth();
        Ok(Self { config: Arc::new(config), error: Arc::default() })
    }

    /// The same for another login. Servers want data to continue the session of its commands, and no other, so each has its own.
    fn afresh(&self) -> Self {
        let mut config = ClientConfig::clone(&self.config);
        config.resumption = Resumption::in_memory_sessions(RESUMPTIONS);
        Self { config: Arc::new(config), error: Arc::clone(&self.error) }
    }

    fn failed(&self) -> Option<std::io::Error> {
        self.error.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

impl std::fmt::Debug for Tls {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Tls")
    }
}

#[async_trait::async_trait]
impl AsyncTlsConnector for Tls {
    type Stream = AsyncRustlsStream;

    /// As the library's own, but the error is kept: that a certificate has expired is worth telling.
    async fn connect(&self, domain: &str, stream: TcpStream) -> FtpResult<Self::Stream> {
        let name = ServerName::try_from(domain.to_owned()).map_err(|error| FtpError::SecureError(error.to_string()))?;
        stream.set_nodelay(true).map_err(FtpError::ConnectionError)?;
        match TlsConnector::from(Arc::clone(&self.config)).connect(name, stream).await {
            Ok(connected) => Ok(connected.into()),
            Err(error) => {
                let words = error.to_string();
                *self.error.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
                Err(FtpError::SecureError(words))
            }
        }
    }
}

const CHECK_HOST: &str = "check the network, `host` and `port`";
/// One server, by one name.
const RESUMPTIONS: usize = 4;
