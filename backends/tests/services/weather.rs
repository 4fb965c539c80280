//! A line with weather: a proxy in front of a server that delays, breaks or falls silent as it is told.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until};

/// What happens on the line. A fault happens to the first connection that gets so far, and to no other.
#[derive(Debug, Clone, Default)]
pub struct Weather {
    delay: Duration,
    up: Option<Fault>,
    down: Option<Fault>,
    /// Whether the fault has happened.
    over: Arc<AtomicBool>,
}

#[derive(Debug, Clone, Copy)]
enum Fault {
    BreakAfter(u64),
    SilentAfter(u64),
}

impl Weather {
    pub fn calm() -> Self {
        Self::default()
    }

    /// Every byte takes so long, each way.
    pub fn delayed(self, delay: Duration) -> Self {
        Self { delay, ..self }
    }

    pub fn breaking_up(self, after: u64) -> Self {
        Self { up: Some(Fault::BreakAfter(after)), ..self }
    }

    pub fn breaking_down(self, after: u64) -> Self {
        Self { down: Some(Fault::BreakAfter(after)), ..self }
    }

    pub fn silent_up(self, after: u64) -> Self {
        Self { up: Some(Fault::SilentAfter(after)), ..self }
    }

    /// A port whose connections go to the server's, through the weather.
    pub async fn before(self, port: u16) -> u16 {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let ours = listener.local_addr().unwrap().port();
        let over = self.over;
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let Ok(server) = TcpStream::connect(("127.0.0.1", port)).await else { continue };
                client.set_nodelay(true).unwrap();
                server.set_nodelay(true).unwrap();
                let (client_reads, client_writes) = client.into_split();
                let (server_reads, server_writes) = server.into_split();
                let up = carry(client_reads, server_writes, self.delay, self.up, Arc::clone(&over));
                let down = carry(server_reads, client_writes, self.delay, self.down, Arc::clone(&over));
                tokio::spawn(async move {
                    // What ends one way ends the other, as it does when a line is cut.
                    tokio::select! { () = up => {}, () = down => {} }
                });
            }
        });
        ours
    }
}

impl Weather {
    /// The port of a server of FTP, with the weather before its data: where it says that data is to go, it is told a port of ours.
    /// Commands go as they are.
    pub async fn before_data_of(self, port: u16) -> u16 {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let ours = listener.local_addr().unwrap().port();
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let Ok(server) = TcpStream::connect(("127.0.0.1", port)).await else { continue };
                tokio::spawn(commands(client, server, self.clone()));
            }
        });
        ours
    }
}

async fn commands(client: TcpStream, server: TcpStream, weather: Weather) {
    let (mut client_reads, mut client_writes) = client.into_split();
    let (server_reads, mut server_writes) = server.into_split();
    let commands = async { drop(tokio::io::copy(&mut client_reads, &mut server_writes).await) };
    let answers = async {
        let mut lines = BufReader::new(server_reads).lines();
        while let Ok(Some(line)) = lines.next_line().await {
            let numbers = line.strip_prefix("227").and_then(|rest| rest.split(['(', ')']).nth(1));
            let line = match numbers.map(|text| text.split(',').collect::<Vec<_>>()) {
                Some(numbers) => {
                    let number = |at: usize| numbers[at].parse::<u16>().unwrap();
                    let data = weather.clone().before(number(4) * 256 + number(5)).await;
                    format!("227 Entering passive mode (127,0,0,1,{},{}).", data / 256, data % 256)
                }
                None => line,
            };
            if client_writes.write_all(format!("{line}\r\n").as_bytes()).await.is_err() {
                return;
            }
        }
    };
    tokio::select! { () = commands => {}, () = answers => {} }
}

async fn carry(
    mut from: impl AsyncReadExt + Unpin,
    mut to: impl AsyncWriteExt + Unpin,
    delay: Duration,
    fault: Option<Fault>,
    over: Arc<AtomicBool>,
) {
    let (sender, mut receiver) = mpsc::unbounded_channel::<(Instant, Vec<u8>)>();
    let reading = async move {
        let mut carried = 0;
        loop {
            let mut buffer = vec![0; 64 << 10];
            match from.read(&mut buffer).await {
                Ok(length) if length > 0 => buffer.truncate(length),
                _ => return,
            }
            carried += buffer.len() as u64;
            match fault {
                Some(Fault::BreakAfter(limit)) if carried > limit && !over.swap(true, Ordering::Relaxed) => return,
                Some(Fault::SilentAfter(limit)) if carried > limit && !over.swap(true, Ordering::Relaxed) => {
                    std::future::pending::<()>().await;
                }
                _ => {}
            }
            if sender.send((Instant::now() + delay, buffer)).is_err() {
                return;
            }
        }
    };
    let writing = async move {
        while let Some((due, buffer)) = receiver.recv().await {
            sleep_until(due).await;
            if to.write_all(&buffer).await.is_err() {
                return;
            }
        }
    };
    tokio::join!(reading, writing);
}
