//! Google Drive's interface, version 3, as https://developers.google.com/workspace/drive/api/reference/rest/v3 describes it.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::Mutex;

use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::accounts::{Accounts, Rules};
use super::server::{Answer, Asked, Fake, Service};

pub struct FakeDrive {
    pub accounts: Accounts,
    url: String,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// In the order in which they were made.
    files: Vec<File>,
    sessions: BTreeMap<String, Session>,
    made: usize,
    room: Option<usize>,
}

#[derive(Clone)]
struct File {
    id: String,
    name: String,
    parent: String,
    made: usize,
    trashed: bool,
    /// `None` for a folder.
    content: Option<Vec<u8>>,
}

struct Session {
    about: Value,
    total: usize,
    there: Vec<u8>,
}

impl FakeDrive {
    pub fn start() -> Fake<Self> {
        let rules = Rules { pkce: true, rotates: false, lasts: 3600, uses: 500 };
        Fake::start(|url| Self { accounts: Accounts::new(rules), url, state: Mutex::default() })
    }

    pub fn fill(&self, room: usize) {
        self.state.lock().unwrap().room = Some(room);
    }

    /// How many files of a name there are, and how many folders.
    pub fn named(&self, name: &str) -> (usize, usize) {
        let state = self.state.lock().unwrap();
        let all = state.files.iter().filter(|file| file.name == name && !file.trashed);
        let folders = all.clone().filter(|file| file.content.is_none()).count();
        (all.count() - folders, folders)
    }

    /// Makes a folder beside whatever there is, as another writer might; the top is `root`.
    pub fn twin(&self, name: &str) -> String {
        let mut state = self.state.lock().unwrap();
        let parent =
            state.files.iter().find(|file| file.name == name).map_or("root".to_owned(), |file| file.parent.clone());
        state.add(name, &parent, None)
    }

    /// Makes a file beside whatever there is.
    pub fn twin_file(&self, parent: &str, name: &str, content: &[u8]) {
        self.state.lock().unwrap().add(name, parent, Some(content.to_vec()));
    }
}

fn error(status: u16, reason: &str) -> Answer {
    let inner = json!([{ "domain": "global", "reason": reason, "message": "told by the fake" }]);
    Answer::json(status, &json!({ "error": { "errors": inner, "code": status, "message": "told by the fake" } }))
}

impl Service for FakeDrive {
    fn expire(&self) {
        self.accounts.expire();
    }

    fn answer(&self, asked: &Asked) -> Answer {
        if let Some(answer) = self.accounts.answer(asked) {
            return answer;
        }
        if !self.accounts.knows(asked) {
            return error(401, "authError");
        }
        let mut state = self.state.lock().unwrap();
        if let Some(id) = asked.query.get("upload_id") {
            return state.session(id, asked);
        }
        let id = asked.path.strip_prefix("/drive/v3/files/").map(str::to_owned);
        match (asked.method.as_str(), asked.path.as_str(), id) {
            ("GET", "/drive/v3/files", _) => state.find(asked),
            ("POST", "/drive/v3/files", _) => {
                let about: Value = serde_json::from_slice(&asked.body).unwrap();
                assert_eq!(about["mimeType"], FOLDER, "a file without content is not asked for by us");
                state.make(&about, None)
            }
            ("POST", "/upload/drive/v3/files", _) => state.upload(asked, &self.url),
            ("GET", _, Some(id)) => {
                assert_eq!(asked.query("alt"), "media");
                match state.files.iter().find(|file| file.id == id).and_then(|file| file.content.as_ref()) {
                    Some(content) => Answer::file(asked, content),
                    None => error(404, "notFound"),
                }
            }
            ("DELETE", _, Some(id)) => {
                let before = state.files.len();
                state.files.retain(|file| file.id != id);
                if state.files.len() < before { Answer::new(204) } else { error(404, "notFound") }
            }
            ("PATCH", _, Some(id)) => match state.files.iter_mut().find(|file| file.id == id) {
                Some(file) => {
                    file.trashed = serde_json::from_slice::<Value>(&asked.body).unwrap()["trashed"] == true;
                    Answer::json(200, &json!({ "id": id }))
                }
                None => error(404, "notFound"),
            },
            _ => error(404, "notFound"),
        }
    }
}

impl State {
    fn add(&mut self, name: &str, parent: &str, content: Option<Vec<u8>>) -> String {
        self.made += 1;
        let id = format!("id{:06}", 500_000 - self.made * 7 % 499_979);
        let (name, parent) = (name.to_owned(), parent.to_owned());
        self.files.push(File { id: id.clone(), name, parent, made: self.made, trashed: false, content });
        id
    }

    /// Any number of files may have one name.
    fn make(&mut self, about: &Value, content: Option<Vec<u8>>) -> Answer {
        let parents = about["parents"].as_array().cloned().unwrap_or_default();
        let [parent] = &parents[..] else { return error(400, "invalidParents") };
        let parent = parent.as_str().unwrap();
        let is_folder = |file: &File| file.id == parent && file.content.is_none() && !file.trashed;
        if parent != "root" && !self.files.iter().any(is_folder) {
            return error(404, "notFound");
        }
        let length = content.as_ref().map_or(0, Vec::len);
        if let Some(room) = &mut self.room {
            if length > *room {
                return error(403, "storageQuotaExceeded");
            }
            *room -= length;
        }
        let id = self.add(about["name"].as_str().unwrap(), parent, content);
        let file = self.files.iter().find(|file| file.id == id).unwrap();
        Answer::json(200, &shown(file))
    }

    fn find(&self, asked: &Asked) -> Answer {
        let query = asked.query("q");
        let (parents, rest) = query.strip_prefix('(').and_then(|query| query.split_once(')')).expect("our own form");
        let parents: Vec<&str> = parents
            .split(" or ")
            .map(|one| one.strip_suffix("' in parents").unwrap().strip_prefix('\'').unwrap())
            .collect();
        assert!(parents.len() <= 50 && rest.starts_with(" and trashed = false"), "{query}");
        let name =
            rest.split_once(" and name = '").map(|(_, name)| name.strip_suffix('\'').unwrap().replace("\\'", "'"));
        let unknown = |id: &&&str| **id != "root" && !self.files.iter().any(|file| file.id == **id);
        if parents.iter().any(|id| unknown(&id)) {
            return error(404, "notFound");
        }
        let fields = asked.query("fields");
        assert!(
            ["nextPageToken", "createdTime", "parents", "size"].iter().all(|field| fields.contains(field)),
            "{fields}"
        );
        // Newest first, as it often is, and no word on which of twins is meant; names are found whatever their case.
        let same = |file: &&File| name.as_ref().is_none_or(|name| file.name.eq_ignore_ascii_case(name));
        let matching = self.files.iter().rev().filter(|file| parents.contains(&file.parent.as_str()) && !file.trashed);
        let all: Vec<Value> = matching.filter(same).map(shown).collect();
        let at: usize = asked.query("pageToken").parse().unwrap_or(0);
        let end = (at + 70).min(all.len());
        let mut page = json!({ "files": &all[at..end] });
        if end < all.len() {
            page["nextPageToken"] = json!(end.to_string());
        }
        Answer::json(200, &page)
    }

    fn upload(&mut self, asked: &Asked, url: &str) -> Answer {
        match asked.query("uploadType") {
            "multipart" => {
                if asked.body.len() > 5_000_000 {
                    return error(413, "uploadTooLarge");
                }
                let boundary = asked.header("content-type").strip_prefix("multipart/related; boundary=");
                let Some((about, content)) = boundary.and_then(|boundary| parts(&asked.body, boundary)) else {
                    return error(400, "badContent");
                };
                self.make(&about, Some(content))
            }
            "resumable" => {
                let total: Option<usize> = asked.header("x-upload-content-length").parse().ok();
                let (Some(total), Ok(about)) = (total, serde_json::from_slice::<Value>(&asked.body)) else {
                    return error(400, "badRequest");
                };
                self.made += 1;
                let id = format!("upload-{}", self.made);
                self.sessions.insert(id.clone(), Session { about, total, there: Vec::new() });
                Answer::new(200)
                    .header("location", format!("{url}/upload/drive/v3/files?uploadType=resumable&upload_id={id}"))
            }
            _ => error(400, "badRequest"),
        }
    }

    fn session(&mut self, id: &str, asked: &Asked) -> Answer {
        let Some(session) = self.sessions.get_mut(id) else { return error(404, "notFound") };
        assert_eq!(asked.method, "PUT");
        let so_far = |there: usize| match there {
            0 => Answer::new(308),
            there => Answer::new(308).header("range", format!("bytes=0-{}", there - 1)),
        };
        let Some((range, total)) =
            asked.header("content-range").strip_prefix("bytes ").and_then(|range| range.split_once('/'))
        else {
            return error(400, "badRequest");
        };
        if total != session.total.to_string() {
            return error(400, "badRequest");
        }
        if let Some((from, to)) = range.split_once('-') {
            let (from, to): (usize, usize) = (from.parse().unwrap(), to.parse().unwrap());
            let last = to + 1 == session.total;
            if to + 1 - from != asked.body.len() || (!last && !asked.body.len().is_multiple_of(256 << 10)) {
                return error(400, "badRequest");
            }
            if from != session.there.len() {
                return error(503, "backendError");
            }
            session.there.extend_from_slice(&asked.body);
        }
        if session.there.len() < session.total {
            return so_far(session.there.len());
        }
        let session = self.sessions.remove(id).unwrap();
        self.make(&session.about, Some(session.there))
    }
}

/// The two parts of an upload.
fn parts(body: &[u8], boundary: &str) -> Option<(Value, Vec<u8>)> {
    let find = |within: &[u8], what: &[u8]| within.windows(what.len()).position(|at| at == what);
    let rest = body.strip_prefix(format!("--{boundary}\r\n").as_bytes())?;
    let rest = &rest[find(rest, b"\r\n\r\n")? + 4..];
    let between = format!("\r\n--{boundary}\r\n");
    let at = find(rest, between.as_bytes())?;
    let about = serde_json::from_slice(&rest[..at]).ok()?;
    let rest = &rest[at + between.len()..];
    let rest = &rest[find(rest, b"\r\n\r\n")? + 4..];
    Some((about, rest.strip_suffix(format!("\r\n--{boundary}--\r\n").as_bytes())?.to_vec()))
}

fn shown(file: &File) -> Value {
    let made = format!("2026-01-01T{:02}:{:02}:{:02}.000Z", file.made / 3600, file.made / 60 % 60, file.made % 60);
    let mut value =
        json!({ "id": file.id, "name": file.name, "createdTime": made, "parents": [file.parent], "mimeType": FOLDER });
    if let Some(content) = &file.content {
        value["mimeType"] = json!("application/octet-stream");
        value["size"] = json!(content.len().to_string());
        value["sha256Checksum"] = json!(Sha256::digest(content).iter().fold(String::new(), |mut text, byte| {
            write!(text, "{byte:02x}").unwrap();
            text
        }));
    }
    value
}

const FOLDER: &str = "application/vnd.google-apps.folder";
