//! Vaults at the far end of a line where every byte takes 25 ms each way: a whole life with two writers, for each way to speak.

use std::future::Future;
use std::time::Duration;

use tokio::runtime::Runtime;

use crate::clouds::signed;
use crate::remotes::{ftp, lives_a_whole_life, s3, sftp, webdav};
use crate::support::fakes::FakeDropbox;
use crate::support::servers::Server;
use crate::support::weather::Weather;

fn slow() -> Weather {
    Weather::calm().delayed(Duration::from_millis(25))
}

/// The server, reached by the line that `lay` makes to its port, and what has to stay for the line to stay.
fn far<F: Future<Output = u16>>(server: &mut Server, lay: impl FnOnce(u16) -> F) -> Runtime {
    let runtime = Runtime::new().unwrap();
    server.port = runtime.block_on(lay(server.port));
    runtime
}

#[test]
fn s3_far_away() {
    let Some(mut server) = Server::moto() else { return };
    let _line = far(&mut server, |port| slow().before(port));
    lives_a_whole_life(&s3(&server));
}

#[test]
fn webdav_far_away() {
    let Some(mut server) = Server::rclone_webdav() else { return };
    let _line = far(&mut server, |port| slow().before(port));
    lives_a_whole_life(&webdav(&server));
}

#[test]
fn sftp_far_away() {
    let Some(mut server) = Server::sshd() else { return };
    let _line = far(&mut server, |port| slow().before(port));
    lives_a_whole_life(&sftp(&server));
}

#[test]
fn ftp_far_away() {
    let Some(mut server) = Server::pyftpdlib(false) else { return };
    let _line = far(&mut server, |port| async move { slow().before(slow().before_data_of(port).await).await });
    lives_a_whole_life(&ftp(&server, &[]));
}

#[test]
fn dropbox_far_away() {
    let fake = FakeDropbox::start();
    let runtime = Runtime::new().unwrap();
    let port = runtime.block_on(slow().before(fake.port));
    lives_a_whole_life(&signed("dropbox", &format!("http://127.0.0.1:{port}"), &fake.service.accounts));
}
