#!/usr/bin/env bash
# Builds the documentation into docs/_build/html: pages are executed, warnings and broken internal links are errors.
# Needs Python 3.10 and, where the extension has not been built, Rust. The network is used by pip alone.
#   docs/build.sh             # an environment of its own, docs/_build/venv
#   PYTHON=python3 docs/build.sh   # an environment that has docs/requirements.txt
set -euo pipefail
cd "$(dirname "$0")/.."

if [[ -z ${PYTHON:-} ]]; then
    PYTHON=docs/_build/venv/bin/python
    if [[ ! -x $PYTHON ]]; then python3 -m venv docs/_build/venv; fi
    "$PYTHON" -m pip install --quiet --requirement docs/requirements.txt
fi
if [[ ! -e python/tensorjump/_core.abi3.so ]]; then python/build.sh; fi

# One thread a matrix product: the library brings its own threads.
export PYTHONPATH="$PWD/python" MATPLOTLIBRC="$PWD/docs/matplotlibrc" OPENBLAS_NUM_THREADS=1 OMP_NUM_THREADS=1
PYTHONDONTWRITEBYTECODE=1 "$PYTHON" -m sphinx -W --keep-going -q -b html docs docs/_build/html "$@"

# The programs of the page Start: Python here; C where its library has been built; Rust is a doctest of the crate.
program="$(mktemp -d)"
trap 'rm -rf "$program"' EXIT
sed '1d;$d' docs/start/python.md > "$program/start.py"
"$PYTHON" "$program/start.py"
library="${CARGO_TARGET_DIR:-target}/release/libtensorjump.a"
if [[ -e capi/include/tensorjump.h && -e $library ]]; then
    sed '1d;$d' docs/start/c.md > "$program/start.c"
    "${CC:-cc}" -Wall -Werror "$program/start.c" -o "$program/start" -I capi/include "$library" -lm -lpthread -ldl
    "$program/start" > /dev/null
fi
"$PYTHON" docs/check_links.py docs/_build/html
echo "docs/_build/html/index.html"
