//! pCloud's interface, as https://docs.pcloud.com describes it: every answer is 200, and says in its body what is wrong.

use std::sync::Mutex;

use serde_json::{Value, json};

use super::accounts::{Accounts, Rules};
use super::server::{Answer, Asked, Fake, Service};
use super::tree::{Bar, Kept, Tree};

pub struct FakePCloud {
    pub accounts: Accounts,
    host: String,
    state: Mutex<State>,
}

struct State {
    tree: Tree,
    /// Paths by the ids of their files.
    ids: Vec<String>,
    room: usize,
}

impl FakePCloud {
    pub fn start() -> Fake<Self> {
        // Tokens do not end, there is no PKCE, and the application has a secret.
        let rules = Rules { pkce: false, rotates: false, lasts: 0, uses: u32::MAX };
        let state = State { tree: Tree::new(false), ids: Vec::new(), room: usize::MAX };
        Fake::start(|url| Self {
            accounts: Accounts::new(rules),
            host: url.trim_start_matches("http://").to_owned(),
            state: Mutex::new(state),
        })
    }

    pub fn fill(&self, room: usize) {
        self.state.lock().unwrap().room = room;
    }

    /// The paths of all files.
    pub fn files(&self) -> Vec<String> {
        let state = self.state.lock().unwrap();
        state.tree.kept.values().filter(|kept| kept.content.is_some()).map(|kept| kept.shown.clone()).collect()
    }
}

fn failed(number: u32) -> Answer {
    Answer::json(200, &json!({ "result": number, "error": "told by the fake" }))
}

impl Service for FakePCloud {
    fn answer(&self, asked: &Asked) -> Answer {
        if let Some(answer) = self.accounts.answer(asked) {
            return answer;
        }
        let mut state = self.state.lock().unwrap();
        if let Some(path) = asked.path.strip_prefix("/content-of") {
            assert_eq!(asked.header("authorization"), "", "the address says it all");
            return match state.tree.file(path) {
                Some(content) => Answer::file(asked, content),
                None => Answer::new(410),
            };
        }
        if asked.header("authorization").is_empty() {
            return failed(1000);
        }
        if !self.accounts.knows(asked) {
            return failed(2094);
        }
        state.call(asked, &self.host)
    }
}

impl State {
    fn call(&mut self, asked: &Asked, host: &str) -> Answer {
        let by_id = asked.query.get("fileid").map(|id| self.path_of(id.parse().unwrap()));
        let path = by_id.unwrap_or_else(|| asked.query("path").to_owned());
        if !path.starts_with('/') || (path.ends_with('/') && path != "/") || path.contains("//") {
            return failed(2010);
        }
        let missing = path != "/" && self.tree.get(&path).is_none();
        let is_file = self.tree.file(&path).is_some();
        match asked.path.as_str() {
            "/stat" if missing => failed(2055),
            "/stat" => Answer::json(200, &json!({ "result": 0, "metadata": self.shown(&path, false) })),
            "/getfilelink" | "/deletefile" if !is_file => failed(2009),
            "/getfilelink" => {
                Answer::json(200, &json!({ "result": 0, "hosts": [host], "path": format!("/content-of{path}") }))
            }
            "/deletefile" => {
                self.tree.remove(&path);
                Answer::json(200, &json!({ "result": 0 }))
            }
            "/deletefolderrecursive" if missing || is_file => failed(2005),
            "/deletefolderrecursive" => {
                self.tree.remove(&path);
                Answer::json(200, &json!({ "result": 0, "deletedfiles": 0, "deletedfolders": 1 }))
            }
            "/createfolderifnotexists" => match self.tree.bar(&path, false) {
                Some(Bar::NoParent | Bar::Ancestor) => failed(2002),
                Some(Bar::File) => failed(2004),
                _ => {
                    self.tree.folder(&path);
                    Answer::json(200, &json!({ "result": 0 }))
                }
            },
            "/listfolder" if missing || is_file => failed(2005),
            "/listfolder" => {
                let metadata = self.shown(&path, asked.query("recursive") == "1");
                Answer::json(200, &json!({ "result": 0, "metadata": metadata }))
            }
            "/uploadfile" if missing || is_file => failed(2005),
            "/uploadfile" => self.upload(&path, asked),
            _ => Answer::new(404),
        }
    }

    fn upload(&mut self, folder: &str, asked: &Asked) -> Answer {
        assert_eq!((asked.method.as_str(), asked.query("nopartial")), ("PUT", "1"));
        let name = asked.query("filename");
        if name.is_empty() {
            return failed(2001);
        }
        if asked.body.len() > self.room {
            return failed(2008);
        }
        self.room -= asked.body.len();
        let whole = |name: &str| format!("{}/{name}", folder.trim_end_matches('/'));
        let mut path = whole(name);
        // Without it the file that is there would be replaced.
        assert_eq!(asked.query("renameifexists"), "1");
        for number in 1.. {
            if self.tree.get(&path).is_none() {
                break;
            }
            path = whole(&format!("{name} ({number})"));
        }
        self.tree.put(&path, asked.body.clone());
        self.ids.push(path.clone());
        Answer::json(200, &json!({ "result": 0, "metadata": [self.shown(&path, false)], "fileids": [1] }))
    }

    fn shown(&self, path: &str, deep: bool) -> Value {
        let name = path.rsplit('/').next();
        if let Some(content) = self.tree.file(path) {
            let id = self.ids.iter().rposition(|known| known == path);
            return json!({ "name": name, "isfolder": false, "size": content.len(), "fileid": id });
        }
        let mut value = json!({ "name": name, "isfolder": true, "folderid": 7 });
        if deep {
            let contents: Vec<Value> =
                self.tree.below(path, false).map(|kept: &Kept| self.shown(&kept.shown, true)).collect();
            value["contents"] = json!(contents);
        }
        value
    }

    fn path_of(&self, id: usize) -> String {
        self.ids.get(id).cloned().unwrap_or_default()
    }
}
