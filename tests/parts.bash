# parts.bash - runs commands that each end with "N passed, N failed", and adds up.
# shellcheck shell=bash

PASSED=0 FAILED=0 SKIPPED=0

# part TITLE COMMAND...: its output, and its last line of counts added to the sums. A
# command that fails without a failed test, or that does not count, is a failure as well.
part() {
    local title=$1 log line status
    shift
    log=$(mktemp) || return 1
    printf '\n== %s ==\n' "$title"
    "$@" 2>&1 </dev/null | tee "$log"
    status=${PIPESTATUS[0]}
    line=$(grep -E '^[0-9]+ passed, [0-9]+ failed(, [0-9]+ skipped)?$' "$log" | tail -n 1)
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

# The sums, in one line. 1: something failed.
add_up() {
    echo
    if ((SKIPPED > 0)); then
        echo "$PASSED passed, $FAILED failed, $SKIPPED skipped"
    else
        echo "$PASSED passed, $FAILED failed"
    fi
    ((FAILED == 0))
}
