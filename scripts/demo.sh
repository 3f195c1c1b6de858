#!/usr/bin/env bash
# The whole job on real photos: train, export, verify, run a station. Leaves its results in demo/.
set -euo pipefail
cd "$(dirname "$0")/.."
scripts/setup.sh demo
rm -rf demo
exec .venv/bin/edgecls demo --to demo
