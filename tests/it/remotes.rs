//! Vaults in storage services, from the command line, against real servers of this machine: a whole life with two writers, and mistakes.

use std::fs;
use std::thread;

use crate::support::cli::{Cli, Machine, contents, noise};
use crate::support::programs::me;
use crate::support::servers::{ACCESS_KEY, AZURE_ACCOUNT, AZURE_KEY, BUCKET, PASSWORD, SECRET_KEY, Server, USER};

pub(crate) type Settings = Vec<(&'static str, String)>;

pub(crate) fn s3(server: &Server) -> Settings {
    vec![
        ("TYPE", "s3".to_owned()),
        ("ROOT", "some/vault".to_owned()),
        ("ENDPOINT", server.url()),
        ("BUCKET", BUCKET.to_owned()),
        ("ACCESS_KEY_ID", ACCESS_KEY.to_owned()),
        ("SECRET_ACCESS_KEY", SECRET_KEY.to_owned()),
    ]
}

pub(crate) fn webdav(server: &Server) -> Settings {
    vec![
        ("TYPE", "webdav".to_owned()),
        ("ROOT", "some/vault".to_owned()),
        ("URL", server.url()),
        ("USER", USER.to_owned()),
        ("PASS", PASSWORD.to_owned()),
    ]
}

pub(crate) fn sftp(server: &Server) -> Settings {
    let dir = server.dir.path();
    let key = fs::read_to_string(dir.join("host_key.pub")).unwrap();
    fs::write(dir.join("known"), format!("[127.0.0.1]:{} {key}", server.port)).unwrap();
    vec![
        ("TYPE", "sftp".to_owned()),
        ("ROOT", server.served().join("some/vault").display().to_string()),
        ("HOST", "127.0.0.1".to_owned()),
        ("PORT", server.port.to_string()),
        ("USER", me()),
        ("KEY_FILE", dir.join("user_key").display().to_string()),
        ("KNOWN_HOSTS_FILE", dir.join("known").display().to_string()),
    ]
}

pub(crate) fn ftp(server: &Server, more: &[(&'static str, &str)]) -> Settings {
    let mut settings = vec![
        ("TYPE", "ftp".to_owned()),
        ("ROOT", "some/vault".to_owned()),
        ("HOST", "127.0.0.1".to_owned()),
        ("PORT", server.port.to_string()),
        ("USER", USER.to_owned()),
        ("PASS", PASSWORD.to_owned()),
        ("CA_CERT", server.dir.path().join("ca.pem").display().to_string()),
    ];
    settings.extend(more.iter().map(|(name, value)| (*name, value.to_string())));
    settings
}

/// Settings of a service of whole objects.
fn objects(kind: &str, more: &[(&'static str, String)]) -> Settings {
    let usual = [("TYPE", kind.to_owned()), ("ROOT", "some/vault".to_owned())];
    usual.into_iter().chain(more.iter().cloned()).collect()
}

pub(crate) fn with(machine: Machine, settings: &Settings) -> Machine {
    let variable = |name: &str| format!("CRYPTSYNC_CONFIG_V_{name}");
    settings.iter().fold(machine, |machine, (name, value)| machine.var(&variable(name), value))
}

/// init, sync, nothing to do, change, sync, two writers at once, restore elsewhere, check, verify.
pub(crate) fn lives_a_whole_life(settings: &Settings) {
    let mut cli = Cli::new();
    let a = with(cli.machine("a"), settings);
    cli.vault_id = cli.init(&a);
    let b = with(cli.fresh("b"), settings);
    let (src, other, out) = (cli.path("src"), cli.path("other"), cli.path("out"));
    fs::create_dir_all(src.join("deep/er")).unwrap();
    fs::create_dir(&other).unwrap();
    for n in 0..30 {
        fs::write(src.join(format!("deep/{n}")), format!("number {n}")).unwrap();
        fs::write(other.join(format!("{n}")), noise(1000 + n, 2000)).unwrap();
    }
    fs::write(src.join("large"), noise(1, 3 << 20)).unwrap();
    fs::write(src.join("deep/er/empty"), "").unwrap();
    let (src_text, other_text, out_text) = (src.to_str().unwrap(), other.to_str().unwrap(), out.to_str().unwrap());
    a.ok(["sync", src_text, "v:docs"]);
    a.ok(["sync", src_text, "v:docs"]).says(&["sent 0 files"]);
    fs::write(src.join("large"), noise(2, 2 << 20)).unwrap();
    fs::remove_file(src.join("deep/7")).unwrap();
    fs::write(src.join("new"), "new").unwrap();
    thread::scope(|scope| {
        let one = scope.spawn(|| a.ok(["sync", src_text, "v:docs"]));
        let two = scope.spawn(|| b.ok(["sync", other_text, "v:other"]));
        one.join().unwrap();
        two.join().unwrap();
    });
    b.ok(["sync", "v:docs", out_text]);
    assert!(contents(&src) == contents(&out), "what came back is not what was stored");
    a.ok(["check", other_text, "v:other"]);
    a.ok(["check", src_text, "v:docs"]);
    b.ok(["verify", "--read-data", "v:"]);
    assert_eq!(b.ok(["cat", "v:docs/new"]).text(), "new");
}

#[test]
fn s3_that_creates_once() {
    if let Some(server) = Server::moto() {
        lives_a_whole_life(&s3(&server));
    }
}

#[test]
fn s3_that_overwrites() {
    if let Some(server) = Server::rclone_s3() {
        lives_a_whole_life(&s3(&server));
    }
}

#[test]
fn webdav_by_rclone() {
    if let Some(server) = Server::rclone_webdav() {
        lives_a_whole_life(&webdav(&server));
    }
}

#[test]
fn webdav_by_wsgidav() {
    if let Some(server) = Server::wsgidav() {
        lives_a_whole_life(&webdav(&server));
    }
}

#[test]
fn webdav_by_nginx() {
    if let Some(server) = Server::nginx() {
        lives_a_whole_life(&webdav(&server));
    }
}

#[test]
fn sftp_by_openssh() {
    if let Some(server) = Server::sshd() {
        lives_a_whole_life(&sftp(&server));
    }
}

#[test]
fn sftp_by_rclone() {
    let Some(server) = Server::rclone_sftp() else { return };
    let mut settings = vec![("TYPE", "sftp".to_owned()), ("ROOT", "/some/vault".to_owned())];
    settings.extend([("HOST", "127.0.0.1".to_owned()), ("PORT", server.port.to_string())]);
    settings.extend([("USER", USER.to_owned()), ("PASS", PASSWORD.to_owned())]);
    settings.extend([("HOST_KEY", "accept-new".to_owned())]);
    lives_a_whole_life(&settings);
}

#[test]
fn ftp_by_pyftpdlib() {
    if let Some(server) = Server::pyftpdlib(false) {
        lives_a_whole_life(&ftp(&server, &[]));
    }
}

#[test]
fn ftp_by_vsftpd_over_tls() {
    let tls = "ssl_enable=YES\nallow_anon_ssl=YES\nforce_anon_logins_ssl=YES\nforce_anon_data_ssl=YES\n";
    if let Some(server) = Server::vsftpd(tls) {
        lives_a_whole_life(&ftp(&server, &[("USER", "anonymous"), ("EXPLICIT_TLS", "true")]));
    }
}

#[test]
fn azure_by_azurite() {
    let Some(server) = Server::azurite() else { return };
    let endpoint = format!("{}/{AZURE_ACCOUNT}", server.url());
    let (account, key) = (AZURE_ACCOUNT.to_owned(), AZURE_KEY.to_owned());
    let more = [("ACCOUNT", account), ("KEY", key), ("CONTAINER", BUCKET.to_owned()), ("ENDPOINT", endpoint)];
    lives_a_whole_life(&objects("azureblob", &more));
}

#[test]
fn google_by_an_emulator() {
    let Some(server) = Server::gcs() else { return };
    let more = [("BUCKET", BUCKET.to_owned()), ("ANONYMOUS", "true".to_owned()), ("ENDPOINT", server.url())];
    lives_a_whole_life(&objects("gcs", &more));
}

#[test]
fn swift_by_itself() {
    let Some(server) = Server::swift() else { return };
    let (user, auth) = (format!("{USER}:{USER}"), format!("{}/auth/v1.0", server.url()));
    let more = [("USER", user), ("KEY", PASSWORD.to_owned()), ("AUTH", auth), ("CONTAINER", BUCKET.to_owned())];
    lives_a_whole_life(&objects("swift", &more));
}

#[test]
fn b2_as_strict_as_itself() {
    let Some(server) = Server::b2() else { return };
    server.plan("busy=2");
    let (account, key) = (ACCESS_KEY.to_owned(), SECRET_KEY.to_owned());
    let more = [("ACCOUNT", account), ("KEY", key), ("BUCKET", BUCKET.to_owned()), ("ENDPOINT", server.url())];
    lives_a_whole_life(&objects("b2", &more));
}

#[test]
fn mistakes_are_one_thing_to_do() {
    let Some(server) = Server::moto() else { return };
    let cli = Cli::new();
    let usual = s3(&server);
    let wrong = |name: &'static str, value: &str| {
        let machine = with(cli.machine("home"), &usual).var(&format!("CRYPTSYNC_CONFIG_V_{name}"), value);
        let output = machine.run(["ls", "v:"]);
        assert!(!output.stderr.contains(SECRET_KEY) && !output.stderr.contains("hush"), "{}", output.stderr);
        output
    };
    wrong("BUCKET", "other").fails(7, &["no such bucket", "create the bucket"]);
    wrong("ENDPOINT", "http://127.0.0.1:1").fails(5, &["nothing listens at 127.0.0.1:1"]);
    wrong("ENDPOINT", &server.url().replace("http:", "https:")).fails(7, &["does not speak TLS", "`http://`"]);
    wrong("ENDPOINT", "ftp://x").fails(2, &["endpoint"]);
    wrong("ACCESS_KEY_ID", "").fails(2, &["access_key_id"]);
    let Some(server) = Server::sshd() else { return };
    let settings = sftp(&server);
    fs::write(server.dir.path().join("known"), "").unwrap();
    with(cli.machine("home"), &settings).run(["ls", "v:"]).fails(23, &["SHA256:", "accept-new"]);
}

#[test]
fn an_expired_certificate_is_one_thing_to_do() {
    let cli = Cli::new();
    let says = ["the certificate of 127.0.0.1", "has expired", "has to renew it", "clock of this machine"];
    if let Some(server) = Server::rclone_webdav_expired() {
        let mut settings = webdav(&server);
        settings.push(("URL", server.url().replace("http:", "https:")));
        settings.push(("CA_CERT", server.dir.path().join("ca.pem").display().to_string()));
        let machine = with(cli.machine("home"), &settings);
        machine.run(["ls", "v:"]).fails(23, &says);
        let words = machine.home.join("words.txt");
        let init = ["init", "v:", "--kdf", "64M,3,1", "--recovery-file", words.to_str().unwrap()];
        machine.run(init).fails(23, &says);
        assert!(!words.exists(), "a key to no vault");
    }
    if let Some(server) = Server::pyftpdlib_expired() {
        let machine = with(cli.machine("home"), &ftp(&server, &[("EXPLICIT_TLS", "true")]));
        machine.run(["ls", "v:"]).fails(23, &says);
    }
}
