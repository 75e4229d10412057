#!/usr/bin/env bats
# handout.bats - what instructors hand out, and the grader in the form that platforms take.

load ../lib.bash

setup() {
    unset OUT PARTS SUBMISSION SUBMISSIONS SEED ISOLATION UPTO TO HEADERS CHECK_RERUN SERVER STEP EX EXERCISE FILTER
    HAND=$BATS_TEST_TMPDIR/hand.tar.gz
}

# handout WORD...: run, with these words in the environment.
handout() { run env TO="$HAND" "$@" "$COURSE/tests/grade/handout"; }

# unpack: into a directory of the test; prints nothing.
unpack() {
    mkdir "$BATS_TEST_TMPDIR/got"
    tar -xzf "$HAND" -C "$BATS_TEST_TMPDIR/got"
    cd "$BATS_TEST_TMPDIR/got/course" || return
}

@test "a handout has what students need, and no solution" {
    handout UPTO=02
    [[ $status == 0 && $output == *'none of '*' distinctive lines of what comes later' ]]
    unpack
    [[ -f step02_select/server.c && -f step03_epoll/README.md && -f step03_epoll/test.bats && ! -e step03_epoll/server.c ]]
    [[ ! -e .github && ! -e tests/unit && ! -e tests/fuzz && ! -e tests/bench && ! -e exercises/.solutions && ! -e .git ]]
    [[ -z $(find . -name solution.patch -o -name 'wrong_*' -o -name change.patch) ]]
    # Only wrong servers that an exercise names, and none of a later step.
    [[ -z $(find tests/mutants -name '0[3-5]*.patch') ]]
    [[ $(ls exercises) == *06_poll* && $(ls exercises) != *12_by_edges* ]]
    diff <(sed -n '/^| | exercise/,/^$/p' exercises/README.md | sed '/^$/d') <(tests/exercises/list --markdown)
    refute grep -rqE 'epoll_ctl\([^2]' --include='*.md' .
}

@test "each link in a handout leads to a file in it, and nothing is said to instructors" {
    local file target dead=''
    handout UPTO=02
    unpack
    while IFS= read -r file; do
        while IFS= read -r target; do
            [[ -e $(dirname "$file")/$target ]] || dead+="$file: $target"$'\n'
        done < <(grep -oE '\]\([^)#:]+[)#]' "$file" | sed 's/^..//; s/.$//')
    done < <(find . -name '*.md')
    [[ -z $dead ]] || {
        echo "$dead"
        return 1
    }
    refute grep -rqiE '^#+ .*instructor|if you teach|make (grade|gradebook|handout)' --include='*.md' .
    # What stands behind it is there.
    grep -q '^## Machines' tests/README.md
    grep -q '^## The contract' README.md
}

@test "in a handout what is there works, and what is not is named" {
    handout UPTO=02 HEADERS=1
    unpack
    [[ -f step03_epoll/conn.h && ! -e step03_epoll/conn.c ]]
    # The tools are the same, and take long to build.
    cp -Rp "$COURSE/tests/bin" tests
    run make
    [[ $status == 0 && $output == *'The servers are built'* ]]
    run make check STEP=03
    [[ $status == 2 && $output == *'the reference of step 03 is not here'* ]]
    run make diff STEP=03
    [[ $status == 2 && $output == *'the reference of step 03 is not here'* ]]
    run make diff STEP=02
    [[ $status == 0 && $output == *'+++ step02_select/'* ]]
    run make start STEP=03
    [[ $status == 0 && -f work/03/server.c ]]
    # The shell that make calls does not hand on the functions of the bats that runs us.
    run env -i HOME="$HOME" PATH="$(tr ':' '\n' <<<"$PATH" | grep -v bats-core | paste -sd :)" \
        make check MINE=work/03 STEP=03 FILTER='echoes one message'
    [[ $status == 0 && $output == *'1 passed, 0 failed'* ]]
    run make exercise EX=01
    [[ $status == 0 ]]
    run make hunt LEVEL=1
    [[ $status == 2 && $output == *'The hunt is not in a handout'* ]]
    run make help
    [[ $output == *'doctor'* && $output != *'mutants'* && $output != *'gradebook'* ]]
    make -n test >/dev/null
}

@test "the same tree makes the same handout, byte for byte" {
    handout UPTO=05.03
    [[ $status == 0 ]]
    cp "$HAND" "$HAND.first"
    touch "$COURSE/LICENSE"
    handout UPTO=05.03
    cmp "$HAND" "$HAND.first"
    tar -tzf "$HAND" >"$BATS_TEST_TMPDIR/names"
    grep -q 'stages/03_.*/change.patch' "$BATS_TEST_TMPDIR/names"
    refute grep -q 'stages/04_.*/change.patch' "$BATS_TEST_TMPDIR/names"
}

@test "a handout that would hold a line of a later reference is refused" {
    local copy=$BATS_TEST_TMPDIR/copy line
    mkdir "$copy"
    (cd "$COURSE" && tar -cf - --exclude=build --exclude='build-*' --exclude=work --exclude=.git --exclude=./tests/bin .) | tar -xf - -C "$copy"
    line=$(grep -m1 'pthread_cond_wait(' "$COURSE/step04_threadpool/pool.c")
    echo "# $line" >>"$copy/tests/slow.txt" # a comment is no line of it
    run env UPTO=03 TO="$HAND" "$copy/tests/grade/handout"
    [[ $status == 0 ]]
    rm "$HAND"
    echo "$line" >>"$copy/tests/slow.txt"
    run env UPTO=03 TO="$HAND" "$copy/tests/grade/handout"
    [[ $status == 2 && $output == *'tests/slow.txt:'*'pthread_cond_wait'*'would hold 1 lines of later references'* && ! -e $HAND ]]
}

@test "a handout is asked for by a step or a stage, and says which there are" {
    local word
    for word in '' 06 7 05.99 all; do
        handout UPTO="$word"
        [[ $status == 2 && $output == *'UPTO is 01 to 05, or a stage, 05.01 to 05.18'* ]]
    done
    run env UPTO=01 TO=x.zip "$COURSE/tests/grade/handout"
    [[ $status == 2 && $output == *'does not end in .tar.gz'* ]]
}

# ---- variants ----------------------------------------------------------------------

@test "a disguised server has no comment, other names, the same lines, and keeps its promises" {
    local directory=$BATS_TEST_TMPDIR/d file
    mkdir "$directory"
    cp "$COURSE"/step04_*/*.[ch] "$COURSE"/step04_*/Makefile "$directory"
    "$COURSE/tests/grade/disguise" "$directory" ada
    refute grep -nE '/\*|\*/|take_task' "$directory"/*.[ch]
    for file in "$directory"/*.[ch]; do
        [[ $(wc -l <"$file") == "$(wc -l <"$COURSE"/step04_threadpool/"${file##*/}")" ]]
    done
    make -s -C "$directory"
    SERVER=$directory/server
    start_server
    probe 'open a' 'echo a "hello\n"'
    stop_server
    # Another word, other names.
    cp "$directory/pool.c" "$BATS_TEST_TMPDIR/ada.c"
    cp "$COURSE"/step04_*/*.[ch] "$directory"
    "$COURSE/tests/grade/disguise" "$directory" bob
    refute cmp -s "$directory/pool.c" "$BATS_TEST_TMPDIR/ada.c"
}

@test "variants are proven, the same for the same seed, and hidden in a hunt" {
    local to=$BATS_TEST_TMPDIR/v word
    run env SEED=ada FOR=01 EXS='' COUNT=1 TO="$to" "$COURSE/tests/grade/variants"
    [[ $status == 0 && $output == *': 1 wrong servers' ]]
    grep -q '^# killed-by: ' "$to/01_variant1.patch"
    run env SEED=ada FOR=01 EXS='' COUNT=1 TO="$to.again" "$COURSE/tests/grade/variants"
    diff -r "$to" "$to.again"
    export WORK_DIR=$BATS_TEST_TMPDIR/work
    VARIANTS=$to "$COURSE/tests/exercises/hunt" 1 bob >/dev/null
    refute grep -q '/\*' "$WORK_DIR/hunt/main.c"
    make -s -C "$WORK_DIR/hunt"
    run env VARIANTS="$to" "$COURSE/tests/exercises/hunt" reveal
    [[ $output == *"$(sed -n '1s/^# bug: //p' "$to/01_variant1.patch")"* ]]
    # Those of the repository would judge another bug.
    for word in reveal check; do
        run "$COURSE/tests/exercises/hunt" "$word"
        [[ $status == 2 && $output == *'made from other wrong servers: say VARIANTS=directory'* ]]
    done
    run env VARIANTS="$to" "$COURSE/tests/exercises/hunt" check
    [[ $status == 1 && $output == *'0 passed, 3 failed'* ]]
    run make -n -C "$COURSE" check EX=hunt VARIANTS="$to"
    [[ $output == *"VARIANTS='$to' "*'tests/exercises/check'* ]]
    run env VARIANTS="$COURSE/tests/wheats" WORK_DIR="$WORK_DIR.none" "$COURSE/tests/exercises/hunt" 1
    [[ $status == 2 && $output == *'no wrong server for level 1'* ]]
}

@test "tests that a student writes are graded by variants, where there are some" {
    local to=$BATS_TEST_TMPDIR/v
    mkdir -p "$to" "$BATS_TEST_TMPDIR/sub"
    # One that the student's test below does not see, and one that it does.
    cp "$COURSE/tests/mutants/01_strlen.patch" "$to/01_own1.patch"
    cp "$COURSE/tests/mutants/01_whole_buffer.patch" "$to/01_own2.patch"
    printf 'wrong %s\n' 01_own1 01_own2 >"$to/servers.05"
    cp -R "$COURSE/exercises/05_a_test_for_the_echo/starter" "$BATS_TEST_TMPDIR/sub/05_a_test_for_the_echo"
    printf '%s\n' 'load "$COURSE/tests/lib.bash"' '@test "a shorter one" {' '    start_server' \
        "    probe 'open a' 'echo a \"a long message\\n\"' 'echo a \"x\"' 'silent a'" '    stop_server' '}' \
        >"$BATS_TEST_TMPDIR/sub/05_a_test_for_the_echo/student.bats"
    run env SUBMISSION="$BATS_TEST_TMPDIR/sub" OUT=text VARIANTS="$to" "$COURSE/tests/grade/grade"
    [[ $output == *'1 of 2 wrong servers rejected'* ]] || { echo "$output"; return 1; }
    [[ $output == *'the wrong servers are rejected: broken, 3 of 6'* ]]
}

@test "variants are asked for by a seed, steps and exercises, and say which there are" {
    run "$COURSE/tests/grade/variants"
    [[ $status == 2 && $output == *'SEED is a word'* ]]
    run env SEED=a FOR=06 "$COURSE/tests/grade/variants"
    [[ $status == 2 && $output == *'FOR names steps, 01 to 05'* ]]
    run env SEED=a EXS=01 "$COURSE/tests/grade/variants"
    [[ $status == 2 && $output == *'exercises of the kind test: 05 15'* ]]
}

# ---- platforms ---------------------------------------------------------------------

# prepared DIRECTORY: the course in it as if its setup had run, which takes a minute.
prepared() {
    local step
    cp -Rp "$COURSE/tests/bin" "$1/tests"
    for step in 1 2 3 4 5; do cp -p "$COURSE"/step0${step}_*/server "$1"/step0${step}_*/; done
}

student() {
    mkdir -p "$1/01"
    cp "$COURSE"/step01_*/*.[ch] "$COURSE"/step01_*/Makefile "$1/01"
}

@test "gradescope: the archive, laid out as there, writes results.json" {
    local here=$BATS_TEST_TMPDIR/autograder
    command -v unzip >/dev/null || skip "unzip is not installed"
    PARTS=01 TO=$BATS_TEST_TMPDIR/x.zip "$COURSE/tests/grade/package" gradescope
    mkdir -p "$here/source"
    unzip -q "$BATS_TEST_TMPDIR/x.zip" -d "$here/source"
    [[ -x $here/source/run_autograder && -x $here/source/course/tests/run ]]
    sh -n "$here/source/setup.sh"
    student "$here/submission"
    prepared "$here/source/course"
    AUTOGRADER=$here FILTER='^prints one line on stdout' "$here/source/run_autograder"
    run "$TOOLS/json" <"$here/results/results.json"
    [[ $output == *'tests.1.name "01: listening-line"'* && $output == *'tests.1.status "passed"'* ]]
}

@test "autolab: its Makefile, with what was handed in, ends with the scores" {
    local here=$BATS_TEST_TMPDIR/lab
    PARTS=01 TO=$here "$COURSE/tests/grade/package" autolab
    mv "$here/autograde-Makefile" "$here/Makefile"
    student "$BATS_TEST_TMPDIR/work"
    tar -C "$BATS_TEST_TMPDIR/work" -czf "$here/handin.tar.gz" 01
    # As it runs there, but for what takes a minute.
    sed -i 's/sh tests\/setup test && make -s all tools/true/' "$here/Makefile"
    (cd "$here" && tar -xf autograde.tar && prepared course && tar -cf autograde.tar course && rm -r course)
    run env FILTER='^prints one line on stdout' make -s -C "$here"
    run "$TOOLS/json" <<<"${lines[-1]}"
    [[ $output == 'scores.01 0' ]] # one promise alone does not open the gate
    echo "$output"
}

@test "github: the workflow grades what counts" {
    PARTS='01 ex02' TO=$BATS_TEST_TMPDIR/grade.yml "$COURSE/tests/grade/package" github
    grep -q "OUT=github PARTS='01 ex02' tests/grade/grade" "$BATS_TEST_TMPDIR/grade.yml"
    refute grep -q $'\t' "$BATS_TEST_TMPDIR/grade.yml"
}

@test "a package is for a known platform, and says what counts" {
    run env PARTS=01 "$COURSE/tests/grade/package" moodle
    [[ $status == 2 && $output == *'for gradescope, autolab or github'* ]]
    run "$COURSE/tests/grade/package" autolab
    [[ $status == 2 && $output == *"PARTS='03 ex12'"* ]]
}

@test "a handout of the whole course has every exercise, and what judges it" {
    local file
    handout UPTO=05
    [[ $status == 0 && $output == *'; nothing comes later' ]]
    tar -tzf "$HAND" >"$BATS_TEST_TMPDIR/files"
    diff <(printf '%s/\n' exercises/[0-9]*) <(grep -oE 'exercises/[0-9][^/]*/$' "$BATS_TEST_TMPDIR/files" | sort)
    while read -r file; do
        grep -qx "course/$file" "$BATS_TEST_TMPDIR/files" || { echo "$file is not there" && return 1; }
    done < <(grep -ohE 'tests/unit/[a-z_]*\.c' exercises/*/test.bats | sort -u)
    refute grep -q 'exercises/\.solutions' "$BATS_TEST_TMPDIR/files"
}
