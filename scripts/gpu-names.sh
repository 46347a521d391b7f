#!/usr/bin/env bash
# Writes internal/gpu/names.txt anew from Debian's packages pci.ids and nvidia-driver. The second is in non-free, and the
# newest of both in sid: apt's sources must have them (or APT_CONFIG a configuration that does).
set -euo pipefail
cd "$(dirname "$0")/.."

packages=$(mktemp -d)
trap 'rm -rf "$packages"' EXIT
(
    cd "$packages"
    apt-get download --quiet=2 pci.ids nvidia-driver
    for package in *.deb; do dpkg-deb -x "$package" .; done
    gunzip usr/share/doc/nvidia-driver/README.txt.gz
)
version() { dpkg-deb --field "$packages/$1"_*.deb Version; }
go run ./scripts/gpu-names "$packages/usr/share/misc/pci.ids" "$packages/usr/share/doc/nvidia-driver/README.txt" \
    "Debian's pci.ids $(version pci.ids) and nvidia-driver $(version nvidia-driver)" internal/gpu/names.txt
