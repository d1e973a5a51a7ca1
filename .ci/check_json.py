"""Checks that standard input is exactly one JSON object, as `fredkin --json` promises, with the required keys and plain numbers.

usage: check_json.py [LOW HIGH]   bounds of missing_mass, optional
"""

import json
import sys

KEYS = """sites c chi log_z entropy area_mean_exact area_var_exact area_mean area_stderr missing_mass moves
options version""".split()
MOVE_KEYS = "name noise_time acceptance tau_area ess_per_second max_log_weight".split()
NAMES = {"disconnected", "connected", "local"}


def refuse(constant):
    sys.exit(f"{constant} is not JSON")


def number(value):
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def check(condition, complaint):
    if not condition:
        sys.exit(f"fredkin --json: {complaint}")


# `loads` refuses anything before or after the one value; NaN and infinities are not JSON.
report = json.loads(sys.stdin.read(), parse_constant=refuse)
check(isinstance(report, dict), "not an object")
check(set(report) == set(KEYS), f"keys {sorted(report)}, expected {sorted(KEYS)}")
check(all(number(report[key]) for key in KEYS if key not in ("moves", "options", "version")), "a number is missing")
check(report["options"]["sites"] == report["sites"] and isinstance(report["version"], str), "options or version")
check({move["name"] for move in report["moves"]} == NAMES, "names of the moves")
for move in report["moves"]:
    check(set(move) == set(MOVE_KEYS), f"keys of a move: {sorted(move)}")
    check(number(move["acceptance"]) and 0 <= move["acceptance"] <= 1, f"acceptance of {move}")
    check(move["name"] == "local" or move["acceptance"] > 1 - 1e-9, f"a rejection: {move}")
    check(number(move["tau_area"]) and number(move["ess_per_second"]), f"τ or ESS of {move}")
    check(number(move["noise_time"]) == (move["name"] == "connected"), f"noise time of {move}")
if len(sys.argv) == 3:
    low, high = map(float, sys.argv[1:])
    check(low <= report["missing_mass"] <= high, f"missing mass {report['missing_mass']}")
else:
    # An exact model: its mean area is within five standard errors of the exact one.
    check(report["missing_mass"] == 0, "missing mass of an exact model")
    off = abs(report["area_mean"] - report["area_mean_exact"])
    check(off <= 5 * report["area_stderr"], f"mean area off by {off}, standard error {report['area_stderr']}")
