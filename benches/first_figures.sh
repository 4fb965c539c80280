#!/usr/bin/env bash
# Time, memory, bytes and requests of cryptsync on this machine, beside rclone crypt, restic and cp on the same data.
# benches/README.md says what is measured and what each number means. Settings are variables:
#
#   GIB=20 FILES=100000 RANDOM_GIB=2 ROUNDS=3 WORK=/dev/shm/figures benches/first_figures.sh >figures.md
set -euo pipefail

GIB=${GIB:-4}                                  # stream for `rcat`, in GiB; the documented figure is 20
FILES=${FILES:-100000}                         # files of the small tree
RANDOM_GIB=${RANDOM_GIB:-2}                    # the one random file, in GiB
ROUNDS=${ROUNDS:-1}                            # medians over so many rounds
SOURCE=${SOURCE:-$HOME/.cargo/registry/src}    # a real tree; left out if it is not there
CASES=${CASES:-stream small random source}     # which of them to run
RSS_MAX=${RSS_MAX:-150}                        # MiB that cryptsync may use
CRYPTSYNC=${CRYPTSYNC:-$(cd "$(dirname "$0")/.." && pwd)/target/release/cryptsync}
RCLONE=${RCLONE:-$(command -v rclone || true)}
RESTIC=${RESTIC:-$(command -v restic || true)}
BASE=${WORK:-${TMPDIR:-/tmp}}

mkdir -p "$BASE"
WORK=$(mktemp -d "$BASE/first-figures.XXXXXX")
trap 'rm -rf "$WORK"' EXIT
results=$WORK/results.tsv
touch "$results"
export HOME=$WORK/home XDG_STATE_HOME=$WORK/state XDG_CACHE_HOME=$WORK/cache XDG_CONFIG_HOME=$WORK/config
export CRYPTSYNC_PASSWORD=figures RESTIC_PASSWORD=figures RESTIC_CACHE_DIR=$WORK/cache/restic
mkdir -p "$HOME" "$XDG_CONFIG_HOME/cryptsync"

tools=(cryptsync)
[ -n "$RCLONE" ] && tools+=(rclone)
[ -n "$RESTIC" ] && tools+=(restic)
tools+=(cp)

cryptsync() { "$CRYPTSYNC" --config "$WORK/config.yaml" "$@"; }
rclone() { "$RCLONE" --config "$WORK/rclone.conf" "$@"; }
restic() { "$RESTIC" -r "$WORK/repo-restic" -q "$@"; }

# Pseudo-random bytes, the same every time, faster than any of the tools takes them.
noise() { openssl enc -aes-128-ctr -K 000102030405060708090a0b0c0d0e0f -iv 00000000000000000000000000000000 -in /dev/zero 2>/dev/null | head -c "$1" || true; }

small_tree() {
    python3 - "$1" "$2" <<'PYTHON'
import os, random, sys
root, count = sys.argv[1], int(sys.argv[2])
rng = random.Random(20251121)
words = [bytes(rng.choices(b"abcdefghijklmnopqrstuvwxyz", k=rng.randint(2, 11))) for _ in range(4096)]
for n in range(count):
    directory = f"{root}/{n // 10000:03}/{n // 100 % 100:02}"
    if n % 100 == 0:
        os.makedirs(directory, exist_ok=True)
    size = rng.randint(1024, 16384)
    data = rng.randbytes(size) if n % 2 else b" ".join(rng.choices(words, k=size // 6))[:size].ljust(size, b"\n")
    with open(f"{directory}/{n:07}.{'bin' if n % 2 else 'txt'}", "wb") as file:
        file.write(data)
PYTHON
}

# A new, empty vault or repository for every tool.
fresh() {
    rm -rf "$WORK"/repo-* "$WORK/state" "$WORK/cache" "$WORK/out" "$WORK/words"
    mkdir -p "$WORK/cache"
    printf 'remotes:\n  v:\n    type: fs\n    root: %s\n' "$WORK/repo-cryptsync" >"$WORK/config.yaml"
    cryptsync init v: --recovery-file "$WORK/words" >/dev/null 2>&1
    if [ -n "$RCLONE" ]; then
        mkdir -p "$WORK/repo-rclone"
        printf '[crypt]\ntype = crypt\nremote = %s\npassword = %s\n' "$WORK/repo-rclone" "$("$RCLONE" obscure figures)" >"$WORK/rclone.conf"
    fi
    [ -z "$RESTIC" ] || restic init >/dev/null
}

# measure CASE OPERATION TOOL COMMAND...: appends wall, CPU seconds, peak KiB, stored bytes, requests.
measure() {
    local case=$1 operation=$2 tool=$3
    shift 3
    local binary
    case $1 in
        cryptsync) shift; binary=("$CRYPTSYNC" --config "$WORK/config.yaml" "$@") ;;
        rclone) shift; binary=("$RCLONE" --config "$WORK/rclone.conf" "$@") ;;
        restic) shift; binary=("$RESTIC" -r "$WORK/repo-restic" -q "$@") ;;
        *) binary=("$@") ;;
    esac
    if ! /usr/bin/time -v -o "$WORK/time" "${binary[@]}" >"$WORK/said" 2>&1; then
        printf 'failed: %s\n' "${binary[*]}" >&2
        tail -5 "$WORK/said" >&2
        exit 1
    fi
    local stored=0 requests
    [ -d "$WORK/repo-$tool" ] && stored=$(du -sb --apparent-size "$WORK/repo-$tool" | cut -f1)
    requests=$(grep -oE '[0-9]+ requests?' "$WORK/said" | grep -oE '[0-9]+' || true)
    awk -v OFS='\t' -v head="$case	$operation	$tool" -v stored="$stored" -v requests="${requests:--}" -F': ' '
        /Elapsed/ { n = split($NF, part, ":"); for (i = 1; i <= n; i++) wall = wall * 60 + part[i] }
        /User time/ { cpu += $NF } /System time/ { cpu += $NF } /Maximum resident/ { rss = $NF }
        END { print head, wall, cpu, rss, stored, requests }' "$WORK/time" >>"$results"
    tail -1 "$results" >&2
}

same() { diff -r --no-dereference "$1" "$2" >&2; }

upload() { # CASE OPERATION DIRECTORY
    for tool in "${tools[@]}"; do
        case $tool in
            cryptsync) measure "$1" "$2" cryptsync cryptsync sync "$3" v:tree --force ;;
            rclone) measure "$1" "$2" rclone rclone sync "$3" crypt:tree --links --create-empty-src-dirs ;;
            restic) (cd "$3" && measure "$1" "$2" restic restic backup --no-scan .) ;;
            cp) [ "$2" != 'first sync' ] || measure "$1" "$2" cp cp -a "$3" "$WORK/repo-cp" ;;
        esac
    done
    rm -rf "$WORK/repo-cp"
}

restore() { # CASE DIRECTORY
    for tool in "${tools[@]}"; do
        case $tool in
            cryptsync) measure "$1" restore cryptsync cryptsync sync v:tree "$WORK/out" ;;
            rclone) measure "$1" restore rclone rclone sync crypt:tree "$WORK/out" --links --create-empty-src-dirs ;;
            restic) measure "$1" restore restic restic restore latest --target "$WORK/out" ;;
            cp) measure "$1" restore cp cp -a "$2" "$WORK/out" ;;
        esac
        same "$2" "$WORK/out"
        rm -rf "$WORK/out"
    done
}

changes() { # CASE DIRECTORY ROUND
    sleep 3 # what was written less than two seconds before a scan is read again by the next
    upload "$1" 'settle' "$2"
    upload "$1" 'no change' "$2"
    local file
    file=$(find "$2" -type f | sort | sed -n 42p)
    chmod u+w "$file"
    printf 'round %s' "$3" >>"$file"
    upload "$1" 'one file changed' "$2"
}

round() {
    for case in $CASES; do
        case $case in
            stream)
                fresh
                noise $((GIB << 30)) | measure "stream of $GIB GiB" rcat cryptsync cryptsync rcat v:stream
                rm -rf "$WORK/repo-cryptsync"
                if [ -n "$RCLONE" ]; then
                    noise $((GIB << 30)) | measure "stream of $GIB GiB" rcat rclone rclone rcat crypt:stream
                    rm -rf "$WORK/repo-rclone"
                fi
                if [ -n "$RESTIC" ]; then
                    noise $((GIB << 30)) | measure "stream of $GIB GiB" rcat restic restic backup --stdin
                fi
                ;;
            small)
                fresh
                upload "$FILES small files" 'first sync' "$WORK/small"
                changes "$FILES small files" "$WORK/small" "$1"
                measure "$FILES small files" check cryptsync cryptsync check "$WORK/small" v:tree
                measure "$FILES small files" verify cryptsync cryptsync verify v:
                restore "$FILES small files" "$WORK/small"
                ;;
            random)
                fresh
                upload "random file of $RANDOM_GIB GiB" 'first sync' "$WORK/random"
                restore "random file of $RANDOM_GIB GiB" "$WORK/random"
                ;;
            source)
                fresh
                upload 'source tree' 'first sync' "$WORK/source"
                changes 'source tree' "$WORK/source" "$1"
                restore 'source tree' "$WORK/source"
                ;;
        esac
    done
}

REAL_SOURCE=$SOURCE
for case in $CASES; do
    case $case in
        small) small_tree "$WORK/small" "$FILES" ;;
        random) mkdir "$WORK/random" && noise $((RANDOM_GIB << 30)) >"$WORK/random/noise" ;;
        source) if [ -d "$REAL_SOURCE" ]; then cp -a "$REAL_SOURCE" "$WORK/source"; else CASES=${CASES/source/}; fi ;;
    esac
done

printf '%s, %s cores, %s, work directory on %s\n' "$(date -u +%F)" "$(nproc)" "$(sed -n 's/^model name.*: //p' /proc/cpuinfo | head -1)" "$(stat -f -c %T "$WORK")"
printf '%s\n' "$("$CRYPTSYNC" --version | head -1)"
[ -z "$RCLONE" ] || "$RCLONE" version | head -1
[ -z "$RESTIC" ] || "$RESTIC" version
[ ! -d "$WORK/source" ] || printf 'source tree: %s files, %s bytes\n' "$(find "$WORK/source" -type f | wc -l)" "$(du -sb "$WORK/source" | cut -f1)"
printf 'GIB=%s FILES=%s RANDOM_GIB=%s ROUNDS=%s CASES="%s", load before: %s\n\n' "$GIB" "$FILES" "$RANDOM_GIB" "$ROUNDS" "$CASES" "$(cut -d' ' -f1 /proc/loadavg)"
for n in $(seq "$ROUNDS"); do round "$n"; done

python3 - "$results" "$RSS_MAX" <<'PYTHON'
import statistics, sys
rows = {}
for line in open(sys.argv[1]):
    case, operation, tool, wall, cpu, rss, stored, requests = line.rstrip("\n").split("\t")
    if operation != "settle":
        rows.setdefault((case, operation, tool), []).append((float(wall), float(cpu), int(rss), int(stored), requests))
print("| data | operation | tool | wall s | CPU s | peak MiB | stored MiB | requests |\n|---|---|---|--:|--:|--:|--:|--:|")
over = []
for (case, operation, tool), values in rows.items():
    wall, cpu = (statistics.median(value[at] for value in values) for at in (0, 1))
    rss, stored, requests = max(value[2] for value in values) / 1024, values[-1][3] / 2**20, values[-1][4]
    print(f"| {case} | {operation} | {tool} | {wall:.2f} | {cpu:.2f} | {rss:.0f} | {stored:.1f} | {requests} |")
    if tool == "cryptsync" and rss > float(sys.argv[2]):
        over.append(f"{case}, {operation}: {rss:.0f} MiB")
if over:
    sys.exit("over the bound on memory: " + "; ".join(over))
PYTHON
