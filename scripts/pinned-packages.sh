#!/usr/bin/env bash
# Installs Python packages, pinned by hash in files of lock/, and prints their folder, in the user's cache. The folder is
# named after the pins and the Python, so that it is made once for all checkouts. zig's cache knows a zig by its place:
# from another folder zig compiles the C runtime of Windows again, for minutes. A folder that nobody asked for in sixty
# days goes when another is made.
#
#   scripts/pinned-packages.sh NAME LOCK...
#   scripts/pinned-packages.sh compilers-cu129 toolchain-cu129 ptxas-cu129
set -euo pipefail
cd "$(dirname "$0")/.."

name=$1
shift
locks=("${@/%/.txt}")
locks=("${locks[@]/#/lock/}")
pins=$(cat "${locks[@]}" <(python3 --version) | sha256sum | cut -c 1-16)
cache=${XDG_CACHE_HOME:-}
[[ $cache == /* ]] || cache=$HOME/.cache # a relative one is to be ignored
cache+=/sagebuild-packages
packages=$cache/$name-$pins
if [[ ! -d $packages ]]; then
    mkdir -p "$cache"
    find "$cache" -mindepth 1 -maxdepth 1 -mtime +60 -exec rm -rf {} +
    aside=$(mktemp -d "$cache/$name.XXXXXX")
    trap 'rm -rf "$aside"' EXIT
    PIP_ROOT_USER_ACTION=ignore python3 -m pip install --quiet --no-deps --require-hashes --target "$aside/packages" \
        "${locks[@]/#/--requirement=}"
    mv --no-target-directory "$aside/packages" "$packages" 2>/dev/null || [[ -d $packages ]] # another made it meanwhile
fi
touch "$packages"
echo "$packages"
