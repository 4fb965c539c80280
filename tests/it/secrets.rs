//! Secrets in what people type, set and write: whatever goes wrong, and however much is told, none of them is shown.

use std::fs;
use std::path::Path;

use super::support::cli::{Cli, Machine, Output};

/// Nothing else has this in it.
const CANARY: &str = "cAnArY7";

/// Verbs with their arguments; `@` stands for a place.
const VERBS: &[&str] = &[
    "about @",
    "adopt @",
    "cat @",
    "check @ .",
    "check . @",
    "config create new @",
    "config delete @",
    "config update @ bucket=b",
    "conflicts ls @",
    "copy @ into",
    "copy . @",
    "copyto @ into",
    "cp @ @",
    "dedupe @",
    "delete @",
    "device list @",
    "diff @ A B",
    "du @",
    "find @ *",
    "gc @",
    "hashsum md5 @",
    "init @ --recovery-file words",
    "key list @",
    "leaks @",
    "listremotes @",
    "log @",
    "ls @",
    "lsd @",
    "lsf @",
    "lsf @ @",
    "lsjson @",
    "lsl @",
    "md5sum @",
    "mkdir @",
    "move @ into",
    "moveto . @",
    "mv @ @",
    "purge @",
    "rcat @",
    "remote add @ v:",
    "remote heal @",
    "replicate @ v:",
    "replicate v: @",
    "rm @",
    "rmdir @",
    "rmdirs @",
    "sha256sum @",
    "size @",
    "stat @",
    "status @",
    "sync @ into",
    "sync . @",
    "sync . @ --backup-dir @",
    "sync . v: --compare-dest @",
    "touch @",
    "tree @",
    "ncdu @",
    "verify @",
    "version @",
    "writer list @",
    "frobnicate @",
    "ls v: --transfers @",
    "ls v: --witness @",
    "ls v: --no-such-flag @",
];

/// Places with a secret in them, right and wrong. Nobody listens at that port.
fn places() -> Vec<String> {
    [
        ":webdav,url='http://127.0.0.1:1/',user=u,pass=@:p",
        ":s3,bucket=b,endpoint='http://127.0.0.1:1',region=r,access_key_id=k,secret_access_key=@:",
        ":s3,secret_access_key='@:b",
        ":s3,secret_access_key='@'@:b",
        ":s3,secret_access_key @:b",
        ":webdav,url=http://127.0.0.1:1/,user=u,pass=@:p",
        ":webdav,url='http://u:@@127.0.0.1:1/':",
        ":webdav,pas=@:p",
        "nas,pass=@",
        "nas,pass=@:../p",
        "no*name,pass=@:p",
        ":mirror,upstreams='v: :s3,secret_access_key=@:':",
        ":mirror,upstreams=':s3,secret_access_key=@:',nonsense=x:",
    ]
    .iter()
    .map(|place| place.replace('@', CANARY).replace(&format!(":{CANARY}{CANARY}1"), &format!(":{CANARY}@1")))
    .collect()
}

#[track_caller]
fn keeps_quiet(machine: &Machine, args: &[&str]) -> Output {
    let output = machine.run(args);
    let said = output.text() + &output.stderr;
    assert!(!said.contains(CANARY), "{args:?} says {said}");
    output
}

fn machine() -> (Cli, Machine) {
    let cli = Cli::with_vault();
    let machine = cli.machine("home").var("CRYPTSYNC_RETRIES", "1").var("CRYPTSYNC_LOW_LEVEL_RETRIES", "1");
    fs::write(machine.home.join("file"), "x").unwrap();
    (cli, machine)
}

fn run_all(machine: &Machine, lines: &[String]) {
    std::thread::scope(|scope| {
        for part in lines.chunks(lines.len().div_ceil(4)) {
            scope.spawn(move || {
                for line in part {
                    let args: Vec<&str> = line.split(SPACE).collect();
                    let output = keeps_quiet(machine, &args);
                    assert!(output.code != 0 || !line.contains("nas,pass"), "{args:?} {}", output.stderr);
                }
            });
        }
    });
    let made = super::support::cli::walk(&machine.home);
    assert!(!made.iter().any(|path| path.to_string_lossy().contains(CANARY)), "{made:?}");
}

/// No place and no argument has it.
const SPACE: &str = "\u{1}";

#[test]
fn no_verb_shows_a_secret_of_a_place() {
    let (_cli, machine) = machine();
    let places = places();
    let mut lines = Vec::new();
    for (at, verb) in VERBS.iter().enumerate() {
        // Each verb gets all kinds of mistakes among its neighbours.
        for turn in 0..3 {
            let place = &places[(at * 3 + turn) % places.len()];
            lines.push(format!("-vv {verb}").replace(' ', SPACE).replace('@', place));
        }
    }
    run_all(&machine, &lines);
}

#[test]
fn no_level_shows_a_secret_of_a_place() {
    let (_cli, machine) = machine();
    let mut lines = Vec::new();
    for level in [
        "-q",
        "-v",
        "-vv",
        "--json",
        "--json -vv",
        "--use-json-log -vv",
        "--log-level DEBUG",
        "--log-file log -vv",
        "--log-format date,time,pid -vv",
    ] {
        for place in places() {
            lines.push(format!("{level} lsf @").replace(' ', SPACE).replace('@', &place));
        }
    }
    run_all(&machine, &lines);
    let log = fs::read_to_string(machine.home.join("log")).unwrap();
    assert!(log.contains("ERROR") && !log.contains(CANARY), "{log}");
}

#[test]
fn no_mistake_in_a_file_or_a_variable_shows_a_secret() {
    let (_cli, machine) = machine();
    let file = machine.home.join("config.yaml");
    let path = file.to_str().unwrap();
    for text in [
        "remotes: {nas: {type: webdav, url: 'http://127.0.0.1:1/', user: u, pass: @}}",
        "remotes: {nas: {type: webdav, pas: @}}",
        "remotes: {nas: {type: webdav, pass: [@]}}",
        "remotes: {nas: {type: webdav, pass: {key: @}}}",
        "remotes: {nas: {type: webdav, pass: {keyring: [@]}}}",
        "remotes: {nas: {type: webdav, pass=@}}",
        "remotes: {nas: {type: webdav, pass @}}",
        "remotes:\n  nas:\n    type: webdav\n    pass=@\n",
        "remotes:\n  nas:\n    type: webdav\n    pass: '@\n",
        "remotes:\n  nas:\n    type: webdav\n    pass: @: x\n",
        "remotes:\n  nas:\n    type: webdav\n    pass: &x @\n",
        "remotes:\n  nas:\n    type: webdav\n    pass: !x @\n",
        "remotes:\n  nas:\n    type: webdav\n\tpass: @\n",
        "remotes:\n  nas: @\n",
        "remotes: @\n",
        "@\n",
        "pass=@: x\n",
    ] {
        fs::write(&file, text.replace('@', CANARY)).unwrap();
        for verb in ["lsf nas:", "config show", "config update nas user=v"] {
            for level in ["-vv", "--json"] {
                let line = format!("--config {path} {level} {verb}");
                keeps_quiet(&machine, &line.split(' ').collect::<Vec<_>>());
            }
        }
    }
    let vars = [
        ("CRYPTSYNC_CONFIG_NAS_PAS", CANARY),
        ("CRYPTSYNC_CONFIG_NAS_PASS", CANARY),
        ("CRYPTSYNC_WEBDAV_PAS", CANARY),
        ("CRYPTSYNC_S3_SECRET_ACCES_KEY", CANARY),
        ("CRYPTSYNC_PASSWORD", CANARY),
    ];
    for (name, value) in vars {
        for line in ["lsf nas:", "lsf v:", "config show", "lsf :s3,bucket=b:", "key add password v:"] {
            keeps_quiet(&machine.clone().var(name, value), &format!("-vv {line}").split(' ').collect::<Vec<_>>());
        }
    }
    for line in [
        "config create new s3 bucket secret_access_key @",
        "config create new s3 bucket=b secret_access_key @ secret_access_key=@",
        "config create new s3 secret_access_key=@ bucket=b endpoint=http://127.0.0.1:1 access_key_id=k",
        "config create new webdav url=http://u:@@127.0.0.1:1/",
        "config update v pass=@",
        "lsf :s3: --s3-secret-access-key=@",
        "lsf :s3: --s3-secret-access-key @",
    ] {
        let line = line.replace('@', CANARY).replace(&format!(":{CANARY}{CANARY}1"), &format!(":{CANARY}@1"));
        keeps_quiet(&machine, &["-vv"].into_iter().chain(line.split(' ')).collect::<Vec<_>>());
    }
}

#[test]
fn whoever_wants_to_see_secrets_says_so() {
    let (_cli, machine) = machine();
    let file = machine.home.join("config.yaml");
    let text = format!(
        "remotes: {{nas: {{type: webdav, url: 'https://u:{CANARY}@h/', user: u, pass: {CANARY}}}, m: {{type: mirror, upstreams: ':s3,secret_access_key={CANARY}:'}}}}"
    );
    fs::write(&file, text).unwrap();
    let run = |args: &str| {
        let config = ["--config", Path::to_str(&file).unwrap()];
        machine.ok(config.into_iter().chain(args.split(' '))).text()
    };
    for args in ["config show", "config show nas", "config show --json", "config dump", "config redacted"] {
        let shown = run(args);
        assert!(!shown.contains(CANARY) && shown.contains("XXX") && shown.contains("@h/"), "{args}: {shown}");
    }
    for args in ["config show --reveal", "config show nas --reveal --json", "config dump --reveal"] {
        let expected = if args.contains("nas") { 2 } else { 3 };
        assert_eq!(run(args).matches(CANARY).count(), expected, "{args}");
    }
}
