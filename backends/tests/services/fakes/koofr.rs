//! Koofr's interface, version 2, as https://app.koofr.net/developers and its published clients describe it.

use std::sync::Mutex;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Value, json};

use super::server::{Answer, Asked, Fake, Service};
use super::tree::{Bar, Kept, Tree};

pub const KOOFR_USER: &str = "me@example.org";
pub const KOOFR_PASSWORD: &str = "hush-koofr-9d2e";

pub struct FakeKoofr {
    tree: Mutex<Tree>,
}

impl FakeKoofr {
    pub fn start() -> Fake<Self> {
        Fake::start(|_| Self { tree: Mutex::new(Tree::new(false)) })
    }

    /// The paths of all files.
    pub fn files(&self) -> Vec<String> {
        let tree = self.tree.lock().unwrap();
        tree.kept.values().filter(|kept| kept.content.is_some()).map(|kept| kept.shown.clone()).collect()
    }
}

impl Service for FakeKoofr {
    fn answer(&self, asked: &Asked) -> Answer {
        let words = BASE64_STANDARD.encode(format!("{KOOFR_USER}:{KOOFR_PASSWORD}"));
        if asked.header("authorization") != format!("Basic {words}") {
            return Answer::new(401);
        }
        if asked.path == "/api/v2/mounts" {
            let mounts = json!([{ "id": "other", "isPrimary": false }, { "id": "mount-1", "isPrimary": true }]);
            return Answer::json(200, &json!({ "mounts": mounts }));
        }
        let mut tree = self.tree.lock().unwrap();
        let path = asked.query("path").trim_end_matches('/');
        if !asked.query("path").starts_with('/') {
            return Answer::new(400);
        }
        let is_folder = path.is_empty() || tree.get(path).is_some_and(|kept| kept.content.is_none());
        let call = asked.path.replace("/api/v2/mounts/mount-1/files", "");
        match (asked.method.as_str(), call.as_str()) {
            ("GET", "/info") => tree.get(path).map_or(Answer::new(404), |kept| Answer::json(200, &shown(kept))),
            ("GET", "/list") if is_folder => {
                let files: Vec<Value> = tree.below(path, false).map(shown).collect();
                Answer::json(200, &json!({ "files": files }))
            }
            ("GET", "/content/get") => tree.file(path).map_or(Answer::new(404), |content| Answer::file(asked, content)),
            ("DELETE", "/remove") if tree.remove(path) => Answer::new(200),
            ("POST", "/folder") if is_folder => {
                let about: Value = serde_json::from_slice(&asked.body).unwrap();
                let made = format!("{path}/{}", about["name"].as_str().unwrap());
                if tree.get(&made).is_some() {
                    return Answer::new(409);
                }
                tree.folder(&made);
                Answer::new(201)
            }
            ("POST", "/content/put") if is_folder => put(&mut tree, path, asked),
            _ => Answer::new(404),
        }
    }
}

fn put(tree: &mut Tree, folder: &str, asked: &Asked) -> Answer {
    // Without these Koofr takes another name, or overwrites.
    assert_eq!((asked.query("autorename"), asked.query("overwrite"), asked.query("info")), ("false", "false", "true"));
    let path = format!("{folder}/{}", asked.query("filename"));
    let boundary = asked.header("content-type").strip_prefix("multipart/form-data; boundary=").unwrap();
    let rest = asked.body.strip_prefix(format!("--{boundary}\r\n").as_bytes()).unwrap();
    let at = rest.windows(4).position(|at| at == b"\r\n\r\n").unwrap();
    assert!(std::str::from_utf8(&rest[..at]).unwrap().contains("name=\"file\""));
    let content = rest[at + 4..].strip_suffix(format!("\r\n--{boundary}--\r\n").as_bytes()).unwrap();
    match tree.bar(&path, false) {
        Some(Bar::File | Bar::Folder) => return Answer::json(409, &json!({ "error": { "code": "Conflict" } })),
        Some(_) => return Answer::new(404),
        None => {}
    }
    tree.put(&path, content.to_vec());
    Answer::json(200, &shown(tree.get(&path).unwrap()))
}

fn shown(kept: &Kept) -> Value {
    let name = kept.shown.rsplit('/').next();
    match &kept.content {
        Some(content) => json!({ "name": name, "type": "file", "size": content.len(), "modified": 1 }),
        None => json!({ "name": name, "type": "dir", "size": 0, "modified": 1 }),
    }
}
