//! Several runs at the same moment on one machine.

use std::fs;

use crate::crash::{Machine, text};
use crate::support::{noise, snapshot};

#[test]
fn two_runs_at_once_both_end_well() {
    let machine = Machine::with_vault();
    for round in 0..5u64 {
        let children: Vec<_> = ["a", "b"]
            .into_iter()
            .map(|side| {
                let src = machine.path(side);
                fs::create_dir_all(&src).unwrap();
                let seed = round * 2 + u64::from(side == "b");
                fs::write(src.join(format!("file{round}")), noise(seed, 30_000 + round as usize * 300_000)).unwrap();
                machine
                    .command(&["sync", side, &format!("v:{side}")])
                    .stderr(std::process::Stdio::piped())
                    .spawn()
                    .unwrap()
            })
            .collect();
        for child in children {
            let done = child.wait_with_output().unwrap();
            assert!(done.status.success(), "round {round}: {}", text(&done));
        }
    }
    machine.ok(&["sync", "v:", "got"]);
    for side in ["a", "b"] {
        assert_eq!(snapshot(&machine.path("got").join(side)), snapshot(&machine.path(side)));
    }
    machine.ok(&["verify", "v:", "--read-data"]);
    let log = machine.ok(&["log", "v:", "--limit", "100", "--json"]);
    let said = String::from_utf8(log.stdout).unwrap();
    for side in ["-> a", "-> b"] {
        assert_eq!(said.matches(side).count(), 5, "each run made one commit: {said}");
    }
}
