//! Verbs that read content: sums, comparisons with reports, `cat` of many files, `rcat --size`, `about`.

use std::fs;
use std::process::Stdio;

use crate::support::cli::{Cli, Machine, Output, noise};

/// A vault with a few files, and the directory that they came from.
fn filled() -> (Cli, Machine, std::path::PathBuf) {
    let cli = Cli::with_vault();
    let machine = cli.machine("home");
    let src = cli.path("src");
    fs::create_dir_all(src.join("d")).unwrap();
    fs::write(src.join("x"), "hi\n").unwrap();
    fs::write(src.join("d/y"), "yo\n").unwrap();
    fs::write(src.join("empty"), "").unwrap();
    fs::write(src.join("large"), noise(1, 3 << 20)).unwrap();
    fs::write(src.join("holes"), [vec![0; 2 << 20], noise(2, 1000)].concat()).unwrap();
    machine.ok(["sync", src.to_str().unwrap(), "v:t"]);
    (cli, machine, src)
}

#[test]
fn sums_are_the_same_on_both_sides() {
    let (cli, machine, src) = filled();
    let src = src.to_str().unwrap();
    for hash in ["md5", "sha1", "crc32", "sha256", "sha512", "blake3", "xxh3", "xxh128"] {
        let sums = machine.ok(["hashsum", hash, "v:t"]).text();
        assert_eq!(sums, machine.ok(["hashsum", hash, src]).text());
        assert_eq!(sums.lines().count(), 5, "{sums}");
    }
    let md5 = machine.ok(["md5sum", "v:t", "--exclude", "{large,holes}"]).text();
    assert!(
        md5.contains("764efa883dda1e11db47671c4a3bbd9e  x\n")
            && md5.contains("f6255bb01c648fe967714d52a89e8e9c  d/y\n")
    );
    assert_eq!(machine.ok(["sha1sum", "v:t/x"]).text(), "55ca6286e3e4f4fba5d0448333fa99fc5a404a73  x\n");
    assert_eq!(machine.ok(["md5sum", "--base64", "v:t/d"]).text(), "9iVbsBxkj-lncU1SqJ6OnA==  y\n");
    let json = machine.ok(["sha256sum", "v:t/d", "--json"]).text();
    assert!(json.contains(r#"{"Path":"y","Hashes":{"sha256":"#), "{json}");

    // Written to a file, and held against what is there.
    let file = cli.path("sums");
    let file = file.to_str().unwrap();
    assert_eq!(machine.ok(["sha256sum", "v:t", "--output-file", file]).text(), "");
    let same = machine.ok(["hashsum", "sha256", src, "-C", file]).text();
    assert_eq!(same.lines().filter(|line| line.starts_with("= ")).count(), 5, "{same}");
    fs::write(cli.path("src/x"), "ho\n").unwrap();
    fs::write(cli.path("src/new"), "").unwrap();
    let worse = machine.run(["check", "-C", "sha256", file, src, "--combined", "-"]);
    assert_eq!(worse.code, 1, "{}", worse.stderr);
    assert!(worse.text().contains("* x\n") && worse.text().contains("- new\n"), "{}", worse.text());
    machine.run(["hashsum", "whirlpool", "v:t"]).fails(2, &["whirlpool", "sha256"]);
    machine.run(["md5sum", "v:nope"]).fails(3, &["does not exist"]);
    machine.run(["check", "-C", "md5", src, "v:t"]).fails(2, &["directory"]);
    assert!(machine.ok(["hashsum"]).text().contains("- blake3\n"));
}

#[test]
fn check_reads_as_much_as_it_is_told_to() {
    let (cli, machine, src) = filled();
    let (from, reports) = (src.to_str().unwrap(), cli.path("reports"));
    fs::create_dir(&reports).unwrap();
    for more in [&[][..], &["--download"], &["--size-only"], &["-c"]] {
        machine.ok([&["check", from, "v:t"], more].concat());
        machine.ok([&["check", "v:t", from], more].concat());
        machine.ok([&["check", "v:t", "v:t"], more].concat());
    }
    fs::write(src.join("x"), "ho\n").unwrap();
    fs::write(src.join("new"), "new").unwrap();
    fs::remove_file(src.join("empty")).unwrap();
    let names = ["match", "differ", "missing-on-src", "missing-on-dst", "error", "combined"];
    let flags = names.map(|name| [format!("--{name}"), reports.join(name).to_str().unwrap().to_owned()]).concat();
    let report = |more: &[&str]| {
        let args = [&["check", from, "v:t"], more].concat();
        let code = machine.run(args.into_iter().chain(flags.iter().map(String::as_str))).code;
        let read = |name| fs::read_to_string(reports.join(name)).unwrap().replace('\n', " ");
        (code, names.map(read))
    };
    let rows = ["holes large d/y ", "x ", "empty ", "new ", ""].map(str::to_owned);
    let (code, found) = report(&[]);
    assert_eq!((code, &found[..5]), (1, &rows[..]));
    assert_eq!(found[5].split_whitespace().count(), 12, "{}", found[5]);
    assert_eq!(report(&["--download"]).1[..5], rows);
    let (code, found) = report(&["--size-only", "--one-way"]);
    assert_eq!((code, &found[0][..], &found[2][..]), (1, "holes large x d/y ", ""));
    let one = machine.run(["check", src.join("x").to_str().unwrap(), "v:t", "--combined", "-"]);
    assert_eq!((one.code, one.text()), (1, "* x\n".into()), "{}", one.stderr);
    machine.run(["check", from, "v:t", "--match", "/nowhere/f"]).fails(2, &["/nowhere/f"]);
}

#[test]
fn cat_of_many_files() {
    let (_cli, machine, src) = filled();
    assert_eq!(machine.ok(["cat", "v:t/x", "v:t/d", "--separator", "-|"]).text(), "hi\n-|yo\n-|");
    assert_eq!(machine.ok(["cat", "v:t", "--include", "{x,y}", "--offset", "-2", "--count", "1"]).text(), "io");
    assert_eq!(machine.ok(["cat", "v:t", "--discard", "--separator", "x"]).text(), "");
    assert_eq!(machine.ok(["cat", src.join("x").to_str().unwrap(), "v:t/x"]).text(), "hi\nhi\n");
    let both = machine.ok(["cat", "v:t/holes"]).stdout;
    assert_eq!(both, fs::read(src.join("holes")).unwrap());
    machine.run(["cat", "v:t/x", "v:t/nope"]).says(&["v:t/nope", "does not exist"]);
    machine.run(["cat", "v:t/x", "--head", "1", "--tail", "1"]).fails(2, &["--head", "--tail"]);
}

#[test]
fn rcat_of_a_known_size() {
    let (_cli, machine, _) = filled();
    let rcat = |size: &str| {
        let mut command = machine.command(["rcat", "v:in", "--size", size]);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        drop(std::io::Write::write_all(&mut child.stdin.take().unwrap(), b"12345"));
        let output = child.wait_with_output().unwrap();
        let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
        Output { code: output.status.code().unwrap(), stdout: output.stdout, stderr }
    };
    rcat("4").fails(1, &["longer than --size says"]);
    rcat("6").fails(1, &["shorter than --size says"]);
    machine.run(["cat", "v:in"]).fails(3, &["does not exist"]);
    assert_eq!(rcat("5").code, 0);
    assert_eq!(machine.ok(["cat", "v:in"]).text(), "12345");
    assert_eq!(rcat("-1").code, 0);
    rcat("many").fails(2, &["`many` is not a number of bytes"]);
}

#[test]
fn about_a_vault() {
    let (_cli, machine, _) = filled();
    let text = machine.ok(["about", "v:"]).text();
    let lines: Vec<&str> = text.lines().map(|line| line.split(':').next().unwrap()).collect();
    assert_eq!(lines, ["Total", "Used", "Free", "Other", "Objects"], "{text}");
    let json: serde_json::Value = serde_json::from_str(&machine.ok(["about", "v:", "--json"]).text()).unwrap();
    let field = |name: &str| json[name].as_u64().unwrap();
    assert!(field("used") > 3 << 20 && field("used") < 5 << 20, "{json}");
    assert!(field("total") > field("free") && field("objects") > 3, "{json}");
    assert!(machine.ok(["about", "v:", "--full"]).text().contains(&format!("{}\n", field("used"))));
    machine.run(["about", "v:t"]).fails(2, &["takes a whole remote"]);
    machine.run(["about", "/tmp"]).fails(2, &["local path"]);
}
