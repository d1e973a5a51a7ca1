#!/usr/bin/env bash
# The ranks of MPI, checked: same results on 1, 2, 3 and 4 of them, exact values within 5 standard errors, kills
# of one rank by -9 at random moments (an end everywhere within 10 s; the same results after a resume on another
# number of ranks), and, where a Python with tensorjump and mpi4py is named, the same from there.
#
# usage: mpi/check.sh [KILLS]           5 kills by default
#        PYTHON=.venv/bin/python mpi/check.sh
# needs: OpenMPI and libclang (apt: libopenmpi-dev openmpi-bin libclang-dev), python3
set -euo pipefail
cd "$(dirname "$0")"
kills=${1:-5}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
target=${CARGO_TARGET_DIR:-target}

cargo build --release --locked --target-dir "$target"
program=$(realpath "$target/release/ranks")
over() { # over RANKS ARGUMENTS…: one line of JSON
    local n=$1
    shift
    mpirun --oversubscribe --mca mpi_yield_when_idle 1 -n "$n" "$program" "$@" --json
}
field() { python3 -c 'import json, sys; print(json.load(sys.stdin)[sys.argv[1]])' "$1"; }

# Whether a process runs: one that nobody has waited for does not.
alive() { [ -e "/proc/$1/stat" ] && ! grep -q ') Z ' "/proc/$1/stat" 2> "$work/null"; }

declare -A expected updates=([chains]=300 [tempering]=300 [fredkin]=300)
for what in chains tempering fredkin; do
    for n in 1 2 3 4; do
        over "$n" "$what" --updates "${updates[$what]}" > "$work/found.json"
        hash=$(field hash < "$work/found.json")
        if [ "$n" = 1 ]; then
            expected[$what]=$hash
            python3 - "$work/found.json" <<'PY'
import json, sys
found = json.load(open(sys.argv[1]))
for v in found["values"]:
    print(f"{found['program']}: {v['what']} {v['found']:.6g} ± {v['error']:.2g}, exact {v['exact']:.8g}, {v['sigmas']:+.2f} σ")
    assert abs(v["sigmas"]) < 5, v
PY
        fi
        echo "$what on $n ranks: hash $hash, $(python3 -c '
import json, sys
t = json.load(open(sys.argv[1]))["traffic"]
print("%.1f bytes and %.2f gathers an update" % (t["bytes_an_update"], t["gathers_an_update"]))' "$work/found.json")"
        [ "$hash" = "${expected[$what]}" ] || { echo "$what on $n ranks is another result"; exit 1; }
    done
done

# Kills, in turn of chains, of tempering with levels of a glass, and of the Fredkin chain.
programs=(chains tempering fredkin)
killed=0 longest=0 resumed=0 tries=0
while [ "$killed" -lt "$kills" ]; do
    tries=$((tries + 1))
    [ "$tries" -le $((4 * kills + 20)) ] || { echo "runs end before they can be killed"; exit 1; }
    what=${programs[tries % 3]}
    n=$((2 + RANDOM % 3)) m=$((1 + RANDOM % 4)) path="$work/checkpoint"
    rm -f "$path"*
    mpirun --oversubscribe --mca mpi_yield_when_idle 1 -n "$n" "$program" "$what" \
        --updates "${updates[$what]}" --checkpoint "$path" --every 5 --json > "$work/killed.json" 2> "$work/errors" &
    mpirun=$!
    # From the start of MPI to the last updates; three of four times after there is a checkpoint.
    until pgrep -P "$mpirun" -x ranks > "$work/pids" || ! alive "$mpirun"; do sleep 0.02; done
    while [ $((tries % 4)) -gt 0 ] && [ ! -e "$path" ] && alive "$mpirun"; do sleep 0.02; done
    sleep "0.$(printf '%03d' $((RANDOM % 1000)))"
    mapfile -t pids < <(pgrep -P "$mpirun" -x ranks || true)
    [ "${#pids[@]}" -gt 0 ] && kill -9 "${pids[RANDOM % ${#pids[@]}]}" 2> "$work/null" || true
    start=$(date +%s%N)
    for pid in "$mpirun" "${pids[@]}"; do
        while alive "$pid"; do
            took=$((($(date +%s%N) - start) / 1000000))
            if [ "$took" -gt 10000 ]; then
                echo "kill $tries: process $pid is there after 10 s"
                kill -9 "$mpirun" "${pids[@]}"
                exit 1
            fi
            sleep 0.02
        done
    done
    took=$((($(date +%s%N) - start) / 1000000))
    if wait "$mpirun"; then continue; fi # it had ended before
    killed=$((killed + 1)) longest=$((took > longest ? took : longest))
    if [ -e "$path" ]; then resumed=$((resumed + 1)); fi
    hash=$(over "$m" "$what" --updates "${updates[$what]}" --checkpoint "$path" --every 5 | field hash)
    [ "$hash" = "${expected[$what]}" ] || { echo "kill $tries: $what, $n ranks then $m, is another result"; exit 1; }
    echo "kill $killed: $what on $n ranks, all ended within $took ms; resumed on $m, the same to the last bit"
done
echo "$killed kills, $resumed of them after a checkpoint: ends within $longest ms, all resumed bit for bit"

if [ -n "${PYTHON:-}" ]; then
    for n in 1 2 3; do
        hash=$(mpirun --oversubscribe --mca mpi_yield_when_idle 1 -n "$n" "$PYTHON" ranks.py)
        echo "Python on $n ranks: hash $hash"
        [ "$hash" = "${python:=$hash}" ] || { echo "Python on $n ranks is another result"; exit 1; }
    done
fi
