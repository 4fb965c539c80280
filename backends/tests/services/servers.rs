//! Real servers on this machine, for tests: each on a free port, with a directory of its own, gone when its value is dropped or
//! the test process ends in any way.

use std::fs;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use super::programs::{installed, missing, on_path, python, tool};

/// A server that is up.
pub struct Server {
    /// Where it listens, on 127.0.0.1.
    pub port: u16,
    /// What it serves and keeps.
    pub dir: tempfile::TempDir,
    child: Child,
}

/// The user of every server that wants one.
pub const USER: &str = "lab";
/// That user's password.
pub const PASSWORD: &str = "labpw-7d1f";
/// The access key of S3 servers.
pub const ACCESS_KEY: &str = "AKlab";
/// Its secret.
pub const SECRET_KEY: &str = "SKlab-0f3e";
/// The account of azurite, and its key: the same everywhere, and no secret.
pub const AZURE_ACCOUNT: &str = "devstoreaccount1";
/// The key.
pub const AZURE_KEY: &str = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==";
/// The bucket, or container, of every server that has such.
pub const BUCKET: &str = "bkt";

impl Server {
    /// An S3 server that creates exactly once: moto.
    pub fn moto() -> Option<Self> {
        let program = tool("servers/bin/moto_server")?;
        let server = Self::start(|port, _| {
            let mut command = python(&program);
            command.args(["-H", "127.0.0.1", "-p", &port.to_string()]);
            command
        });
        let answer = server.ask(&format!("PUT /{BUCKET} HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-length: 0\r\n"));
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
        Some(server)
    }

    /// An S3 server that overwrites whatever the condition: rclone.
    pub fn rclone_s3() -> Option<Self> {
        Self::rclone(&["s3", "--auth-key", &format!("{ACCESS_KEY},{SECRET_KEY}")], |dir| {
            fs::create_dir(dir.join(BUCKET)).unwrap();
        })
    }

    /// WebDAV by rclone, which knows no conditions.
    pub fn rclone_webdav() -> Option<Self> {
        Self::rclone(&["webdav", "--user", USER, "--pass", PASSWORD], |_| {})
    }

    /// The same over TLS, with a certificate that was good once. Its authority is in `ca.pem`.
    pub fn rclone_webdav_expired() -> Option<Self> {
        installed("/usr/bin/openssl", "openssl")?;
        let tls = ["--cert", "cert.pem", "--key", "key.pem"];
        Self::rclone(&[&["webdav", "--user", USER, "--pass", PASSWORD], &tls[..]].concat(), |served| {
            certificates(served.parent().unwrap(), Validity::Over);
        })
    }

    /// SFTP by rclone, where even exclusive creation overwrites.
    pub fn rclone_sftp() -> Option<Self> {
        Self::rclone(&["sftp", "--user", USER, "--pass", PASSWORD], |_| {})
    }

    fn rclone(args: &[&str], prepare: impl Fn(&Path)) -> Option<Self> {
        let program = tool("rclone/bin/rclone")?;
        let args: Vec<String> = args.iter().map(ToString::to_string).collect();
        Some(Self::start(move |port, dir| {
            let served = dir.join("served");
            fs::create_dir(&served).unwrap();
            prepare(&served);
            let mut command = Command::new(program);
            command.arg("serve").args(&args).args(["--vfs-cache-mode", "off", "--config", "/dev/null"]);
            command.args(["--cache-dir"]).arg(dir.join("cache"));
            command.arg("--addr").arg(format!("127.0.0.1:{port}")).arg(served);
            command.env("HOME", dir);
            command
        }))
    }

    /// WebDAV by wsgidav.
    pub fn wsgidav() -> Option<Self> {
        let program = tool("servers/bin/wsgidav")?;
        Some(Self::start(move |port, dir| {
            let (served, config) = (dir.join("served"), dir.join("wsgidav.yaml"));
            fs::create_dir(&served).unwrap();
            let users = format!("{USER}: {{password: {PASSWORD}}}");
            let text = format!(
                "host: 127.0.0.1\nport: {port}\nserver: cheroot\nprovider_mapping:\n  /: {}\nverbose: 1\n\
                 simple_dc:\n  user_mapping:\n    '*': {{{users}}}\n\
                 http_authenticator: {{accept_basic: true, accept_digest: false, default_to_digest: false}}\n",
                served.display()
            );
            fs::write(&config, text).unwrap();
            let mut command = python(&program);
            command.arg("--config").arg(config);
            command
        }))
    }

    /// WebDAV by nginx with its extension module.
    pub fn nginx() -> Option<Self> {
        Self::nginx_at(None)
    }

    /// The same, of what another server keeps, and whoever writes is answered 403.
    pub fn nginx_of(kept: &Path) -> Option<Self> {
        Self::nginx_at(Some(kept.to_owned()))
    }

    fn nginx_at(kept: Option<PathBuf>) -> Option<Self> {
        let program = installed("/usr/sbin/nginx", "nginx and libnginx-mod-http-dav-ext")?;
        let module = Path::new("/usr/lib/nginx/modules/ngx_http_dav_ext_module.so");
        installed(module.to_str().unwrap(), "libnginx-mod-http-dav-ext")?;
        Some(Self::start(move |port, dir| {
            let served = dir.join("served");
            let limit = match &kept {
                Some(kept) => {
                    std::os::unix::fs::symlink(kept, &served).unwrap();
                    "limit_except GET PROPFIND OPTIONS { deny all; }"
                }
                None => {
                    fs::create_dir(&served).unwrap();
                    ""
                }
            };
            let at = dir.display();
            let text = format!(
                "load_module {};\nworker_processes 1;\ndaemon off;\npid {at}/pid;\nerror_log {at}/log;\n{}events {{}}\nhttp {{\n\
                 access_log off; client_body_temp_path {at}/body; proxy_temp_path {at}/p; fastcgi_temp_path {at}/f; \
                 uwsgi_temp_path {at}/u; scgi_temp_path {at}/s;\nserver {{ listen 127.0.0.1:{port}; root {};\n\
                 location / {{ client_max_body_size 0; dav_methods PUT DELETE MKCOL COPY MOVE; dav_ext_methods PROPFIND OPTIONS; \
                 create_full_put_path off; dav_access user:rw; {limit} }} }} }}\n",
                module.display(),
                if rustix::process::getuid().is_root() { "user root;\n" } else { "" },
                served.display(),
            );
            fs::write(dir.join("nginx.conf"), text).unwrap();
            let mut command = Command::new(program);
            command.arg("-e").arg(dir.join("log")).arg("-c").arg(dir.join("nginx.conf")).arg("-p").arg(dir);
            command
        }))
    }

    /// OpenSSH's server, which lets the user of this process in by the key `user_key` and has the host key `host_key.pub`.
    pub fn sshd() -> Option<Self> {
        let program = installed("/usr/sbin/sshd", "openssh-server")?;
        let made = fs::create_dir_all("/run/sshd").is_ok() || Path::new("/run/sshd").is_dir();
        assert!(made || !rustix::process::getuid().is_root(), "sshd as root needs /run/sshd");
        Some(Self::start(move |port, dir| {
            // The server reads keys of an account only below directories that nobody else may write.
            fs::set_permissions(dir, fs::Permissions::from_mode(0o755)).unwrap();
            for (key, words) in [("host_key", ""), ("user_key", ""), ("locked_key", PASSWORD)] {
                keygen(&dir.join(key), words);
            }
            let mut allowed = fs::read_to_string(dir.join("user_key.pub")).unwrap();
            allowed.push_str(&fs::read_to_string(dir.join("locked_key.pub")).unwrap());
            fs::write(dir.join("authorized_keys"), allowed).unwrap();
            let at = dir.display();
            let text = format!(
                "Port {port}\nListenAddress 127.0.0.1\nHostKey {at}/host_key\nAuthorizedKeysFile {at}/authorized_keys\n\
                 PidFile {at}/pid\nStrictModes no\nUsePAM no\nPasswordAuthentication no\nPermitRootLogin yes\n\
                 Subsystem sftp internal-sftp\n"
            );
            fs::write(dir.join("sshd_config"), text).unwrap();
            fs::create_dir(dir.join("served")).unwrap();
            let mut command = Command::new(program);
            command.arg("-D").arg("-f").arg(dir.join("sshd_config")).arg("-E").arg(dir.join("log"));
            command
        }))
    }

    /// Azure Blob Storage by azurite, with the account that it is born with and an empty container.
    pub fn azurite() -> Option<Self> {
        let program = tool("servers/node/node_modules/azurite/dist/src/blob/main.js")?;
        let rclone = tool("rclone/bin/rclone")?;
        let node = on_path("node", "nodejs")?;
        let server = Self::start(|port, dir| {
            let mut command = Command::new(node);
            command.arg(program).args(["--blobHost", "127.0.0.1", "--blobPort", &port.to_string(), "--location"]);
            command.arg(dir).args(["--silent", "--skipApiVersionCheck", "--disableTelemetry"]);
            command
        });
        let mut make = Command::new(rclone);
        make.args(["--config", "/dev/null", "mkdir", &format!(":azureblob:{BUCKET}")]).env("HOME", server.dir.path());
        make.env("RCLONE_AZUREBLOB_ACCOUNT", AZURE_ACCOUNT).env("RCLONE_AZUREBLOB_KEY", AZURE_KEY);
        make.env("RCLONE_AZUREBLOB_ENDPOINT", format!("{}/{AZURE_ACCOUNT}", server.url()));
        let made = make.output().unwrap();
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        Some(server)
    }

    /// Google Cloud Storage by gcp-storage-emulator, which asks nobody for a token and ignores conditions.
    pub fn gcs() -> Option<Self> {
        tool("servers/gcp_storage_emulator/__main__.py")?;
        let library = tool("servers/bin/moto_server")?.ancestors().nth(2)?.to_owned();
        Some(Self::start(move |port, dir| {
            let mut command = Command::new("python3");
            // As it is, each answer waits for an acknowledgement, each change for all that is known to be written, and the sixth caller
            // for the system to try again.
            let script = "from http.server import BaseHTTPRequestHandler as handler, HTTPServer as server\n\
                          handler.wbufsize = 1 << 20; server.request_queue_size = 128\n\
                          from gcp_storage_emulator.storage import Storage; Storage._write_config_to_file = lambda self: None\n\
                          from gcp_storage_emulator.__main__ import main; main()";
            command.env("PYTHONPATH", library).args(["-c", script, "--data-dir"]).arg(dir.join("data"));
            command.args([
                "start",
                "--host=127.0.0.1",
                &format!("--port={port}"),
                &format!("--default-bucket={BUCKET}"),
            ]);
            command
        }))
    }

    /// OpenStack Swift itself on one disk, with its own login and an empty container.
    pub fn swift() -> Option<Self> {
        for (program, package) in [("swift-proxy-server", "swift-proxy"), ("memcached", "memcached")] {
            installed(&format!("/usr/bin/{program}"), package)?;
        }
        installed("/usr/bin/swift-object-server", "swift-object, swift-container and swift-account")?;
        installed("/etc/swift/swift.conf", "swift")?;
        if !rustix::process::getuid().is_root() {
            missing("root", "/etc/swift/swift.conf can be read by nobody else");
            return None;
        }
        let rclone = tool("rclone/bin/rclone")?;
        let server = Self::start(|port, dir| {
            let free = || TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
            let (account, container, object, cache) = (free(), free(), free(), free());
            fs::create_dir_all(dir.join("devices/d1")).unwrap();
            let at = dir.display();
            let common = format!(
                "mount_check = false\nbind_ip = 127.0.0.1\nworkers = 1\nuser = root\nswift_dir = {at}\nlog_address = /nonexistent\n"
            );
            for (name, port) in [("account", account), ("container", container), ("object", object)] {
                let text = format!(
                    "[DEFAULT]\ndevices = {at}/devices\nbind_port = {port}\n{common}[pipeline:main]\npipeline = {name}-server\n\
                     [app:{name}-server]\nuse = egg:swift#{name}\n"
                );
                fs::write(dir.join(format!("{name}.conf")), text).unwrap();
            }
            let text = format!(
                "[DEFAULT]\nbind_port = {port}\n{common}[pipeline:main]\n\
                 pipeline = catch_errors gatekeeper healthcheck cache listing_formats tempauth proxy-server\n\
                 [app:proxy-server]\nuse = egg:swift#proxy\naccount_autocreate = true\n[filter:tempauth]\nuse = egg:swift#tempauth\n\
                 user_{USER}_{USER} = {PASSWORD} .admin\nstorage_url_scheme = http\n[filter:catch_errors]\nuse = egg:swift#catch_errors\n\
                 [filter:gatekeeper]\nuse = egg:swift#gatekeeper\n[filter:healthcheck]\nuse = egg:swift#healthcheck\n\
                 [filter:cache]\nuse = egg:swift#memcache\nmemcache_servers = 127.0.0.1:{cache}\n\
                 [filter:listing_formats]\nuse = egg:swift#listing_formats\n"
            );
            fs::write(dir.join("proxy.conf"), text).unwrap();
            let script = format!(
                "trap 'kill $(jobs -p); wait' TERM\ncd {at}\n\
                 for ring in account:{account} container:{container} object:{object}; do name=${{ring%:*}}; \
                 swift-ring-builder $name.builder create 4 1 0; \
                 swift-ring-builder $name.builder add --region 1 --zone 1 --ip 127.0.0.1 --port ${{ring#*:}} --device d1 --weight 1; \
                 swift-ring-builder $name.builder rebalance; done >rings\n\
                 memcached -u nobody -l 127.0.0.1 -p {cache} -m 64 &\n\
                 for name in account container object proxy; do swift-$name-server $name.conf & done\nwait\n"
            );
            fs::write(dir.join("swift.sh"), script).unwrap();
            let mut command = Command::new("bash");
            command.arg(dir.join("swift.sh"));
            command
        });
        let mut made = None;
        // The proxy is up before those behind it.
        for _ in 0..60 {
            let mut make = Command::new(&rclone);
            make.args(["--config", "/dev/null", "--retries", "1", "--low-level-retries", "1", "mkdir"]);
            make.arg(format!(":swift:{BUCKET}")).env("HOME", server.dir.path());
            make.env("RCLONE_SWIFT_USER", format!("{USER}:{USER}")).env("RCLONE_SWIFT_KEY", PASSWORD);
            make.env("RCLONE_SWIFT_AUTH", format!("{}/auth/v1.0", server.url()));
            let output = make.output().unwrap();
            if output.status.success() {
                return Some(server);
            }
            made = Some(output);
            std::thread::sleep(Duration::from_millis(500));
        }
        let log = fs::read_to_string(server.dir.path().join("output")).unwrap_or_default();
        panic!("swift does not come up: {}\n{log}", String::from_utf8_lossy(&made.unwrap().stderr));
    }

    /// Backblaze B2 by a program of ours that refuses what the real one refuses.
    pub fn b2() -> Option<Self> {
        let program = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors();
        let program = program.map(|above| above.join("backends/tests/services/b2.py")).find(|path| path.is_file())?;
        Some(Self::start(move |port, _| {
            let mut command = Command::new("python3");
            command.arg(program).arg(port.to_string());
            command
        }))
    }

    /// Asks a server of ours for something to go wrong.
    pub fn plan(&self, what: &str) {
        let answer = self.ask(&format!("GET /_plan?{what} HTTP/1.1\r\nhost: 127.0.0.1\r\n"));
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    }

    /// FTP by pyftpdlib: MLSD, and TLS if it is wanted, which it then demands before the password.
    pub fn pyftpdlib(tls: bool) -> Option<Self> {
        Self::pyftpdlib_by(tls.then_some(Validity::Now))
    }

    /// The same with a certificate that was good once.
    pub fn pyftpdlib_expired() -> Option<Self> {
        Self::pyftpdlib_by(Some(Validity::Over))
    }

    fn pyftpdlib_by(certificate: Option<Validity>) -> Option<Self> {
        tool("servers/pyftpdlib/__main__.py")?;
        let library = tool("servers/bin/wsgidav").or_else(|| tool("servers/bin/moto_server"))?;
        let library = library.ancestors().nth(2)?.to_owned();
        if certificate.is_some() {
            installed("/usr/bin/openssl", "openssl")?;
        }
        Some(Self::start(move |port, dir| {
            let served = dir.join("served");
            fs::create_dir(&served).unwrap();
            let mut command = Command::new("python3");
            command.env("PYTHONPATH", library).args(["-m", "pyftpdlib", "-i", "127.0.0.1", "-p", &port.to_string()]);
            command.args(["-w", "-u", USER, "-P", PASSWORD, "-d"]).arg(served);
            if let Some(validity) = certificate {
                certificates(dir, validity);
                command.args(["--tls", "--tls-control-required", "--tls-data-required"]);
                command.arg("--keyfile").arg(dir.join("key.pem")).arg("--certfile").arg(dir.join("cert.pem"));
            }
            command
        }))
    }

    /// FTP by vsftpd: LIST alone. It lets in anybody, because everybody else would need an account on this machine.
    pub fn vsftpd(more: &'static str) -> Option<Self> {
        let program = installed("/usr/sbin/vsftpd", "vsftpd")?;
        if !rustix::process::getuid().is_root() {
            missing("root", "vsftpd runs as nobody else");
            return None;
        }
        installed("/usr/bin/openssl", "openssl")?;
        Some(Self::start(move |port, dir| {
            let at = dir.display();
            fs::create_dir_all(dir.join("served/some")).unwrap();
            fs::create_dir(dir.join("secure")).unwrap();
            // It leaves root behind, and takes no root that it could write to.
            fs::set_permissions(dir, fs::Permissions::from_mode(0o755)).unwrap();
            fs::set_permissions(dir.join("served/some"), fs::Permissions::from_mode(0o777)).unwrap();
            certificates(dir, Validity::Now);
            let text = format!(
                "listen=YES\nlisten_address=127.0.0.1\nlisten_port={port}\nbackground=NO\nseccomp_sandbox=NO\n\
                 secure_chroot_dir={at}/secure\nanonymous_enable=YES\nno_anon_password=YES\nlocal_enable=NO\n\
                 write_enable=YES\nanon_upload_enable=YES\nanon_mkdir_write_enable=YES\nanon_other_write_enable=YES\n\
                 anon_world_readable_only=NO\nanon_umask=022\nssl_ciphers=HIGH\nanon_root={at}/served\n\
                 xferlog_enable=NO\nrsa_cert_file={at}/cert.pem\nrsa_private_key_file={at}/key.pem\n{more}"
            );
            fs::write(dir.join("vsftpd.conf"), text).unwrap();
            let mut command = Command::new(program);
            command.arg(dir.join("vsftpd.conf"));
            command
        }))
    }

    /// What the server serves, where that is a directory.
    pub fn served(&self) -> PathBuf {
        self.dir.path().join("served")
    }

    /// The address for HTTP.
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    fn start(command: impl FnOnce(u16, &Path) -> Command) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let wanted = command(port, dir.path());
        // A shell between us and the server ends it when our end of its input closes: also if this process is killed.
        let mut shell = Command::new("sh");
        shell.args(["-c", "\"$@\" </dev/null & server=$!; cat >/dev/null; kill $server; wait $server", "sh"]);
        shell.arg(wanted.get_program()).args(wanted.get_args());
        for (name, value) in wanted.get_envs() {
            shell.env(name, value.unwrap_or_default());
        }
        let log = fs::File::create(dir.path().join("output")).unwrap();
        shell.stdin(Stdio::piped()).stdout(log.try_clone().unwrap()).stderr(log).current_dir(dir.path());
        let child = shell.spawn().unwrap();
        let server = Self { port, dir, child };
        let start = Instant::now();
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            let output = || fs::read_to_string(server.dir.path().join("output")).unwrap_or_default();
            assert!(start.elapsed() < Duration::from_secs(60), "the server does not come up:\n{}", output());
            std::thread::sleep(Duration::from_millis(50));
        }
        server
    }

    /// One request of a few lines, and the answer.
    pub fn ask(&self, head: &str) -> String {
        let mut socket = TcpStream::connect(("127.0.0.1", self.port)).unwrap();
        socket.write_all(format!("{head}connection: close\r\n\r\n").as_bytes()).unwrap();
        let mut answer = String::new();
        socket.read_to_string(&mut answer).unwrap();
        answer
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.child.stdin.take());
        drop(self.child.wait());
    }
}

/// Makes a key pair, locked by words if there are any.
pub fn keygen(path: &Path, words: &str) {
    let made = Command::new("ssh-keygen").args(["-q", "-t", "ed25519", "-N", words, "-f"]).arg(path).status().unwrap();
    assert!(made.success());
}

/// Whether a certificate is good.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Validity {
    Now,
    /// It was good in January 2020.
    Over,
}

/// An authority `ca.pem`, and `cert.pem` and `key.pem` for this machine that it has signed.
pub fn certificates(dir: &Path, validity: Validity) {
    let openssl = |args: &str| {
        let done = Command::new("openssl").args(args.split(' ')).current_dir(dir).output().unwrap();
        assert!(done.status.success(), "openssl {args}: {}", String::from_utf8_lossy(&done.stderr));
    };
    let key = "-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes";
    openssl(&format!("req -x509 {key} -keyout ca.key -out ca.pem -days 30 -subj /CN=lab-authority"));
    openssl("req -newkey rsa:2048 -nodes -keyout key.pem -out request.pem -subj /CN=localhost");
    fs::write(dir.join("more"), "subjectAltName=IP:127.0.0.1,DNS:localhost\nbasicConstraints=CA:FALSE\n").unwrap();
    if validity == Validity::Now {
        let sign = "x509 -req -in request.pem -CA ca.pem -CAkey ca.key -CAcreateserial -extfile more";
        return openssl(&format!("{sign} -days 30 -out cert.pem"));
    }
    let text = "[ca]\ndefault_ca=d\n[d]\ndatabase=index\nnew_certs_dir=.\nserial=serial\npolicy=p\ndefault_md=sha256\n[p]\ncommonName=supplied\n";
    fs::write(dir.join("ca.conf"), text).unwrap();
    fs::write(dir.join("index"), "").unwrap();
    fs::write(dir.join("serial"), "01\n").unwrap();
    let sign = "ca -batch -config ca.conf -extfile more -in request.pem -cert ca.pem -keyfile ca.key";
    openssl(&format!("{sign} -startdate 200101000000Z -enddate 200201000000Z -notext -out cert.pem"));
}
