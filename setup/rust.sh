# Rust's standard library for the agent's target, and core for a target that
# has nothing else, which proves that the protocol needs nothing else.
#
# rustup has both. Where rustup cannot download, or there is none, Debian's
# rustc and its sources make them, in a private sysroot:
#   musl/<version of that rustc>/sysroot
# shellcheck shell=bash

musl=x86_64-unknown-linux-musl
bare=x86_64-unknown-none

# The fallback's compiler: its version must match the sources beside it.
debian_rustc=/usr/bin/rustc

# What is built below has a version too: raise it when the recipe changes.
recipe=2

has_target() { [ -d "$1/lib/rustlib/$2/lib" ]; }

# private_sysroot: where the fallback's sysroot belongs, there or not.
private_sysroot() {
    local version hash
    version=$("$debian_rustc" --version 2>/dev/null) || return 1
    # "rustc 1.96.0 (ac68faa20 2026-05-25)…": the hash too, as a library
    # fits only the very compiler that made it.
    read -r _ version hash _ <<<"$version"
    printf '%s/musl/%s%s-%s/sysroot\n' "$cache" "$version" "${hash:+-${hash#(}}" "$recipe"
}

# target_sysroot TARGET: prints nothing where the active rustc has the target,
# the private sysroot where that has it; fails where neither does.
target_sysroot() {
    local active private
    active=$("${RUSTC:-rustc}" --print sysroot 2>/dev/null) || active=
    if [ "$active" ] && has_target "$active" "$1"; then return; fi
    private=$(private_sysroot) && has_target "$private" "$1" && printf '%s\n' "$private"
}

# setup_target TARGET
setup_target() {
    local target=$1
    has_command cargo || die "there is no cargo" "install Rust: rustup, or the packages cargo and rustc"
    if target_sysroot "$target" >/dev/null; then return; fi
    if has_command rustup; then
        say "running: rustup target add $target"
        # RUSTC may name another compiler than rustup's: look again.
        if rustup target add "$target" >/dev/null 2>&1 && target_sysroot "$target" >/dev/null; then
            return
        fi
        say "that did not do (no way for rustup to download here?)"
    fi
    has_command apt-get ||
        die "the active rustc has no $target" "rustup target add $target, or this system's package of it"
    need_to_build_std
    install_missing
    check_debian_rustc
    build_std "$target"
}

# Debian has a rustc with a suffix that is newer than the release's own; the
# one in place is kept, as the two exclude each other.
need_to_build_std() {
    local flavour='' unwind
    if dpkg-query -S "$debian_rustc" 2>/dev/null | grep -q '^rustc-web:' ||
        { [ ! -e "$debian_rustc" ] && [ "$(apt-cache search --names-only '^rustc-web$')" ]; }; then
        flavour=-web
    fi
    unwind=$(apt-cache search --names-only '^libunwind-[0-9]+-dev$' |
        awk '{ print $1 }' | sort -V | tail -n 1)
    need "rustc$flavour" "rustc" has_file "$debian_rustc"
    need "rust$flavour-src" "Rust's sources" has_file /usr/lib/rustlib/src/rust/library/std/Cargo.toml
    need musl-dev "musl" has_file /usr/lib/x86_64-linux-musl/libc.a
    need "${unwind:-libunwind-dev}" "LLVM's libunwind" has_file /usr/lib/llvm-*/lib/libunwind.a
}

check_debian_rustc() {
    local wanted found
    wanted=$(sed -n 's/^rust-version = "\(.*\)"/\1/p' "$root/Cargo.toml")
    found=$("$debian_rustc" --version | cut -d ' ' -f 2)
    if [ "$(printf '%s\n' "$wanted" "$found" | sort -V | head -n 1)" != "$wanted" ]; then
        die "$debian_rustc is $found, and $wanted is the oldest that will do" \
            "rustup target add $musl $bare, with a rustup that can download"
    fi
}

# build_std TARGET
build_std() {
    local target=$1 sysroot crates=core work out
    sysroot=$(private_sysroot)
    if [ "$target" = "$musl" ]; then crates=std,panic_abort,panic_unwind; fi
    say "building Rust's $crates for $target (a minute or so, once)"
    scratch
    work=$scratch out=$scratch/sysroot/lib/rustlib/$target/lib
    mkdir -p "$work/src" "$out"
    printf '[package]\nname = "seed"\nversion = "0.0.0"\nedition = "2024"\n' >"$work/Cargo.toml"
    printf '#![no_std]\n' >"$work/src/lib.rs"
    # rustc takes panic_abort only when that was itself compiled to abort; cargo
    # has no way to say so of one crate.
    cat >"$work/rustc" <<'SH'
#!/bin/sh
case " $* " in *" --crate-name panic_abort "*) set -- "$@" -Cpanic=abort ;; esac
exec "$@"
SH
    chmod +x "$work/rustc"
    # With bitcode, or link-time optimization of the agent cannot be. Without
    # what puts names on backtraces: a fifth of the agent, which has none to name.
    (cd "$work" && RUSTC=$debian_rustc RUSTC_WRAPPER=$work/rustc RUSTC_BOOTSTRAP=1 \
        CARGO_ENCODED_RUSTFLAGS=-Cembed-bitcode=yes \
        quietly cargo build "-Zbuild-std=$crates" -Zbuild-std-features=panic-unwind,optimize_for_size \
        --release --target "$target" --target-dir "$work/target") ||
        die "cannot build Rust's $crates for $target" "rustup target add $target, with a rustup that can download"
    rm "$work/target/$target/release/deps"/libseed-*
    cp "$work/target/$target/release/deps"/*.rlib "$out"
    if [ "$target" = "$musl" ]; then
        add_c_library "$out/self-contained"
        check_std "$work"
    fi
    mkdir -p "$sysroot/lib/rustlib"
    mv -T "$scratch/sysroot/lib/rustlib/$target" "$sysroot/lib/rustlib/$target"
    rm -rf "$scratch"
}

# add_c_library DIRECTORY: what rustc looks for beside a musl target's
# libraries: the C library, its and gcc's start files, and an unwinder.
add_c_library() {
    local directory=$1 name unwind
    mkdir "$directory"
    for name in crt1.o crti.o crtn.o rcrt1.o Scrt1.o libc.a; do
        cp "/usr/lib/x86_64-linux-musl/$name" "$directory"
    done
    for name in crtbegin.o crtbeginS.o crtbeginT.o crtend.o crtendS.o; do
        cp "$(gcc -print-file-name="$name")" "$directory"
    done
    # gcc's own unwinder wants glibc's _dl_find_object; LLVM's wants of glibc
    # no more than the checked fprintf.
    unwind=$(printf '%s\n' /usr/lib/llvm-*/lib/libunwind.a | sort -V | tail -n 1)
    cp "$unwind" "$directory/libunwind.a"
    gcc -O2 -fPIC -ffreestanding -c -o "$directory/fprintf_chk.o" -x c - <<'C'
int vfprintf(void *, const char *, __builtin_va_list);
int __fprintf_chk(void *stream, int flag, const char *format, ...)
{
	__builtin_va_list arguments;
	int written;

	(void)flag;
	__builtin_va_start(arguments, format);
	written = vfprintf(stream, format, arguments);
	__builtin_va_end(arguments);
	return written;
}
C
    ar rs "$directory/libunwind.a" "$directory/fprintf_chk.o" 2>/dev/null
    rm "$directory/fprintf_chk.o"
}

# check_std DIRECTORY: a program built with the new sysroot, as the agent is,
# runs. Better to fail here than in PID 1.
check_std() {
    local source=$1/check.rs program=$1/check
    cat >"$source" <<'RUST'
use std::collections::HashMap;
fn main() {
    let thread = std::thread::spawn(|| HashMap::from([(6, 7)]));
    println!("{:?}", thread.join().unwrap());
}
RUST
    quietly "$debian_rustc" --edition 2024 --sysroot "$1/sysroot" --target "$musl" \
        -Cpanic=abort -Clto=fat -Copt-level=s -Ccodegen-units=1 -o "$program" "$source" ||
        die "a program does not link with the library just built"
    [ "$("$program")" = "{6: 7}" ] || die "a program linked with the library just built does not run"
}
