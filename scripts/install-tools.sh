#!/usr/bin/env bash
# Installs the Debian packages that sagebuild runs, and only those that are missing; with the argument "test" also
# those that its tests need, with "lint" those of make lint alone, with "browser" the one in which tests click through
# the page of a site.
set -euo pipefail

missing=()
need() { # need PACKAGE TEST...: the package is missing where the test fails
    local package=$1
    shift
    "$@" >/dev/null 2>&1 || missing+=("$package")
}

need ca-certificates test -e /etc/ssl/certs/ca-certificates.crt
if [[ ${1:-} == browser ]]; then
    need chromium command -v chromium
elif [[ ${1:-} != lint ]]; then
    need runc command -v runc
    need mmdebstrap command -v mmdebstrap
    need debian-archive-keyring test -e /usr/share/keyrings/debian-archive-keyring.gpg
fi
if [[ ${1:-} == test || ${1:-} == lint ]]; then
    need python3 command -v python3
    need python3-pip python3 -m pip --version
fi
if [[ ${1:-} == test ]]; then
    need python3-pytest python3 -c 'import pytest'
    need python3-venv python3 -c 'import ensurepip'
    need python3-numpy python3 -c 'import numpy'
    # The C interface of the other platforms: a loader for Arm and one for Windows.
    need qemu-user command -v qemu-aarch64
    need libc6-arm64-cross test -e /usr/aarch64-linux-gnu/lib/libc.so.6
    need wine64 test -e /usr/lib/wine/wine64
    need wine command -v wine
fi

if ((${#missing[@]} == 0)); then
    exit 0
fi
if ((EUID != 0)); then
    echo "sagebuild: error: missing packages: ${missing[*]}" >&2
    echo "sagebuild: hint: sudo apt-get install --yes ${missing[*]}" >&2
    exit 3
fi
export DEBIAN_FRONTEND=noninteractive
# Another apt is waited for: a machine that just started upgrades itself.
apt-get update --quiet --quiet
apt-get install --option DPkg::Lock::Timeout=600 --yes --quiet --no-install-recommends "${missing[@]}"
