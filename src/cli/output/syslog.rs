//! The system's log, by its socket.

use std::io;
use std::os::unix::net::UnixDatagram;

use jiff::Zoned;

/// An open way to the system's log.
#[derive(Debug)]
pub(crate) struct Syslog {
    socket: UnixDatagram,
    facility: u8,
}

impl Syslog {
    /// Connects.
    ///
    /// # Errors
    /// There is no system log here.
    pub(crate) fn open(facility: u8) -> io::Result<Self> {
        let socket = UnixDatagram::unbound()?;
        socket.connect("/dev/log")?;
        Ok(Self { socket, facility })
    }

    pub(super) fn send(&self, severity: u8, text: &str, now: &Zoned) -> io::Result<()> {
        let (priority, time) = (self.facility * 8 + severity, now.strftime("%b %e %H:%M:%S"));
        let line = format!("<{priority}>{time} cryptsync[{}]: {text}", std::process::id());
        self.socket.send(line.as_bytes()).map(drop)
    }
}

/// The number of a facility, by its name.
pub(crate) fn facility(name: &str) -> Result<u8, String> {
    let at = FACILITIES.iter().position(|known| known.eq_ignore_ascii_case(name));
    let number = at.and_then(|at| u8::try_from(at).ok());
    number.ok_or_else(|| format!("`{name}` is no facility of syslog; there are {}", FACILITIES.join(", ")))
}

/// In the order of their numbers.
const FACILITIES: [&str; 24] = [
    "KERN", "USER", "MAIL", "DAEMON", "AUTH", "SYSLOG", "LPR", "NEWS", "UUCP", "CRON", "AUTHPRIV", "FTP", "NTP",
    "SECURITY", "CONSOLE", "CLOCK", "LOCAL0", "LOCAL1", "LOCAL2", "LOCAL3", "LOCAL4", "LOCAL5", "LOCAL6", "LOCAL7",
];
