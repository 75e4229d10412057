# interleave.bash - what the exercises of the kind "interleave" ask (src/interleave.c).
#
# The starter's model is that of the course, whatever the student made of a copy. In it, each line
# marked `# keep` is the work that the hand-over is there for: a mended model still does it.
# shellcheck shell=bash disable=SC2154 # EXERCISE is told by tests/run, MODEL by the test

# lines_of FILE: its steps, without comments and space at the ends.
lines_of() { sed 's/#.*//; s/^[[:space:]]*//; s/[[:space:]]*$//; /^$/d' "$1"; }

# tell SAW WANTED: what a student should know, and fails.
tell() {
    report "$1" "$2" || true
    return 1
}

schedule_fails_it() {
    local said status=0
    about "ran your schedule on the model" \
        "each line names the thread that does its next step; look at the table: which step of the other thread hurts, and when?" \
        "$HERE, \"The task\""
    said=$("$TOOLS/interleave" "$MODEL" "$EXERCISE/schedule" 2>&1) || status=$?
    ((status == 0)) && return
    echo "$said" | tail -n 12
    tell "$(tail -n 1 <<<"$said")" "it ends in a failure of the model"
}

mended_holds() {
    local said status=0
    about "ran your mended model in every order that there is" \
        "one order that fails is enough; make schedule files and run them: tests/bin/interleave mended schedule" \
        "$HERE, \"The task\""
    said=$("$TOOLS/interleave" --all "$EXERCISE/mended" 2>&1) || status=$?
    ((status == 0)) || tell "$said" "no order of steps fails"
}

# mended_is_the_same CHANGES: at most so many lines were removed or added.
mended_is_the_same() {
    local line missing='' changes
    about "compared your mended model with the model" \
        "the mend is in the hand-over: the work, the threads, and what is asserted stay" "$HERE, \"Done when\""
    while IFS= read -r line; do
        lines_of "$EXERCISE/mended" | grep -qxF -e "$line" || missing+="${missing:+; }$line"
    done < <(grep -E '^[[:space:]]*(assert|finally|thread|spurious)|# keep$' "$MODEL" >"$BATS_TEST_TMPDIR/kept"
        lines_of "$BATS_TEST_TMPDIR/kept" | sort -u)
    [[ -z $missing ]] || tell "missing: $missing" "each of these lines stays"
    [[ $(lines_of "$MODEL" | grep -c '^assert\|^finally') == $(lines_of "$EXERCISE/mended" | grep -c '^assert\|^finally') ]] ||
        tell "another number of assert and finally" "as many as in the model"
    changes=$(diff <(lines_of "$MODEL") <(lines_of "$EXERCISE/mended") | grep -c '^[<>]') || true
    ((changes <= $1)) || tell "$changes lines are changed" "at most $1, removed and added: it is a small mistake"
}
