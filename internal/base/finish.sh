# Finishes the root $1, whose packages mmdebstrap has extracted and not installed: it does what scripts of packages would
# do, as far as a build needs it. mmdebstrap runs it with /proc, /sys and /dev mounted in the root.
set -eu
cd "$1"

# dpkg's database names every package file, in dpkg's word for what is extracted and not configured. The stage `system`
# and the SBOM read it. apt writes the colon of an epoch as %3a.
for file in var/cache/apt/archives/*.deb; do
    name=${file##*/} version=${file#*_} architecture=${file##*_}
    version=${version%_*}
    case $version in *%3a*) version=${version%%%3a*}:${version#*%3a} ;; esac
    printf 'Package: %s\nStatus: install ok unpacked\nArchitecture: %s\nVersion: %s\n\n' \
        "${name%%_*}" "${architecture%.deb}" "$version"
done >var/lib/dpkg/status

# Stages write to folders that base-files makes in its script.
mkdir -p opt usr/local/bin

# torch asks for the name of its user, pip for the addresses of hosts and for the certificates that it may trust.
cp usr/share/base-passwd/passwd.master etc/passwd
cp usr/share/base-passwd/group.master etc/group
cp usr/share/libc-bin/nsswitch.conf etc/
cat usr/share/ca-certificates/*/*.crt >etc/ssl/certs/ca-certificates.crt

# Wine lacks a library that its package makes of MinGW's: without it no program of Windows starts.
for file in var/cache/apt/archives/libwine_*.deb; do
    if [ -e "$file" ]; then
        script=$(dpkg-deb --info "$file" postinst)
        chroot . sh -c "$script" postinst configure
    fi
done

# Programs find libraries by the loader's cache.
chroot . ldconfig

# Nearly every step starts Python, and none writes bytecode. Steps find the sources with other times than they have here,
# so that the bytecode must not depend on these. One process compiles the files, always in the same order and with the
# same hashes of strings: what it compiled before shows in the bytes.
chroot . env -i PYTHONHASHSEED=0 \
    sh -c 'python3 -B -m compileall -q --invalidation-mode unchecked-hash /usr/lib/python3.*'

# No build reads documentation. The name, the resolver and the mirror are this machine's.
rm -rf usr/share/doc/* usr/share/man/* usr/share/info/* usr/share/lintian/* usr/share/locale/* \
    etc/resolv.conf etc/hostname etc/apt/sources.list var/log/* var/cache/ldconfig/aux-cache
