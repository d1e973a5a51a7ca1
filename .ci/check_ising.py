"""Checks that standard input is exactly one JSON object, as `ising --json` promises, with the required keys; keys that do not apply to
the method are null; values are within five standard errors of the exact ones of tests/reference/ising.json (ferromagnet at β_c).

usage: check_ising.py METHOD KIND ROWS COLS   KIND as in the reference file: open, cyl
"""

import json
import sys

KEYS = """log_z log_z_stderr log_z_contraction energy_per_site energy_stderr m2 m2_stderr acceptance importance_ess_fraction
max_log_weight tau_energy tau_abs_m samples_per_second independent_per_second build_seconds discarded_weight floored
options version""".split()
DRAWS = "log_z log_z_stderr importance_ess_fraction max_log_weight".split()
NETWORK = "log_z_contraction discarded_weight".split()
TAU = "tau_energy tau_abs_m".split()

method, kind, rows, cols = sys.argv[1:]


def refuse(constant):
    sys.exit(f"{constant} is not JSON")


def check(condition, complaint):
    if not condition:
        sys.exit(f"ising --method {method} --json: {complaint}")


def number(value):
    return isinstance(value, (int, float)) and not isinstance(value, bool)


report = json.loads(sys.stdin.read(), parse_constant=refuse)
check(isinstance(report, dict), "not an object")
check(list(report) == KEYS, f"keys {list(report)}, expected {KEYS}")
network = method in ("boundary", "snake")
null = (TAU if network else DRAWS + NETWORK) + ([] if method == "boundary" else ["floored"])
check(report["options"]["method"] in (method, None), f"options {report['options']}")
check(isinstance(report["version"], str), f"version {report['version']}")
for key, value in report.items():
    if key in ("options", "version"):
        continue
    check(value is None if key in null else number(value), f"{key} is {value}")
check(0 < report["acceptance"] <= 1 + 1e-12, f"acceptance {report['acceptance']}")
check(report["samples_per_second"] > 0 and report["independent_per_second"] > 0, "rates")

cases = json.load(open("tests/reference/ising.json"))["cases"]
same = lambda c: (c["kind"], c["L"], c.get("M")) == (kind, int(cols), int(rows)) and abs(c["beta"] - 0.4406867935) < 1e-6
(case,) = filter(same, cases)
for key, error, exact in [("energy_per_site", "energy_stderr", "energy_per_site"), ("m2", "m2_stderr", "m2"), ("log_z", "log_z_stderr", "logZ")]:
    if report[key] is not None:
        # Without rejections the weights leave only the rounding of single precision.
        off = abs(report[key] - case[exact])
        check(off <= 5 * report[error] + 1e-6, f"{key} = {report[key]} ± {report[error]}, exact {case[exact]}")
if network:
    check(abs(report["log_z_contraction"] - case["logZ"]) < 1e-5, f"log_z_contraction {report['log_z_contraction']}")
