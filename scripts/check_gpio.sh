#!/usr/bin/env bash
# GPIO outputs, triggers and encoders against the kernel's own chips, in a virtual machine.
# usage: scripts/check_gpio.sh [--cache DIR]
set -euo pipefail
cd "$(dirname "$0")/.."
scripts/setup.sh dev
packages=(qemu-system-x86 mmdebstrap genext2fs e2fsprogs)
if [[ $(id -u) == 0 ]] && command -v apt-get >/dev/null && ! dpkg -s "${packages[@]}" >/dev/null 2>&1; then
    { apt-get update && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends "${packages[@]}"; } >/dev/null 2>&1 || true
fi
exec .venv/bin/python scripts/check_gpio.py "$@"
