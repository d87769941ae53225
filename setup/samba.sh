# Samba's server, for a share that a guest of the tests mounts: Debian's own
# packages, unpacked. Installed, they would start a server of this machine's.
#   samba/root/      their files
#   samba/packages   which packages they came from, written last
#   bin/smbd, bin/pdbedit   start them with the libraries beside them
# shellcheck shell=bash

# Changed when what is below makes something else of the same packages.
samba_form=1

# A server is where an ordinary user's PATH may not lead.
has_samba() {
    local PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin
    if has_command smbd && has_command pdbedit; then return 0; fi
    [ "$(head -n 1 "$cache/samba/packages" 2>/dev/null)" = "form $samba_form" ] &&
        "$cache/bin/smbd" --version >/dev/null 2>&1 && "$cache/bin/pdbedit" --version >/dev/null 2>&1
}

# samba_packages: prints what is needed and not installed, one name a line; the
# Python beside it is for administration.
samba_packages() {
    LC_ALL=C apt-get install --simulate --no-install-recommends samba 2>/dev/null |
        awk '$1 == "Inst" && $2 !~ /^python3-/ { print $2 }'
}

# with_its_libraries NAME PROGRAM: writes bin/NAME.
with_its_libraries() {
    local root=$cache/samba/root
    local libraries=$root/usr/lib/x86_64-linux-gnu
    mkdir -p "$cache/bin"
    {
        printf '#!/bin/sh\n'
        printf 'LD_LIBRARY_PATH=%q exec %q "$@"\n' "$libraries:$libraries/samba" "$root/$2"
    } >"$scratch/$1"
    chmod 755 "$scratch/$1"
    mv "$scratch/$1" "$cache/bin/$1"
}

setup_samba() {
    local package
    local -a packages=()
    if has_samba; then return; fi
    if ! has_command apt-get || ! has_command dpkg-deb; then
        say "no apt-get: samba cannot be fetched, and the tests that mount a share will fail"
        return
    fi
    refresh_lists
    mapfile -t packages < <(samba_packages)
    if [ ${#packages[@]} -eq 0 ]; then
        die "apt-get does not say what samba needs" "apt-get update; apt-get install --simulate samba"
    fi
    say "unpacking samba and its libraries into $cache/samba"
    scratch
    mkdir "$scratch/debs" "$scratch/root"
    (cd "$scratch/debs" && quietly apt-get download -q "${packages[@]}") ||
        die "cannot download ${packages[*]}" "apt-get update; apt-get download ${packages[*]}"
    for package in "$scratch"/debs/*.deb; do
        dpkg-deb -x "$package" "$scratch/root"
    done
    rm -rf "$cache/samba"
    mkdir "$cache/samba"
    mv "$scratch/root" "$cache/samba/root"
    with_its_libraries smbd usr/sbin/smbd
    with_its_libraries pdbedit usr/bin/pdbedit
    {
        printf 'form %s\n' "$samba_form"
        (cd "$scratch/debs" && printf '%s\n' *.deb)
    } >"$cache/samba/packages"
    rm -rf "$scratch"
    has_samba || die "${packages[*]}: their smbd does not start from $cache/bin" "apt install samba"
}
