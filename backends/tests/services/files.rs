//! Plain files: what a place of them has to do, at S3 by moto and SFTP by OpenSSH, and what goes wrong on the way.

use std::collections::BTreeMap;
use std::fs;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use cryptsync_backends::files::{FileEntry, FileKind, FileTime, Files, NewFile, RetryFiles, open_files};
use cryptsync_backends::layers::RetryPolicy;
use cryptsync_backends::{ErrorKind, HttpFault, HttpFaults, RemoteError, Transport};

use crate::programs::me;
use crate::servers::{ACCESS_KEY, BUCKET, SECRET_KEY, Server};

fn s3(server: &Server, faults: HttpFaults) -> (Arc<HttpFaults>, Arc<dyn Files>) {
    let settings = [
        ("endpoint", server.url()),
        ("bucket", BUCKET.to_owned()),
        ("root", "some/where".to_owned()),
        ("access_key_id", ACCESS_KEY.to_owned()),
        ("secret_access_key", SECRET_KEY.to_owned()),
    ];
    let faults = Arc::new(faults);
    let mut transport = Transport { idle_timeout: Duration::from_secs(2), ..Transport::default() };
    transport.faults = Some(Arc::clone(&faults));
    let values: BTreeMap<String, String> = settings.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
    let policy = RetryPolicy { attempts: 4, base: Duration::from_millis(1), cap: Duration::from_millis(5) };
    (faults, Arc::new(RetryFiles::new(open_files("s3", &values, &transport).unwrap(), policy)))
}

fn sftp(server: &Server) -> Arc<dyn Files> {
    let dir = server.dir.path();
    let key = fs::read_to_string(dir.join("host_key.pub")).unwrap();
    fs::write(dir.join("known"), format!("[127.0.0.1]:{} {key}", server.port)).unwrap();
    let settings = [
        ("host", "127.0.0.1".to_owned()),
        ("port", server.port.to_string()),
        ("user", me()),
        ("key_file", dir.join("user_key").display().to_string()),
        ("known_hosts_file", dir.join("known").display().to_string()),
        ("root", server.served().join("some/where").display().to_string()),
    ];
    let values = settings.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
    open_files("sftp", &values, &Transport::default()).unwrap()
}

const TIME: FileTime = FileTime { secs: 1_500_000_000, nanos: 0 };

async fn write(files: &dyn Files, path: &str, body: &Bytes, replaces: Option<FileEntry>) -> Result<(), RemoteError> {
    let file = NewFile { size: body.len() as u64, time: TIME, replaces };
    let mut writer = files.begin(path, file).await?;
    for start in (0..body.len()).step_by(1 << 20) {
        if let Err(error) = writer.write(body.slice(start..body.len().min(start + (1 << 20)))).await {
            writer.abort().await;
            return Err(error);
        }
    }
    let done = writer.finish().await;
    if done.is_err() {
        writer.abort().await;
    }
    done
}

async fn names(files: &dyn Files, dir: &str) -> Vec<String> {
    let mut names: Vec<String> =
        files.list(dir, true).await.unwrap().unwrap().into_iter().map(|entry| entry.name).collect();
    names.sort_unstable();
    names
}

/// What every place of files does.
async fn contract(files: &dyn Files) {
    let (small, large) = (Bytes::from_static(b"small"), Bytes::from(vec![7; 12 << 20]));
    assert_eq!(files.list("", true).await.unwrap(), None, "nothing is there yet");
    assert_eq!(files.stat("no").await.unwrap(), None);
    write(files, "a/b/small", &small, None).await.unwrap();
    write(files, "large", &large, None).await.unwrap();
    write(files, "empty", &Bytes::new(), None).await.unwrap();
    assert_eq!(names(files, "").await, ["a", "empty", "large"]);
    assert_eq!(names(files, "a/b").await, ["small"]);
    assert_eq!(files.list("a/no", true).await.unwrap(), None);
    let listed = files.list("a/b", true).await.unwrap().unwrap().remove(0);
    let seen = files.stat("a/b/small").await.unwrap().unwrap();
    assert!(listed.is_same_version(&seen), "{listed:?} {seen:?}");
    assert_eq!((seen.kind, seen.size, seen.time), (FileKind::File, 5, Some(TIME)));
    assert_eq!(files.read("a/b/small", 1..4, &seen).await.unwrap(), "mal");
    let whole = files.stat("large").await.unwrap().unwrap();
    assert_eq!(files.read("large", 0..12 << 20, &whole).await.unwrap(), large);
    // What is there is not written over by who has not seen it, nor by who has seen something else.
    let changed = |done: Result<(), RemoteError>| assert_eq!(done.unwrap_err().kind(), ErrorKind::Changed);
    changed(write(files, "a/b/small", &Bytes::from_static(b"other"), None).await);
    write(files, "a/b/small", &Bytes::from_static(b"longer"), Some(seen.clone())).await.unwrap();
    changed(write(files, "a/b/small", &Bytes::from_static(b"third"), Some(seen.clone())).await);
    assert_eq!(files.read("a/b/small", 0..4, &seen).await.unwrap_err().kind(), ErrorKind::Changed);
    assert_eq!(files.remove("a/b/small", &seen).await.unwrap_err().kind(), ErrorKind::Changed);
    let now = files.stat("a/b/small").await.unwrap().unwrap();
    assert_eq!(files.read("a/b/small", 0..6, &now).await.unwrap(), "longer");
    // An upload that is given up leaves what was there, and nothing else.
    let mut given_up =
        files.begin("a/b/small", NewFile { size: 9, time: TIME, replaces: Some(now.clone()) }).await.unwrap();
    given_up.write(Bytes::from_static(b"half")).await.unwrap();
    given_up.abort().await;
    assert_eq!(names(files, "a/b").await, ["small"]);
    assert!(!files.remove_dir("a/b").await.unwrap(), "it is not empty");
    files.remove("a/b/small", &now).await.unwrap();
    files.remove("a/b/small", &now).await.unwrap();
    assert!(files.remove_dir("a/b").await.unwrap());
    assert_eq!(files.stat("a/b/small").await.unwrap(), None);
}

#[tokio::test]
async fn a_bucket_holds_files() {
    let Some(server) = Server::moto() else { return };
    let (_, files) = s3(&server, HttpFaults::new());
    contract(&*files).await;
    // What OpenDAL would take for another name is not touched.
    let strange = write(&*files, "space ", &Bytes::from_static(b"x"), None).await;
    assert_eq!(strange.unwrap_err().kind(), ErrorKind::Unsupported);
}

#[tokio::test]
async fn another_machine_holds_files() {
    let Some(server) = Server::sshd() else { return };
    let files = sftp(&server);
    contract(&*files).await;
    assert!(files.set_time("large", FileTime { secs: 1_400_000_000, nanos: 5 }).await.unwrap());
    let large = files.stat("large").await.unwrap().unwrap();
    assert_eq!(large.time, Some(FileTime { secs: 1_400_000_000, nanos: 0 }));
    files.make_dir("one/two").await.unwrap();
    files.make_dir("one/two").await.unwrap();
    assert_eq!(names(&*files, "one").await, ["two"]);
    assert!(files.remove_dir("one/two").await.unwrap());
}

#[tokio::test]
async fn faults_of_a_bucket_are_survived() {
    let Some(server) = Server::moto() else { return };
    let body = Bytes::from(vec![7; 300_000]);
    for (n, (method, fault)) in [
        ("PUT", HttpFault::BreakUpload(100_000)),
        ("PUT", HttpFault::LoseReply),
        ("PUT", HttpFault::Status(500, None)),
        ("PUT", HttpFault::Status(503, None)),
        ("PUT", HttpFault::Hang),
        ("HEAD", HttpFault::Status(503, None)),
        ("GET", HttpFault::BreakDownload(100_000)),
        ("GET", HttpFault::BreakDownload(0)),
        ("GET", HttpFault::LoseReply),
        ("GET", HttpFault::Status(500, None)),
    ]
    .into_iter()
    .enumerate()
    {
        let (faults, files) = s3(&server, HttpFaults::new().on(method, 1, fault));
        let name = format!("fault-{n}");
        let mut attempts = 0;
        // As whoever writes a file does it: look, then write; what is there already has arrived.
        while files.stat(&name).await.unwrap().is_none() {
            attempts += 1;
            assert!(attempts < 4, "{fault:?}");
            let done = write(&*files, &name, &body, None).await;
            assert!(done.is_ok() || done.unwrap_err().is_transient(), "{fault:?}");
        }
        let seen = files.stat(&name).await.unwrap().unwrap();
        assert_eq!(files.read(&name, 0..300_000, &seen).await.unwrap(), body, "{fault:?}");
        assert!(faults.requests() > 3);
    }
}
