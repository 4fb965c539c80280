//! Dropbox's interface, version 2, as https://www.dropbox.com/developers/documentation/http describes it.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::accounts::{Accounts, Rules};
use super::server::{Answer, Asked, Fake, Service};
use super::tree::{Bar, Kept, Tree};

pub struct FakeDropbox {
    pub accounts: Accounts,
    state: Mutex<State>,
    writing: AtomicUsize,
}

struct State {
    tree: Tree,
    sessions: BTreeMap<String, Vec<u8>>,
    cursors: BTreeMap<String, (String, usize)>,
    /// How much may be stored.
    room: usize,
}

impl FakeDropbox {
    pub fn start() -> Fake<Self> {
        Self::with(Rules { pkce: true, rotates: false, lasts: 14_400, uses: u32::MAX })
    }

    pub fn with(rules: Rules) -> Fake<Self> {
        let tree = Tree::new(true);
        let state = State { tree, sessions: BTreeMap::new(), cursors: BTreeMap::new(), room: usize::MAX };
        Fake::start(|_| Self { accounts: Accounts::new(rules), state: Mutex::new(state), writing: AtomicUsize::new(0) })
    }

    /// So much may be stored from now on.
    pub fn fill(&self, room: usize) {
        self.state.lock().unwrap().room = room;
    }

    /// The paths of all files.
    pub fn files(&self) -> Vec<String> {
        let state = self.state.lock().unwrap();
        state.tree.kept.values().filter(|kept| kept.content.is_some()).map(|kept| kept.shown.clone()).collect()
    }
}

impl Service for FakeDropbox {
    fn expire(&self) {
        self.accounts.expire();
    }

    fn answer(&self, asked: &Asked) -> Answer {
        if let Some(answer) = self.accounts.answer(asked) {
            return answer;
        }
        let Some(call) = asked.path.strip_prefix("/2/files/").filter(|_| asked.method == "POST") else {
            return Answer::text(404, "no such call");
        };
        if !self.accounts.knows(asked) {
            return Answer::json(
                401,
                &json!({ "error_summary": "expired_access_token/.", "error": { ".tag": "expired_access_token" } }),
            );
        }
        let argument = match argument(call, asked) {
            Ok(argument) => argument,
            Err(why) => return Answer::text(400, &format!("Error in call to API function \"files/{call}\": {why}")),
        };
        let writing = matches!(call, "upload" | "upload_session/finish" | "delete_v2");
        let at_once = self.writing.fetch_add(usize::from(writing), Ordering::SeqCst);
        let answer = if writing && at_once >= 4 {
            let error = json!({ "reason": { ".tag": "too_many_write_operations" }, "retry_after": 1 });
            Answer::json(429, &json!({ "error_summary": "too_many_write_operations/..", "error": error }))
                .header("retry-after", "1")
        } else {
            self.state.lock().unwrap().call(call, &argument, asked)
        };
        self.writing.fetch_sub(usize::from(writing), Ordering::SeqCst);
        answer
    }
}

/// The argument of a call: in a header if the body is content.
fn argument(call: &str, asked: &Asked) -> Result<Value, String> {
    let kind = asked.header("content-type");
    let text = match call {
        "upload" | "upload_session/start" | "upload_session/append_v2" | "upload_session/finish" => {
            if kind != "application/octet-stream" {
                return Err(format!("bad HTTP \"Content-Type\" header: {kind}"));
            }
            if asked.body.len() > 150 << 20 {
                return Err("the body is too large".to_owned());
            }
            asked.header("dropbox-api-arg")
        }
        "download" => {
            if !matches!(kind, "" | "text/plain" | "application/octet-stream") || !asked.body.is_empty() {
                return Err(format!("bad HTTP \"Content-Type\" header: {kind}"));
            }
            asked.header("dropbox-api-arg")
        }
        _ if kind != "application/json" => return Err(format!("bad HTTP \"Content-Type\" header: {kind}")),
        _ => std::str::from_utf8(&asked.body).unwrap(),
    };
    if !text.is_ascii() {
        return Err("HTTP header \"Dropbox-API-Arg\": not ASCII".to_owned());
    }
    let value: Value = serde_json::from_str(text).map_err(|error| error.to_string())?;
    let known: &[&str] = match call {
        "upload" => &["path", "mode", "autorename", "mute", "strict_conflict", "content_hash"],
        "upload_session/start" => &["close"],
        "upload_session/append_v2" => &["cursor", "close"],
        "upload_session/finish" => &["cursor", "commit"],
        "list_folder" => &["path", "recursive", "limit"],
        "list_folder/continue" => &["cursor"],
        "download" | "get_metadata" | "delete_v2" => &["path"],
        _ => return Err("unknown function".to_owned()),
    };
    let object = value.as_object().ok_or("an object is expected")?;
    match object.keys().find(|key| !known.contains(&key.as_str())) {
        Some(key) => Err(format!("unknown field '{key}'")),
        None => Ok(value),
    }
}

fn conflict(words: &str) -> Answer {
    let tag = words.split('/').next().unwrap();
    Answer::json(409, &json!({ "error_summary": format!("{words}/.."), "error": { ".tag": tag } }))
}

fn is_path(path: &str) -> bool {
    path.starts_with('/') && path.len() > 1 && !path.ends_with('/') && !path.contains("//")
}

impl State {
    fn call(&mut self, call: &str, argument: &Value, asked: &Asked) -> Answer {
        let path = argument["path"].as_str().unwrap_or_default();
        match call {
            "upload" => self.commit(argument, asked.body.clone(), "path"),
            "download" | "get_metadata" if !is_path(path) => conflict("path/malformed_path"),
            "delete_v2" if !is_path(path) => conflict("path_lookup/malformed_path"),
            "download" => match self.tree.get(path) {
                Some(Kept { content: Some(content), .. }) => Answer::file(asked, content),
                Some(_) => conflict("path/not_file"),
                None => conflict("path/not_found"),
            },
            "get_metadata" => match self.tree.get(path) {
                Some(kept) => Answer::json(200, &metadata(kept, true)),
                None => conflict("path/not_found"),
            },
            "delete_v2" => match self.tree.get(path).cloned() {
                Some(kept) => {
                    self.tree.remove(path);
                    Answer::json(200, &json!({ "metadata": metadata(&kept, true) }))
                }
                None => conflict("path_lookup/not_found"),
            },
            "list_folder" => self.list(argument),
            "list_folder/continue" => match self.cursors.get(argument["cursor"].as_str().unwrap_or_default()) {
                Some((folder, at)) => self.page(&folder.clone(), *at),
                None => conflict("reset"),
            },
            _ => self.session(call, argument, &asked.body),
        }
    }

    fn commit(&mut self, commit: &Value, content: Vec<u8>, within: &str) -> Answer {
        let path = commit["path"].as_str().unwrap_or_default();
        if !is_path(path) {
            return conflict(&format!("{within}/malformed_path"));
        }
        assert_eq!((&commit["mode"], &commit["autorename"]), (&json!("add"), &json!(false)), "not asked for by us");
        let same = self.tree.file(path).is_some_and(|there| *there == content);
        match self.tree.bar(path, true) {
            Some(Bar::Folder) => return conflict(&format!("{within}/conflict/folder")),
            Some(Bar::Ancestor) => return conflict(&format!("{within}/conflict/file_ancestor")),
            // Without `strict_conflict` the same content is no conflict.
            Some(Bar::File) if commit["strict_conflict"] == true || !same => {
                return conflict(&format!("{within}/conflict/file"));
            }
            _ => {}
        }
        if content.len() > self.room {
            return conflict(&format!("{within}/insufficient_space"));
        }
        self.room -= content.len();
        self.tree.put(path, content);
        Answer::json(200, &metadata(self.tree.get(path).unwrap(), false))
    }

    fn session(&mut self, call: &str, argument: &Value, body: &[u8]) -> Answer {
        if call == "upload_session/start" {
            let id = format!("session-{}", self.sessions.len());
            self.sessions.insert(id.clone(), body.to_vec());
            return Answer::json(200, &json!({ "session_id": id }));
        }
        let cursor = &argument["cursor"];
        let id = cursor["session_id"].as_str().unwrap_or_default().to_owned();
        let finish = call == "upload_session/finish";
        let Some(kept) = self.sessions.get_mut(&id) else {
            return conflict(if finish { "lookup_failed/not_found" } else { "not_found" });
        };
        if cursor["offset"] != kept.len() {
            let error = json!({ ".tag": "incorrect_offset", "correct_offset": kept.len() });
            let (words, error) = match finish {
                true => ("lookup_failed/incorrect_offset", json!({ ".tag": "lookup_failed", "lookup_failed": error })),
                false => ("incorrect_offset", error),
            };
            return Answer::json(409, &json!({ "error_summary": format!("{words}/.."), "error": error }));
        }
        kept.extend_from_slice(body);
        if !finish {
            return Answer::json(200, &Value::Null);
        }
        let content = self.sessions.remove(&id).unwrap();
        self.commit(&argument["commit"], content, "path")
    }

    fn list(&mut self, argument: &Value) -> Answer {
        let folder = argument["path"].as_str().unwrap_or_default();
        if !folder.is_empty() && !is_path(folder) {
            return conflict("path/malformed_path");
        }
        if argument["recursive"] != true || argument["limit"].as_u64().is_none_or(|limit| limit > 2000) {
            return Answer::text(400, "limit");
        }
        match self.tree.get(folder) {
            Some(Kept { content: Some(_), .. }) => conflict("path/not_folder"),
            None if !folder.is_empty() => conflict("path/not_found"),
            _ => self.page(folder, 0),
        }
    }

    /// Pages may be shorter than asked for.
    fn page(&mut self, folder: &str, at: usize) -> Answer {
        let all: Vec<Value> = self.tree.below(folder, true).map(|kept| metadata(kept, true)).collect();
        let end = (at + 70).min(all.len());
        let cursor = format!("cursor-{}", self.cursors.len());
        self.cursors.insert(cursor.clone(), (folder.to_owned(), end));
        let entries = all.get(at..end).unwrap_or_default();
        Answer::json(200, &json!({ "entries": entries, "cursor": cursor, "has_more": end < all.len() }))
    }
}

fn metadata(kept: &Kept, tagged: bool) -> Value {
    let name = kept.shown.rsplit('/').next();
    let mut value = json!({ "name": name, "path_lower": kept.shown.to_lowercase(), "path_display": kept.shown });
    if tagged {
        value[".tag"] = json!(if kept.content.is_some() { "file" } else { "folder" });
    }
    if let Some(content) = &kept.content {
        value["size"] = json!(content.len());
        value["content_hash"] = json!(hash(content));
    }
    value
}

fn hash(content: &[u8]) -> String {
    let blocks: Vec<u8> = content.chunks(4 << 20).flat_map(|block| Sha256::digest(block).to_vec()).collect();
    Sha256::digest(blocks).iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").unwrap();
        text
    })
}
