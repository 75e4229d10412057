# interleave.bash - what the exercises of the kind "interleave" ask (src/interleave.c).
#
# The starter's model is that of the course, whatever the student made of a copy. In it, each line
# marked `# keep` is the work that the hand-over is there for: a mended model still does it.
# shellcheck shell=bash disable=SC2153,SC2154 # EXERCISE is told by tests/run, MODEL by the test

# steps_of: the lines of a model, each behind the thread that it stands in, without comments and
# with one space where there are several.
steps_of() {
    awk '{
        sub(/#.*/, "")
        $1 = $1
        if ($0 == "") next
        if ($1 == "thread") thread = $2
        if ($1 ~ /^(var|mutex|condition|spurious|finally|thread)$/) print ": " $0
        else print thread ": " $0
    }' "$@"
}

# kept_of MODEL: what a mended model keeps: what the threads are and begin with, what is asserted,
# and the work.
kept_of() {
    sed -E '/^[[:space:]]*thread[[:space:]]/!{/^[[:space:]]*(assert|finally|spurious|var|mutex|condition|local)[[:space:]]|# keep$/!s/.*//}' "$1" | steps_of
}

# missing_from LINES IN: which lines of one file the other does not have, or has fewer times.
missing_from() { comm -23 <(sort "$1") <(sort "$2"); }

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

# mended_holds_spuriously: the same, if one wait may end for no reason. Such a wait is allowed, and
# a mend that leaves out only the orders of this small model does not survive it.
mended_holds_spuriously() {
    local said status=0
    about "ran your mended model in every order, with one wait that ends for no reason" \
        "what must a thread look at when its wait ends, whoever or whatever ended it? pthread_cond_wait(3p)" \
        "$HERE, \"What you learn\""
    { echo "spurious 1" && cat "$EXERCISE/mended"; } >"$BATS_TEST_TMPDIR/spurious"
    said=$("$TOOLS/interleave" --all "$BATS_TEST_TMPDIR/spurious" 2>&1) || status=$?
    ((status == 0)) || tell "$said" "no order of steps fails"
}

# assigned_in LINES NAME: how often the steps of a model assign to NAME.
assigned_in() { grep -oE "\\b$2 *=([^=]|$)" "$1" | wc -l; }

# mended_is_the_same CHANGES [NAME...]: at most so many lines were removed or added, and what is kept
# is there and still runs. A step behind `if 0` is there, and does nothing. No further step assigns to
# a NAME: one that sets what an assertion is about makes it true without a mend.
mended_is_the_same() {
    local changes missing word here=$BATS_TEST_TMPDIR changes_max=$1
    shift
    about "compared your mended model with the model" \
        "the mend is in the hand-over: the work, the threads, and what is asserted stay" "$HERE, \"Done when\""
    kept_of "$MODEL" >"$here/kept"
    steps_of "$MODEL" >"$here/before"
    steps_of "$EXERCISE/mended" >"$here/after"
    missing=$(missing_from "$here/kept" "$here/after")
    [[ -z $missing ]] || tell "missing: $(paste -sd ';' <<<"$missing")" "each of these lines stays in its thread"
    for word in assert finally await; do
        [[ $(grep -c ": $word " "$here/before") -ge $(grep -c ": $word " "$here/after") ]] ||
            tell "there are more lines with $word" "as many as in the model: the mend needs no other"
    done
    for word; do
        (($(assigned_in "$here/before" "$word") >= $(assigned_in "$here/after" "$word"))) ||
            tell "more steps assign to $word" "as many as in the model: an assertion is about it"
    done
    if "$TOOLS/interleave" --all --reached "$EXERCISE/mended" >"$here/reached"; then
        grep -v '^: ' "$here/kept" | grep -v ': local ' >"$here/to_run"
        missing=$(missing_from "$here/to_run" <(steps_of_run <"$here/reached"))
        [[ -z $missing ]] ||
            tell "in no order does it come to: $(paste -sd ';' <<<"$missing")" "the work is done, and what is asserted is looked at"
    fi
    changes=$(diff "$here/before" "$here/after" | grep -c '^[<>]') || true
    ((changes <= changes_max)) || tell "$changes lines are changed" "at most $changes_max, removed and added: it is a small mistake"
}

# steps_of_run: the same form for what the tool printed.
steps_of_run() { awk '{ $1 = $1; print }'; }
