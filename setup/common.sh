# What every part of set-up uses: where things are kept, how to speak, how to
# become root. Sourced, never run.
# shellcheck shell=bash

# The host program looks in the same place (kernels/, bin/).
cache=${XDG_CACHE_HOME:-$HOME/.cache}/lunlab

say() { printf 'setup: %s\n' "$*" >&2; }

# die MESSAGE [HINT]: the hint is what would mend it.
die() {
    printf 'setup: error: %s\n' "$1" >&2
    if [ $# -gt 1 ]; then printf 'hint: %s\n' "$2" >&2; fi
    exit 1
}

has_command() { command -v "$1" >/dev/null 2>&1; }

# has_file PATH...: true when one of them exists; a glob without a match is
# handed over as it stands and does not.
has_file() {
    local path
    for path in "$@"; do
        if [ -e "$path" ]; then return 0; fi
    done
    return 1
}

# has_library NAME: is there a libNAME.so.N that the dynamic loader finds?
# ldconfig is in sbin, which an ordinary user's PATH may lack.
has_library() {
    local known
    known=$(PATH=$PATH:/usr/sbin:/sbin ldconfig -p 2>/dev/null) || known=
    case $known in *"lib$1.so."[0-9]*) return 0 ;; esac
    has_file /usr/lib/"lib$1".so.[0-9]* /usr/lib64/"lib$1".so.[0-9]*
}

# scratch: a fresh directory beside the products, on the same file system, so
# that a finished product is renamed into place and an interrupted run leaves
# nothing half-made. The name goes into $scratch; `run` removes what is left.
scratch() {
    mkdir -p "$cache"
    scratch=$(mktemp -d "$cache/.tmp.XXXXXX")
    chmod 755 "$scratch"
}

# quietly COMMAND...: its output is shown only when it fails.
quietly() {
    local log status=0
    log=$(mktemp)
    "$@" >"$log" 2>&1 || status=$?
    if [ "$status" -ne 0 ]; then cat "$log" >&2; fi
    rm -f "$log"
    return "$status"
}

# as_root COMMAND...: says what it runs; sudo only where it is needed.
as_root() {
    local -a command=(env DEBIAN_FRONTEND=noninteractive "$@")
    if [ "$(id -u)" -eq 0 ]; then
        say "running: $*"
    elif has_command sudo; then
        say "running: sudo $*"
        command=(sudo "${command[@]}")
    else
        die "not root, and there is no sudo" "as root, run: $*"
    fi
    quietly "${command[@]}"
}
