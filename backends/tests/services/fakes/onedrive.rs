//! Microsoft Graph's interface to a OneDrive, version 1.0, as https://learn.microsoft.com/graph/api/resources/onedrive describes it.

use std::collections::BTreeMap;
use std::sync::Mutex;

use serde_json::{Value, json};

use super::accounts::{Accounts, Rules};
use super::server::{Answer, Asked, Fake, Service};
use super::tree::{Bar, Kept, Tree};

pub struct FakeOneDrive {
    pub accounts: Accounts,
    url: String,
    state: Mutex<State>,
}

struct State {
    tree: Tree,
    /// Uploads by address: where to, how much in all, and what is there.
    sessions: BTreeMap<String, (String, Option<usize>, Vec<u8>)>,
    made: usize,
    room: usize,
}

impl FakeOneDrive {
    pub fn start() -> Fake<Self> {
        let rules = Rules { pkce: true, rotates: false, lasts: 3600, uses: 200 };
        let state = State { tree: Tree::new(true), sessions: BTreeMap::new(), made: 0, room: usize::MAX };
        Fake::start(|url| Self { accounts: Accounts::new(rules), url, state: Mutex::new(state) })
    }

    pub fn fill(&self, room: usize) {
        self.state.lock().unwrap().room = room;
    }

    /// How many uploads are neither finished nor given up.
    pub fn sessions(&self) -> usize {
        self.state.lock().unwrap().sessions.len()
    }
}

fn error(status: u16, code: &str) -> Answer {
    Answer::json(status, &json!({ "error": { "code": code, "message": "told by the fake" } }))
}

impl Service for FakeOneDrive {
    fn expire(&self) {
        self.accounts.expire();
    }

    fn answer(&self, asked: &Asked) -> Answer {
        if let Some(answer) = self.accounts.answer(asked) {
            return answer;
        }
        let mut state = self.state.lock().unwrap();
        // Addresses that say by themselves what may be done; Graph refuses a token there.
        if let Some(id) = asked.path.strip_prefix("/signed/") {
            if !asked.header("authorization").is_empty() {
                return error(401, "unauthenticated");
            }
            return match state.tree.file(&format!("/{id}")) {
                Some(content) => Answer::file(asked, content),
                None => error(404, "itemNotFound"),
            };
        }
        if asked.path.starts_with("/session/") {
            if !asked.header("authorization").is_empty() {
                return error(401, "unauthenticated");
            }
            return state.session(asked);
        }
        if !self.accounts.knows(asked) {
            return error(401, "InvalidAuthenticationToken");
        }
        let Some(rest) = asked.path.strip_prefix("/me/drive/root") else { return error(400, "invalidRequest") };
        let (path, what) = match rest.strip_prefix(":/") {
            Some(rest) => match rest.split_once(":/") {
                Some((path, what)) => (format!("/{path}"), what.to_owned()),
                None => (format!("/{rest}"), String::new()),
            },
            None => (String::new(), rest.trim_start_matches('/').to_owned()),
        };
        if path.ends_with('/') || path.contains("//") || path.contains(['"', '*', '<', '>', '?', '\\', '|']) {
            return error(400, "invalidRequest");
        }
        match (asked.method.as_str(), what.as_str()) {
            ("GET", "") => match state.tree.get(&path) {
                Some(kept) => Answer::json(200, &item(kept)),
                None => error(404, "itemNotFound"),
            },
            ("GET", "children") => state.children(&path, asked, &self.url),
            ("GET", "content") => match state.tree.get(&path) {
                Some(Kept { content: Some(_), .. }) => {
                    Answer::new(302).header("location", format!("{}/signed{path}", self.url))
                }
                Some(_) => error(400, "invalidRequest"),
                None => error(404, "itemNotFound"),
            },
            ("PUT", "content") => {
                if asked.body.len() > 4 << 20 || asked.header("content-type").is_empty() {
                    return error(413, "invalidRequest");
                }
                // Without it Graph replaces.
                assert_eq!(asked.query("@microsoft.graph.conflictBehavior"), "fail");
                state.commit(&path, asked.body.clone())
            }
            ("POST", "createUploadSession") => state.begin(&path, asked, &self.url),
            ("DELETE", "") if state.tree.remove(&path) => Answer::new(204),
            ("DELETE", "") => error(404, "itemNotFound"),
            _ => error(400, "invalidRequest"),
        }
    }
}

impl State {
    fn commit(&mut self, path: &str, content: Vec<u8>) -> Answer {
        match self.tree.bar(path, true) {
            Some(Bar::File | Bar::Folder) => return error(409, "nameAlreadyExists"),
            Some(_) => return error(409, "invalidRequest"),
            None => {}
        }
        if content.len() > self.room {
            return error(507, "quotaLimitReached");
        }
        self.tree.put(path, content);
        Answer::json(201, &item(self.tree.get(path).unwrap()))
    }

    fn begin(&mut self, path: &str, asked: &Asked, url: &str) -> Answer {
        let wanted: Value = serde_json::from_slice(&asked.body).unwrap();
        assert_eq!(wanted["item"]["@microsoft.graph.conflictBehavior"], "fail");
        if self.tree.get(path).is_some() {
            return error(409, "nameAlreadyExists");
        }
        self.made += 1;
        let address = format!("/session/{}", self.made);
        self.sessions.insert(address.clone(), (path.to_owned(), None, Vec::new()));
        Answer::json(
            200,
            &json!({ "uploadUrl": format!("{url}{address}"), "expirationDateTime": "2030-01-01T00:00:00Z" }),
        )
    }

    fn session(&mut self, asked: &Asked) -> Answer {
        let Some((path, total, there)) = self.sessions.get_mut(&asked.path) else { return error(404, "itemNotFound") };
        let next = |there: &[u8]| json!({ "nextExpectedRanges": [format!("{}-", there.len())] });
        match asked.method.as_str() {
            "GET" => return Answer::json(200, &next(there)),
            "DELETE" => {
                self.sessions.remove(&asked.path);
                return Answer::new(204);
            }
            "PUT" => {}
            _ => return error(405, "invalidRequest"),
        }
        let range = asked.header("content-range").strip_prefix("bytes ").and_then(|range| range.split_once('/'));
        let Some(((from, to), all)) = range.and_then(|(range, all)| Some((range.split_once('-')?, all))) else {
            return error(400, "invalidRequest");
        };
        let (from, to, all): (usize, usize, usize) = (from.parse().unwrap(), to.parse().unwrap(), all.parse().unwrap());
        let last = to + 1 == all;
        let uneven = !last && !asked.body.len().is_multiple_of(320 << 10);
        if to + 1 - from != asked.body.len()
            || asked.body.len() >= 60 << 20
            || uneven
            || total.is_some_and(|total| total != all)
        {
            return error(400, "invalidRequest");
        }
        if from != there.len() {
            return error(416, "invalidRange");
        }
        *total = Some(all);
        there.extend_from_slice(&asked.body);
        if !last {
            return Answer::json(202, &next(there));
        }
        let (path, content) = (path.clone(), std::mem::take(there));
        let answer = self.commit(&path, content);
        self.sessions.remove(&asked.path);
        answer
    }

    /// Pages may be shorter than asked for.
    fn children(&self, path: &str, asked: &Asked, url: &str) -> Answer {
        match self.tree.get(path) {
            None if !path.is_empty() => return error(404, "itemNotFound"),
            Some(Kept { content: Some(_), .. }) => return error(404, "itemNotFound"),
            _ => {}
        }
        let all: Vec<Value> = self.tree.below(path, false).map(item).collect();
        let at: usize = asked.query("$skiptoken").parse().unwrap_or(0);
        let end = (at + 70).min(all.len());
        let mut page = json!({ "value": &all[at..end] });
        if end < all.len() {
            page["@odata.nextLink"] = json!(format!("{url}{}?$skiptoken={end}", asked.path.replace(' ', "%20")));
        }
        Answer::json(200, &page)
    }
}

fn item(kept: &Kept) -> Value {
    let name = kept.shown.rsplit('/').next();
    match &kept.content {
        Some(content) => json!({ "id": kept.shown, "name": name, "size": content.len(), "file": {} }),
        None => json!({ "id": kept.shown, "name": name, "size": 0, "folder": { "childCount": 1 } }),
    }
}
