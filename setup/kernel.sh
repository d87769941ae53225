# The kernel that `--kernel debian` means: unpacked into the cache, not
# installed.
#   kernels/<release>/   the package's files
#   kernels/default      symbolic link to one of them
# shellcheck shell=bash

# has_kernel DIRECTORY RELEASE: image and modules. Newer packages keep the
# image beside the modules.
has_kernel() {
    has_file "$1/boot/vmlinuz-$2" {"$1","$1/usr"}"/lib/modules/$2/vmlinuz" &&
        has_file {"$1","$1/usr"}"/lib/modules/$2/kernel"
}

# default_kernel: prints the release of the default kernel, if there is one.
default_kernel() {
    local release
    release=$(readlink "$cache/kernels/default") &&
        has_kernel "$cache/kernels/default" "$release" &&
        printf '%s\n' "$release"
}

# depends_of PACKAGE: what it depends on, one name a line.
depends_of() {
    apt-cache depends "$1" 2>/dev/null |
        awk '$1 ~ /^\|?(Pre)?Depends:$/ && $2 !~ /^</ { print $2 }'
}

# resolve_kernel: sets `release` and `packages`, all that belong to it. The
# second and third names are Ubuntu's and a Debian's without cloud kernels.
resolve_kernel() {
    local meta image next i
    for meta in linux-image-cloud-amd64 linux-image-virtual linux-image-amd64; do
        image=$(depends_of "$meta" | grep -m 1 '^linux-image-[0-9]') && break
    done
    if [ -z "$image" ]; then return 1; fi
    release=${image#linux-image-}
    # An image's files may be spread over several packages; those that are its
    # own have its release in their names.
    packages=("$meta")
    for ((i = 0; i < ${#packages[@]}; i++)); do
        while read -r next; do
            case " ${packages[*]} " in *" $next "*) continue ;; esac
            packages+=("$next")
        done < <(depends_of "${packages[i]}" | grep -F -e "-$release" | grep -v '^linux-headers-')
    done
    packages=("${packages[@]:1}")
}

setup_kernel() {
    local release package
    local -a packages=()
    if default_kernel >/dev/null; then return; fi
    if ! has_command apt-get || ! has_command dpkg-deb; then
        say "no apt-get, so no packaged kernel: name one with --kernel (make demo KERNEL=…)"
        return
    fi
    refresh_lists
    resolve_kernel || die "apt knows no linux-image-cloud-amd64" "apt-get update"
    say "unpacking kernel $release into $cache/kernels"
    scratch
    (cd "$scratch" && quietly apt-get download -q "${packages[@]}") ||
        die "cannot download ${packages[*]}" "apt-get update; apt-get download ${packages[*]}"
    mkdir "$scratch/tree"
    for package in "$scratch"/*.deb; do
        dpkg-deb -x "$package" "$scratch/tree"
    done
    has_kernel "$scratch/tree" "$release" ||
        die "${packages[*]}: no image or no modules among their files" "name a kernel with --kernel"
    mkdir -p "$cache/kernels"
    rm -rf "$cache/kernels/$release"
    mv "$scratch/tree" "$cache/kernels/$release"
    ln -s "$release" "$scratch/default"
    mv -T "$scratch/default" "$cache/kernels/default"
    rm -rf "$scratch"
}

has_headers() { has_file "/usr/src/linux-headers-$1" "/lib/modules/$1/build"; }

# The tests build a module for the default kernel, and the archive drops a
# kernel's headers some time after the next kernel has come.
setup_kernel_with_headers() {
    local release
    setup_kernel
    release=$(default_kernel) || return 0
    if has_headers "$release" || ! has_command apt-cache; then return; fi
    refresh_lists
    if apt-cache show "linux-headers-$release" >/dev/null 2>&1; then return; fi
    say "there are no headers for kernel $release any more: taking its successor"
    rm "$cache/kernels/default"
    setup_kernel
}
