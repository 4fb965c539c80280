# What CI runs.
check:
    bash tests/run

# Formats, and applies what clippy can do by itself.
fix:
    cargo fmt --all
    cargo clippy --workspace --all-targets --fix --allow-dirty --allow-staged
