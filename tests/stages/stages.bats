#!/usr/bin/env bats
# stages.bats - the stages between step 04 and step 05: that they lead there, and that the
# commands for them do what they say. Whether each is a whole server is asked by matrix.
#
# bats file_tags=course

load ../lib.bash

setup() {
    cd "$COURSE" || return 1
    # shellcheck source=tests/stages/stages.bash
    source tests/stages/stages.bash
    mapfile -t STAGES < <(stages)
}

# complain TEXT...: collects what is wrong; all_well fails if there is any of it.
COMPLAINTS=''
complain() { COMPLAINTS+="$*"$'\n'; }
all_well() {
    [[ -z $COMPLAINTS ]] || {
        printf '%s' "$COMPLAINTS"
        return 1
    }
}

# ---- the stages -------------------------------------------------------------------

@test "there are twelve to eighteen stages, numbered without a gap" {
    local i
    ((${#STAGES[@]} >= 12 && ${#STAGES[@]} <= 18))
    for i in "${!STAGES[@]}"; do
        ((10#${STAGES[i]%%_*} == i + 1)) || complain "${STAGES[i]} is number $((i + 1))"
    done
    all_well
}

@test "step 04 and all patches are step 05, byte by byte" {
    local tree
    tree=$(stage_tree "$(last_stage)")
    diff -r -x .state -x build -x server -x '*.md' -x stages -x '*.bats' -x 'build-*' \
        "$tree" step05_final
}

@test "each stage has a patch, a chapter and a wall, and nothing else" {
    local name
    for name in "${STAGES[@]}"; do
        diff <(printf '%s\n' README.md change.patch wall.bats) <(ls "$STAGES_PATCHES/$name") ||
            complain "$name holds something else"
    done
    all_well
}

# A header before its source, a new file before those that use it.
@test "each patch is in the order of reading" {
    local name
    for name in "${STAGES[@]}"; do
        awk -v name="$name" '
            /^diff --git / {
                file = $4; sub(/^b\//, "", file)
                base = file; sub(/\.[ch]$/, "", base)
                if (file ~ /\.h$/ && seen[base ".c"]) print name ": " file " comes after " base ".c"
                seen[file] = 1; changed = 1
            }
            /^new file mode / { if (old != "") print name ": the new " file " comes after " old; changed = 0 }
            /^--- a\// { old = file }' "$STAGES_PATCHES/$name/change.patch"
    done >"$BATS_TEST_TMPDIR/said"
    [[ ! -s $BATS_TEST_TMPDIR/said ]] || {
        cat "$BATS_TEST_TMPDIR/said"
        return 1
    }
}

# What belongs together in a new file may be longer than what changes the old ones. Most of a
# stage is added; one that replaces a mechanism, as 07 does with the one-shot token, takes away
# as well. The lines of the live page (live.c) are no C and can be left for later: not counted.
@test "no stage is a leap" {
    local name removed added new text removed_all=0 added_all=0
    for name in "${STAGES[@]}"; do
        read -r removed added < <(changed_lines "${name%%_*}")
        new=$(awk '/^diff / { new = 0 } /^new file/ { new = 1 } /^\+\+\+ / { next }
            new && /^\+/ { n++ } END { print n + 0 }' "$STAGES_PATCHES/$name/change.patch")
        text=$(awk '/^diff / { page = $4 == "b/live.c" } page && /^\+ +"/ { n++ } END { print n + 0 }' \
            "$STAGES_PATCHES/$name/change.patch")
        ((removed + added - new <= 510)) || complain "$name changes $((removed + added - new)) lines of files that were there"
        ((removed + added - text <= 750)) || complain "$name changes $((removed + added - text)) lines"
        ((added > removed)) || complain "$name: +$added -$removed, more is taken away than added"
        removed_all=$((removed_all + removed)) added_all=$((added_all + added))
    done
    ((3 * added_all >= 2 * (added_all + removed_all))) || complain "+$added_all -$removed_all in all"
    all_well
}

@test "every test of step 05 belongs to one stage" {
    local file
    for file in step05_final/test.bats tests/http.bats tests/ending.bats tests/http_faults.bats tests/fleet.bats; do
        awk -v stages=" $(printf '%s ' "${STAGES[@]%%_*}")" '
            /^# bats test_tags=/ { tags = $0 }
            /^@test "/ {
                n = gsub(/stage:[0-9][0-9]/, "&", tags)
                if (n != 1) print FILENAME ": " n " stages: " $0
                else if (match(tags, /stage:[0-9][0-9]/) &&
                    !index(stages, " " substr(tags, RSTART + 6, 2) " "))
                    print FILENAME ": no such stage: " $0
                tags = ""
            }' "$file"
    done >"$BATS_TEST_TMPDIR/said"
    [[ ! -s $BATS_TEST_TMPDIR/said ]] || {
        cat "$BATS_TEST_TMPDIR/said"
        return 1
    }
}

@test "each stage turns a test green" {
    local name
    for name in "${STAGES[@]}"; do
        [[ -n $(tests_of "${name%%_*}") ]] || complain "no test carries stage:${name%%_*}"
        [[ -n $(walls_of "${name%%_*}") ]] || complain "$name removes no wall"
    done
    all_well
}

@test "each chapter of a stage has the same parts, and the length of a lesson" {
    local name file lines part
    for name in "${STAGES[@]}"; do
        file=$STAGES_PATCHES/$name/README.md
        lines=$(wc -l <"$file")
        ((lines >= 60 && lines <= 300)) || complain "$name: $lines lines"
        for part in 'The wall' 'The idea' 'The diff' 'See it work' 'What is still wrong' 'Check yourself'; do
            grep -q "^## $part" "$file" || complain "$name: no part \"$part\""
        done
    done
    all_well
}

@test "the table of stages is what make stages counts" {
    diff <(sed -n '/^| \[05\.[0-9]/p' step05_final/README.md) <(tests/stages/list --markdown)
}

# ---- the commands -----------------------------------------------------------------

@test "make stages names each stage, its wall and its tests" {
    make -s stages >"$BATS_TEST_TMPDIR/said"
    (($(grep -c '^05\.' "$BATS_TEST_TMPDIR/said") == ${#STAGES[@]}))
    ! grep -q 'wall: -$' "$BATS_TEST_TMPDIR/said"
}

@test "make start makes the tree before, says what to read, and overwrites nothing" {
    local to="$BATS_TEST_TMPDIR/a place"
    make -s start STEP=05.01 DIR="$to" >"$BATS_TEST_TMPDIR/said"
    diff -r -x build -x server -x '*.md' -x '*.bats' -x 'build-*' step04_threadpool "$to"
    grep -qF "stages/${STAGES[0]}/README.md" "$BATS_TEST_TMPDIR/said"
    grep -qF -e "$(tests_of 01 | head -n 1)" "$BATS_TEST_TMPDIR/said"
    echo mine >"$to/conn.c"
    run make -s start STEP=05.01 DIR="$to"
    ((status != 0))
    [[ $(<"$to/conn.c") == mine ]]
    make -s start STEP=03 DIR="$BATS_TEST_TMPDIR/03" >/dev/null
    make -s -C "$BATS_TEST_TMPDIR/03"
    make -s start STEP=01 DIR="$BATS_TEST_TMPDIR/01" >/dev/null
    [[ $(ls "$BATS_TEST_TMPDIR/01") == Makefile ]]
}

@test "make diff shows a stage alone" {
    make -s diff STEP=05.02 >"$BATS_TEST_TMPDIR/said"
    grep -q '^+++ .*/log\.c' "$BATS_TEST_TMPDIR/said"
    ! grep -q '^+++ .*/timer\.c' "$BATS_TEST_TMPDIR/said"
}

@test "a stage that does not exist is refused with the list, and status 2" {
    local command
    for command in start diff run check; do
        run make -s $command STEP=05.99
        ((status == 2)) || complain "$command: status $status"
        [[ $output == *"05.01 to 05.$(last_stage)"* ]] || complain "$command: $output"
    done
    all_well
}

# ---- keeping them -----------------------------------------------------------------

# A copy of the course, as much as the stages need.
copy_of_the_course() {
    mkdir -p "$1/tests"
    cp -r step04_threadpool step05_final "$1"
    cp -r tests/stages tests/diff "$1/tests"
    rm -rf "$1/tests/stages/work"
    cp -r tests/mutants "$1/tests" 2>/dev/null || true
    rm -rf "$1/tests/mutants/work"
}

@test "unfolded and folded, the stages are the same" {
    command -v git >/dev/null || skip "git is not installed"
    local copy=$BATS_TEST_TMPDIR/copy
    copy_of_the_course "$copy"
    "$copy/tests/stages/unfold" "$BATS_TEST_TMPDIR/repository" >/dev/null
    "$copy/tests/stages/fold" "$BATS_TEST_TMPDIR/repository"
    diff -r -x build -x server -x 'build-*' step05_final "$copy/step05_final"
}

@test "a change made in stage 02 goes through all later ones" {
    command -v git >/dev/null || skip "git is not installed"
    local copy=$BATS_TEST_TMPDIR/copy repository=$BATS_TEST_TMPDIR/repository commit
    export GIT_AUTHOR_NAME=x GIT_AUTHOR_EMAIL=x GIT_COMMITTER_NAME=x GIT_COMMITTER_EMAIL=x
    export GIT_CONFIG_GLOBAL=/dev/null
    copy_of_the_course "$copy"
    "$copy/tests/stages/unfold" "$repository" >/dev/null
    commit=$(git -C "$repository" log --format=%h --grep="^02_")
    grep -q 'LOG_ERROR, LOG_WARN' "$repository/log.h"
    sed -i 's|^/\* log\.h - .*|/* log.h - a line for each thing worth knowing.|' "$repository/log.h"
    git -C "$repository" commit -qam x --fixup "$commit"
    GIT_SEQUENCE_EDITOR=: git -C "$repository" rebase -q -i --autosquash --root
    "$copy/tests/stages/fold" "$repository"
    grep -q '^/\* log\.h - a line for each' "$copy/step05_final/log.h"
    grep -q '^+/\* log\.h - a line for each' "$copy"/step05_final/stages/02_*/change.patch
    for patch in "$copy"/step05_final/stages/*/change.patch; do
        [[ $patch == */02_* ]] ||
            diff "$patch" "step05_final/stages/${patch#*/stages/}"
    done
    "$copy/tests/stages/diff" 02 >/dev/null
}

@test "what is asked of a student's stage is named after it" {
    local names
    # Before the list stands how fast the machine is.
    names=$(tests/run list 05.07 | sed -n $'s/\t.*//p' | sort -u)
    grep -qx '05\.07: what valgrind finds' <<<"$names"
    refute grep -v '^05\.07: ' <<<"$names"
}
