//! Two machines at the same time, and machines that are copies of each other.

use std::io::Read;

use cryptsync::ops;

use crate::support::TestEnv;

/// An input during which another machine writes to the vault.
struct Meanwhile<'a> {
    env: &'a TestEnv,
    left: &'a [u8],
    done: bool,
}

impl Read for Meanwhile<'_> {
    fn read(&mut self, out: &mut [u8]) -> std::io::Result<usize> {
        if !std::mem::replace(&mut self.done, true) {
            let ctx = self.env.ctx_at("elsewhere");
            ops::rcat(&ctx, &self.env.place("theirs"), &mut &b"theirs"[..]).unwrap();
        }
        self.left.read(out)
    }
}

fn noise(len: u32) -> Vec<u8> {
    (0..len / 4).flat_map(|i| (i ^ 0x5bd1_e995).wrapping_mul(2_654_435_761).to_le_bytes()).collect()
}

#[test]
fn a_stream_survives_a_commit_of_somebody_else() {
    let env = TestEnv { yes: Some(true), ..TestEnv::with_vault() };
    for len in [20_000, 3_000_000] {
        let content = noise(len);
        let mut input = Meanwhile { env: &env, left: &content, done: false };
        ops::rcat(&env.ctx(), &env.place("ours"), &mut input).unwrap();
        assert!(env.cat("ours").unwrap() == content, "{len} bytes");
        assert_eq!(env.cat("theirs").unwrap(), b"theirs");
    }
}
