# parts.bash - runs commands that each end with "N passed, N failed", and adds up.
# shellcheck shell=bash

# shellcheck source=tests/budget.bash
source "${BASH_SOURCE[0]%/*}/budget.bash"

PASSED=0 FAILED=0 SKIPPED=0
WHAT_FAILED='' WHAT_TOOK=''

# failures_in LOG: what a part said of its failures. A part that has parts itself has ended with
# them; of any other, the lines with a cross and the words of their reports, or its last lines.
failures_in() {
    if grep -qx '== what failed ==' "$1"; then
        sed '1,/^== what failed ==$/d; /^[0-9]* passed, /d' "$1"
    elif grep -qE '^ *(✗|SURVIVED|broken) ' "$1"; then
        grep -E -A 10 '^ *(✗|SURVIVED|broken) ' "$1" | grep -vE '^ *✓ |^[0-9]+ passed, ' | head -n 60
    else
        tail -n 20 "$1"
    fi
}

# part TITLE COMMAND...: its output, and its last line of counts added to the sums. A
# command that fails without a failed test, or that does not count, is a failure as well.
part() {
    local title=$1 log line status began=$EPOCHSECONDS
    shift
    time_for "$title" || return 0
    log=$(mktemp) || return 1
    printf '\n== %s ==\n' "$title"
    "$@" 2>&1 </dev/null | tee "$log"
    status=${PIPESTATUS[0]}
    WHAT_TOOK+=$(printf '%5d s  %s%s' $((EPOCHSECONDS - began)) "$title" \
        "$(sed -n 's/^left out, for the time was over: \([0-9]*\) .*/, \1 left out/p' "$log" | tail -n 1)")$'\n'
    line=$(grep -E '^[0-9]+ passed, [0-9]+ failed(, [0-9]+ skipped)?$' "$log" | tail -n 1)
    if ((status != 0)) || [[ ! $line =~ ' 0 failed' ]]; then
        WHAT_FAILED+=$'\n'"-- $title"$'\n'"$(failures_in "$log")"$'\n'
    fi
    rm -f "$log"
    if [[ ! $line =~ ^([0-9]+)\ passed,\ ([0-9]+)\ failed(,\ ([0-9]+)\ skipped)?$ ]]; then
        echo "$title: it ended with status $status and without a count"
        FAILED=$((FAILED + 1))
        return
    fi
    PASSED=$((PASSED + BASH_REMATCH[1])) FAILED=$((FAILED + BASH_REMATCH[2]))
    SKIPPED=$((SKIPPED + ${BASH_REMATCH[4]:-0}))
    if ((status != 0 && BASH_REMATCH[2] == 0)); then
        echo "$title: no test failed, and yet it ended with status $status"
        FAILED=$((FAILED + 1))
    fi
}

# How long each part took; what failed, once more, for a log may be long and only its end be kept; then the sums, in one
# line. 1: something failed.
add_up() {
    printf '\n%s' "$WHAT_TOOK"
    say_left_out
    echo
    [[ -z $WHAT_FAILED ]] || printf '== what failed ==\n%s\n' "$WHAT_FAILED"
    if ((SKIPPED > 0)); then
        echo "$PASSED passed, $FAILED failed, $SKIPPED skipped"
    else
        echo "$PASSED passed, $FAILED failed"
    fi
    ((FAILED == 0))
}
