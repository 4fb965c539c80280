//! HTTP/1.1, as much as a fake needs, with faults at the places where real ones happen.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;

/// A request.
#[derive(Debug, Clone, Default)]
pub struct Asked {
    pub method: String,
    /// Decoded, and without the query.
    pub path: String,
    pub query: BTreeMap<String, String>,
    /// By names in lower case.
    pub headers: BTreeMap<String, String>,
    pub body: Vec<u8>,
}

impl Asked {
    /// A header, or nothing.
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", String::as_str)
    }

    /// A value of the query, or nothing.
    pub fn query(&self, name: &str) -> &str {
        self.query.get(name).map_or("", String::as_str)
    }
}

/// An answer.
#[derive(Debug, Clone, Default)]
pub struct Answer {
    pub status: u16,
    pub headers: Vec<(&'static str, String)>,
    pub body: Vec<u8>,
}

impl Answer {
    pub fn new(status: u16) -> Self {
        Self { status, ..Self::default() }
    }

    pub fn text(status: u16, text: &str) -> Self {
        Self { status, headers: vec![("content-type", "text/plain".to_owned())], body: text.as_bytes().to_vec() }
    }

    pub fn json(status: u16, value: &serde_json::Value) -> Self {
        let headers = vec![("content-type", "application/json".to_owned())];
        Self { status, headers, body: value.to_string().into_bytes() }
    }

    #[must_use]
    pub fn header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    /// A file, or the part of it that the request wants.
    pub fn file(asked: &Asked, content: &[u8]) -> Self {
        let range = asked.header("range");
        if range.is_empty() {
            return Self { status: 200, headers: Vec::new(), body: content.to_vec() };
        }
        let parsed = range.strip_prefix("bytes=").and_then(|range| range.split_once('-'));
        let (from, to) = parsed.unwrap_or_else(|| panic!("a range that nobody writes: {range}"));
        let (from, to): (usize, usize) = (from.parse().unwrap(), to.parse().unwrap());
        if from >= content.len() {
            return Self::new(416).header("content-range", format!("bytes */{}", content.len()));
        }
        let to = to.min(content.len() - 1);
        let answer = Self { status: 206, headers: Vec::new(), body: content[from..=to].to_vec() };
        answer.header("content-range", format!("bytes {from}-{to}/{}", content.len()))
    }
}

/// What a fake does.
pub trait Service: Send + Sync + 'static {
    fn answer(&self, asked: &Asked) -> Answer;
    /// All access tokens end now.
    fn expire(&self) {}
}

/// What goes wrong with a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// The connection breaks when so many bytes of the body have come.
    CutUpload(usize),
    /// The connection breaks when so many bytes of the answer's body have gone.
    CutDownload(usize),
    /// The request does its work, and the connection breaks.
    LoseReply,
    /// The answer is this status, with `Retry-After` if given, and nothing is done.
    Status(u16, Option<u32>),
    /// No answer ever comes.
    Hang,
    /// All access tokens end when this request comes.
    Expire,
}

/// A fake at work, until it is dropped.
pub struct Fake<S: Service> {
    pub port: u16,
    pub service: Arc<S>,
    plan: Arc<Mutex<Vec<(String, u32, Fault)>>>,
    over: Arc<AtomicBool>,
}

impl<S: Service> Fake<S> {
    /// Starts one; it is told its own address.
    pub fn start(make: impl FnOnce(String) -> S) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let service = Arc::new(make(format!("http://127.0.0.1:{port}")));
        let fake = Self { port, service, plan: Arc::default(), over: Arc::default() };
        let (service, plan, over) = (Arc::clone(&fake.service), Arc::clone(&fake.plan), Arc::clone(&fake.over));
        thread::spawn(move || {
            for socket in listener.incoming() {
                if over.load(Ordering::Relaxed) {
                    return;
                }
                let (service, plan) = (Arc::clone(&service), Arc::clone(&plan));
                thread::spawn(move || {
                    let Ok(socket) = socket else { return };
                    // A client that hangs up has what it wanted, or has given up.
                    drop(serve(socket, &*service, &plan));
                });
            }
        });
        fake
    }

    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// The `nth` request from now on whose method and path, as `POST /x`, hold `part` goes wrong. Counts from 1.
    pub fn plan(&self, part: &str, nth: u32, fault: Fault) {
        self.plan.lock().unwrap().push((part.to_owned(), nth, fault));
    }

    /// Whether everything that was planned has happened.
    pub fn all_happened(&self) -> bool {
        self.plan.lock().unwrap().is_empty()
    }
}

impl<S: Service> Drop for Fake<S> {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Relaxed);
        drop(TcpStream::connect(("127.0.0.1", self.port)));
    }
}

fn serve(socket: TcpStream, service: &dyn Service, plan: &Mutex<Vec<(String, u32, Fault)>>) -> std::io::Result<()> {
    socket.set_nodelay(true)?;
    let (mut reader, mut writer) = (BufReader::new(socket.try_clone()?), socket);
    loop {
        let Some((mut asked, length)) = head(&mut reader)? else { return Ok(()) };
        let fault = next(plan, &format!("{} {}", asked.method, asked.path));
        if let Some(Fault::CutUpload(bytes)) = fault {
            std::io::copy(&mut reader.take(bytes.min(length) as u64), &mut std::io::sink())?;
            return Ok(());
        }
        asked.body = vec![0; length];
        reader.read_exact(&mut asked.body)?;
        let answer = match fault {
            Some(Fault::Hang) => {
                // Until the other side gives up.
                return reader.read_to_end(&mut Vec::new()).map(drop);
            }
            Some(Fault::Status(status, after)) => {
                let answer = Answer::new(status);
                after.map_or(answer.clone(), |after| answer.header("retry-after", after.to_string()))
            }
            Some(Fault::Expire) => {
                service.expire();
                service.answer(&asked)
            }
            _ => service.answer(&asked),
        };
        if fault == Some(Fault::LoseReply) {
            return Ok(());
        }
        let mut text = format!("HTTP/1.1 {} {}\r\ncontent-length: {}\r\n", answer.status, "Status", answer.body.len());
        for (name, value) in &answer.headers {
            write!(text, "{name}: {value}\r\n").unwrap();
        }
        writer.write_all(format!("{text}\r\n").as_bytes())?;
        if let Some(Fault::CutDownload(bytes)) = fault {
            return writer.write_all(&answer.body[..bytes.min(answer.body.len())]);
        }
        writer.write_all(&answer.body)?;
    }
}

fn next(plan: &Mutex<Vec<(String, u32, Fault)>>, line: &str) -> Option<Fault> {
    let mut plan = plan.lock().unwrap();
    let mut found = None;
    for (at, (part, nth, fault)) in plan.iter_mut().enumerate() {
        if line.contains(part.as_str()) {
            *nth -= 1;
            if *nth == 0 {
                found = Some((at, *fault));
                break;
            }
        }
    }
    let (at, fault) = found?;
    plan.remove(at);
    Some(fault)
}

/// A request's head, and how long its body is. `None` at the end.
fn head(reader: &mut impl BufRead) -> std::io::Result<Option<(Asked, usize)>> {
    let mut line = String::new();
    if reader.read_line(&mut line)? == 0 {
        return Ok(None);
    }
    let mut words = line.split_whitespace();
    let (method, target) = (words.next().unwrap_or_default().to_owned(), words.next().unwrap_or_default());
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let mut asked = Asked { method, path: decoded(path), query: pairs(query), ..Asked::default() };
    loop {
        let mut line = String::new();
        reader.read_line(&mut line)?;
        let Some((name, value)) = line.trim_end().split_once(':') else { break };
        asked.headers.insert(name.to_lowercase(), value.trim().to_owned());
    }
    assert!(!asked.headers.contains_key("transfer-encoding"), "a body without a length");
    let length = asked.header("content-length").parse().unwrap_or(0);
    Ok(Some((asked, length)))
}

/// `a=b&c=d`.
pub fn pairs(text: &str) -> BTreeMap<String, String> {
    let pair = |pair: &str| {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        (decoded(name), decoded(&value.replace('+', " ")))
    };
    text.split('&').filter(|pair| !pair.is_empty()).map(pair).collect()
}

fn decoded(text: &str) -> String {
    let (bytes, mut out, mut at) = (text.as_bytes(), Vec::new(), 0);
    while at < bytes.len() {
        if bytes[at] == b'%' {
            out.push(u8::from_str_radix(&text[at + 1..at + 3], 16).unwrap());
            at += 3;
        } else {
            out.push(bytes[at]);
            at += 1;
        }
    }
    String::from_utf8(out).unwrap()
}
