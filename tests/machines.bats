#!/usr/bin/env bats
# machines.bats - the course on machines that differ: another libc, another processor, other
# tools, odd paths, narrow limits. Part of `make test-more`. Each test builds a copy and runs
# tests in it, which must pass or be skipped by name; no shell may complain. README.md,
# "Machines", is the list of what was tried, here and by hand.
#
# bats file_tags=machines

load lib.bash

STEPS=(step01_blocking step02_select step03_epoll step04_threadpool step05_final)

# A few tests of each kind: with a client, with a library for LD_PRELOAD, with limits.
SAMPLE='^(echoes one message|several messages on one connection|a port in use|out of descriptors: .*'
SAMPLE+='|interrupted calls \(EINTR\) change nothing|descriptors return to their base line)$'

# What a shell says when a script is not for it.
SHELL_ERROR='line [0-9]+: |^[^ ]*sh: |[Ss]yntax error|[Ii]llegal option|(unrecognized|invalid|unknown) option'
SHELL_ERROR+='|unbound variable|parameter not set|[Bb]ad substitution|: not found|command not found'

# bats puts a directory before PATH that holds half of it.
OUTER_PATH=${PATH//"$BATS_LIBEXEC:"/}

setup() {
    ENVIRONMENT=(PATH="$OUTER_PATH" HOME="${HOME:-/}" TERM=dumb)
    UNDER=() # words before the command, such as prlimit
    COPY=$COURSE
}

# ---- a machine --------------------------------------------------------------------

# copy [NAME]: COPY is a new directory with the course as an archive has it, nothing built.
copy() {
    COPY=$BATS_TEST_TMPDIR/${1:-copy}
    mkdir -p "$COPY"
    tar -C "$COURSE" --exclude=./.git --exclude='./my*' --exclude=build --exclude='build-*' \
        --exclude='./step*/server' --exclude=./tests/bin --exclude=./tests/mutants/work -cf - . |
        tar -C "$COPY" -xf -
}

# needs PROGRAM...: or the test is skipped.
needs() {
    local program
    for program; do command -v "$program" >/dev/null || skip "$program is not installed"; done
}

# instead NAME PROGRAM [ARGUMENT...]: on this machine, NAME is PROGRAM.
instead() {
    mkdir -p "$BATS_TEST_TMPDIR/bin"
    printf '#!/bin/sh\nexec %s "$@"\n' "${*:2}" >"$BATS_TEST_TMPDIR/bin/$1"
    chmod +x "$BATS_TEST_TMPDIR/bin/$1"
    ENVIRONMENT[0]=PATH=$BATS_TEST_TMPDIR/bin:$OUTER_PATH
}

# here STATUS COMMAND...: in COPY, on this machine; what it says goes to SAID.
here() {
    local status=0
    SAID=$BATS_TEST_TMPDIR/said
    (cd "$COPY" && env -i "${ENVIRONMENT[@]}" "${UNDER[@]}" "${@:2}") >"$SAID" 2>&1 </dev/null 3>&- 4>&- ||
        status=$?
    ((status == $1)) || complain "status $status, wanted $1"
    ! grep -qE "$SHELL_ERROR" "$SAID" || complain "a shell complains: $(grep -E "$SHELL_ERROR" "$SAID" | head -n 1)"
}

complain() {
    echo "${UNDER[*]} in $COPY: $1"
    tail -n 60 "$SAID"
    return 1
}

# passed LEAST [SKIPPED]: so many tests passed at least, none failed, and only those were
# skipped whose lines this regular expression matches.
passed() {
    local line
    line=$(tail -n 1 "$SAID")
    [[ $line =~ ^([0-9]+)\ passed,\ 0\ failed(, [0-9]+ skipped)?$ ]] || complain "no such end"
    ((BASH_REMATCH[1] >= $1)) || complain "wanted $1 passed"
    ! grep '^  - ' "$SAID" | grep -qvE "${2:-^$}" || complain "skipped more than ${2:-nothing}"
}

# sample: setup finds what it needs, and a few tests of the last step pass.
sample() {
    here 0 sh tests/setup run
    here 0 make check STEP=05 FILTER="$SAMPLE"
    passed 6
}

# ---- paths ------------------------------------------------------------------------

@test "a path with a space, quotes, an umlaut and a dollar sign; TMPDIR as well" {
    copy "o'b\"r ü \$x"
    mkdir "$COPY/t m'p"
    ENVIRONMENT+=(TMPDIR="$COPY/t m'p")
    sample
    here 0 make check SERVER="$COPY/step05_final/server" FILTER='^echoes one message$'
    passed 1
    here 0 make
    here 0 env FILTER='^step05: (drd|the timer)' tests/run file tests/tools.bats
    here 0 env FILTER='^accept4 fails: no client is lost' tests/run file tests/wrap.bats
    here 0 env ONLY='memory per idle connection, 1000' tests/bench/count
    here 0 tests/mutants/run 01_whole_buffer
    passed 1
    [[ -z $(ls "$COPY/t m'p") ]] || complain "left in TMPDIR: $(ls "$COPY/t m'p")"
}

@test "TMPDIR where no program may be started, and where nothing may be written" {
    needs unshare mount
    copy
    UNDER=(unshare -rm sh -c 'mount -t tmpfs -o noexec tmpfs "$0" && exec "$@"' "$BATS_TEST_TMPDIR/noexec")
    mkdir "$BATS_TEST_TMPDIR/noexec"
    "${UNDER[@]}" true 2>/dev/null || skip "no file system may be mounted here"
    ENVIRONMENT+=(TMPDIR="$BATS_TEST_TMPDIR/noexec")
    sample
    UNDER=()
    ENVIRONMENT+=(TMPDIR=/nowhere)
    sample
}

# ---- another libc, another processor ----------------------------------------------

# contract_of STEP SERVER_WRAP SKIPPED MAKE-ARGUMENT...: builds a copy of the step without a
# warning, and asks it the contract; of that only what SKIPPED matches may be skipped.
contract_of() {
    cp -r "$COURSE/${STEPS[10#$1 - 1]}" "$BATS_TEST_TMPDIR/step"
    make -s -C "$BATS_TEST_TMPDIR/step" clean
    make -s -C "$BATS_TEST_TMPDIR/step" CFLAGS="-O2 -g -Werror" "${@:4}"
    ENVIRONMENT+=(SERVER="$BATS_TEST_TMPDIR/step/server" SERVER_WRAP="$2")
    here 0 tests/run contract
    passed 60 "$3"
}

# The tools as well, for a library that was built with another libc cannot be preloaded. The
# headers of the kernel are not among those that musl-gcc looks through.
musl_tools() {
    needs musl-gcc
    copy
    make -s -C "$COPY/tests" CC=musl-gcc \
        CFLAGS="-O2 -g -Werror -idirafter /usr/include -idirafter /usr/include/$(uname -m)-linux-gnu"
}

musl() {
    musl_tools
    contract_of "$1" '' 'no IPv6 loopback' CC=musl-gcc
}

@test "musl: step01 builds without a warning and keeps the contract" { musl 01; }
@test "musl: step02 builds without a warning and keeps the contract" { musl 02; }
@test "musl: step03 builds without a warning and keeps the contract" { musl 03; }
@test "musl: step04 builds without a warning and keeps the contract" { musl 04; }
@test "musl: step05 builds without a warning and keeps the contract" { musl 05; }

@test "musl: the tools of the tests build without a warning" { musl_tools; }

arm64() {
    needs aarch64-linux-gnu-gcc qemu-aarch64-static
    contract_of "$1" qemu-aarch64-static 'no IPv6 loopback|into the plain binary|cannot be preloaded' \
        CC=aarch64-linux-gnu-gcc LDFLAGS=-static
}

@test "arm64: step01, under qemu, keeps the contract" { arm64 01; }
@test "arm64: step02, under qemu, keeps the contract" { arm64 02; }
@test "arm64: step03, under qemu, keeps the contract" { arm64 03; }
@test "arm64: step04, under qemu, keeps the contract" { arm64 04; }
@test "arm64: step05, under qemu, keeps the contract" { arm64 05; }

# ---- other tools ------------------------------------------------------------------

@test "the tools of busybox before all others" {
    needs busybox
    local applet
    copy
    mkdir "$BATS_TEST_TMPDIR/bin"
    for applet in $(busybox --list); do ln -s "$(command -v busybox)" "$BATS_TEST_TMPDIR/bin/$applet"; done
    ENVIRONMENT[0]=PATH=$BATS_TEST_TMPDIR/bin:$OUTER_PATH
    sample
    here 0 make help
    here 0 make diff STEP=03
}

@test "mawk, gawk, busybox or the original as awk" {
    local awk asked=0
    copy
    for awk in mawk gawk original-awk 'busybox awk'; do
        command -v "${awk%% *}" >/dev/null || continue
        instead awk "$awk"
        sample
        asked=$((asked + 1))
    done
    ((asked > 0)) || skip "none of them is installed"
}

@test "CC=clang, CC of two words, ccache" {
    copy
    instead slow-cc cc
    ENVIRONMENT+=(CC='env slow-cc')
    sample
    if command -v ccache >/dev/null; then
        ENVIRONMENT+=(CC='ccache gcc' CCACHE_DIR="$BATS_TEST_TMPDIR/ccache")
        here 0 make clean
        sample
    fi
    needs clang
    ENVIRONMENT+=(CC=clang)
    here 0 make clean
    sample
}

# ---- the user's words and rights --------------------------------------------------

@test "umask 077, and no HOME" {
    copy
    UNDER=(sh -c 'umask 077 && exec "$@"' sh)
    ENVIRONMENT=(PATH="$OUTER_PATH")
    sample
}

@test "the language is Turkish" {
    needs localedef
    mkdir "$BATS_TEST_TMPDIR/locale"
    localedef -i tr_TR -f UTF-8 "$BATS_TEST_TMPDIR/locale/tr_TR.UTF-8" 2>/dev/null ||
        skip "localedef knows no Turkish"
    copy
    ENVIRONMENT+=(LANG=tr_TR.UTF-8 LC_ALL=tr_TR.UTF-8 LOCPATH="$BATS_TEST_TMPDIR/locale")
    sample
    here 0 make diff STEP=03
}

@test "no terminal, no job control, stdin closed" {
    copy
    UNDER=(setsid -w bash +m -c 'exec <&-; exec "$@"' bash)
    sample
}

@test "a hard limit of 1,024 descriptors, and of 256" {
    local limit
    copy
    for limit in 1024 256; do
        UNDER=(prlimit "--nofile=$limit:$limit")
        sample
        here 0 make check STEP=03
        passed 50 'allows [0-9]+ descriptors'
    done
}

@test "a container that forbids ptrace, personality and perf_event_open" {
    copy
    here 0 make all tools
    UNDER=("$TOOLS/forbid" "ptrace,personality,perf_event_open")
    sample
    here 0 env FILTER='^step0[15]: (memcheck finds no error|AddressSanitizer)' tests/run file tests/tools.bats
    passed 0 'valgrind|sanitize'
    # An old one forbids as well what it does not know.
    UNDER=("$TOOLS/forbid" "ptrace,personality,perf_event_open,close_range,sched_setscheduler")
    sample
    here 0 make check STEP=05 FILTER='^--sched sets'
    passed 0 'SCHED_BATCH'
}

# ---- the network ------------------------------------------------------------------

# network COMMAND: a network of its own, prepared by this command of a shell.
network() {
    needs unshare
    UNDER=(unshare -rn sh -c "$1"' && exec "$@"' sh)
    "${UNDER[@]}" true 2>/dev/null || skip "no network of its own can be made here"
}

@test "no IPv6" {
    needs ip
    copy
    network 'echo 1 >/proc/sys/net/ipv6/conf/all/disable_ipv6 && ip link set lo up'
    sample
    here 0 make check STEP=05 FILTER='IPv6|::1|echoes one'
    passed 1 'IPv6|::1'
}

@test "no loopback: one clear word" {
    network true
    copy
    here 2 make check STEP=01
    [[ $(grep -c . "$SAID") -lt 20 ]] || complain "more than a word"
    grep -q '127.0.0.1' "$SAID" || complain "no word about 127.0.0.1"
}

# ---- others -----------------------------------------------------------------------

@test "a bash without /dev/tcp" {
    copy
    mkdir "$BATS_TEST_TMPDIR/bin"
    sed 's|/dev/tcp/|/dev/tcX/|g' "$(command -v bash)" >"$BATS_TEST_TMPDIR/bin/bash"
    chmod +x "$BATS_TEST_TMPDIR/bin/bash"
    ENVIRONMENT[0]=PATH=$BATS_TEST_TMPDIR/bin:$OUTER_PATH
    sample
    here 0 make check STEP=05 FILTER='counted|^HTTP: one connection too many hears 503$'
    passed 0 '/dev/tcp'
}

@test "without valgrind, sanitizers and all that is optional" {
    local program
    copy
    mkdir "$BATS_TEST_TMPDIR/bin"
    # shellcheck disable=SC2231 # a glob for each directory
    for program in ${OUTER_PATH//:/\/* }/*; do
        case ${program##*/} in
            valgrind* | clang* | shellcheck | haproxy | promtool | wrk | perf | gnuplot | git | strace | gdb) ;;
            *) [[ ! -x $program ]] || ln -sf "$program" "$BATS_TEST_TMPDIR/bin/${program##*/}" ;;
        esac
    done
    ENVIRONMENT[0]=PATH=$BATS_TEST_TMPDIR/bin
    # A compiler without the libraries of its sanitizers.
    rm "$BATS_TEST_TMPDIR/bin/cc"
    printf '#!/bin/sh\ncase "$*" in *-fsanitize*) exit 1 ;; esac\nexec %s "$@"\n' "$(command -v cc)" \
        >"$BATS_TEST_TMPDIR/bin/cc"
    chmod +x "$BATS_TEST_TMPDIR/bin/cc"
    here 0 make all tools
    here 0 env FILTER='^step05' tests/run file tests/tools.bats
    passed 3 'valgrind|sanitize'
    here 0 tests/run file tests/course.bats
    passed 15 'not installed|no git'
}

@test "two users at once, in copies of their own" {
    [[ $(id -u) == 0 ]] || skip "only root can be two users"
    needs setpriv
    local first second status=0
    copy first
    first=$COPY
    copy second
    second=$COPY
    chown -R 65534:65534 "$second"
    chmod 755 "$TMPDIR" "$BATS_RUN_TMPDIR" "$BATS_RUN_TMPDIR"/* "$BATS_TEST_TMPDIR" "$second"
    setpriv --reuid 65534 --regid 65534 --clear-groups test -x "$second" ||
        skip "another user may not enter $TMPDIR"
    (
        COPY=$second BATS_TEST_TMPDIR=$BATS_TEST_TMPDIR/of_second
        mkdir "$BATS_TEST_TMPDIR"
        UNDER=(setpriv --reuid 65534 --regid 65534 --clear-groups)
        sample
    ) &
    COPY=$first
    sample
    wait $! || status=$?
    ((status == 0))
}
