#!/usr/bin/env python3
"""Comment lines of the library and of its bindings have at most 110 columns."""

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
COLUMNS = 110

files = subprocess.run(["git", "ls-files", "src/*.rs", "python/src/*.rs", "capi/src/*.rs"], cwd=ROOT, capture_output=True, text=True, check=True)
wide = 0
for file in files.stdout.split():
    for number, line in enumerate((ROOT / file).read_text().splitlines(), 1):
        if len(line) > COLUMNS and re.match(r"\s*//", line):
            print(f"{file}:{number}: {len(line)} columns")
            wide += 1
print(f"{wide} comment lines over {COLUMNS} columns")
sys.exit(bool(wide))
