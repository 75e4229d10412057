#!/usr/bin/env bats
# setup.bats - tests/setup on systems that we do not have: with a PATH of its own, where
# programs, package managers and users are made up. README.md, "Machines", tells on which it
# was run in truth.
#
# bats file_tags=setup

load lib.bash

# program DIRECTORY/NAME [LINE...]: its script is LINE..., or does nothing.
program() {
    printf '%s\n' '#!/bin/sh' "${@:2}" >"$1"
    chmod +x "$1"
}

# A system with a shell, and with nothing that setup may have to install.
setup() {
    local name
    export FAKES=$BATS_TEST_TMPDIR/bin POOL=$BATS_TEST_TMPDIR/pool LOG=$BATS_TEST_TMPDIR/log
    SH=(sh)
    mkdir "$FAKES" "$POOL"
    : >"$LOG"
    for name in sh env mktemp rm cp cat sed sort tr head touch; do
        ln -s "$(command -v $name)" "$FAKES/"
    done
    program "$FAKES/true"
    program "$FAKES/id" 'echo "${USER_ID:-0}"'
    # A compiler sanitizes only where the libraries are; they may be a package of their own.
    program "$POOL/cc" 'case " $* " in *" -fsanitize"*) [ -e "$FAKES/libasan" ] ;; esac'
    program "$POOL/bats" 'echo "Bats ${BATS_IS:-1.10.0}"'
    for name in libasan make bash ps patch diff setarch prlimit flock valgrind; do
        program "$POOL/$name"
    done
}

# has PROGRAM...: they are here already.
has() { (cd "$POOL" && cp "$@" "$FAKES/"); }

has_all() { has cc libasan make bash bats ps patch diff setarch prlimit flock valgrind; }

# manager NAME PACKAGE=PROGRAM...: it writes down what it is told, and brings what it has,
# unless $ABSENT is asked for.
manager() {
    local pair brings=()
    for pair in "${@:2}"; do brings+=("${pair%=*}) cp \"\$POOL/${pair#*=}\" \"\$FAKES/\" ;;"); done
    program "$FAKES/$1" 'echo "${0##*/} $*" >>"$LOG"' \
        'for word; do [ "$word" != "${ABSENT-}" ] || exit 100; done' \
        'for word; do case $word in' "${brings[@]}" 'esac; done'
}

apt() {
    manager apt-get gcc=cc libc6-dev=libasan make=make bash=bash bats=bats procps=ps patch=patch \
        diffutils=diff valgrind=valgrind
}

# setup_says STATUS ARGUMENT: SAID is all that it prints.
setup_says() {
    local status=0
    SAID=$(cd "$COURSE" && PATH=$FAKES "${SH[@]}" tests/setup "$2" 2>&1 </dev/null) || status=$?
    if ((status != $1)) || [[ $SAID == *[0-9]:* || $SAID == *'not found'* ]]; then
        echo "status $status, wanted $1, and no error of the shell:"
        echo "$SAID"
        return 1
    fi
}

# same TEXT WANTED, with a glob.
same() {
    # shellcheck disable=SC2053 # a glob
    [[ $1 == $2 ]] || {
        echo "not as it should be, which is"
        echo "$2"
        echo "but:"
        echo "$1"
        return 1
    }
}

@test "setup: where all is here, nothing is installed and no root is needed" {
    has_all
    apt
    export USER_ID=1000
    setup_says 0 run
    same "$SAID" 'setup: all that is needed to run is here'
    setup_says 0 test
    same "$SAID" 'setup: all that is needed to test is here'
    same "$(<"$LOG")" ''
}

@test "setup: apt-get installs what is missing, and no more" {
    has_all
    apt
    rm "$FAKES"/{cc,libasan,bats,valgrind,ps}
    setup_says 0 run
    same "$(<"$LOG")" 'apt-get update -q
apt-get install -y --no-install-recommends gcc libc6-dev'
    : >"$LOG"
    setup_says 0 test
    same "$SAID" '*all that is needed to test is here now'
    same "$(<"$LOG")" 'apt-get update -q
apt-get install -y --no-install-recommends bats procps
apt-get install -y --no-install-recommends libc6-dbg valgrind'
}

@test "setup: dnf and apk install, by their own names" {
    has_all
    manager dnf gcc=cc make=make bats=bats procps-ng=ps diffutils=diff valgrind=valgrind \
        libasan=libasan
    rm "$FAKES"/{cc,libasan,bats,ps,diff,valgrind,make}
    setup_says 0 test
    same "$SAID" '*all that is needed to test is here now'
    same "$(<"$LOG")" 'dnf install -y bats diffutils gcc glibc-devel kernel-headers make procps-ng
dnf install -y libasan libtsan libubsan valgrind'

    rm "$FAKES"/{dnf,cc,libasan,bats,ps,bash,prlimit}
    : >"$LOG"
    # No gcc of Alpine sanitizes.
    manager apk gcc=cc bats=bats bash=bash procps=ps util-linux-misc=prlimit
    setup_says 0 test
    same "$SAID" '*all that is needed to test is here; what needs sanitizers is skipped by name'
    same "$(<"$LOG")" 'apk add bash bats gcc linux-headers musl-dev procps setarch util-linux-misc'
}

@test "setup: pacman and zypper are named in a line to type, and others get the names" {
    has_all
    rm "$FAKES"/{cc,ps,diff,valgrind}
    manager pacman
    setup_says 1 test
    same "$SAID" '*as root, run: pacman -S --needed diffutils gcc linux-api-headers procps-ng valgrind
*'
    rm "$FAKES/pacman"
    manager zypper
    setup_says 1 test
    same "$SAID" '*as root, run: zypper install diffutils gcc glibc-devel linux-glibc-devel procps valgrind
*'
    rm "$FAKES/zypper"
    setup_says 1 run
    same "$SAID" "setup: missing, in Debian's names: gcc libc6-dev
*"
    same "$(<"$LOG")" ''
}

@test "setup: a student who is not root and has no sudo is told what to ask for, and how to go on" {
    has_all
    apt
    rm "$FAKES"/{bats,valgrind}
    export USER_ID=1000 HOME=/home/ann
    setup_says 1 test
    same "$SAID" 'setup: *Ask the administrator for: apt-get install * bats libc6-dbg valgrind
setup: *in your home*/home/ann/.local*'
    same "$(wc -l <<<"$SAID")" 2
    # A sudo that does not know the student is none.
    program "$FAKES/sudo" 'echo "ann is not in the sudoers file." >&2; exit 1'
    setup_says 1 test
    same "$SAID" '*sudoers file.
setup: *Ask the administrator for: *
setup: *in your home*'
    # Without valgrind one can go on, and `make test` after it.
    has bats
    setup_says 0 test
    same "$SAID" '*Ask the administrator for: apt-get install * libc6-dbg valgrind
setup: Or go on without: make test skips what needs valgrind by name.'
    rm "$FAKES/cc"
    setup_says 1 run
    same "$SAID" '*Ask the administrator for: *gcc libc6-dev
setup: Without a compiler*'
    same "$(<"$LOG")" ''
}

@test "setup: sudo or doas make a student root" {
    local as
    for as in sudo doas; do
        has_all
        apt
        rm "$FAKES/bats"
        : >"$LOG"
        program "$FAKES/$as" "echo $as >>\"\$LOG\"" 'exec "$@"'
        USER_ID=1000 setup_says 0 test
        same "$(grep -c $as "$LOG")" 3
        rm "$FAKES/$as"
    done
}

@test "setup: what only some tests need may be missing in the end" {
    has_all
    apt
    rm "$FAKES"/{bats,valgrind}
    ABSENT=valgrind setup_says 0 test
    same "$SAID" '*all that is needed to test is here; what needs valgrind is skipped by name'
    rm "$FAKES/bats"
    ABSENT=bats setup_says 1 test
    same "$SAID" '*apt-get failed*'
}

@test "setup: an old bats and a CC that does not work are named" {
    has_all
    apt
    BATS_IS=1.2.0 setup_says 1 test
    same "$SAID" '*bats 1.2.0 is too old*'
    # CC may hold words.
    program "$FAKES/ccache" 'exec "$@"'
    CC='ccache cc' setup_says 0 test
    CC=icc setup_says 1 run
    same "$SAID" 'setup: CC=icc cannot build a program, and cc can: unset CC'
    same "$(<"$LOG")" ''
}

@test "setup: any shell runs it, without HOME, TMPDIR and what busybox lacks" {
    local shell ran=0
    for shell in dash bash 'bash --posix' 'busybox sh' mksh yash; do
        command -v "${shell%% *}" >/dev/null || continue
        read -ra SH <<<"$shell"
        SH[0]=$(command -v "${SH[0]}")
        has_all
        apt
        rm "$FAKES"/{bats,valgrind}
        unset HOME
        USER_ID=1000 TMPDIR=/nowhere setup_says 1 test
        USER_ID=0 TMPDIR=/nowhere setup_says 0 test
        ran=$((ran + 1))
    done
    ((ran > 0))
}
