#!/usr/bin/env bash
# Set up and run every check: formatting, lint, types, layers, tests. CI runs the slow tests too.
set -euo pipefail
cd "$(dirname "$0")/.."
scripts/setup.sh dev
# What tests of network cameras, of MQTT, of Prometheus and of other processors need; without it they are skipped by name.
packages=(
    gir1.2-gst-rtsp-server-1.0 gir1.2-gst-plugins-base-1.0 python3-gi qemu-user-static mmdebstrap
    aravis-tools gir1.2-aravis-0.8 iproute2 mosquitto prometheus qemu-system-x86 genext2fs e2fsprogs
    gstreamer1.0-plugins-base gstreamer1.0-plugins-good gstreamer1.0-plugins-ugly
    chromium
)
if [[ $(id -u) == 0 ]] && command -v apt-get >/dev/null && ! dpkg -s "${packages[@]}" >/dev/null 2>&1; then
    { apt-get update && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends "${packages[@]}"; } \
        >/dev/null 2>&1 || echo "test: apt-get failed; the tests that need ${packages[*]} are skipped" >&2
fi
PATH="$PWD/.venv/bin:$PATH" exec .venv/bin/python scripts/check.py "$@"
