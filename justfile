# What CI runs.
check:
    bash tests/run

# Formats, and applies what clippy can do by itself.
fix:
    cargo fmt --all
    cargo clippy --workspace --all-targets --fix --allow-dirty --allow-staged

# Figures beside other programs, on this machine; benches/README.md says what they mean.
bench:
    bash benches/first_figures.sh

# Makes the vault of a new format version that later versions must open. Only ever adds a folder.
golden:
    cargo nextest run --test it --run-ignored only make_golden

# Many kills in the middle of a sync: 200, or as many as given.
kill rounds="200":
    bash tests/kill.sh {{rounds}}

# Makes docs/cli.md anew from the definitions in src/cli and the chapters in src/cli/topics; man pages land in target/docs/man.
docs:
    cargo run --quiet -- gendocs target/docs
    cp target/docs/cli.md docs/cli.md
