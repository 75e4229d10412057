#!/usr/bin/env bats
# mine.bats - MINE=directory is itself tested: each broken server in mine/broken is found out, by
# the finding that is about its mistake, and in the student's own line; and the five steps are
# accepted. What is no directory of a server is refused in one line.
#
# mine/broken/SS_name.patch turns step SS into a server with one mistake that costs no client
# a byte, at least on most days. It begins with its headers:
#
#     # bug: what is wrong, in one sentence
#     # seen: where it comes from (may be left out)
#     # finding: a regular expression for the whole name of the test that must fail
#     # says: a regular expression for what it must say, such as the line of the mistake
#
# bats file_tags=mine

load lib.bash

BROKEN=$COURSE/tests/mine/broken

setup() {
    cd "$COURSE" || return 1
    STUDENT=$BATS_TEST_TMPDIR/student
    SAID=$BATS_TEST_TMPDIR/said
}

# header KEY PATCH
header() { sed -n "/^--- /q; s/^# $1: *//p" "$2"; }

# copy_step NN: as a student would, into $STUDENT.
copy_step() {
    mkdir -p "$STUDENT"
    cp step"$1"_*/*.[ch] step"$1"_*/Makefile "$STUDENT"
}

# in_course COMMAND...: as from a shell, not as from a test. Sets STATUS; the output is in $SAID.
in_course() {
    STATUS=0
    (
        unset "${!BATS_@}" STEP SERVER FILTER CHECK_RERUN
        "$@"
    ) >"$SAID" 2>&1 3>&- 4>&- </dev/null || STATUS=$?
}

# says REGEX
says() {
    grep -qE -e "$1" "$SAID" || {
        echo "it does not say: $1"
        echo "it says:"
        cat "$SAID"
        return 1
    }
}

# found_out: the mistake of the patch that the test is named for.
found_out() {
    local patch=$BROKEN/$BATS_TEST_DESCRIPTION.patch nn=${BATS_TEST_DESCRIPTION%%_*} finding
    finding=$(header finding "$patch")
    [[ -n $finding && -n $(header bug "$patch") && -n $(header says "$patch") ]]
    copy_step "$nn"
    patch -s -p1 --fuzz=0 -d "$STUDENT" <"$patch"
    in_course env CHECK_MINE="$STUDENT" MINE_ASKED=traffic FILTER="^($finding)\$" tests/run findings "$nn"
    says "✗ ($finding)\$"
    says "$(header says "$patch")"
    says ' rerun  : make sanitize MINE='
    [[ $STATUS == 1 ]]
}

# accepted NN
accepted() {
    copy_step "$1"
    in_course env CHECK_MINE="$STUDENT" tests/run findings "$1"
    says '^[0-9]+ passed, 0 failed(, [0-9]+ skipped)?$'
    [[ $STATUS == 0 ]]
}

# bats test_tags=long
@test "03_freed_twice" { found_out; }

# bats test_tags=long
@test "04_counts_after_rearm" { found_out; }

# bats test_tags=long
@test "04_destroyed_locked" { found_out; }

# bats test_tags=long
@test "04_detached" { found_out; }

# bats test_tags=long
@test "04_handed_over_by_the_kernel" { found_out; }

# bats test_tags=long
@test "04_leak_per_connection" { found_out; }

# bats test_tags=long
@test "04_leak_per_message" { found_out; }

# bats test_tags=long
@test "04_next_before_lock" { found_out; }

# bats test_tags=long
@test "04_not_joined" { found_out; }

# bats test_tags=long
@test "04_off_by_one" { found_out; }

# bats test_tags=long
@test "04_owned_relaxed" { found_out; }

# bats test_tags=long
@test "04_released_late" { found_out; }

# bats test_tags=long
@test "04_released_late_asserted" { found_out; }

# bats test_tags=long
@test "04_released_relaxed" { found_out; }

# bats test_tags=long
@test "04_shift" { found_out; }

# bats test_tags=long
@test "04_signed_overflow" { found_out; }

# bats test_tags=long
@test "04_stop_without_lock" { found_out; }

# bats test_tags=long
@test "04_uninitialized" { found_out; }

# bats test_tags=long
@test "05_frees_before_dispatch" { found_out; }

# bats test_tags=long
@test "05_leak_of_half_requests" { found_out; }

# bats test_tags=long
@test "05_state_relaxed" { found_out; }

# bats test_tags=long
@test "05_worker_frees" { found_out; }

# lost BLOCKS BYTES FUNCTION LINE: what valgrind says of memory that conn.c lost.
lost() {
    printf '==7== %s\n' "$2 bytes in $1 blocks are definitely lost in loss record 1 of 1" \
        "   at 0x483: calloc (vg_replace_malloc.c:1)" "   by 0x109: $3 ($STUDENT/conn.c:$4)" \
        "   by 0x10A: main ($STUDENT/main.c:9)" ''
}

@test "a few blocks of another line are not shown for those that were lost" {
    copy_step 04
    lost 4 65536 conn_new 14 >"$BATS_TEST_TMPDIR/report.1"
    lost 500 50000 task_write 60 >"$BATS_TEST_TMPDIR/report.2"
    in_course env MINE_SOURCES=$'conn.c\nmain.c' awk -v root="$STUDENT" -v want=leak -v least=8 \
        -f tests/mine/cut.awk "$BATS_TEST_TMPDIR/report.1" "$BATS_TEST_TMPDIR/report.2"
    says '^50000 bytes in 500 blocks, lost$'
    says 'conn[.]c:60, task_write, in calloc$'
    ! grep -q conn_new "$SAID" || return 1
}

@test "each broken directory has a test" {
    local patch
    for patch in "$BROKEN"/*.patch; do
        patch=${patch##*/}
        grep -qxF "@test \"${patch%.patch}\" { found_out; }" tests/mine.bats || {
            echo "no test is named ${patch%.patch}"
            return 1
        }
    done
}

# bats test_tags=long
@test "step01: nothing is found" { accepted 01; }

# bats test_tags=long
@test "step02: nothing is found" { accepted 02; }

# bats test_tags=long
@test "step03: nothing is found" { accepted 03; }

# bats test_tags=long
@test "step04: nothing is found" { accepted 04; }

# bats test_tags=long
@test "step05: nothing is found" { accepted 05; }

# ---- what is refused, and what a Makefile may do -----------------------------------

# refused WHY [NN]: $CHECK is no directory of a server: one line says so.
refused() {
    in_course env CHECK_MINE="$CHECK" tests/run mine "${2-}"
    says "^tests/run: $1"
    [[ $STATUS == 2 ]]
}

@test "what is no directory of a server is refused" {
    CHECK=$STUDENT
    refused "there is no directory"
    mkdir "$STUDENT"
    refused "no C file"
    touch "$STUDENT/main.c"
    refused "STEP is 01 to 05, or a stage such as 05.07, not 07" 07
    CHECK=$STUDENT/main.c
    refused "MINE=.* is a file"
    CHECK=.
    refused "MINE=[.] is the whole course"
}

# builds: asks no more than whether it builds, and which tests would be asked.
builds() {
    in_course env CHECK_MINE="$STUDENT" FILTER='^your directory builds$' tests/run findings 04
}

@test "a directory that does not compile says why, in the student's words" {
    copy_step 04
    sed -i 's/^    struct pool \*pool = argument;/    struct pool *pool = argument/' "$STUDENT/pool.c"
    builds
    says '✗ your directory builds'
    says ' pool[.]c:[0-9]+:[0-9]+: error: '
    [[ $STATUS == 1 ]]
}

# instrumented NN: each kind of build can be made of $STUDENT, and the student's directory
# stays as it is.
instrumented() {
    local before kind
    before=$(cd "$STUDENT" && find . -type f -exec cksum {} + | sort)
    in_course bash -c '
        cd "$1" && source tests/machine.bash && settle "$PWD" && trap unsettle EXIT
        course=$PLAIN_COURSE
        step_directory() { for d in "$course"/step"$1"_*; do echo "$d"; done; }
        source tests/mine.bash
        MINE=$2 MINE_WORK=$TMPDIR/mine
        mkdir "$MINE_WORK" && wraps >"$MINE_WORK/wraps"
        for kind in plain thread address valgrind; do
            build_mine $kind && echo "built: $kind"
            [[ ! -e $MINE_WORK/$kind.ours ]] || echo "by ourselves: $kind"
        done' bash "$COURSE" "$STUDENT"
    for kind in plain thread address valgrind; do says "^built: $kind\$"; done
    [[ $before == "$(cd "$STUDENT" && find . -type f -exec cksum {} + | sort)" ]] || {
        echo "the student's directory has changed"
        return 1
    }
}

@test "a directory without a Makefile is built" {
    copy_step 04
    rm "$STUDENT/Makefile"
    instrumented
}

@test "a Makefile that sets its own flags and calls gcc by its name is built with ours as well" {
    copy_step 04
    printf 'CFLAGS = -std=gnu11 -D_GNU_SOURCE -O3 -Wall -Werror -pthread\nserver: $(wildcard *.c)\n\tgcc $(CFLAGS) -s -o $@ $^\n' \
        >"$STUDENT/Makefile"
    instrumented
    ! grep -q 'by ourselves' "$SAID" || return 1
}

@test "a Makefile that calls its compiler where nobody finds it is told, and not needed" {
    copy_step 04
    printf 'server: $(wildcard *.c)\n\t%s -D_GNU_SOURCE -pthread -o $@ $^\n' "$(command -v "${CC:-cc}")" \
        >"$STUDENT/Makefile"
    instrumented
    says 'by ourselves: thread'
}

@test "a directory whose name needs quotes, with objects of another build, is built" {
    STUDENT="$BATS_TEST_TMPDIR/my own \$server's ü"
    copy_step 04
    make -s -C "$STUDENT"
    instrumented
}
