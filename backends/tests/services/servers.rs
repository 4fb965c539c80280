//! Real servers on this machine, for tests: each on a free port, with a directory of its own, gone when its value is dropped or
//! the test process ends in any way.

use std::fs;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

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
/// The bucket of S3 servers.
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

    /// WebDAV by rclone, of what another server keeps, and to be read only.
    pub fn rclone_webdav_of(kept: &Path) -> Option<Self> {
        let kept = kept.to_owned();
        Self::rclone(&["webdav", "--user", USER, "--pass", PASSWORD, "--read-only"], move |served| {
            fs::remove_dir(served).unwrap();
            std::os::unix::fs::symlink(&kept, served).unwrap();
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
        let program = installed("/usr/sbin/nginx", "nginx and libnginx-mod-http-dav-ext")?;
        let module = Path::new("/usr/lib/nginx/modules/ngx_http_dav_ext_module.so");
        installed(module.to_str().unwrap(), "libnginx-mod-http-dav-ext")?;
        Some(Self::start(move |port, dir| {
            let served = dir.join("served");
            fs::create_dir(&served).unwrap();
            let at = dir.display();
            let text = format!(
                "load_module {};\nworker_processes 1;\ndaemon off;\npid {at}/pid;\nerror_log {at}/log;\n{}events {{}}\nhttp {{\n\
                 access_log off; client_body_temp_path {at}/body; proxy_temp_path {at}/p; fastcgi_temp_path {at}/f; \
                 uwsgi_temp_path {at}/u; scgi_temp_path {at}/s;\nserver {{ listen 127.0.0.1:{port}; root {};\n\
                 location / {{ client_max_body_size 0; dav_methods PUT DELETE MKCOL COPY MOVE; dav_ext_methods PROPFIND OPTIONS; \
                 create_full_put_path off; dav_access user:rw; }} }} }}\n",
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
    fn ask(&self, head: &str) -> String {
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

/// A program that pip has installed into a directory of its own.
fn python(program: &Path) -> Command {
    let mut command = Command::new("python3");
    command.arg(program).env("PYTHONPATH", program.ancestors().nth(2).unwrap());
    command
}

/// A program that `tests/run` installs below `target/tools`.
fn tool(path: &str) -> Option<PathBuf> {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let tool = here.ancestors().map(|above| above.join("target/tools").join(path)).find(|tool| tool.is_file());
    if tool.is_none() {
        missing(&format!("target/tools/{path}"), "`tests/run` installs it");
    }
    tool
}

fn installed(path: &str, package: &str) -> Option<PathBuf> {
    let there = Path::new(path).exists();
    if !there {
        missing(path, &format!("`tests/run` installs it as root; by hand: apt-get install {package}"));
    }
    there.then(|| path.into())
}

#[expect(clippy::print_stderr, reason = "whoever runs the tests has to know")]
fn missing(what: &str, how: &str) {
    eprintln!("skipped: there is no {what}; {how}");
}

/// The name of the user of this process.
pub fn me() -> String {
    let id = Command::new("id").arg("-un").output().unwrap();
    String::from_utf8(id.stdout).unwrap().trim().to_owned()
}
