//! `config` alone, at a real terminal.

use rexpect::session::{PtySession, spawn_command};

use super::{Home, text};

fn at_terminal(home: &Home) -> PtySession {
    let mut command = home.command(&["config"]);
    command.env("TERM", "dumb");
    spawn_command(command, Some(30_000)).unwrap()
}

/// Answers one question after another.
fn talk(terminal: &mut PtySession, steps: &[(&str, &str)]) {
    for (question, answer) in steps {
        terminal.exp_string(question).unwrap_or_else(|error| panic!("{question}: {error}"));
        terminal.send_line(answer).unwrap();
    }
}

#[test]
fn makes_changes_and_removes_remotes() {
    let home = Home::new();
    let (one, two) = (home.path("one"), home.path("two"));
    let mut terminal = at_terminal(&home);
    talk(
        &mut terminal,
        &[
            ("There are no remotes yet", ""),
            ("e/n/d/r/c/s/q> ", "x"),
            ("`x` is none of these letters", ""),
            ("e/n/d/r/c/s/q> ", "n"),
            ("Name of the new remote> ", "a/b"),
            ("not the name of a remote", ""),
            ("e/n/d/r/c/s/q> ", "n"),
            ("Name of the new remote> ", "nas"),
            ("1  fs: a directory", "1"),
            ("root> ", ""),
            ("This one is needed.", ""),
            ("root> ", text(&one)),
            ("added `nas:`", ""),
            ("e/n/d/r/c/s/q> ", "e"),
            ("Name of the remote> ", "nsa"),
            ("did you mean `nas:`?", ""),
            ("e/n/d/r/c/s/q> ", "e"),
            ("Name of the remote> ", "nas:"),
            (&format!("root [{}]> ", one.display()), text(&two)),
            ("changed `nas:`", ""),
            ("e/n/d/r/c/s/q> ", "c"),
            ("Name of the remote> ", "nas"),
            ("Name of the new remote> ", "twin"),
            ("added `twin:`", ""),
            ("e/n/d/r/c/s/q> ", "r"),
            ("Name of the remote> ", "twin"),
            ("New name> ", "third"),
            ("renamed `third:`", ""),
            ("e/n/d/r/c/s/q> ", "d"),
            ("Name of the remote> ", "nas"),
            ("[y/N]> ", "y"),
            ("removed `nas:`", ""),
            ("third:  fs", ""),
            ("e/n/d/r/c/s/q> ", "q"),
        ],
    );
    terminal.exp_eof().unwrap();
    assert_eq!(home.text(), format!("remotes:\n  third:\n    type: fs\n    root: {}\n", text(&two)));
}

#[test]
fn seals_the_file_with_a_password_that_is_not_shown() {
    let home = Home::new();
    home.write("remotes: {nas: {type: fs, root: /nowhere}}\n");
    let mut terminal = at_terminal(&home);
    talk(
        &mut terminal,
        &[
            ("e/n/d/r/c/s/q> ", "s"),
            ("New password for the configuration: ", "sesame"),
            ("The same again: ", "sesame"),
            ("the configuration is sealed", ""),
            ("e/n/d/r/c/s/q> ", "q"),
        ],
    );
    let said = terminal.exp_eof().unwrap();
    assert!(!said.contains("sesame") && home.text().contains("cryptsync-sealed-1"));
    let mut terminal = at_terminal(&home);
    talk(
        &mut terminal,
        &[
            ("Password of the configuration", "sesame"),
            ("nas:  fs", ""),
            ("e/n/d/r/c/s/q> ", "s"),
            ("c/r> ", "r"),
            ("e/n/d/r/c/s/q> ", "q"),
        ],
    );
    terminal.exp_eof().unwrap();
    assert_eq!(home.text(), "remotes: {nas: {type: fs, root: /nowhere}}\n");
}
