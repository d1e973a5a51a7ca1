"""No dependency of any member asks for a newer Rust than the `rust-version` of this workspace promises.

With --build also checks the library by exactly that toolchain, where rustup has it or can bring it.
"""

import json
import subprocess
import sys


def version(text):
    return tuple(int(part) for part in (text + ".0.0").split(".")[:3])


metadata = json.loads(subprocess.check_output(["cargo", "metadata", "--format-version", "1", "--locked"]))
(own,) = (package for package in metadata["packages"] if package["name"] == "tensorjump")
promised = own["rust_version"]
asking = [p for p in metadata["packages"] if p["rust_version"]]
newer = [p for p in asking if version(p["rust_version"]) > version(promised)]
for package in newer:
    print(f"{package['name']} {package['version']} needs Rust {package['rust_version']}, promised is {promised}")
if newer:
    sys.exit(1)
highest = max(asking, key=lambda p: (version(p["rust_version"]), p["name"] != "tensorjump" and p["source"] is not None))
print(f"{len(metadata['packages'])} packages, {len(asking)} state a Rust version, the newest {highest['rust_version']}"
      f" ({highest['name']}); promised: {promised}")

if "--build" in sys.argv:
    bring = ["rustup", "toolchain", "install", promised, "--profile", "minimal"]
    try:
        found = subprocess.run(bring, capture_output=True).returncode == 0
    except FileNotFoundError:
        found = False
    if not found:
        print(f"Rust {promised} is not here and cannot be brought: not built by it")
    else:
        # A folder of its own: another compiler would make this one build everything again.
        subprocess.check_call(["cargo", f"+{promised}", "check", "--locked", "--lib", "--target-dir", "target/msrv"])
