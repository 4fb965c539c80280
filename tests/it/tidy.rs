//! The house rules that a compiler does not check: layers, homes of outside crates, sizes, headers, and that the documents
//! name only what exists. Reads the sources as text; `docs/style.md` and `docs/architecture.md` say why.

use std::collections::BTreeSet;
use std::fmt::Display;
use std::fs;
use std::ops::Range;
use std::path::{Component, Path, PathBuf};

/// Lowest first. A module uses modules of lower layers only, by `crate::`; inside a module everything goes.
const LAYERS: &[&[&str]] = &[
    &["class", "id", "path", "units", "world"],
    &["age", "chunk", "config", "crypto", "event", "filter", "spool", "sum", "system_keyring"],
    &["format"],
    &["history"],
    &["vault"],
    &["transfer"],
    &["ops"],
    &["cli"],
];

/// Outside crates that have a home: the only places, as prefixes of paths below `src`, that may name them.
const HOMES: &[(&[&str], &[&str])] = &[
    (&["cryptsync_backends"], &["vault/", "ops/", "config/provider.rs"]),
    (&["clap", "clap_complete", "clap_mangen", "crossterm", "rpassword"], &["cli/"]),
    (&["indicatif"], &["cli/output/screen.rs"]),
    (&["chacha20poly1305", "argon2", "ed25519_dalek", "x_wing", "bip39", "aes", "salsa20", "poly1305"], &["crypto/"]),
    (&["blake3"], &["crypto/", "sum.rs"]),
    (&["sha2", "base64ct"], &["crypto/", "sum.rs"]),
    (&["md5", "sha1", "digest", "crc32fast", "twox_hash"], &["sum.rs"]),
    (&["rusqlite"], &["vault/"]),
    (&["keyring"], &["system_keyring.rs"]),
    (&["saphyr_parser"], &["config/yaml.rs"]),
    (&["serde_yaml"], &["config/typed.rs"]),
    (&["tokio"], &["vault/io.rs", "vault/plain.rs", "vault/collect_tests.rs", "ops/", "cli/"]),
];

/// Lines of a file, its tests not counted.
const LINES_MAX: usize = 500;

const UNFINISHED: &[&str] = &["TODO", "FIXME", "XXX", "todo!", "unimplemented!"];

#[test]
fn modules_only_look_down() {
    let mut bad = Vec::new();
    for source in sources("src") {
        let Some(from) = source.module.first() else { continue };
        for (line, to) in source.crate_paths() {
            if to != *from && layer(&to).is_none_or(|to| layer(from).is_none_or(|from| to >= from)) {
                bad.push(format!("{}:{line}: `{from}` may not use `{to}`", source.shown()));
            }
        }
    }
    report(&bad, "docs/architecture.md, \"Layers\"");
}

#[test]
fn every_module_has_a_layer() {
    let modules: BTreeSet<String> =
        sources("src").into_iter().filter_map(|source| source.module.into_iter().next()).collect();
    let known: BTreeSet<String> = LAYERS.iter().copied().flatten().map(ToString::to_string).collect();
    assert_eq!(modules, known);
}

#[test]
fn outside_crates_stay_at_home() {
    let mut bad = Vec::new();
    for source in sources("src") {
        let below = source.path.strip_prefix(root().join("src")).unwrap().to_str().unwrap();
        for (names, homes) in HOMES {
            if homes.iter().any(|home| below.starts_with(home)) {
                continue;
            }
            for name in *names {
                let uses = words(&source.code, name).filter(|at| source.code[at.end..].trim_start().starts_with("::"));
                bad.extend(uses.map(|at| format!("{}:{}: names `{name}`", source.shown(), source.line(at.start))));
            }
        }
    }
    report(&bad, "outside crates have one home each: docs/architecture.md, \"Layers\"");
}

#[test]
fn documents_name_only_what_exists() {
    let mut bad = Vec::new();
    let docs = files_below(&root().join("docs")).into_iter().filter(|path| path.extension().is_some_and(|e| e == "md"));
    for doc in docs.chain([root().join("README.md"), root().join("CHANGELOG.md")]) {
        let text = fs::read_to_string(&doc).unwrap();
        let text = without_fences(&text);
        let here = doc.parent().unwrap();
        let quoted = between(&text, "`", "`").into_iter().filter(|word| looks_like_a_path(word));
        let linked =
            between(&text, "](", ")").into_iter().filter(|link| !link.contains("://") && !link.starts_with('#'));
        let linked = linked.map(|link| link.split('#').next().unwrap_or_default());
        for name in quoted {
            if !root().join(name).exists() && !here.join(name).exists() {
                bad.push(format!("{}: `{name}`", shown(&doc)));
            }
        }
        bad.extend(linked.filter(|link| !here.join(link).exists()).map(|link| format!("{}: ({link})", shown(&doc))));
    }
    report(&bad, "named in a document, but not there");
}

#[test]
fn every_file_is_reached() {
    let mut bad = Vec::new();
    for (dir, starts) in
        [("src", &["lib.rs", "main.rs"][..]), ("backends/src", &["lib.rs"]), ("tests/it", &["main.rs"])]
    {
        let dir = root().join(dir);
        let mut reached = BTreeSet::new();
        starts.iter().for_each(|start| reach(&dir.join(start), &mut reached));
        let there = files_below(&dir).into_iter().filter(|path| path.extension().is_some_and(|e| e == "rs"));
        bad.extend(there.filter(|path| !reached.contains(path)).map(|path| shown(&path)));
    }
    report(&bad, "no `mod` leads to these files");
}

#[test]
fn files_are_short() {
    let long = |source: &Source| {
        let lines = source.code.lines().count() - source.test_lines();
        (lines > LINES_MAX).then(|| format!("{}: {lines} lines", source.shown()))
    };
    let all = sources("src").into_iter().chain(sources("backends/src"));
    report(&all.filter_map(|source| long(&source)).collect::<Vec<_>>(), "at most 500 lines without tests");
}

#[test]
fn every_file_says_what_it_is() {
    let mut bad = Vec::new();
    for dir in ["src", "backends/src", "tests"] {
        for path in
            files_below(&root().join(dir)).into_iter().filter(|path| path.extension().is_some_and(|e| e == "rs"))
        {
            if !fs::read_to_string(&path).unwrap().starts_with("//! ") {
                bad.push(shown(&path));
            }
        }
    }
    report(&bad, "a file begins with a `//!` header");
}

#[test]
fn nothing_is_left_for_later() {
    let mut bad = Vec::new();
    for dir in ["src", "backends/src"] {
        for path in files_below(&root().join(dir)) {
            let Ok(text) = fs::read_to_string(&path) else { continue };
            let marked = |line: &str| UNFINISHED.iter().any(|word| line.contains(word));
            let lines = text.lines().enumerate().filter(|(_, line)| marked(line));
            bad.extend(lines.map(|(at, line)| format!("{}:{}: {}", shown(&path), at + 1, line.trim())));
        }
    }
    report(&bad, "finish it, or write down in docs/ what is missing");
}

#[test]
fn the_reader_of_sources_reads_them_right() {
    let text = "// crate::a\nuse crate::b::{C};\nlet s = \"crate::c\"; let c = '\"'; use crate::{d, e::{F, g}};\n\
                #[cfg(test)]\nmod t { use crate::h; }\nlet r = r#\"crate::i \" \"#; fn f<'a>() { crate::j() }";
    let source = Source::parse(root().join("src/x/y.rs"), text, false);
    let paths: Vec<String> = source.crate_paths().into_iter().map(|(_, to)| to).collect();
    assert_eq!(paths, ["b", "d", "e", "j"]);
    assert_eq!(source.test_lines(), 2);
    let up = Source::parse(root().join("src/x/y.rs"), "use super::a; use super::super::k::L;", false);
    assert_eq!(up.crate_paths(), [(1, "k".to_owned())]);
}

fn layer(module: &str) -> Option<usize> {
    LAYERS.iter().position(|layer| layer.contains(&module))
}

fn report(bad: &[impl Display], rule: &str) {
    let list: String = bad.iter().map(|line| format!("\n  {line}")).collect();
    assert!(bad.is_empty(), "{rule}:{list}");
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn shown(path: &Path) -> String {
    path.strip_prefix(root()).unwrap_or(path).display().to_string()
}

/// All files below a directory, sorted.
fn files_below(dir: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    let mut dirs = vec![dir.to_owned()];
    while let Some(dir) = dirs.pop() {
        for entry in fs::read_dir(&dir).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() { dirs.push(path) } else { files.push(path) }
        }
    }
    files.sort();
    files
}

/// The sources below a directory of the project. The roots of crates belong to no module.
fn sources(dir: &str) -> Vec<Source> {
    let paths = files_below(&root().join(dir)).into_iter().filter(|path| path.extension().is_some_and(|e| e == "rs"));
    let texts: Vec<(PathBuf, String)> = paths.map(|path| (path.clone(), fs::read_to_string(path).unwrap())).collect();
    let parse = |(path, text): &(PathBuf, String)| Source::parse(path.clone(), text, false);
    let tests: BTreeSet<PathBuf> = texts.iter().map(parse).flat_map(|source| source.test_files()).collect();
    let dirs: Vec<PathBuf> = tests.iter().map(|test| home_of(test)).collect();
    let is_test = |path: &Path| tests.contains(path) || dirs.iter().any(|dir| path.starts_with(dir));
    texts.iter().map(|(path, text)| Source::parse(path.clone(), text, is_test(path))).collect()
}

/// One file: comments, literals and tests blanked out, every line where it was.
struct Source {
    path: PathBuf,
    /// The names from the crate's root to this file; none for the root itself.
    module: Vec<String>,
    code: String,
    /// Items under `#[cfg(test)]`, and their text.
    tests: Vec<(Range<usize>, String)>,
}

impl Source {
    fn parse(path: PathBuf, text: &str, is_test: bool) -> Self {
        let mut code = blank_comments_and_literals(text);
        let mut tests = Vec::new();
        while let Some(start) = code.find("#[cfg(test)]") {
            let end = end_of_item(&code, start);
            tests.push((start..end, text[start..end].to_owned()));
            code.replace_range(start..end, &blank(&text[start..end]));
        }
        if is_test {
            code = blank(text);
            tests = vec![(0..code.len(), String::new())];
        }
        Self { module: module_of(&path), path, code, tests }
    }

    fn shown(&self) -> String {
        shown(&self.path)
    }

    fn line(&self, at: usize) -> usize {
        self.code[..at].matches('\n').count() + 1
    }

    fn test_lines(&self) -> usize {
        self.tests.iter().map(|(range, _)| self.code[range.clone()].lines().count()).sum()
    }

    /// Files of modules that are only there for tests.
    fn test_files(&self) -> Vec<PathBuf> {
        self.tests.iter().flat_map(|(_, item)| declared_files(&self.path, item)).collect()
    }

    /// Modules at the crate's root that this file names, with lines: `crate::x`, `crate::{x, y}`, and `super` often enough.
    fn crate_paths(&self) -> Vec<(usize, String)> {
        let mut found = Vec::new();
        for at in words(&self.code, "crate") {
            if let Some(rest) = self.code[at.end..].strip_prefix("::") {
                found.extend(heads(rest).into_iter().map(|name| (self.line(at.start), name)));
            }
        }
        let up = "super::".repeat(self.module.len().max(1));
        for (at, _) in self.code.match_indices(&up) {
            let rest = &self.code[at + up.len()..];
            let is_chain = self.code[..at].ends_with("::");
            if !is_chain && !rest.starts_with("super") {
                found.extend(heads(rest).into_iter().map(|name| (self.line(at), name)));
            }
        }
        // Names in lower case only: what else is at the root is a module's re-export and has no layer of its own.
        found.retain(|(_, name)| name.starts_with(|c: char| c.is_ascii_lowercase()));
        found
    }
}

fn module_of(path: &Path) -> Vec<String> {
    let below: Vec<String> = path.components().map(component).skip_while(|name| name != "src").skip(1).collect();
    let names = below.iter().map(|name| name.trim_end_matches(".rs").to_owned());
    names.filter(|name| !["lib", "main", "mod"].contains(&name.as_str())).collect()
}

fn component(part: Component<'_>) -> String {
    part.as_os_str().to_string_lossy().into_owned()
}

/// Where `word` stands alone.
fn words<'a>(text: &'a str, word: &'a str) -> impl Iterator<Item = Range<usize>> + 'a {
    let part = |c: char| c.is_ascii_alphanumeric() || c == '_';
    text.match_indices(word)
        .map(|(at, word)| at..at + word.len())
        .filter(move |at| !text[..at.start].ends_with(part) && !text[at.end..].starts_with(part))
}

/// The first names of what follows `crate::`: one, or those at the top of a group.
fn heads(rest: &str) -> Vec<String> {
    let name = |text: &str| text.trim_start().chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '_').collect();
    let Some(group) = rest.strip_prefix('{') else { return vec![name(rest)] };
    let (mut depth, mut names) = (0, vec![name(group)]);
    for (at, c) in group.char_indices() {
        match c {
            '{' => depth += 1,
            '}' if depth == 0 => break,
            '}' => depth -= 1,
            ',' if depth == 0 => names.push(name(&group[at + 1..])),
            _ => {}
        }
    }
    names.retain(|name| !name.is_empty());
    names
}

/// The end of the item that begins with an attribute at `start`: its semicolon, or the brace that closes its body.
fn end_of_item(code: &str, start: usize) -> usize {
    let mut depth = 0;
    for (at, c) in code[start..].char_indices() {
        match c {
            '{' | '(' | '[' => depth += 1,
            '}' | ')' | ']' => depth -= 1,
            _ => {}
        }
        if depth == 0 && matches!(c, ';' | '}') {
            return start + at + 1;
        }
    }
    code.len()
}

/// Blanks comments, strings and characters, so that what is left is code. Every byte stays where it was.
fn blank_comments_and_literals(text: &str) -> String {
    let mut code = String::with_capacity(text.len());
    while code.len() < text.len() {
        let rest = &text[code.len()..];
        let alone = !text[..code.len()].ends_with(|c: char| c.is_ascii_alphanumeric() || c == '_');
        let len = if rest.starts_with("//") {
            rest.find('\n').unwrap_or(rest.len())
        } else if rest.starts_with("/*") {
            rest.find("*/").map_or(rest.len(), |end| end + 2)
        } else if rest.starts_with('"') {
            quoted_len(rest, '"')
        } else if rest.starts_with('\'') {
            char_len(rest)
        } else if alone && (rest.starts_with('r') || rest.starts_with("br")) {
            raw_len(rest)
        } else {
            0
        };
        match rest.chars().next() {
            Some(c) if len == 0 => code.push(c),
            _ => code.push_str(&blank(&rest[..len])),
        }
    }
    code
}

fn quoted_len(rest: &str, quote: char) -> usize {
    let mut escaped = false;
    for (at, c) in rest.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            c if c == quote => return at + 1,
            _ => {}
        }
    }
    rest.len()
}

/// The length of a character literal; 0 for a lifetime.
fn char_len(rest: &str) -> usize {
    let mut chars = rest.chars().skip(1);
    match (chars.next(), chars.next()) {
        (Some('\\'), _) | (Some(_), Some('\'')) => quoted_len(rest, '\''),
        _ => 0,
    }
}

/// The length of a raw string; 0 for anything else that begins with its letters.
fn raw_len(rest: &str) -> usize {
    let open = rest.trim_start_matches('b').trim_start_matches('r');
    let hashes = open.len() - open.trim_start_matches('#').len();
    if !open[hashes..].starts_with('"') {
        return 0;
    }
    let start = rest.len() - open.len() + hashes + 1;
    let close = format!("\"{}", "#".repeat(hashes));
    rest[start..].find(&close).map_or(rest.len(), |end| start + end + close.len())
}

/// As many bytes of nothing, with the same lines.
fn blank(text: &str) -> String {
    text.chars().flat_map(|c| std::iter::repeat_n(if c == '\n' { c } else { ' ' }, c.len_utf8())).collect()
}

/// Follows `mod` declarations from a file.
fn reach(path: &Path, reached: &mut BTreeSet<PathBuf>) {
    let Ok(text) = fs::read_to_string(path) else { return };
    if reached.insert(path.to_owned()) {
        declared_files(path, &text).iter().for_each(|file| reach(file, reached));
    }
}

/// The directory of a module's submodules, if it has any.
fn home_of(path: &Path) -> PathBuf {
    let is_root = ["lib.rs", "main.rs", "mod.rs"].iter().any(|name| path.ends_with(name));
    if is_root { path.parent().unwrap().to_owned() } else { path.with_extension("") }
}

/// The files of `mod x;` declarations in the text of a file, by `#[path]` or by name; only those that exist.
fn declared_files(path: &Path, text: &str) -> Vec<PathBuf> {
    let code = blank_comments_and_literals(text);
    let dir = path.parent().unwrap();
    let own = home_of(path);
    let mut files = Vec::new();
    for at in words(&code, "mod") {
        let rest = code[at.end..].trim_start();
        let name: String = rest.chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '_').collect();
        if !rest[name.len()..].starts_with(';') {
            continue;
        }
        let before = &text[..at.start];
        let before = &before[before.rfind([';', '}']).map_or(0, |end| end + 1)..];
        match between(before, "#[path = \"", "\"]").pop() {
            Some(given) => files.push(dir.join(given)),
            None => files.extend([own.join(format!("{name}.rs")), own.join(&name).join("mod.rs")]),
        }
    }
    files.retain(|file| file.exists());
    files
}

/// A name in a document that means a file of the project: below one of its directories, or with one of its endings.
fn looks_like_a_path(word: &str) -> bool {
    let is_name = word.chars().all(|c| c.is_ascii_alphanumeric() || "._-/".contains(c));
    let below = ["src/", "backends/", "docs/", "tests/", "benches/", ".ci/", ".config/", ".cargo/"];
    let endings = [".rs", ".toml", ".md"];
    is_name && (below.iter().any(|dir| word.starts_with(dir)) || endings.iter().any(|end| word.ends_with(end)))
}

/// A document without its code blocks.
fn without_fences(text: &str) -> String {
    let mut inside = false;
    let mut out = String::new();
    for line in text.lines() {
        let fence = line.trim_start().starts_with("```");
        if !inside && !fence {
            out.push_str(line);
        }
        out.push('\n');
        inside ^= fence;
    }
    out
}

/// The parts of each line of `text` between `open` and `close`.
fn between<'a>(text: &'a str, open: &str, close: &str) -> Vec<&'a str> {
    let mut parts = Vec::new();
    for mut line in text.lines() {
        while let Some((_, rest)) = line.split_once(open) {
            let Some((part, rest)) = rest.split_once(close) else { break };
            parts.push(part);
            line = rest;
        }
    }
    parts
}
