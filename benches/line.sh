#!/usr/bin/env bash
# Time, bytes and rate of cryptsync over a slow line, beside rclone crypt at its defaults and with 32 transfers, on the same data
# and servers. benches/README.md says what is measured. Settings are variables:
#
#   FILES=100000 BIG_MIB=1024 DELAY_MS=25 MBIT=100 SERVICES='s3 sftp webdav' benches/line.sh >line.md
set -euo pipefail

FILES=${FILES:-10000}                          # small files, of 1 to 16 KiB
BIG_MIB=${BIG_MIB:-256}                        # one random file, in MiB
DELAY_MS=${DELAY_MS:-25}                       # each way
MBIT=${MBIT:-100}                              # each way, for all connections together
SERVICES=${SERVICES:-s3 sftp webdav}
CASES=${CASES:-small big}
TOOLS=${TOOLS:-cryptsync rclone rclone-32}
LIMIT=${LIMIT:-1800}                           # seconds that one measurement may take
HERE=$(cd "$(dirname "$0")" && pwd)
CRYPTSYNC=${CRYPTSYNC:-$HERE/../target/release/cryptsync}
RCLONE=${RCLONE:-$(command -v rclone)}
WORK=$(mktemp -d "${WORK:-${TMPDIR:-/tmp}}/line.XXXXXX")
export HOME=$WORK/home XDG_STATE_HOME=$WORK/state XDG_CACHE_HOME=$WORK/cache XDG_CONFIG_HOME=$WORK/config
export CRYPTSYNC_PASSWORD=figures
mkdir -p "$HOME" "$XDG_CONFIG_HOME"
SERVER_PORT=$((20000 + RANDOM % 10000))
PORT=$((SERVER_PORT + 1))
started=()
stop() { [ ${#started[@]} = 0 ] || kill "${started[@]}" 2>/dev/null || true; wait 2>/dev/null || true; started=(); }
trap 'stop; rm -rf "$WORK"' EXIT

noise() { openssl enc -aes-128-ctr -K 000102030405060708090a0b0c0d0e0f -iv 00000000000000000000000000000000 -in /dev/zero 2>/dev/null | head -c "$1" || true; }

small_tree() {
    python3 - "$1" "$2" <<'PYTHON'
import os, random, sys
root, count = sys.argv[1], int(sys.argv[2])
rng = random.Random(20251121)
for n in range(count):
    directory = f"{root}/{n // 10000:03}/{n // 100 % 100:02}"
    if n % 100 == 0:
        os.makedirs(directory, exist_ok=True)
    with open(f"{directory}/{n:07}", "wb") as file:
        file.write(rng.randbytes(rng.randint(1024, 16384)))
PYTHON
}

# The server of a service over an empty directory, the line to it, and a configuration for each tool.
serve() {
    stop
    rm -rf "$WORK/served" "$WORK/state" "$WORK/cache" "$WORK/words"
    mkdir -p "$WORK/served/bucket"
    local rclone_config cryptsync_config serve=()
    case $1 in
        s3)
            serve=(s3 --auth-key 'figures,figuresfigures')
            rclone_config="type = s3\nprovider = Rclone\nendpoint = http://127.0.0.1:$PORT\naccess_key_id = figures\nsecret_access_key = figuresfigures\n"
            cryptsync_config="    endpoint: http://127.0.0.1:$PORT\n    region: us-east-1\n    access_key_id: figures\n    secret_access_key: figuresfigures\n    bucket: bucket\n    root: vault\n"
            ;;
        sftp)
            serve=(sftp --user figures --pass figures)
            rclone_config="type = sftp\nhost = 127.0.0.1\nport = $PORT\nuser = figures\npass = $("$RCLONE" obscure figures)\nshell_type = none\n"
            cryptsync_config="    host: 127.0.0.1\n    port: $PORT\n    user: figures\n    pass: figures\n    host_key: accept-new\n    root: bucket/vault\n"
            ;;
        webdav)
            serve=(webdav --user figures --pass figures)
            rclone_config="type = webdav\nurl = http://127.0.0.1:$PORT\nvendor = other\nuser = figures\npass = $("$RCLONE" obscure figures)\n"
            cryptsync_config="    url: http://127.0.0.1:$PORT\n    user: figures\n    pass: figures\n    root: bucket/vault\n"
            ;;
    esac
    "$RCLONE" --config /dev/null serve "${serve[@]}" --addr "127.0.0.1:$SERVER_PORT" --vfs-cache-mode off --dir-cache-time 0 "$WORK/served" >"$WORK/server.log" 2>&1 &
    started+=($!)
    python3 "$HERE/line.py" "$PORT" "$SERVER_PORT" "$DELAY_MS" "$MBIT" "$WORK/counts" &
    started+=($!)
    printf "[far]\n$rclone_config\n[crypt]\ntype = crypt\nremote = far:bucket/crypt\npassword = %s\n" "$("$RCLONE" obscure figures)" >"$WORK/rclone.conf"
    printf "remotes:\n  v:\n    type: %s\n$cryptsync_config" "$1" >"$WORK/config.yaml"
    chmod 600 "$WORK/config.yaml"
    for _ in $(seq 100); do
        (exec 3<>"/dev/tcp/127.0.0.1/$SERVER_PORT" && exec 4<>"/dev/tcp/127.0.0.1/$PORT") 2>/dev/null && return
        sleep 0.1
    done
    cat "$WORK/server.log" >&2
    exit 1
}

# measure CASE OPERATION TOOL ARGUMENTS...: appends a row of the table.
measure() {
    local case=$1 operation=$2 tool=$3 before after start end command status=ok
    shift 3
    case $tool in
        cryptsync) command=("$CRYPTSYNC" --config "$WORK/config.yaml" "$@") ;;
        rclone) command=("$RCLONE" --config "$WORK/rclone.conf" "$@") ;;
        rclone-32) command=("$RCLONE" --config "$WORK/rclone.conf" --transfers 32 --checkers 32 "$@") ;;
    esac
    sleep 0.5
    before=$(cat "$WORK/counts") start=$(date +%s.%N)
    timeout "$LIMIT" "${command[@]}" >"$WORK/said" 2>&1 || status="failed ($?)"
    end=$(date +%s.%N)
    sleep 0.5
    after=$(cat "$WORK/counts")
    [ "$status" = ok ] || { printf '%s: %s\n' "$status" "${command[*]}"; tail -3 "$WORK/said"; } >&2
    local requests
    requests=$(grep -oE '[0-9]+ requests?' "$WORK/said" | grep -oE '[0-9]+' | tail -1 || true)
    awk -v head="| $service | $case | $operation | $tool" -v b="$before" -v a="$after" -v wall="$(echo "$end - $start" | bc)" -v mbit="$MBIT" -v status="$status" -v requests="${requests:--}" 'BEGIN {
        split(b, x, " "); split(a, y, " "); up = y[1] - x[1]; down = y[2] - x[2]; most = up > down ? up : down
        printf "%s | %s | %.1f | %.1f | %.1f | %.0f | %s |\n", head, status, wall, up / 1048576, down / 1048576, most * 8 / wall / mbit / 10000, requests }' | tee -a /dev/stderr
}

run() { # CASE DIRECTORY
    local tool source to
    for tool in $TOOLS; do
        serve "$service"
        to=crypt:tree source=$2
        if [ "$tool" = cryptsync ]; then
            to=v:tree
            "$CRYPTSYNC" --config "$WORK/config.yaml" init v: --recovery-file "$WORK/words" >/dev/null 2>&1
        fi
        measure "$1" 'first sync' "$tool" sync "$source" "$to"
        measure "$1" 'no change' "$tool" sync "$source" "$to"
        measure "$1" restore "$tool" sync "$to" "$WORK/out"
        diff -r "$source" "$WORK/out" >&2 || printf 'what %s restored differs\n' "$tool" >&2
        rm -rf "$WORK/out"
    done
}

small_tree "$WORK/small" "$FILES"
mkdir "$WORK/big" && noise $((BIG_MIB << 20)) >"$WORK/big/noise"
find "$WORK/small" "$WORK/big" -type f -exec touch -d '2025-01-01' {} +
printf '%s, %s cores; %s ms each way, %s Mbit/s; %s; %s\n\n' "$(date -u +%F)" "$(nproc)" "$DELAY_MS" "$MBIT" "$("$CRYPTSYNC" --version | head -1)" "$("$RCLONE" version | head -1)"
printf '| service | data | operation | tool | | wall s | up MiB | down MiB | %% of the line | requests |\n|---|---|---|---|---|--:|--:|--:|--:|--:|\n'
for service in $SERVICES; do
    for case in $CASES; do
        case $case in
            small) run "$FILES small files" "$WORK/small" ;;
            big) run "file of $BIG_MIB MiB" "$WORK/big" ;;
        esac
    done
done
