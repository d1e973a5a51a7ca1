"""What a call from Python costs beside the same call in Rust, in one process and one run.

usage: call.py [--json]    (set RAYON_NUM_THREADS=1 for figures of one thread)
"""

import json
import statistics
import sys
import time

import numpy as np
import tensorjump as tj


def python_seconds(call, calls, rounds):
    out = []
    for _ in range(rounds):
        start = time.perf_counter()
        for k in range(calls):
            call(k)
        out.append((time.perf_counter() - start) / calls)
    return out


def compare(name, model, rows, calls, rounds=15):
    x = model.sample(rows, rng=1).x
    result = []
    for draw in (True, False):
        call = (lambda k: model.sample(rows, rng=k)) if draw else (lambda k: model.log_prob(x))
        rust, python = [], []
        for _ in range(rounds):  # alternating, so that a busy machine meets both alike
            rust += tj._core._seconds(model, x, calls, 1, draw)
            python += python_seconds(call, calls, 1)
        rust, python = min(rust), min(python)
        result.append({"work": f"{'draw' if draw else 'score'} {name}", "rust_us": rust * 1e6, "python_us": python * 1e6,
                       "more_us": (python - rust) * 1e6, "ratio": python / rust})
    return result


def main():
    ring = tj.PositiveMps.ising(0.5, np.ones(8), np.zeros(8), ring=True)
    table = compare("1 x 8, Ising ring", ring, 1, 2000)
    table += compare("1024 x 100, chi 64, linear", tj.PositiveMps.random([2] * 100, 64, rng=1), 1024, 1)
    table += compare("1024 x 100, chi 64, Born", tj.BornMps.random([2] * 100, 64, rng=1), 1024, 1)
    table += compare("1024 x 256, 16 x 16 Ising, chi 8", tj.BoundaryMps(tj.Ising(16, 16, 0.44)), 1024, 5)
    if "--json" in sys.argv:
        print(json.dumps({"version": tj.__version__, "calls": table}))
        return
    for row in table:
        print("{work:42} {rust_us:10.2f} us in Rust, {python_us:10.2f} from Python: {more_us:+8.2f} us, x {ratio:.3f}".format(**row))


if __name__ == "__main__":
    main()
