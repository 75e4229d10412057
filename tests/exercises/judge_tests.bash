# judge_tests.bash - judges tests that a student wrote: they must accept every correct server and
# reject the wrong ones.
#
# The file `servers` of the exercise lists both, one a line:
#
#   correct step01_blocking        a step of the course
#   correct wheat poll             a server of another design, tests/wheats/poll.c
#   wrong 01_strlen                a step with tests/mutants/01_strlen.patch
#
# What a test said is not shown to the student, and the wrong servers go by their number: which
# mistake is missing is what the exercise is about.
# shellcheck shell=bash disable=SC2154 # COURSE and EXERCISE come from lib.bash and tests/run

TEST_LIMIT_S=120 # for all tests of the student on one server, in real time

# server_list KIND: the rest of the lines that begin with KIND. An instructor may have wrong servers
# that are not public (grade/variants): then these are asked.
server_list() {
    local file=${BATS_TEST_FILENAME%/*}/servers
    [[ $1 != wrong || ! -f ${VARIANTS-}/servers.$EX ]] || file=$VARIANTS/servers.$EX
    sed -n "s/^$1 //p" "$file"
}

# patch_of NAME: of a wrong server.
patch_of() {
    local file=${VARIANTS:-nowhere}/$1.patch
    [[ -f $file ]] || file=$COURSE/tests/mutants/$1.patch
    echo "$file"
}

# path_of KIND NAME...: where that server is built. Neither the path nor what lies beside it tells
# the tests of a student which one it is.
path_of() {
    local salt=$BATS_FILE_TMPDIR/salt
    [[ -e $salt ]] || echo "$RANDOM $RANDOM $RANDOM" >"$salt"
    echo "$BATS_FILE_TMPDIR/$(cksum <<<"$* $(<"$salt")" | tr -d ' ')/server"
}

# build_server KIND NAME...: prints its path, and after it the step that it is.
build_server() {
    local kind=$1 name=$2 to step work=$BATS_FILE_TMPDIR/build
    to=$(path_of "$@")
    mkdir -p "${to%/*}"
    if [[ $name == wheat ]]; then
        [[ -x $to ]] || cc -std=c11 -O2 -pthread -o "$to" "$COURSE/tests/wheats/$3.c" >&2 || return 1
        step=$(sed -n 's/^ \* suites: *\([0-9]*\).*/\1/p' "$COURSE/tests/wheats/$3.c")
        echo "$to $step"
        return
    fi
    step=${name#step} step=${step%%_*}
    if [[ ! -x $to ]]; then
        rm -rf "$work"
        mkdir "$work" && cp "$COURSE"/step"$step"_*/*.[ch] "$COURSE"/step"$step"_*/Makefile "$work" || return 1
        [[ $kind == correct ]] ||
            patch -d "$work" -p1 --fuzz=0 -N -s <"$(patch_of "$name")" >&2 || return 1
        make -s -C "$work" >&2 && mv "$work/server" "$to" && rm -rf "$work" || return 1
    fi
    echo "$to $step"
}

# guarded: sets GUARDED, the words before a command of the student, and STUDENT_TMP, a place where
# it may write. A grader does not trust it (see mine.bash, "the guard").
guarded() {
    local to=$BATS_FILE_TMPDIR/guard user
    GUARDED=() STUDENT_TMP=$BATS_FILE_TMPDIR/student
    mkdir -p "$STUDENT_TMP"
    [[ -n ${GUARD-} ]] || return 0
    GUARDED=("$to/as-student")
    [[ ! -x $to/as-student ]] || return 0
    mkdir "$to" && cp "$GUARD" "$to/guard.conf" && cp "$TOOLS/guard" "$to/as-student" || return
    chmod o+x "$BATS_RUN_TMPDIR" "${BATS_RUN_TMPDIR%/*}"
    user=$(sed -n 's/^user //p' "$GUARD")
    [[ -z $user ]] || chown "$user:$user" "$STUDENT_TMP"
}

# student_accepts KIND NAME...: do all tests of the student pass on that server? 2: it could not
# be built, which is our fault.
student_accepts() {
    local path step GUARDED STUDENT_TMP said=$BATS_FILE_TMPDIR/said
    guarded || return 2
    read -r path step < <(build_server "$@") && [[ -x $path ]] || return 2
    (
        # Nothing of the test that asks is known to the tests that are asked.
        unset "${!BATS_@}" SERVER_PID PORT
        export COURSE SERVER=$path STEP=$step EX='' CHECK_RERUN='' TMPDIR=$STUDENT_TMP
        timeout -k 5 $TEST_LIMIT_S "${GUARDED[@]}" bats "$EXERCISE/student.bats" >"$said" 2>&1 </dev/null 3>&- 4>&-
    )
}

has_tests() {
    [[ -f $EXERCISE/student.bats ]] && grep -q '^@test ' "$EXERCISE/student.bats" && return
    report "there is no test in student.bats" "at least one @test"
}

# blame_the_script: no server was asked, because the client did not understand the script.
blame_the_script() {
    about "ran your tests on correct servers of different designs" \
        "a script has a mistake, as the line after \"probe:\" says; no server was asked. A text stands in quotes, and a size is 5k or 4M: tests/src/probe.c" \
        "$HERE, \"The task\""
}

accepts_correct_servers() {
    local server number=0 status
    about "ran your tests on correct servers of different designs" \
        "ask for what is promised, and for nothing that is so in one design only: no time, no number of threads, no name" \
        "$HERE, \"The task\""
    has_tests || return 1
    while read -r server; do
        number=$((number + 1)) status=0
        # shellcheck disable=SC2086 # words
        student_accepts correct $server || status=$?
        ((status != 2)) || { echo "the correct server $server cannot be built"; return 1; }
        ((status == 0)) || {
            grep -A 8 '^not ok' "$BATS_FILE_TMPDIR/said" | head -n 10 | grep . || tail -n 5 "$BATS_FILE_TMPDIR/said"
            ! grep -q 'The fault lies in the test' "$BATS_FILE_TMPDIR/said" || blame_the_script
            report "your tests reject correct server $number ($server)" "each is accepted"
            return 1
        }
    done < <(server_list correct)
}

# rejects_wrong_servers LEAST: so many of them at least; of those of an instructor three of four.
rejects_wrong_servers() {
    local server number=0 rejected=0 missed='' status least=$1
    about "ran your tests on wrong servers, each with one mistake of the kind that people make" \
        "think of what the promise forbids, and write a test for each way to break it" "$HERE, \"The task\""
    has_tests || return 1
    while read -r server; do
        number=$((number + 1)) status=0
        student_accepts wrong "$server" || status=$?
        ((status != 2)) || { echo "the wrong server $server cannot be built"; return 1; }
        if ((status == 0)); then missed+=" $number"; else rejected=$((rejected + 1)); fi
    done < <(server_list wrong)
    echo "$rejected of $number wrong servers rejected${missed:+; accepted: number$missed}"
    [[ -z ${VARIANTS-} ]] || least=$(((3 * number + 3) / 4))
    ((rejected >= least)) || report "your tests reject $rejected of $number wrong servers; they accept number$missed" \
        "at least $least of $number are rejected"
}
