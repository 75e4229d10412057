#!/usr/bin/env bats
# doctor.bats - what tests/doctor says of machines that lack something. Each is made here: a
# PATH without a tool, a limit, a namespace without a network, a compiler that refuses.
#
# bats file_tags=doctor

load lib.bash

setup() {
    cd "$COURSE" || return 1
    unset CC CFLAGS LDFLAGS
    FAKES=$BATS_TEST_TMPDIR/fakes ALL=${PATH#"$BATS_LIBEXEC:"} # there stands another `bats`
    DOCTOR=tests/doctor WRAP=''
    mkdir "$FAKES"
}

# without NAME...: from now on $ALL is a directory with a link to every program of this machine,
# but to these.
without() {
    local directory directories name bin=$BATS_TEST_TMPDIR/bin
    mkdir "$bin"
    IFS=: read -ra directories <<<"$ALL"
    for directory in "${directories[@]}"; do
        ln -s -t "$bin" "$directory"/* 2>/dev/null || true
    done
    for name in "$@"; do rm -f "$bin/$name"; done
    ALL=$bin
}

# fake NAME BODY: a script of this name, found before the program.
fake() {
    printf '#!/bin/sh\n%s\n' "$2" >"$FAKES/$1"
    chmod +x "$FAKES/$1"
}

# doctor [NAME...]: asks it. Sets STATUS and SAID; it must not say anything on stderr, where a
# shell tells its errors.
doctor() {
    local errors=$BATS_TEST_TMPDIR/errors
    STATUS=0
    # shellcheck disable=SC2086 # words
    SAID=$(PATH=$FAKES:$ALL $WRAP /bin/sh "$DOCTOR" "$@" 2>"$errors" </dev/null) ||
        STATUS=$?
    printf '%s\n' "$SAID"
    cat "$errors"
    [[ ! -s $errors ]]
}

# expect LEVEL NAME TEXT [FIX]: there is such a line, and such a fix in the line below it. TEXT
# and FIX are patterns of the shell.
expect() {
    local line next
    while read -r line; do
        read -r next || true
        # shellcheck disable=SC2053 # patterns
        if [[ $line == "$1 "*([ ])"$2 "*([ ])$3 && (-z ${4-} || $next == 'to fix: '*([ ])$4) ]]; then
            return 0
        fi
    done < <(sed 'p' <<<"$SAID" | sed 1d)
    echo "wanted: $1 $2 $3, to fix: ${4-}"
    return 1
}

expect_status() { ((STATUS == $1)) || { echo "status $STATUS, not $1" && return 1; }; }

last_line() { [[ ${SAID##*$'\n'} == "$1" ]] || { echo "wanted at the end: $1" && return 1; }; }

# alone NAME...: a word for unshare, if this user may have namespaces of its own.
alone() {
    local options
    for options in "$*" "-r $*"; do
        # shellcheck disable=SC2086 # words
        if unshare $options true 2>/dev/null; then
            ALONE="unshare $options"
            return
        fi
    done
    skip "no namespaces for this user: unshare $*"
}

# refusing SOURCE FLAG...: a compiler that links SOURCE to every program, for calls that are
# renamed by the flags.
refusing() {
    printf '%s\n' '#include <errno.h>' '#include <stddef.h>' "$1" >"$BATS_TEST_TMPDIR/refusing.c"
    local cc
    cc=$(command -v cc)
    "$cc" -c -o "$BATS_TEST_TMPDIR/refusing.o" "$BATS_TEST_TMPDIR/refusing.c"
    shift
    fake cc "exec $cc $* \"\$@\" $BATS_TEST_TMPDIR/refusing.o"
}

# course_copy: another course, without what was built.
course_copy() {
    COPY=$BATS_TEST_TMPDIR/copy DOCTOR=$BATS_TEST_TMPDIR/copy/tests/doctor
    mkdir -p "$COPY/tests"
    cp -r Makefile README.md step*_* "$COPY"
    cp -r tests/{doctor,setup,run,src} tests/*.ba{sh,ts} tests/*.txt "$COPY/tests"
}

# ---- all of it --------------------------------------------------------------------

@test "where the tests run, the doctor is content" {
    local name
    doctor
    expect_status 0
    [[ ${SAID##*$'\n'} == 'ready: the course can be built and tested here'* ]]
    for name in $(sed -n "/^CHECKS='/,/'\$/p" tests/doctor | sed "s/CHECKS=//; s/'//g"); do
        grep -qE "^(info|ok|warning|untried) +$name " <<<"$SAID"
    done
}

@test "make doctor is the same" {
    [[ $(make -n doctor) == "sh tests/doctor" ]]
}

@test "without any program there are words, and no error of the shell" {
    local shell shells=(/bin/sh)
    for shell in dash 'bash --posix' 'busybox sh'; do
        # Its arguments, if any, stay behind its path.
        ! command -v "${shell%% *}" >/dev/null || shells+=("$(command -v "${shell%% *}")${shell#"${shell%% *}"}")
    done
    for shell in "${shells[@]}"; do
        echo "== $shell"
        STATUS=0
        # shellcheck disable=SC2086 # words
        SAID=$(PATH=/nowhere $shell tests/doctor 2>"$BATS_TEST_TMPDIR/errors") || STATUS=$?
        cat "$BATS_TEST_TMPDIR/errors"
        printf '%s\n' "$SAID"
        [[ ! -s $BATS_TEST_TMPDIR/errors ]]
        expect_status 1
        expect problem compiler 'there is no cc' 'sh tests/setup run'
        expect problem bats '*' 'sh tests/setup test'
        expect untried loopback '*'
        expect ok machine '[?] cores,*'
        [[ $SAID != *": not found "* && $SAID != *"No such file"* ]]
        [[ ${SAID##*$'\n'} == 'not ready: fix '*compiler* ]]
    done
}

@test "a wrong name is refused, with those that there are" {
    local status=0
    sh tests/doctor teeth >"$BATS_TEST_TMPDIR/out" 2>"$BATS_TEST_TMPDIR/err" || status=$?
    ((status == 2))
    grep -q compiler "$BATS_TEST_TMPDIR/err"
    [[ ! -s $BATS_TEST_TMPDIR/out ]]
}

@test "every command that the doctor names exists" {
    local target
    for target in $(grep -oE "(\`|'|: |\")make [a-z-]+" tests/doctor | sed 's/.*make //' | sort -u); do
        [[ $target != would ]] || continue # prose
        make -n "$target" STEP=02 >/dev/null || { echo "there is no make $target" && return 1; }
    done
    sh tests/setup 2>&1 | grep -q 'run|test'
}

# ---- what builds and tests --------------------------------------------------------

@test "no compiler" {
    without cc gcc clang
    doctor compiler sanitizers
    expect_status 1
    expect problem compiler 'there is no cc' 'sh tests/setup run'
    expect untried sanitizers '*'
    last_line 'not ready: fix compiler'
}

@test "a compiler that is not there" {
    CC='no-such-cc -O2' doctor compiler environment
    expect_status 1
    expect problem compiler 'there is no no-such-cc' 'unset CC, or sh tests/setup run'
    expect info environment '*, CC=no-such-cc -O2*'
}

@test "a compiler without the headers of libc" {
    fake cc 'case $* in *--version) echo "cc 1.2"; exit ;; esac
echo "machine.c:12:10: note: something"
echo "machine.c:15:10: fatal error: sys/epoll.h: No such file or directory"; exit 1'
    doctor compiler
    expect_status 1
    expect problem compiler 'cc: cc 1.2; *fatal error: sys/epoll.h*' 'sh tests/setup run'
}

@test "a libc without the headers of the kernel" {
    local cc
    cc=$(command -v cc)
    fake cc "case \"\$*\" in *linux/*) echo 'fatal error: linux/sockios.h: No such file'; exit 1 ;; esac; exec $cc \"\$@\""
    doctor compiler headers
    expect_status 1
    expect ok compiler '*'
    expect problem headers '*linux/sockios.h*' 'sh tests/setup test'
    last_line 'not ready to test (the servers can be built): fix headers'
}

@test "a compiler without sanitizers" {
    local cc
    cc=$(command -v cc)
    fake cc "case \"\$*\" in *-fsanitize*) echo 'ld: cannot find -lasan'; exit 1 ;; esac; exec $cc \"\$@\""
    doctor compiler sanitizers
    expect ok compiler '*'
    expect warning sanitizers '*AddressSanitizer*cannot find -lasan' 'sh tests/setup test*'
    expect warning sanitizers 'ThreadSanitizer: *cannot find*'
}

@test "sanitizers that do not start" {
    local cc
    cc=$(command -v cc)
    # shellcheck disable=SC2016 # for that script
    fake cc 'case "$*" in *-fsanitize*) while [ "$1" != -o ]; do shift; done
printf "#!/bin/sh\necho FATAL: unexpected memory mapping; exit 66\n" >"$2"; chmod +x "$2"; exit ;; esac
exec '"$cc"' "$@"'
    doctor sanitizers
    expect warning sanitizers '*does not start: FATAL: unexpected*' '*sysctl -w vm.mmap_rnd_bits=28'
}

@test "no make, and one that is not GNU's" {
    without make
    doctor make
    expect_status 1
    expect problem make 'not found' 'sh tests/setup run'
    fake make 'echo "make: unknown option --version"; exit 2'
    doctor make
    expect_status 1
    expect problem make '*not GNU make' '*'
}

@test "no bats, and one that is too old" {
    without bats
    doctor bats make
    expect_status 1
    expect problem bats 'not found*' 'sh tests/setup test'
    last_line 'not ready to test (the servers can be built): fix bats'
    local version
    for version in 1.2.1 0.4.0 unknown; do
        fake bats "echo Bats $version"
        doctor bats
        expect_status 1
        expect problem bats "Bats $version: 1.8 or later*" 'sh tests/setup test'
    done
    for version in 1.8.0 1.11.1 2.0.0-rc1; do
        fake bats "echo Bats $version"
        doctor bats
        expect_status 0
    done
}

@test "no bash, and one that is too old" {
    without bash
    doctor bash
    expect_status 1
    expect problem bash 'not found*' 'sh tests/setup test'
    local version
    for version in '4.4.20(1)-release' '5.0.17(1)-release'; do
        fake bash "echo '$version'"
        doctor bash
        expect_status 1
        expect problem bash "$version is too old*" '*'
    done
}

@test "no patch and no ps" {
    without patch ps
    doctor tools
    expect_status 1
    expect problem tools 'not found: patch ps' 'sh tests/setup test'
}

@test "no valgrind, and one that does not work" {
    without valgrind
    doctor valgrind
    expect_status 0
    expect warning valgrind 'not found*' 'sh tests/setup test'
    fake valgrind '[ "$1" != --version ] || { echo valgrind-3.99; exit; }
echo "valgrind:  Fatal error at startup: a function redirection"; exit 1'
    doctor valgrind
    expect_status 0
    expect warning valgrind 'valgrind-3.99 does not work: *Fatal error*' 'sh tests/setup test'
    last_line 'what was asked is in order; warnings: 1'
}

@test "no ptrace" {
    refusing 'long refused(int request, ...); long refused(int request, ...) { errno = EPERM; return -1 + 0 * request; }' \
        -Dptrace=refused
    doctor compiler ptrace
    expect ok compiler '*'
    expect_status 0
    expect warning ptrace 'ptrace: Operation not permitted; *' '*@(ptrace_scope|SYS_PTRACE)*'
}

@test "programs that ignore LD_PRELOAD" {
    local cc
    cc=$(command -v cc)
    "$cc" -static -pthread -o "$BATS_TEST_TMPDIR/static" tests/src/machine.c ||
        skip "no static libc on this machine"
    fake cc "case \"\$*\" in *-shared*) exec $cc \"\$@\" ;; esac; exec $cc -static \"\$@\""
    doctor preload
    expect_status 1
    expect problem preload 'LD_PRELOAD is ignored*' '*-static*'
}

# ---- the machine ------------------------------------------------------------------

@test "an environment without PATH" {
    SAID=$(env -i "$(command -v dash || echo /bin/sh)" tests/doctor environment) && STATUS=0 || STATUS=$?
    echo "$SAID"
    expect_status 1
    expect problem environment '*HOME not set, PATH not exported*' 'export PATH=*bin*'
}

@test "a system that is not Linux" {
    fake uname '[ "$1" != -s ] || { echo Darwin; exit; }; echo 23.4'
    doctor
    expect_status 1
    expect problem system 'Darwin *epoll*' '*.devcontainer*'
    last_line 'not ready: fix system'
}

@test "WSL 1" {
    fake uname 'case $1 in -s) echo Linux ;; -r) echo 4.4.0-19041-Microsoft ;; *) echo x86_64 ;; esac'
    doctor system
    expect_status 1
    expect problem system '*WSL 1*' '*wsl --set-version NAME 2'
    fake uname 'case $1 in -s) echo Linux ;; -r) echo 5.15.90.1-microsoft-standard-WSL2 ;; *) echo x86_64 ;; esac'
    doctor system
    expect_status 0
    expect ok system '*WSL 2*'
}

@test "few descriptors" {
    local limit
    for limit in 100 256 4096; do
        SAID=$(ulimit -n $limit && sh tests/doctor descriptors) && STATUS=0 || STATUS=$?
        echo "$SAID"
        if ((limit < 256)); then
            expect_status 1
            expect problem descriptors "soft limit $limit, hard limit $limit;*" '*nofile=20000*'
        else
            expect_status 0
            expect warning descriptors "soft limit $limit, hard limit $limit;*skipped" '*nofile=20000*'
        fi
    done
}

@test "few processes" {
    SAID=$(ulimit -u 300 && sh tests/doctor processes) && STATUS=0 || STATUS=$?
    echo "$SAID"
    expect_status 0
    expect warning processes 'limit 300*' '*--nproc=*'
}

@test "no loopback interface" {
    alone --net
    WRAP=$ALONE doctor loopback
    expect_status 1
    expect problem loopback '127.0.0.1: *' '*ip link set lo up'
    last_line 'not ready to test (the servers can be built): fix loopback'
}

@test "no IPv6" {
    refusing 'int __real_socket(int, int, int); int __wrap_socket(int, int, int);
int __wrap_socket(int family, int type, int protocol)
{ if (family == 10) { errno = EAFNOSUPPORT; return -1; } return __real_socket(family, type, protocol); }' \
        -Wl,--wrap=socket
    doctor loopback
    expect_status 0
    expect warning loopback '127.0.0.1 works; ::1: socket: Address family*' '*disable_ipv6=0*'
}

@test "ports in use" {
    refusing 'int refused(int fd, const void *address, unsigned len); int refused(int fd, const void *address, unsigned len)
{ errno = address != NULL && len > 0 ? EADDRINUSE : fd; return -1; }' -Dbind=refused
    doctor ports
    expect_status 0
    expect warning ports 'in use: 8080 8081;*' 'make run PORT=9080 HTTP_PORT=9081'
}

@test "a clock that is wrong" {
    refusing 'long refused(long *now); long refused(long *now) { return now == NULL ? 86400 : 0; }' \
        -Wl,--wrap=time -Wl,--defsym=__wrap_time=refused
    doctor clock
    expect_status 0
    expect warning clock '1970-*' '*'
}

# ---- files ------------------------------------------------------------------------

@test "sources from the future" {
    course_copy
    touch -d '+1 hour' "$COPY/step03_epoll/poller.c" "$COPY/step03_epoll/net.h"
    doctor clock
    expect_status 0
    expect warning clock '2 files are from the future' 'find step* *touch*'
    eval "cd '$COPY' && $(sed -n 's/.*to fix: *//p' <<<"$SAID")"
    doctor clock
    expect ok clock '*'
}

@test "a TMPDIR in which nothing can be written" {
    TMPDIR=/proc doctor scratch compiler
    expect_status 0
    expect warning scratch '/proc: it cannot be written*' '*export TMPDIR=*'
    expect ok compiler '*'
}

@test "a TMPDIR in which no program can be started" {
    alone --mount
    mkdir "$BATS_TEST_TMPDIR/noexec"
    # shellcheck disable=SC2016 # for the inner shell
    SAID=$($ALONE bash -c 'mount -t tmpfs -o noexec tmpfs "$1" &&
        TMPDIR=$1 sh tests/doctor scratch compiler' - "$BATS_TEST_TMPDIR/noexec") && STATUS=0 || STATUS=$?
    echo "$SAID"
    expect_status 0
    expect warning scratch '*/noexec: no program can be started in it*' '*export TMPDIR=*'
    expect ok compiler '*'
}

@test "a course on a disk that starts no program" {
    alone --mount
    course_copy
    # shellcheck disable=SC2016 # for the inner shell
    SAID=$($ALONE bash -c 'mount --bind "$1" "$1" && mount -o remount,bind,noexec "$1" &&
        cd "$1" && sh tests/doctor directory compiler' - "$COPY") && STATUS=0 || STATUS=$?
    echo "$SAID"
    expect_status 1
    expect problem directory 'no program can be started in it*' 'copy the course*'
    expect ok compiler '*'
}

@test "a course that nobody may write" {
    alone --mount
    course_copy
    # shellcheck disable=SC2016 # for the inner shell
    SAID=$($ALONE bash -c 'mount --bind "$1" "$1" && mount -o remount,bind,ro "$1" &&
        cd "$1" && sh tests/doctor directory' - "$COPY") && STATUS=0 || STATUS=$?
    echo "$SAID"
    expect_status 1
    expect problem directory 'this user may not write here' 'cp -r . ~/course*'
}

@test "a full disk" {
    fake df 'printf "%s\n" "Filesystem 1024-blocks Used Available Capacity Mounted on" "/dev/x 9 9 '$((20 * 1024))' 99% /"'
    doctor disk
    expect_status 1
    expect problem disk '20 MB free here, 20 MB in *' 'make clean*'
    fake df 'printf "%s\n" "Filesystem 1024-blocks Used Available Capacity Mounted on" "/dev/x 9 9 '$((200 * 1024))' 99% /"'
    doctor disk
    expect_status 0
    expect warning disk '200 MB free here*' 'make clean*'
}

@test "lines that end in CR LF" {
    course_copy
    sed -i 's/$/\r/' "$COPY/step02_select/main.c"
    doctor directory
    expect_status 1
    expect problem directory 'the lines of step02_select/main.c end in CR LF' 'git *clone*'
    sed -i 's/$/\r/' "$COPY/tests/doctor"
    doctor
    expect_status 1
    [[ $SAID == *'end in CR LF'*'To fix: git '* && $SAID != *$'\n'* ]]
}

@test "a file system that does not tell a from A" {
    course_copy
    touch "$COPY/mAKEFILE"
    doctor directory
    expect_status 0
    expect warning directory '*a from A' 'copy the course*'
}

# ---- which course this is ---------------------------------------------------------

# repository DIRECTORY: makes one of it, with a commit and the tag v7.
repository() {
    export GIT_CONFIG_GLOBAL=/dev/null GIT_CONFIG_NOSYSTEM=1 GIT_AUTHOR_NAME=a GIT_AUTHOR_EMAIL=a@b \
        GIT_COMMITTER_NAME=a GIT_COMMITTER_EMAIL=a@b
    git -C "$1" init -q
    git -C "$1" add .
    git -C "$1" commit -q -m 'All of it'
    git -C "$1" tag -a -m '' v7
}

@test "the course is named by git, and what was changed" {
    command -v git >/dev/null || skip "git is not installed"
    course_copy
    repository "$COPY"
    doctor course
    expect info course 'git v7'
    echo >>"$COPY/tests/lib.bash"
    doctor course
    expect info course 'git v7, changed: tests/lib.bash'
}

@test "without a repository of its own, the course is named by checksums" {
    local before
    course_copy
    # In that of a student, for example.
    ! command -v git >/dev/null || repository "$BATS_TEST_TMPDIR"
    doctor course
    expect info course 'no version from git; checksums: step01 +([0-9]) * step05 +([0-9]) tests +([0-9])'
    before=$SAID
    doctor course
    [[ $SAID == "$before" ]]
    echo >>"$COPY/step05_final/http.c"
    doctor course
    [[ ${SAID%step05*} == "${before%step05*}" && $SAID != "$before" ]]
}
