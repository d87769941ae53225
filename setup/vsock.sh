# The vsock device for hosts that have no /dev/vhost-vsock to offer: a program
# of its own that QEMU talks to.
# shellcheck shell=bash

vsock_version=0.3.0

# cargo notes in .crates.toml what it has installed.
has_vsock_device() {
    [ -x "$cache/bin/vhost-device-vsock" ] &&
        grep -q "^\"vhost-device-vsock $vsock_version " "$cache/.crates.toml" 2>/dev/null
}

kernel_has_vsock() { [ -r /dev/vhost-vsock ] && [ -w /dev/vhost-vsock ]; }

setup_vsock() {
    if has_vsock_device; then return; fi
    say "building vhost-device-vsock $vsock_version (a minute or two, once)"
    scratch
    quietly cargo install vhost-device-vsock --version "$vsock_version" --locked \
        --root "$cache" --target-dir "$scratch" ||
        die "cannot build vhost-device-vsock" \
            "cargo install vhost-device-vsock --version $vsock_version --locked --root $cache"
    rm -rf "$scratch"
}
