//! `remote test`

use std::ffi::OsString;
use std::time::Duration;

use serde_json::{Value as Json, json};

use crate::cli::output::{Align, CliError, table, write_object};
use crate::cli::shell::Shell;
use crate::ops::{self, Check, Outcome, Speed, Trial};
use crate::units::ByteSize;

#[derive(Debug, clap::Args)]
pub(super) struct TestArgs {
    /// The remote, as `name:`
    remote: OsString,
}

pub(super) fn run(shell: &Shell, args: &TestArgs) -> Result<(), CliError> {
    let remote = shell.settings.remote(&args.remote)?;
    let trial = shell.call(false, |ctx| ops::trial(ctx, &remote))?;
    if shell.printer.is_json() {
        write_object(&shell.printer, &in_json(&trial))?;
    } else {
        for line in lines(&trial) {
            shell.printer.data(&line)?;
        }
    }
    if let Some(left) = &trial.left {
        shell.printer.complain(format_args!("{left}; `cryptsync cleanup {}:` removes it later", remote.name));
    }
    let Some(class) = trial.failed else { return Ok(()) };
    let failed = trial.checks.iter().filter(|check| matches!(check.outcome, Outcome::Failed { .. })).count();
    let error = match failed {
        0 => CliError::new(class, "what was written for the test is still there"),
        n => CliError::new(class, format!("checks of `{}:` that failed: {n}", remote.name)),
    };
    Err(match &trial.hint {
        Some(hint) => error.hint(hint.clone()),
        None => error,
    })
}

fn lines(trial: &Trial) -> Vec<String> {
    let mut lines = vec![trial.place.clone(), String::new()];
    let row = |check: &Check| {
        let (word, why) = outcome(&check.outcome);
        [check.name.to_owned(), word.to_owned(), seconds(check.took), why.to_owned()]
    };
    let rows: Vec<_> = trial.checks.iter().map(row).collect();
    lines.extend(table([Align::Left, Align::Left, Align::Right, Align::Left], &rows));
    lines.push(String::new());
    let rows = [
        ["", "declared", "seen"].map(str::to_owned),
        row_of("creates a name once", yes(Some(trial.declared.put_new)), yes(trial.observed.put_new)),
        row_of("ranges of objects", yes(Some(trial.declared.read_range)), yes(trial.observed.read_range)),
        row_of(
            "listings lag",
            seconds(trial.declared.list_delay),
            trial.observed.list_delay.map_or_else(none, seconds),
        ),
        row_of("upper and lower case differ", none(), yes(trial.observed.case_sensitive)),
        row_of("largest object", ByteSize(trial.declared.max_object).to_string(), none()),
        row_of("requests at once", trial.declared.max_concurrency.to_string(), none()),
    ];
    lines.extend(table([Align::Left, Align::Left, Align::Left], &rows));
    if let Some(Speed { put, get, bytes, put_large, get_large }) = trial.speed {
        let rate = |time: Duration| format!("{}/s", ByteSize(per_second(bytes, time)));
        let size = ByteSize(bytes);
        lines.push(String::new());
        let rows = [
            ["", "write", "read"].map(str::to_owned),
            row_of("1 KiB", seconds(put), seconds(get)),
            row_of(&size.to_string(), seconds(put_large), seconds(get_large)),
            row_of("", rate(put_large), rate(get_large)),
        ];
        lines.extend(table([Align::Left, Align::Right, Align::Right], &rows));
    }
    lines
}

fn row_of(name: &str, declared: String, seen: String) -> [String; 3] {
    [name.to_owned(), declared, seen]
}

fn outcome(outcome: &Outcome) -> (&'static str, &str) {
    match outcome {
        Outcome::Fine(note) => ("ok", note),
        Outcome::Absent(why) => ("not supported", why),
        Outcome::Failed { why, .. } => ("failed", why),
    }
}

fn yes(known: Option<bool>) -> String {
    known.map_or_else(none, |is| if is { "yes".to_owned() } else { "no".to_owned() })
}

fn none() -> String {
    "-".to_owned()
}

fn seconds(time: Duration) -> String {
    format!("{:.3} s", time.as_secs_f64())
}

fn per_second(bytes: u64, time: Duration) -> u64 {
    (bytes as f64 / time.as_secs_f64().max(1e-6)) as u64
}

fn in_json(trial: &Trial) -> Json {
    let check = |check: &Check| {
        let (word, why) = outcome(&check.outcome);
        json!({ "name": check.name, "result": word, "why": why, "seconds": check.took.as_secs_f64() })
    };
    let (declared, observed) = (trial.declared, trial.observed);
    json!({
        "remote": trial.place,
        "checks": trial.checks.iter().map(check).collect::<Vec<_>>(),
        "declared": {
            "creates_once": declared.put_new, "ranges": declared.read_range,
            "list_delay": declared.list_delay.as_secs_f64(), "max_object": declared.max_object,
            "max_concurrency": declared.max_concurrency,
        },
        "observed": {
            "creates_once": observed.put_new, "ranges": observed.read_range,
            "list_delay": observed.list_delay.map(|delay| delay.as_secs_f64()), "case_sensitive": observed.case_sensitive,
        },
        "speed": trial.speed.map(|speed| json!({
            "put": speed.put.as_secs_f64(), "get": speed.get.as_secs_f64(), "bytes": speed.bytes,
            "put_large": speed.put_large.as_secs_f64(), "get_large": speed.get_large.as_secs_f64(),
        })),
        "left": trial.left,
    })
}

pub(super) const EXAMPLES: &str = "\
Examples:
  cryptsync remote test nas:
  cryptsync remote test nas: --json";
