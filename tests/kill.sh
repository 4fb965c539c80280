#!/bin/sh
# Kills the program many times while it works, alone and with another writer: tests/kill.sh [KILLS]
set -eu
cd "$(dirname "$0")/.."
CRYPTSYNC_KILLS="${1:-200}" exec cargo test --release --test it -- --nocapture crash:: writers::killed
