# machine.bash - makes one machine like another for the scripts that source it: the words of
# a shell are the same everywhere, names of temporary files need no quotes, and what is
# missing is said in one line. README.md, "Machines", lists what was tried.
# shellcheck shell=bash disable=SC2034 # set for who sources it

# Sorting, classes of characters and the decimal point differ from language to language. (In
# Turkish, the capital of i is no I.)
export LC_ALL=C
unset CDPATH COURSE_LINK MAKEFLAGS MFLAGS MAKELEVEL "${!GIT_@}" # a hook of git sets GIT_DIR

# Where stdin is closed, the next file that a program opens would be its stdin.
[[ -e /dev/fd/0 ]] || exec </dev/null

# cannot WHY: better one clear word than a hundred failed tests.
cannot() {
    echo "${0##*/}: $1" >&2
    exit 2
}

((BASH_VERSINFO[0] * 100 + BASH_VERSINFO[1] >= 501)) || cannot "bash 5.1 or later is needed, and this is $BASH_VERSION"

# is_plain PATH: it needs no quotes, and can stand in a list such as LD_PRELOAD, where ld.so
# takes a space or a colon for the end of a name.
is_plain() { [[ $1 != *[^A-Za-z0-9_./+-]* ]]; }

# may_run DIRECTORY: a program that lies there may be started. Some machines mount /tmp noexec.
may_run() {
    local status=0
    printf '#!/bin/sh\n' >"$1/try" && chmod +x "$1/try" || return
    "$1/try" 2>/dev/null || status=1
    rm -f "$1/try"
    return $status
}

# plain_directory: makes one for temporary files and prints its name.
plain_directory() {
    local place
    for place in "${TMPDIR-}" /tmp /var/tmp /dev/shm; do
        if [[ $place == /* ]] && is_plain "$place"; then
            mktemp -d "$place/course.XXXXXX" 2>/dev/null && return
        fi
    done
    return 1
}

# settle COURSE: makes SCRATCH, a directory with a plain name, for the caller to remove by
# `unsettle`. Sets PLAIN_COURSE, a plain name for COURSE: itself, or a link to it in SCRATCH;
# lib.bash knows it from COURSE_LINK. Sets TMPDIR: plain, and programs that lie there may be
# started.
settle() {
    SCRATCH=$(plain_directory) || cannot "no directory for temporary files: TMPDIR=${TMPDIR-}"
    PLAIN_COURSE=$1 BESIDE=''
    if ! is_plain "$1"; then
        ln -s "$1" "$SCRATCH/course"
        export COURSE_LINK=$SCRATCH/course
        PLAIN_COURSE=$COURSE_LINK
    fi
    export TMPDIR=$SCRATCH
    may_run "$SCRATCH" && return
    # No program may be started in SCRATCH. In the course one may, for the servers are there.
    mkdir -p "$PLAIN_COURSE/tests/bin"
    BESIDE=$(mktemp -d "$PLAIN_COURSE/tests/bin/tmp.XXXXXX") || exit 2
    may_run "$BESIDE" || cannot "no program may be started here (a noexec mount?): move the course"
    TMPDIR=$BESIDE
}

unsettle() { rm -rf "$SCRATCH" "$BESIDE"; }

# needs_loopback COURSE: every test talks to 127.0.0.1, and a network of one's own (a
# container, `unshare -n`) may be without it.
needs_loopback() {
    local tools=$1/tests/bin port=$SCRATCH/port
    [[ -x $tools/launch && -x $tools/probe ]] || return 0
    # launch listens, probe connects.
    # shellcheck disable=SC2016 # expanded by that sh
    "$tools/launch" -l "$port" sh -c 'exec "$0" -a 127.0.0.1 "$(cat "$1")" "open a"' \
        "$tools/probe" "$port" >"$port.said" 2>&1 ||
        cannot "nobody can connect to 127.0.0.1 here ($(sed -n 's/^saw\t.*: //p' "$port.said")); as root: ip link set lo up"
}
