#!/usr/bin/env bash
# The wheel of this checkout and a bundle on an emulated 64-bit ARM processor, by the runtime's own commands.
# usage: scripts/check_arm64.sh BUNDLE [--processor cortex-a76|cortex-a72|cortex-a53] [--debian bookworm|trixie] [--data DIR]
set -euo pipefail
cd "$(dirname "$0")/.."
scripts/setup.sh dev
packages=(qemu-user-static mmdebstrap)
if [[ $(id -u) == 0 ]] && command -v apt-get >/dev/null && ! dpkg -s "${packages[@]}" >/dev/null 2>&1; then
    { apt-get update && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends "${packages[@]}"; } >/dev/null 2>&1 || true
fi
exec .venv/bin/python scripts/check_arm64.py "$@"
