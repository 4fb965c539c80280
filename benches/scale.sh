#!/usr/bin/env bash
# What a long log and a large tree cost: time, memory, objects. benches/README.md says what the numbers mean.
#
#   COMMITS=10000 FILES=1000000 FLAT=300000 SPARSE_GIB=100 WORK=/dev/shm/scale benches/scale.sh
set -euo pipefail

COMMITS=${COMMITS:-10000}                      # small commits, one after another
FILES=${FILES:-1000000}                        # files of the large tree, 1,000 a directory
FLAT=${FLAT:-300000}                           # files of the one large directory
SPARSE_GIB=${SPARSE_GIB:-100}                  # size of the sparse file
CASES=${CASES:-log files flat sparse}          # which of them to run
CRYPTSYNC=${CRYPTSYNC:-$(cd "$(dirname "$0")/.." && pwd)/target/release/cryptsync}
BASE=${WORK:-${TMPDIR:-/tmp}}

mkdir -p "$BASE"
WORK=$(mktemp -d "$BASE/scale.XXXXXX")
trap 'rm -rf "$WORK"' EXIT
export HOME=$WORK/home XDG_STATE_HOME=$WORK/state XDG_CACHE_HOME=$WORK/cache XDG_CONFIG_HOME=$WORK/config
export CRYPTSYNC_PASSWORD='for figures only'
mkdir -p "$HOME" "$XDG_CONFIG_HOME"

cryptsync() { "$CRYPTSYNC" --config "$WORK/config.yaml" "$@"; }

# Runs cryptsync and prints a row: what, seconds, MiB at the peak; the exit code if it is not 0.
row() {
    local what=$1 status=0 got
    shift
    command time -q -o "$WORK/time" -f '%e %M' "$CRYPTSYNC" --config "$WORK/config.yaml" "$@" >"$WORK/out" 2>"$WORK/err" || status=$?
    got=$(tail -n 1 "$WORK/time")
    printf '| %s | %s s | %s MiB |\n' "$what" "${got% *}" "$((${got#* } / 1024))"
    if ((status)); then
        printf 'exit code %s: %s\n' "$status" "$(tail -n 3 "$WORK/err")" >&2
    fi
}

fresh() {
    rm -rf "$WORK/vault" "$WORK/state" "$WORK/cache" "$WORK/src" "$WORK/down" "$WORK/words"
    printf 'remotes:\n  v:\n    type: fs\n    root: %s\n' "$WORK/vault" >"$WORK/config.yaml"
    cryptsync init --recovery-file "$WORK/words" v: >/dev/null
    mkdir -p "$WORK/src"
}

# A machine that has nothing but the password, then the same again.
cold() {
    local id
    id=$(cryptsync status --json v: | python3 -c 'import json,sys; print(json.load(sys.stdin)["vault_id"])')
    mv "$WORK/state" "$WORK/state-kept"
    mv "$WORK/cache" "$WORK/cache-kept"
    row "$1, cold" --vault-id "$id" "${@:2}"
    rm -rf "$WORK/state" "$WORK/cache"
    mv "$WORK/state-kept" "$WORK/state"
    mv "$WORK/cache-kept" "$WORK/cache"
    row "$1, warm" "${@:2}"
}

log_case() {
    fresh
    local start=$SECONDS n
    for ((n = 0; n < COMMITS; n++)); do
        echo "content $n" | cryptsync rcat "v:file-$((n % 50))" 2>/dev/null
    done
    echo "| $COMMITS commits | $((SECONDS - start)) s | |"
    echo "| objects in log/, pages of a listing | $(find "$WORK/vault/log" -type f | wc -l), $(($(find "$WORK/vault/log" -type f | wc -l) / 1000 + 1)) | |"
    echo "| objects in index/ | $(find "$WORK/vault/index" -type f | wc -l) | |"
    cold 'status' status v:
    cold 'lsf' lsf v:
    cold 'cat' cat v:file-7
    cold 'log --limit 20' log --limit 20 v:
    row 'log, all' log --limit 1000000 v:
    row 'verify' verify v:
}

tree_case() {
    local what=$1 count=$2 each=$3
    fresh
    python3 - "$WORK/src" "$count" "$each" <<'PYTHON'
import os, sys
root, count, each = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
for n in range(count):
    directory = f"{root}/{n // each:05}"
    if n % each == 0:
        os.makedirs(directory, exist_ok=True)
    with open(f"{directory}/file-{n:08}", "wb") as file:
        file.write(b"content of file %d\n" % n * (1 + n % 60))
PYTHON
    row "$what: first sync" sync "$WORK/src" v:
    sleep 3
    row "$what: no change" sync "$WORK/src" v:
    row "$what: lsf -R" lsf -R v:
    row "$what: cat" cat "v:00000/file-00000007"
    row "$what: check" check "$WORK/src" v:
    row "$what: verify" verify v:
    row "$what: restore" sync v: "$WORK/down"
}

sparse_case() {
    fresh
    truncate -s "${SPARSE_GIB}G" "$WORK/src/image"
    dd if=/dev/urandom of="$WORK/src/image" bs=1M count=8 seek=$((SPARSE_GIB * 512)) conv=notrunc status=none
    row "sparse file of $SPARSE_GIB GiB: sync" sync "$WORK/src" v:
    row "sparse file: restore" sync v: "$WORK/down"
    echo "| stored, restored on disk | $(du -sm "$WORK/vault" | cut -f1) MiB, $(du -sm "$WORK/down" | cut -f1) MiB | |"
}

echo "| what | time | peak memory |"
echo "|---|---|---|"
for case in $CASES; do
    case $case in
        log) log_case ;;
        files) tree_case "$FILES files" "$FILES" 1000 ;;
        flat) tree_case "directory of $FLAT files" "$FLAT" "$FLAT" ;;
        sparse) sparse_case ;;
    esac
done
uptime
