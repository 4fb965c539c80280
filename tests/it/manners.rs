//! Small manners: sizes that people can read.

use std::fs;

use super::support::cli::Cli;
use super::support::rclone::Rclone;

#[test]
fn readable_sizes_are_those_of_rclone() {
    let Some(rclone) = Rclone::find() else { return };
    let cli = Cli::with_vault();
    let machine = cli.machine("home");
    let src = machine.home.join("src");
    fs::create_dir_all(src.join("d")).unwrap();
    for size in [0, 999, 1000, 1023, 1024, 1100, 9999, 10_239, 10_240, 105_000, 1_047_000, 1_048_575, 1_234_567] {
        fs::write(src.join(format!("f{size}")), vec![0; size]).unwrap();
        fs::write(src.join(format!("d/g{size}")), vec![0; size]).unwrap();
    }
    machine.ok(["copy", "src", "v:"]);
    let src = src.to_str().unwrap();
    for verb in [&["ls"][..], &["lsl"], &["lsf", "-R", "--format", "sp"], &["size"], &["tree"], &["tree", "-s"]] {
        let lines = |text: String| {
            // rclone adds up what is below a directory where it draws one.
            let mut lines: Vec<String> = text
                .lines()
                .filter(|line| !line.ends_with("  /") && !line.ends_with("  d") && *line != "/")
                .map(str::to_owned)
                .collect();
            lines.retain(|line| !line.ends_with("── d") && !line.ends_with(";d/"));
            lines.sort();
            lines
        };
        let args = |place: &'static str| [verb, &["--human-readable", place]].concat();
        let theirs = rclone.run([verb, &["--human-readable", src]].concat());
        assert_eq!(theirs.code, 0, "{}", theirs.stderr);
        assert_eq!(lines(machine.ok(args("v:")).text()), lines(theirs.text()), "{verb:?}");
    }
    assert_eq!(machine.ok(["lsd", "--human-readable", "v:"]).text().find("-1"), Some(7), "as wide as rclone has it");
}
