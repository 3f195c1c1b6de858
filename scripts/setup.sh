#!/usr/bin/env bash
# Make .venv with the wanted extra of edgecls, at the versions of scripts/constraints.txt.
# usage: scripts/setup.sh EXTRA        (demo or dev); does nothing when that is done already
set -euo pipefail
cd "$(dirname "$0")/.."
extra=$1
python=${PYTHON:-python3}
"$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || {
    echo "setup: $("$python" --version) found; edgecls needs Python 3.11 or newer (set PYTHON)" >&2
    exit 2
}
stamp=.venv/edgecls-$extra
wanted=$(cat pyproject.toml scripts/constraints.txt | sha256sum)
[[ -f $stamp && $(<"$stamp") == "$wanted" ]] && exit 0
echo "setup: installing edgecls[$extra] into .venv (a few minutes, PyTorch is large)" >&2
[[ -x .venv/bin/python ]] || "$python" -m venv .venv
.venv/bin/python -m pip install --quiet --disable-pip-version-check \
    --constraint scripts/constraints.txt --editable ".[$extra]"
echo "$wanted" >"$stamp"
