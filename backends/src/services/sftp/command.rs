//! `ProxyCommand`: a program that leads to the server, through its standard input and output. Owns what is put into the command, how the
//! program is started, and that it ends with the connection.

use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream as Pair;
use std::pin::Pin;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, ReadBuf};
use tokio::net::UnixStream;
use tokio::net::unix::pipe;
use tokio::task::JoinHandle;

/// The command with the names of this connection in it, as `ssh` would run it.
///
/// # Errors
/// A sentence about what can't be put in: names go to a shell, so that they may hold nothing which means something to it.
pub(super) fn filled(command: &str, given: &str, host: &str, port: u16, user: &str) -> Result<String, String> {
    let mut text = String::new();
    let mut chars = command.chars();
    while let Some(c) = chars.next() {
        if c != '%' {
            text.push(c);
            continue;
        }
        let (what, value) = match chars.next() {
            Some('%') => ("", "%".to_owned()),
            Some('h') => ("the host", host.to_owned()),
            Some('n') => ("the host", given.to_owned()),
            Some('p') => ("", port.to_string()),
            Some('r') => ("the user", user.to_owned()),
            Some(other) => {
                return Err(format!("`ProxyCommand` holds `%{other}`; `%h`, `%n`, `%p`, `%r` and `%%` are known"));
            }
            None => return Err("`ProxyCommand` ends in a single `%`".to_owned()),
        };
        let plain = |c: char| c.is_ascii_alphanumeric() || "._-:@%+".contains(c);
        if !what.is_empty() && (value.starts_with('-') || !value.chars().all(plain)) {
            return Err(format!("{what} `{}` can't be put into a command of a shell", value.escape_debug()));
        }
        text.push_str(&value);
    }
    Ok(text)
}

/// A program at work. It is ended when this is dropped.
pub(super) struct Running {
    stream: UnixStream,
    child: Child,
}

/// The end of what a program has said on its standard error.
pub(super) struct Said {
    bytes: Arc<Mutex<Vec<u8>>>,
    reader: JoinHandle<()>,
}

impl Said {
    /// What comes through a pipe.
    fn by(mut stderr: pipe::Receiver) -> Self {
        let bytes = Arc::new(Mutex::new(Vec::new()));
        let into = Arc::clone(&bytes);
        let reader = tokio::spawn(async move {
            let mut piece = [0; 1024];
            while let Ok(read @ 1..) = stderr.read(&mut piece).await {
                let mut all = into.lock().unwrap_or_else(PoisonError::into_inner);
                all.extend_from_slice(&piece[..read]);
                let excess = all.len().saturating_sub(SAID_MAX);
                all.drain(..excess);
            }
        });
        Self { bytes, reader }
    }

    /// Its last line, without what a terminal would take for an order, once it has ended.
    pub(super) async fn last_line(self) -> Option<String> {
        // A program of the program's may go on and keep it open.
        drop(tokio::time::timeout(LAST_WORDS, self.reader).await);
        let bytes = self.bytes.lock().unwrap_or_else(PoisonError::into_inner);
        let text = String::from_utf8_lossy(&bytes);
        let line = text.lines().rev().find(|line| !line.trim().is_empty())?;
        Some(line.trim().chars().filter(|c| !c.is_control()).take(LINE_MAX).collect())
    }
}

impl Running {
    /// Starts a command by the shell. What it says is told beside.
    pub(super) fn start(command: &str) -> io::Result<(Self, Option<Said>)> {
        let (ours, theirs) = Pair::pair()?;
        ours.set_nonblocking(true)?;
        let again = theirs.try_clone()?;
        let mut shell = Command::new("/bin/sh");
        // The shell gives way to the program, so that ending one ends the other.
        shell.arg("-c").arg(format!("exec {command}"));
        shell.stdin(OwnedFd::from(theirs)).stdout(OwnedFd::from(again)).stderr(Stdio::piped());
        let mut child = shell.spawn()?;
        let stderr = child.stderr.take();
        let running = Self { stream: UnixStream::from_std(ours)?, child };
        let said = stderr.map(|stderr| pipe::Receiver::from_owned_fd(OwnedFd::from(stderr))).transpose()?;
        Ok((running, said.map(Said::by)))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // One that has ended already can't be ended, and is waited for all the same.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

impl AsyncRead for Running {
    fn poll_read(mut self: Pin<&mut Self>, context: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, into)
    }
}

impl AsyncWrite for Running {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

const SAID_MAX: usize = 4 << 10;
const LINE_MAX: usize = 200;
const LAST_WORDS: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_put_in_and_nothing_else() {
        let fill = |command: &str| filled(command, "nas", "nas.example.org", 2222, "me");
        assert_eq!(fill("nc %h %p").unwrap(), "nc nas.example.org 2222");
        assert_eq!(fill("way -l %r '%n' | x 100%%").unwrap(), "way -l me 'nas' | x 100%");
        for bad in ["nc %h %", "nc %d", "%"] {
            assert!(fill(bad).unwrap_err().starts_with("`ProxyCommand`"), "{bad}");
        }
        for host in ["a;b", "$(x)", "-oX", "a b", "`x`", "a\nb", "'", "\u{e4}"] {
            assert!(filled("nc %h", "nas", host, 22, "me").is_err(), "{host}");
            assert!(filled("nc %n", host, "nas", 22, "me").is_err(), "{host}");
            assert!(filled("nc -l %r", "nas", "nas", 22, host).is_err(), "{host}");
            assert!(filled("nc x", "nas", host, 22, "me").is_ok(), "{host}");
        }
    }
}
