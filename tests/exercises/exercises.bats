#!/usr/bin/env bats
#
# The exercises: what a student types, and that what stands about them is so. That each can be
# solved, and only so, is what tests/exercises/verify proves.

load ../lib.bash

setup() {
    # A work directory of our own: that of a student is nobody else's business.
    export WORK_DIR=$BATS_TEST_TMPDIR/work
    cd "$COURSE" || return
}

tool() { run "$COURSE/tests/exercises/$1" "${@:2}"; }

# expect STATUS TEXT: so did it end, and this stands in what it said.
expect() {
    [[ $status == "$1" && $output == *"$2"* ]] && return
    echo "status $status, wanted $1; wanted \"$2\" in:"
    echo "$output"
    return 1
}

names() { (cd exercises && echo [0-9][0-9]_*); }

first() { names | cut -d ' ' -f 1; }

@test "each exercise has its files, a number of its own and a known kind" {
    local name seen='' kind
    for name in $(names); do
        [[ " $seen " != *" ${name%%_*} "* ]] || { echo "two exercises have the number ${name%%_*}"; return 1; }
        seen+=" ${name%%_*}"
        kind=$(sed -n 's/^kind: //p' "exercises/$name/exercise")
        [[ $kind == @(fix|implement|interleave|test|measure|read|hunt) ]] || { echo "$name: kind $kind"; return 1; }
        [[ -s exercises/$name/README.md && -s exercises/$name/test.bats && -s exercises/$name/hints &&
            -s exercises/.solutions/$name/solution.patch ]] || { echo "$name is not complete"; return 1; }
    done
}

@test "the table of exercises is that of exercises/README.md" {
    diff -u <(sed -n '/^| | exercise/,/^$/p' exercises/README.md | sed '/^$/d') <(tests/exercises/list --markdown)
}

@test "the title of each exercise is that of its README" {
    local name
    for name in $(names); do
        diff <(echo "# Exercise ${name%%_*}: $(sed -n 's/^title: //p' "exercises/$name/exercise")") \
            <(sed -n 1p "exercises/$name/README.md") || { echo "$name"; return 1; }
    done
}

@test "an exercise is begun with its starter, and never overwritten" {
    local name
    name=$(first)
    tool start "${name%%_*}"
    expect 0 "exercises/$name/README.md"
    echo mine >"$WORK_DIR/$name/mine"
    tool start "$((10#${name%%_*}))"
    expect 2 "is there already"
    [[ $(<"$WORK_DIR/$name/mine") == mine ]]
}

@test "a wrong exercise: the list of those that there are, status 2" {
    local command
    for command in start hint reset check; do
        tool $command 99
        expect 2 "$(first | cut -c 1-2)"
        tool $command '../01'
        expect 2 "there is no exercise ../01"
        tool $command
        expect 2 "EX=01"
    done
    run make -s check EX=99
    expect 2 "there is no exercise 99"
}

@test "three hints, one more each time" {
    local name n
    name=$(first)
    for n in 1 2 3; do
        tool hint "$name"
        expect 0 "Hint $n of 3:"
    done
    tool hint "$name"
    expect 0 "You have had all 3 hints"
    tool progress
    expect 0 "3 hints"
}

@test "an exercise that was not begun cannot be checked" {
    tool check "$(first)"
    expect 2 "make exercise EX=$(first | cut -c 1-2)"
}

@test "reset keeps what was there" {
    local name
    name=$(first)
    tool start "$name"
    echo mine >"$WORK_DIR/$name/mine"
    tool reset "$name"
    expect 0 "$name.1"
    [[ $(<"$WORK_DIR/$name.1/mine") == mine && -d $WORK_DIR/$name && ! -e $WORK_DIR/$name/mine ]]
    tool reset "$name"
    expect 0 "$name.2"
}

@test "what comes next: the first step not built, the first exercise not solved" {
    local name
    name=$(first)
    tool next
    expect 0 "make start STEP=01"
    expect 0 "make exercise EX=${name%%_*}"
    mkdir -p "$WORK_DIR/01"
    tool mark solved 01 "$WORK_DIR/01"
    echo "2026-11-02 10:00 $name solved" >>"$WORK_DIR/progress"
    tool next
    expect 0 "make start STEP=02"
    refute grep -q "EX=${name%%_*}" <<<"$output"
}

@test "progress: minutes at work, without the breaks; lines that are not understood are told" {
    local name
    name=$(first)
    mkdir -p "$WORK_DIR"
    tool progress
    expect 0 "make next"
    printf '%s\n' "2026-02-28 23:50 $name started" "2026-03-01 00:10 $name checked 1 of 3" \
        "2026-03-01 09:00 $name hint 1" 'something else' "2026-03-01 09:05 $name solved" \
        '2026-03-01 10:00 05.07 started' '2026-03-01 10:30 05.07 tried' '2026-03-01 11:00 05.07 solved' \
        >"$WORK_DIR/progress"
    tool progress
    expect 0 "solved     25 min, 1 hint"
    expect 0 "work/progress:4: not understood"
    grep -q "^stage 05.07  *solved  *60 min" <<<"$output"
    expect 0 "1 of $(names | wc -w) exercises solved"
}

@test "a step is noted when its directory is the student's, and only then" {
    mkdir -p "$WORK_DIR/03" "$BATS_TEST_TMPDIR/elsewhere"
    tool mark solved 03 "$BATS_TEST_TMPDIR/elsewhere"
    [[ ! -e $WORK_DIR/progress ]]
    tool mark solved 03 "$WORK_DIR/03"
    tool mark solved 03 "$WORK_DIR/03"
    (($(grep -c ' 03 solved$' "$WORK_DIR/progress") == 1))
    # Each try counts, for the time between.
    tool mark tried 03 "$WORK_DIR/03"
    tool mark tried 03 "$WORK_DIR/03"
    (($(grep -c ' 03 tried$' "$WORK_DIR/progress") == 2))
}

@test "watch ends when a source is saved, not when something is built" {
    local pid
    mkdir -p "$WORK_DIR/x/build" "$WORK_DIR/x/src"
    "$TOOLS/watch" "$WORK_DIR/x" 3>&- &
    pid=$!
    STARTED_PIDS+=("$pid")
    wait_until 5000 watches $pid 2
    : >"$WORK_DIR/x/main.o"
    : >"$WORK_DIR/x/build/made.c"
    : >"$WORK_DIR/x/server"
    refute wait_until 300 has_ended $pid
    : >"$WORK_DIR/x/src/main.c"
    wait_until 5000 has_ended $pid
    wait $pid
    run "$TOOLS/watch" "$WORK_DIR/nowhere"
    expect 2 "No such file or directory"
}

# watches PID COUNT: so many directories are watched.
watches() { (($(cat "/proc/$1/fdinfo/"* 2>/dev/null | grep -c '^inotify ') >= $2)); }

@test "of several failures the first is told in full, and ALL=1 tells all so" {
    local file=$BATS_TEST_TMPDIR/three.bats
    printf '@test "%s" { echo "told: %s"; false; }\n' one one two two three three >"$file"
    run env BRIEF=1 JOBS=1 TRIES=1 FILTER= "$COURSE/tests/run" file "$file"
    expect 1 "0 passed, 3 failed"
    expect 1 "told: one"
    expect 1 "ALL=1"
    refute grep -q 'told: t' <<<"$output"
    (($(grep -c '^  ✗ ' <<<"$output") == 3))
    run env BRIEF= JOBS=1 TRIES=1 FILTER= "$COURSE/tests/run" file "$file"
    expect 1 "told: three"
}

@test "a hunt: the same seed hides the same bug, and nothing is overwritten" {
    local level
    for level in 1 2 3; do
        rm -rf "$WORK_DIR/hunt"
        tool hunt $level first
        expect 0 "level $level, seed first"
        mv "$WORK_DIR/hunt" "$BATS_TEST_TMPDIR/hunt$level"
        tool hunt $level first
        diff -r "$WORK_DIR/hunt" "$BATS_TEST_TMPDIR/hunt$level"
        tool hunt $level other
        expect 2 "is there already"
        refute grep -rqE 'mutant|killed-by|# bug' "$WORK_DIR/hunt"
    done
    tool hunt 4
    expect 2 "LEVEL=1 to LEVEL=3"
    rm -rf "$WORK_DIR/hunt"
    tool hunt check
    expect 2 "make hunt LEVEL=1"
}

@test "a hunt: each bug that can be hidden is a wrong server that compiles" {
    local level seed
    # That all do is what tests/mutants/run proves.
    for level in 1 2 3; do
        for seed in a b; do
            rm -rf "$WORK_DIR/hunt"
            tool hunt $level $seed
            make -s -C "$WORK_DIR/hunt" CFLAGS=-O0
        done
    done
}

@test "a hunt: nothing done, nothing passed; what is missing is told" {
    tool hunt 1 a
    tool check hunt
    expect 1 "0 passed, 3 failed"
    expect 1 "answers has no file"
    expect 1 "student.bats accepts the wrong server"
    expect 1 "it is not mended"
    # A test that rejects everything is no better.
    printf '@test "x" { false; }\n' >"$WORK_DIR/hunt/student.bats"
    printf 'file: poller.c\nline: 1\n' >"$WORK_DIR/hunt/answers"
    tool check hunt
    expect 1 "student.bats rejects a correct server"
    expect 1 "the bug is not in poller.c"
}

@test "each step has four exercises at least, and each kind three" {
    local what count
    (($(names | wc -w) >= 24)) || { echo "there are $(names | wc -w) exercises"; return 1; }
    for what in 'step: 01' 'step: 02' 'step: 03' 'step: 04' 'step: 05'; do
        count=$(cat exercises/[0-9][0-9]_*/exercise | grep -c "^$what")
        ((count >= 4)) || { echo "$what: $count"; return 1; }
    done
    # The hunt has three levels.
    for what in fix implement interleave test measure read; do
        count=$(cat exercises/[0-9][0-9]_*/exercise | grep -cx "kind: $what")
        ((count >= 3)) || { echo "$what: $count"; return 1; }
    done
}

@test "a bug that returns in disguise names an exercise that is there" {
    local second
    for second in $(sed -n 's/^second: //p' exercises/[0-9][0-9]_*/exercise); do
        compgen -G "exercises/${second}_*" >/dev/null || { echo "there is no exercise $second"; return 1; }
    done
}
