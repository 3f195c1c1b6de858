#!/usr/bin/env bash
# USB cameras and libcamera against the kernel's own drivers, in a virtual machine: wrong requests, faults, unplugging.
# usage: scripts/check_v4l2.sh [--cache DIR]
set -euo pipefail
cd "$(dirname "$0")/.."
scripts/setup.sh dev
packages=(qemu-system-x86 mmdebstrap genext2fs e2fsprogs)
if [[ $(id -u) == 0 ]] && command -v apt-get >/dev/null && ! dpkg -s "${packages[@]}" >/dev/null 2>&1; then
    { apt-get update && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends "${packages[@]}"; } >/dev/null 2>&1 || true
fi
exec .venv/bin/python scripts/check_v4l2.py "$@"
