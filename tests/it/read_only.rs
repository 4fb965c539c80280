//! Credentials that may only read: every verb that reads opens the vault, and one that writes says what is wrong.

use std::fs;

use crate::support::cli::{Cli, Machine, contents};
use crate::support::servers::{PASSWORD, Server, USER};

fn at(machine: Machine, server: &Server) -> Machine {
    let settings =
        [("TYPE", "webdav"), ("ROOT", "some/vault"), ("URL", &server.url()), ("USER", USER), ("PASS", PASSWORD)];
    settings.iter().fold(machine, |machine, (name, value)| machine.var(&format!("CRYPTSYNC_CONFIG_V_{name}"), value))
}

#[test]
fn a_remote_that_refuses_every_write_can_be_read() {
    let Some(server) = Server::rclone_webdav() else { return };
    let mut cli = Cli::new();
    let writer = at(cli.machine("writer"), &server);
    cli.vault_id = cli.init(&writer);
    let (src, out) = (cli.path("src"), cli.path("out"));
    fs::create_dir_all(src.join("deep")).unwrap();
    fs::write(src.join("deep/file"), "what is in it").unwrap();
    fs::write(src.join("other"), "more").unwrap();
    let (src_text, out_text) = (src.to_str().unwrap(), out.to_str().unwrap());
    writer.ok(["sync", src_text, "v:docs"]);

    let Some(readable) = Server::nginx_of(&server.served()) else { return };
    // One that knows only the password, and one that has a key and a state of its own.
    let writer = at(writer, &readable).var("CRYPTSYNC_VAULT_ID", &cli.vault_id);
    for (number, reader) in [at(cli.fresh("new"), &readable), writer].into_iter().enumerate() {
        for verb in [
            &["ls", "v:"][..],
            &["lsl", "v:docs"],
            &["lsd", "v:"],
            &["lsjson", "-R", "v:"],
            &["lsf", "v:docs"],
            &["tree", "v:"],
            &["find", "v:", "file"],
            &["size", "v:"],
            &["du", "v:"],
            &["stat", "v:docs/other"],
            &["log", "v:"],
            &["status", "v:"],
            &["about", "v:"],
            &["check", src_text, "v:docs"],
            &["verify", "--read-data", "v:"],
            &["hashsum", "sha256", "v:docs"],
            &["key", "list", "v:"],
            &["--ephemeral", "ls", "v:"],
        ] {
            let ran = reader.run(verb);
            assert_eq!(ran.code, 0, "{number} {verb:?}: {}", ran.stderr);
        }
        assert_eq!(reader.ok(["cat", "v:docs/deep/file"]).text(), "what is in it");
        reader.ok(["sync", "v:docs", out_text]);
        assert!(contents(&src) == contents(&out));
        fs::remove_dir_all(&out).unwrap();
        fs::write(src.join("new"), "new").unwrap();
        reader.run(["sync", src_text, "v:docs"]).fails(7, &["permission denied"]);
        fs::remove_file(src.join("new")).unwrap();
        // What failed is not taken for done.
        reader.ok(["check", src_text, "v:docs"]);
    }
}
