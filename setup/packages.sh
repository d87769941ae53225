# The system packages. Everything is recognised by what it provides (a
# command, a library, a file), so a QEMU built by hand is as good as a packaged
# one, and a system without apt is checked the same way.
# shellcheck shell=bash

missing=()       # Debian's names
missing_words=() # what it is, for a system with other names

# need PACKAGE WORDS CHECK...
need() {
    local package=$1 words=$2
    shift 2
    if "$@"; then return; fi
    missing+=("$package")
    missing_words+=("$words")
}

# To build and to boot.
need_for_demo() {
    need gcc "a C compiler, cc (gcc)" has_command cc
    need libc6-dev "the C library's headers" has_file /usr/include/stdio.h
    need qemu-system-x86 "QEMU for x86-64, qemu-system-x86_64" has_command qemu-system-x86_64
    # The library has its version in its package's name; the tools bring it.
    need libiscsi-bin "libiscsi (the shared library)" has_library iscsi
}

# Without the driver, which may be a module of its own, QEMU knows no such protocol.
has_qemu_iscsi() {
    local said
    has_command qemu-img || return 1
    said=$(LC_ALL=C qemu-img info iscsi://127.0.0.1:1/iqn.2000-01.org.example:none/0 2>&1) || true
    case $said in *'Unknown protocol'*) return 1 ;; esac
}

# What only the tests use.
need_for_test() {
    local release
    need libiscsi-bin "libiscsi's tools (iscsi-ls, iscsi-inq, …)" has_command iscsi-inq
    need qemu-utils "QEMU's tools (qemu-img, qemu-io)" has_command qemu-io
    need qemu-block-extra "QEMU's iSCSI driver" has_qemu_iscsi
    need chromium "Chromium, which tests look at pages with" has_command chromium
    # Without a font of its own a browser measures boxes.
    need fonts-dejavu-core "a font (DejaVu)" has_file /usr/share/fonts/truetype/dejavu/DejaVuSans.ttf
    need cpio "cpio" has_command cpio
    need fio "fio" has_command fio
    need xz-utils "xz" has_command xz
    need zstd "zstd" has_command zstd
    need lz4 "lz4" has_command lz4
    need make "GNU make" has_command make
    need binutils "binutils (objcopy, ar)" has_command objcopy
    need shellcheck "shellcheck" has_command shellcheck
    # The tests build a module outside the kernel's tree.
    if release=$(default_kernel); then
        need "linux-headers-$release" "headers of kernel $release" has_headers "$release"
    fi
}

# libFuzzer's runtime is C++.
need_for_fuzz() {
    need g++ "a C++ compiler, c++ (g++)" has_command c++
}

install_missing() {
    if [ ${#missing[@]} -eq 0 ]; then return; fi
    if ! has_command apt-get; then
        say "missing on this system:"
        printf '    %s\n' "${missing_words[@]}" >&2
        die "set-up installs packages with apt-get only" \
            "install the above with this system's package manager, then run this again"
    fi
    apt_install "${missing[@]}"
    missing=()
    missing_words=()
}

# --- apt ---------------------------------------------------------------------

# Before the first thing is fetched, once: old lists name files that are gone.
refresh_lists() {
    if [ "${lists_are_fresh:-}" ]; then return; fi
    lists_are_fresh=yes
    if [ "$(id -u)" -ne 0 ] && ! has_command sudo; then return; fi
    as_root apt-get update -q || say "apt-get update failed; going on with the lists at hand"
}

simulate() { LC_ALL=C apt-get install --simulate --no-install-recommends "$@"; }

# From a simulation, what happens to packages that are installed already:
# one line each, NAME OLD -> NEW.
changes_in() {
    awk '/^Inst / && $3 ~ /^\[/ { print $2, substr($3, 2, length($3) - 2), "->", substr($4, 2) }
         /^Remv /               { print $2, substr($3, 2, length($3) - 2), "->", "removed" }' <<<"$1"
}

# pinned PACKAGE: QEMU loads modules of its own version only, and apt would put
# the newest beside an older or newer QEMU without a word.
pinned() {
    local installed
    case $1 in
    qemu-block-extra)
        # shellcheck disable=SC2016 # dpkg-query's, not the shell's
        installed=$(dpkg-query -W -f '${db:Status-Status} ${Version}' qemu-utils 2>/dev/null) ||
            installed=
        case $installed in "installed "*) printf '%s=%s\n' "$1" "${installed#installed }" ;;
        *) printf '%s\n' "$1" ;; esac
        ;;
    *) printf '%s\n' "$1" ;;
    esac
}

# choose_plan PACKAGE...: sets `plan` (arguments for apt-get install) and
# `changes` (empty where no installed package changes).
choose_plan() {
    local simulated suite name version
    plan=("$@")
    if ! simulated=$(simulate "${plan[@]}" 2>&1); then
        printf '%s\n' "$simulated" >&2
        die "apt-get cannot install: $*" "apt-get install $*"
    fi
    changes=$(changes_in "$simulated")
    if [ -z "$changes" ]; then return; fi

    # Part of a family may be installed from backports (qemu-utils, say) and
    # not get on with the rest at the release's own version.
    suite=$(apt-cache policy | sed -n 's/.*n=\([a-z]*-backports\).*/\1/p' | head -n 1)
    if [ "$suite" ] && simulated=$(simulate -t "$suite" "$@" 2>&1) &&
        [ -z "$(changes_in "$simulated")" ]; then
        plan=(-t "$suite" "$@")
        changes=
        return
    fi

    # A package that would be removed had better stay, at the archive's
    # version. madison lists the archive's versions, newest first.
    local -a kept=()
    while read -r name version; do
        version=$(apt-cache madison "$name" |
            awk -v installed="$version" '$3 != installed { print $3; exit }')
        if [ "$version" ]; then kept+=("$name=$version"); fi
    done < <(awk '$NF == "removed" { print $1, $2 }' <<<"$changes")
    if [ ${#kept[@]} -gt 0 ] &&
        simulated=$(simulate --allow-downgrades "$@" "${kept[@]}" 2>&1) &&
        ! grep -q '^Remv ' <<<"$simulated"; then
        plan=(--allow-downgrades "$@" "${kept[@]}")
        changes=$(changes_in "$simulated")
    fi
}

# Nobody's installed package is changed behind their back.
agree_to_changes() {
    local answer
    say "to install ${missing[*]:-what is needed}, these installed packages would change:"
    printf '    %s\n' "${changes//$'\n'/$'\n    '}" >&2
    if [ "${CI:-}" = true ]; then
        say "CI=true: changing them"
    elif [ -t 0 ]; then
        printf 'setup: change them? [y/N] ' >&2
        read -r answer || answer=
        case $answer in
        [yY]*) ;;
        *) die "nothing was changed" "to do it yourself: apt-get install --no-install-recommends ${plan[*]}" ;;
        esac
    else
        die "not changing them without being told to (no terminal to ask on)" \
            "as root, run: apt-get install --no-install-recommends ${plan[*]}
      or let set-up do it: CI=true make setup"
    fi
}

# apt_install PACKAGE...
apt_install() {
    local plan changes package
    local -a packages=()
    refresh_lists
    say "missing packages: $*"
    for package in "$@"; do packages+=("$(pinned "$package")"); done
    choose_plan "${packages[@]}"
    if [ "$changes" ]; then agree_to_changes; fi
    # --no-install-recommends: QEMU recommends a desktop's worth of packages.
    as_root apt-get install -q -y -o DPkg::Lock::Timeout=600 --no-install-recommends "${plan[@]}" ||
        die "apt-get could not install: $*" "as root, run: apt-get install ${plan[*]}"
}
