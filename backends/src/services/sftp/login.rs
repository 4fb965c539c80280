//! From settings to a session: connecting, knowing the host, and being known to it.

use std::borrow::Cow;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use russh::client::{AuthResult, Config, Handle, Handler, KeyboardInteractiveAuthResponse, connect_stream};
use russh::keys::agent::AgentIdentity;
use russh::keys::agent::client::AgentClient;
use russh::keys::{Algorithm, PrivateKeyWithHashAlg, PublicKeyOrCertificate, load_secret_key};
use russh::{Preferred, SshId};
use russh_sftp::client::RawSftpSession;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;

use super::command::{Running, filled};
use super::hosts::Hosts;
use super::ssh_config::{Found, look_up};
use crate::http::Failure;
use crate::settings::Values;
use crate::{BadSetting, ErrorKind, Transport};

/// What it takes to log in. Its `Debug` shows no secret.
pub(super) struct Login {
    pub(super) hosts: Hosts,
    user: String,
    password: Option<String>,
    key_file: Option<PathBuf>,
    /// Keys that `~/.ssh/config` names.
    more_keys: Vec<PathBuf>,
    key_words: Option<String>,
    agent_first: bool,
    connect_timeout: Duration,
    idle_timeout: Duration,
    /// The machines on the way, the nearest first.
    jumps: Vec<Login>,
    /// A command of the user's that leads there.
    command: Option<String>,
}

impl std::fmt::Debug for Login {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}@{}:{}", self.user, self.hosts.host, self.hosts.port)
    }
}

impl Login {
    pub(super) fn of(values: &Values<'_>, transport: &Transport) -> Result<Self, BadSetting> {
        let host = values.text("host").unwrap_or_default();
        if host.contains(['/', '@', ' ']) {
            return Err(BadSetting::new("host", "is not the name or address of a machine alone"));
        }
        let config = values.text("ssh_config").map(PathBuf::from).or_else(|| Some(ssh_dir()?.join("config")));
        let said = said_of(config.as_deref(), host)?;
        let port = match (values.given("port"), said.port) {
            (None, Some(port)) => port,
            _ => {
                let port = values.text("port").and_then(|port| port.parse().ok()).filter(|port| *port != 0);
                port.ok_or_else(|| BadSetting::new("port", "is not a number from 1 to 65535"))?
            }
        };
        let file = values.text("known_hosts_file").map(PathBuf::from).or(said.known_hosts);
        let file = file.or_else(|| Some(ssh_dir()?.join("known_hosts")));
        let file =
            file.ok_or_else(|| BadSetting::new("known_hosts_file", "is missing, and there is no home directory"))?;
        let user = values.text("user").map(str::to_owned).or(said.user);
        let user = user.ok_or_else(|| BadSetting::new("user", "is missing, and ~/.ssh/config names none"))?;
        let host = said.host_name.as_deref().unwrap_or(host);
        let key_file = values.text("key_file").map(PathBuf::from);
        if let Some(file) = &key_file
            && let Err(error) = std::fs::File::open(file)
        {
            return Err(BadSetting::new("key_file", format!("`{}` can't be read: {error}", file.display())));
        }
        let mut this = Self {
            hosts: Hosts {
                host: host.trim_matches(['[', ']']).to_owned(),
                port,
                file,
                learns: values.text("host_key") == Some("accept-new"),
            },
            user,
            password: values.text("pass").map(str::to_owned),
            key_file,
            more_keys: said.keys,
            key_words: values.text("key_file_pass").map(str::to_owned),
            agent_first: values.switch("key_use_agent"),
            connect_timeout: transport.connect_timeout,
            idle_timeout: transport.idle_timeout,
            jumps: Vec::new(),
            command: None,
        };
        let given = values.text("host").unwrap_or_default();
        if values.text("proxy_jump").is_none() {
            this.command = this.led_by(said.command, given)?;
        }
        let jump = values.text("proxy_jump").map(str::to_owned).or(said.jump).filter(|jump| jump != "none");
        for name in jump.iter().flat_map(|jump| jump.split(',')) {
            let next = this.jump(name.trim(), config.as_deref())?;
            this.jumps.push(next);
        }
        Ok(this)
    }

    /// A machine on the way: `user@host:port`. What `~/.ssh/config` says of it counts; the password is not for it.
    fn jump(&self, name: &str, config: Option<&Path>) -> Result<Self, BadSetting> {
        let bad = || BadSetting::new("proxy_jump", format!("holds `{name}`, which is not `user@host:port`"));
        let (user, rest) = name.rsplit_once('@').map_or((None, name), |(user, rest)| (Some(user), rest));
        let (host, port) = match rest.rsplit_once(':') {
            Some((host, port)) => (host, Some(port.parse().ok().filter(|port| *port != 0).ok_or_else(bad)?)),
            None => (rest, None),
        };
        if host.is_empty() {
            return Err(bad());
        }
        let said = said_of(config, host)?;
        Ok(Self {
            hosts: Hosts {
                host: said.host_name.unwrap_or_else(|| host.to_owned()),
                port: port.or(said.port).unwrap_or(22),
                file: said.known_hosts.unwrap_or_else(|| self.hosts.file.clone()),
                learns: self.hosts.learns,
            },
            user: user.map(str::to_owned).or(said.user).unwrap_or_else(|| self.user.clone()),
            password: None,
            key_file: if said.keys.is_empty() { self.key_file.clone() } else { None },
            more_keys: said.keys,
            key_words: self.key_words.clone(),
            agent_first: self.agent_first,
            connect_timeout: self.connect_timeout,
            idle_timeout: self.idle_timeout,
            jumps: Vec::new(),
            command: None,
        })
        .and_then(|mut this| {
            this.command = this.led_by(said.command, host)?;
            Ok(this)
        })
    }

    /// The command that leads to this machine, with its names in it.
    fn led_by(&self, command: Option<String>, given: &str) -> Result<Option<String>, BadSetting> {
        let command = command.filter(|command| !command.eq_ignore_ascii_case("none"));
        let filled = command.map(|command| filled(&command, given, &self.hosts.host, self.hosts.port, &self.user));
        filled.transpose().map_err(|why| BadSetting::new("ssh_config", format!("can't be used: {why}")))
    }

    /// A session with the server's files. The handles keep its connection: the last is the server's, the others those of machines on
    /// the way.
    pub(super) async fn open(&self, contacted: bool) -> Result<(Vec<Handle<Client>>, RawSftpSession), Failure> {
        let opened = tokio::time::timeout(self.connect_timeout, self.open_slowly(contacted)).await;
        opened.unwrap_or_else(|_| {
            let kind = if contacted { ErrorKind::Timeout } else { ErrorKind::Unreachable };
            Err(Failure::new(kind, format!("{} does not answer", self.hosts.host)).advice(CHECK_HOST))
        })
    }

    async fn open_slowly(&self, contacted: bool) -> Result<(Vec<Handle<Client>>, RawSftpSession), Failure> {
        let host = &self.hosts.host;
        let mut handles: Vec<Handle<Client>> = Vec::new();
        for login in self.jumps.iter().chain([self]) {
            let Hosts { host, port, .. } = &login.hosts;
            let handle = match (handles.last(), &login.command) {
                (None, Some(command)) => login.enter_by(command, contacted).await?,
                (None, None) => {
                    let socket = TcpStream::connect((host.as_str(), *port)).await;
                    let socket = socket.map_err(|error| login.no_connection(&error, contacted))?;
                    socket.set_nodelay(true).map_err(|error| login.no_connection(&error, contacted))?;
                    login.enter(socket, contacted).await?
                }
                (Some(before), _) => {
                    let way = before.channel_open_direct_tcpip(host, u32::from(*port), "127.0.0.1", 0).await;
                    let way = way.map_err(|error| {
                        let kind = if contacted { ErrorKind::Reset } else { ErrorKind::Unreachable };
                        Failure::new(kind, format!("the machine on the way does not lead to {host}:{port}: {error}"))
                            .advice("check `proxy_jump`, and whether that machine allows TCP forwarding")
                    })?;
                    login.enter(way.into_stream(), contacted).await?
                }
            };
            handles.push(handle);
        }
        let handle = handles.last().expect("the server itself is among them");
        let channel = handle.channel_open_session().await.map_err(|error| self.broken(&error))?;
        channel.request_subsystem(true, "sftp").await.map_err(|error| self.broken(&error))?;
        let config = russh_sftp::client::Config {
            request_timeout_secs: self.idle_timeout.as_secs().max(1),
            ..russh_sftp::client::Config::default()
        };
        let session = RawSftpSession::new_with_config(channel.into_stream(), config);
        match session.init().await {
            Ok(_) => Ok((handles, session)),
            Err(_) if has_hung_up(handle).await => Err(self.hung_up(contacted)),
            Err(error) => Err(Failure::new(ErrorKind::Misconfigured, format!("{host} offers no SFTP: {error}"))
                .advice("the server has to have the subsystem `sftp`")),
        }
    }

    /// Has a command lead there, and logs in.
    async fn enter_by(&self, command: &str, contacted: bool) -> Result<Handle<Client>, Failure> {
        let kind = if contacted { ErrorKind::Reset } else { ErrorKind::Unreachable };
        let failed = |why: String| {
            Failure::new(kind, format!("`ProxyCommand` does not lead to {}: {why}", self.hosts.host))
                .advice("try the command of ~/.ssh/config by hand; `proxy_jump: none` does without it")
        };
        let (running, said) = Running::start(command).map_err(|error| failed(error.to_string()))?;
        match self.enter(running, contacted).await {
            Err(failure) if failure.kind == ErrorKind::Reset => {
                let why = match said {
                    Some(said) => said.last_line().await,
                    None => None,
                };
                Err(failed(why.unwrap_or_else(|| failure.says.clone())))
            }
            entered => entered,
        }
    }

    /// Speaks SSH over a connection, and logs in.
    async fn enter(
        &self,
        socket: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
        contacted: bool,
    ) -> Result<Handle<Client>, Failure> {
        let verdict = Arc::new(Mutex::new(None));
        let client = Client { hosts: self.hosts.clone(), verdict: Arc::clone(&verdict) };
        let connected = connect_stream(Arc::new(self.config()), socket, client).await;
        let refused = verdict.lock().unwrap_or_else(PoisonError::into_inner).take();
        let mut handle = match (connected, refused) {
            (_, Some(failure)) => return Err(failure),
            (Err(error), None) => return Err(self.broken(&error)),
            (Ok(handle), None) => handle,
        };
        match self.prove(&mut handle).await {
            Ok(()) => Ok(handle),
            // Silence is no answer to the question who we are.
            Err(failure) if failure.kind == ErrorKind::PermissionDenied && has_hung_up(&handle).await => {
                Err(self.hung_up(contacted))
            }
            Err(failure) => Err(failure),
        }
    }

    fn config(&self) -> Config {
        let mut preferred = Preferred::default();
        // A server shows the kind of key it is asked for first: one that is known, if one is.
        let known = self.hosts.known_kinds();
        let mut kinds: Vec<_> = preferred.key.iter().cloned().collect();
        let same = |known: &Algorithm, kind: &Algorithm| match (known, kind) {
            (Algorithm::Rsa { .. }, Algorithm::Rsa { .. }) => true,
            (known, kind) => known == kind,
        };
        kinds.sort_by_key(|kind| !known.iter().any(|known| same(known, kind)));
        preferred.key = Cow::Owned(kinds);
        Config {
            client_id: SshId::Standard(Cow::Borrowed(concat!("SSH-2.0-cryptsync_", env!("CARGO_PKG_VERSION")))),
            preferred,
            window_size: WINDOW,
            maximum_packet_size: PACKET,
            keepalive_interval: Some(Duration::from_secs(30).min(self.idle_timeout)),
            nodelay: true,
            ..Config::default()
        }
    }

    /// Shows who we are: by the key that is named, by the password, or by what the agent and `~/.ssh` have.
    async fn prove(&self, handle: &mut Handle<Client>) -> Result<(), Failure> {
        if self.agent_first && self.by_agent(handle).await? {
            return Ok(());
        }
        if let Some(file) = &self.key_file {
            if self.by_key(handle, file, self.key_words.as_deref()).await? {
                return Ok(());
            }
        } else if self.password.is_none() {
            if !self.agent_first && self.by_agent(handle).await? {
                return Ok(());
            }
            let usual = ["id_ed25519", "id_ecdsa", "id_rsa"].into_iter().filter_map(|name| Some(ssh_dir()?.join(name)));
            for file in self.more_keys.iter().cloned().chain(usual).filter(|file| file.is_file()) {
                // One that is locked, or broken, is not the one that was meant.
                if let Ok(true) = self.by_key(handle, &file, self.key_words.as_deref()).await {
                    return Ok(());
                }
            }
        }
        if let Some(password) = &self.password
            && self.by_password(handle, password).await?
        {
            return Ok(());
        }
        let tried = match (&self.key_file, &self.password) {
            (Some(file), None) => format!("the key `{}`", file.display()),
            (None, Some(_)) => "this password".to_owned(),
            (Some(file), Some(_)) => format!("neither the key `{}` nor this password", file.display()),
            (None, None) => "no key of the agent or of ~/.ssh".to_owned(),
        };
        let not = if tried.starts_with('n') { "takes" } else { "does not take" };
        Err(Failure::new(ErrorKind::PermissionDenied, format!("{} {not} {tried} from {}", self.hosts.host, self.user))
            .advice("check `user`, and `pass` or `key_file`"))
    }

    async fn by_key(&self, handle: &mut Handle<Client>, file: &Path, words: Option<&str>) -> Result<bool, Failure> {
        let key = load_secret_key(file, words).map_err(|error| {
            let (says, advice) = match error {
                russh::keys::Error::KeyIsEncrypted => {
                    ("is locked".to_owned(), "set `key_file_pass` to the words that unlock it")
                }
                _ if words.is_some() => {
                    (format!("can't be unlocked or read: {error}"), "check `key_file` and `key_file_pass`")
                }
                error => (format!("can't be read: {error}"), "check `key_file`: it has to be a private key"),
            };
            Failure::new(ErrorKind::Misconfigured, format!("the key `{}` {says}", file.display())).advice(advice)
        })?;
        let hash = handle.best_supported_rsa_hash().await.map_err(|error| self.broken(&error))?.flatten();
        let key = PrivateKeyWithHashAlg::new(Arc::new(key), hash);
        let answer = handle.authenticate_publickey(&self.user, key).await.map_err(|error| self.broken(&error))?;
        Ok(answer.success())
    }

    /// With each key of the agent in turn. An agent that is not there has none.
    async fn by_agent(&self, handle: &mut Handle<Client>) -> Result<bool, Failure> {
        let Ok(mut agent) = AgentClient::connect_env().await else { return Ok(false) };
        let Ok(identities) = agent.request_identities().await else { return Ok(false) };
        let hash = handle.best_supported_rsa_hash().await.map_err(|error| self.broken(&error))?.flatten();
        for identity in identities.into_iter().take(AGENT_KEYS_MAX) {
            let AgentIdentity::PublicKey { key, .. } = identity else { continue };
            let hash = hash.filter(|_| key.algorithm().is_rsa());
            if let Ok(AuthResult::Success) = handle.authenticate_publickey_with(&self.user, key, hash, &mut agent).await
            {
                return Ok(true);
            }
        }
        Ok(false)
    }

    async fn by_password(&self, handle: &mut Handle<Client>, password: &str) -> Result<bool, Failure> {
        let broken = |error: russh::Error| self.broken(&error);
        if handle.authenticate_password(&self.user, password).await.map_err(broken)?.success() {
            return Ok(true);
        }
        // Some servers ask for the password as a question.
        let mut answer =
            handle.authenticate_keyboard_interactive_start(&self.user, None::<String>).await.map_err(broken)?;
        for _ in 0..QUESTIONS_MAX {
            let KeyboardInteractiveAuthResponse::InfoRequest { prompts, .. } = answer else { break };
            let answers = prompts.iter().map(|_| password.to_owned()).collect();
            answer = handle.authenticate_keyboard_interactive_respond(answers).await.map_err(broken)?;
        }
        Ok(matches!(answer, KeyboardInteractiveAuthResponse::Success))
    }

    fn hung_up(&self, contacted: bool) -> Failure {
        let kind = if contacted { ErrorKind::Reset } else { ErrorKind::Unreachable };
        let Hosts { host, port, .. } = &self.hosts;
        Failure::new(kind, format!("{host}:{port} has closed the connection before it let {} in", self.user)).advice(
            "try again; if that does not help, check `user`, and `pass` or `key_file`: some servers hang up on strangers",
        )
    }

    fn no_connection(&self, error: &std::io::Error, contacted: bool) -> Failure {
        let Hosts { host, port, .. } = &self.hosts;
        let kind = if contacted { ErrorKind::Reset } else { ErrorKind::Unreachable };
        let says = match error.kind() {
            std::io::ErrorKind::ConnectionRefused => format!("nothing listens at {host}:{port}"),
            _ if error.to_string().contains("lookup") => format!("the name {host} can't be resolved"),
            _ => format!("cannot connect to {host}:{port}: {error}"),
        };
        Failure::new(kind, says).advice(CHECK_HOST)
    }

    fn broken(&self, error: &russh::Error) -> Failure {
        let host = &self.hosts.host;
        match error {
            russh::Error::Version => {
                Failure::new(ErrorKind::Misconfigured, format!("{host}:{} does not speak SSH", self.hosts.port))
                    .advice(CHECK_HOST)
            }
            russh::Error::NoCommonAlgo { kind, .. } => {
                Failure::new(ErrorKind::Unsupported, format!("{host} and this program share no algorithm for {kind:?}"))
            }
            error => Failure::new(ErrorKind::Reset, format!("the connection to {host} broke: {error}")),
        }
    }
}

/// Whether there is no connection any more. Its end shows a moment after what waited for an answer has got none.
async fn has_hung_up(handle: &Handle<Client>) -> bool {
    tokio::time::sleep(Duration::from_millis(20)).await;
    handle.is_closed()
}

/// Our side of a connection: it looks at the host's key.
pub(super) struct Client {
    hosts: Hosts,
    verdict: Arc<Mutex<Option<Failure>>>,
}

impl Handler for Client {
    type Error = russh::Error;

    async fn check_server_key(&mut self, shown: &PublicKeyOrCertificate) -> Result<bool, Self::Error> {
        let checked = match shown {
            PublicKeyOrCertificate::PublicKey { key, .. } => self.hosts.check(key),
            PublicKeyOrCertificate::Certificate(_) => Err(Failure::new(
                ErrorKind::Unsupported,
                "the host shows a certificate, and only plain host keys are known",
            )),
        };
        let failure = checked.err();
        let good = failure.is_none();
        *self.verdict.lock().unwrap_or_else(PoisonError::into_inner) = failure;
        Ok(good)
    }
}

/// What the user's own file says of a host.
fn said_of(config: Option<&Path>, host: &str) -> Result<Found, BadSetting> {
    let said = config.map(|file| look_up(file, host)).transpose();
    Ok(said.map_err(|why| BadSetting::new("ssh_config", format!("can't be used: {why}")))?.unwrap_or_default())
}

fn ssh_dir() -> Option<PathBuf> {
    Some(std::env::home_dir()?.join(".ssh"))
}

const CHECK_HOST: &str = "check the network, `host` and `port`";
/// What may be on its way to us: more than the line holds at 100 ms and 500 Mbit/s.
const WINDOW: u32 = 8 << 20;
const PACKET: u32 = 65_535;
/// A server ends the connection after a few keys that it does not know.
const AGENT_KEYS_MAX: usize = 5;
const QUESTIONS_MAX: u32 = 3;
