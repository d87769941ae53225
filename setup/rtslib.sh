# rtslib, the library under targetcli, for a guest of the tests: Debian's own
# packages, unpacked, and of them only what a program that imports rtslib loads.
# Nothing is installed.
#   rtslib/root/      what goes into the guest's image, as it is
#   rtslib/packages   which packages it came from, written last
# shellcheck shell=bash

# Changed when what is below makes another tree of the same packages.
rtslib_form=1

has_rtslib() { [ "$(head -n 1 "$cache/rtslib/packages" 2>/dev/null)" = "form $rtslib_form" ]; }

# rtslib_packages: prints what is needed, one name a line: rtslib, the Python
# packages it depends on, and the interpreter with the libraries it loads.
rtslib_packages() {
    local next i interpreter
    local -a found=(python3-rtslib-fb)
    for ((i = 0; i < ${#found[@]}; i++)); do
        while read -r next; do
            case " ${found[*]} " in *" $next "*) continue ;; esac
            found+=("$next")
        done < <(depends_of "${found[i]}" | grep '^python3-')
    done
    interpreter=$(depends_of python3-minimal | grep -m 1 '^python3\.[0-9]*-minimal$') || return 1
    found+=("$interpreter" "lib$interpreter" "lib${interpreter%-minimal}-stdlib")
    found+=(libc6 libexpat1 zlib1g libudev1)
    mapfile -t -O ${#found[@]} found < <(depends_of "lib${interpreter%-minimal}-stdlib" | grep '^libffi')
    printf '%s\n' "${found[@]}"
}

setup_rtslib() {
    local package tree
    local -a packages=() interpreter=()
    if has_rtslib; then return; fi
    if ! has_command apt-get || ! has_command dpkg-deb; then
        say "no apt-get: python3-rtslib-fb cannot be fetched, and the tests that need it will fail"
        return
    fi
    refresh_lists
    mapfile -t packages < <(rtslib_packages)
    say "unpacking ${packages[0]} and its Python into $cache/rtslib"
    scratch
    mkdir "$scratch/debs" "$scratch/tree"
    (cd "$scratch/debs" && quietly apt-get download -q "${packages[@]}") ||
        die "cannot download ${packages[*]}" "apt-get update; apt-get download ${packages[*]}"
    tree=$scratch/tree
    for package in "$scratch"/debs/*.deb; do
        dpkg-deb -x "$package" "$tree"
    done
    # The interpreter runs by the libraries that were unpacked with it, and says
    # itself what it loads.
    interpreter=("$tree"/{,usr/}lib64/ld-linux-x86-64.so.2 "$tree"/usr/bin/python3.*)
    mapfile -t interpreter < <(for package in "${interpreter[@]}"; do
        if [ -x "$package" ]; then printf '%s\n' "$package"; fi
    done)
    quietly env -i PYTHONHOME="$tree/usr" PYTHONPATH="$tree/usr/lib/python3/dist-packages" \
        "${interpreter[0]}" --library-path "$tree/lib/x86_64-linux-gnu:$tree/usr/lib/x86_64-linux-gnu" \
        "${interpreter[-1]}" -S -B "$root/setup/rtslib-tree.py" "$tree" "${interpreter[0]}" \
        "${interpreter[-1]}" "$scratch/root" ||
        die "${packages[*]}: rtslib cannot be imported from these"
    {
        printf 'form %s\n' "$rtslib_form"
        (cd "$scratch/debs" && printf '%s\n' *.deb)
    } >"$scratch/packages"
    rm -rf "$cache/rtslib"
    mkdir "$cache/rtslib"
    mv "$scratch/root" "$cache/rtslib/root"
    mv "$scratch/packages" "$cache/rtslib/packages"
    rm -rf "$scratch"
}
