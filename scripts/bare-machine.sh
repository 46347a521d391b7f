#!/usr/bin/env bash
# Runs the README's two commands, make wheel and make test, on a machine that has nothing: a minimal root of Debian or
# Ubuntu with ca-certificates, make, git and this machine's Go, entered as a machine's own root by pivot_root.
#
#   scripts/bare-machine.sh [SUITE [COMMAND…]]    bookworm by default; also trixie, or noble where Ubuntu's keys are
#
# COMMAND, in the copy of the tree, is instead of the two commands, and its result is not kept. Wants root, mmdebstrap,
# the network, 40 GB of disk and up to an hour. The root is made below BARE_MACHINE_DIR (/var/tmp) and removed at the
# end. The tree is a clone of HEAD. docs/bare-machine.md keeps the last result of each suite.
set -euo pipefail
cd "$(dirname "$0")/.."

suite=${1:-bookworm}
shift $(($# > 0))

fail() { # message, command that helps
    echo "error: $1" >&2
    [[ -z ${2:-} ]] || echo "  try: $2" >&2
    exit 3
}

((EUID == 0)) || fail "a root cannot be made and entered without root" "sudo $0 $suite"
command -v mmdebstrap >/dev/null || fail "mmdebstrap is not installed" "apt-get install mmdebstrap"

# ---- the machine ------------------------------------------------------------------------------------------

machine=$(mktemp -d "${BARE_MACHINE_DIR:-/var/tmp}/bare-machine.XXXXXX")
trap 'rm -rf --one-file-system "$machine"' EXIT
trap 'exit 130' INT TERM HUP
root=$machine/root

mmdebstrap --quiet --variant=minbase --include=ca-certificates,make,git "$suite" "$root" \
    ${SAGEBUILD_DEBIAN_MIRROR:+"$SAGEBUILD_DEBIAN_MIRROR"}
cp -a "$(go env GOROOT)" "$root/usr/local/go"
git clone --quiet --no-hardlinks . "$root/src"

# What makes a network: names, and the certificates of one that has its own.
trust=()
cp -L /etc/resolv.conf /etc/hosts "$root/etc/"
if compgen -G '/usr/local/share/ca-certificates/*.crt' >/dev/null; then
    cp /usr/local/share/ca-certificates/*.crt "$root/usr/local/share/ca-certificates/"
    chroot "$root" update-ca-certificates >/dev/null
    trust=({SSL_CERT_FILE,PIP_CERT}=/etc/ssl/certs/ca-certificates.crt) # for what brings its own certificates along
fi

# The variables that say where packages come from; nothing else of this machine is known in there.
environment=(
    HOME=/root TERM=dumb
    PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin:/usr/local/go/bin
    "${trust[@]}"
)
for name in {http,https,no}_proxy {HTTP,HTTPS,NO}_PROXY GOPROXY GOSUMDB {PIP,UV}_INDEX_URL UV_DEFAULT_INDEX SAGEBUILD_DEBIAN_MIRROR; do
    [[ -z ${!name:-} ]] || environment+=("$name=${!name}")
done

# Runs a command in the root: its own mounts and processes, which end with it.
enter() {
    # shellcheck disable=SC2016 # expanded inside
    unshare --mount --pid --ipc --uts --fork --kill-child bash -euc '
        root=$1
        shift
        mount --make-rprivate /
        mount --bind "$root" "$root"
        for tree in dev sys; do mount --rbind "/$tree" "$root/$tree"; done
        mount -t proc proc "$root/proc"
        mount -t tmpfs tmpfs "$root/run"
        mkdir "$root/run/before"
        cd "$root"
        pivot_root . run/before
        cd /src
        umount --lazy /run/before
        exec "$@"' enter "$root" env -i "${environment[@]}" "$@"
}

# ---- the commands -----------------------------------------------------------------------------------------

if (($#)); then
    enter "$@"
    exit
fi

# Runs one of the two commands; prints its line of the table.
try() {
    local started=$SECONDS code=0
    enter "$@" >"$machine/log" 2>&1 </dev/null || code=$?
    if ((code)); then
        tail -n 60 "$machine/log" >&2
        echo "error: $* fails on a bare $suite with exit code $code" >&2
        failed=1
    fi
    line+=" | $( ((code)) && echo "fails ($code)" || echo "passes"), $(((SECONDS - started + 59) / 60)) min"
}

failed=0
line="| $suite | $(date --utc +%F) | $(git rev-parse --short HEAD) | $(go env GOVERSION)"
try make wheel
wheel=$(cd "$root/src/dist" 2>/dev/null && sha256sum -- *.whl | cut -c 1-16) || wheel=none
try make test
line+=" | $wheel |"

page=docs/bare-machine.md
sed -i "/^| $suite |/d" "$page"
last=$(grep -n '^|' "$page" | tail -1 | cut -d: -f1)
sed -i "${last}a\\$line" "$page"
echo "$line"
exit "$failed"
