#!/usr/bin/env bash
# Builds the extension in the workspace's own target folder and puts it beside the Python files, for tests without pip.
set -euo pipefail
cd "$(dirname "$0")/.."
cargo build --release --locked --package tensorjump-python "$@"
# Beside its place, then renamed: a process may have the old one mapped.
cp "${CARGO_TARGET_DIR:-target}/release/lib_core.so" python/tensorjump/.core.part
mv python/tensorjump/.core.part python/tensorjump/_core.abi3.so
