# traffic.bash - the clients that come in numbers, to both listeners; needs http.bash.
# shellcheck shell=bash disable=SC2034,SC2153 # set for, and by, who sources it

# visits PART...: src/visits.c says which. Sets LOST and BYSTANDERS_LOST; all else that is
# not as it should be is reported.
visits() {
    local said=$BATS_TEST_TMPDIR/visits status=0 line
    timeout -k 1 "$NET_S" "$TOOLS/visits" -p "$PORT" ${HTTP_PORT:+-H "$HTTP_PORT"} \
        -P "$SERVER_PID" -f "$SLOWNESS" "$@" >"$said" 2>&1 3>&- 4>&- || status=$?
    line=$(tail -n 1 "$said")
    if ((status != 0)) || [[ ! $line =~ ^visits=[0-9]+\ lost=([0-9]+)\ bystanders_lost=([0-9]+)$ ]]; then
        report "$(<"$said")" "every visit answered in full, or its connection ended" || return 1
    fi
    LOST=${BASH_REMATCH[1]} BYSTANDERS_LOST=${BASH_REMATCH[2]}
}

# lost_visits: which, for a report.
lost_visits() { sed -n 's/^lost: //p' "$BATS_TEST_TMPDIR/visits"; }

# steady ARGUMENT...: src/steady.c says which; in the background, with STEADY_PID.
steady() {
    STEADY_SAID=$BATS_TEST_TMPDIR/steady
    # Not a function of the shell in the background, but the client itself: it gets signals.
    "$TOOLS/launch" timeout -k 5 "$NET_S" "$TOOLS/steady" -f "$SLOWNESS" \
        ${PORT:+-p "$PORT"} ${HTTP_PORT:+-H "$HTTP_PORT"} "$@" >"$STEADY_SAID" 2>&1 3>&- 4>&- &
    STEADY_PID=$!
    STARTED_PIDS+=("$STEADY_PID")
}

# steady_ends LIMIT_MS: it says on its last line, in STEADY_LINE, how it went: no errors.
steady_ends() {
    local status=0
    wait_until "$1" has_ended "$STEADY_PID" ||
        report "the clients are not done after $(($1 * SLOWNESS)) ms" "all done" || return 1
    wait "$STEADY_PID" 2>/dev/null || status=$?
    STEADY_LINE=$(tail -n 1 "$STEADY_SAID")
    ((status == 0)) || report "$(head -n 8 "$STEADY_SAID")"$'\n'"$STEADY_LINE" \
        "each client gets what it is owed"
}

# steady_count NAME: from STEADY_LINE.
steady_count() {
    [[ " $STEADY_LINE " =~ \ $1=([0-9]+)\  ]] && echo "${BASH_REMATCH[1]}"
}

# These files ask the course's own server, so `make check` does not run them again.
rerun_command() {
    echo "FILTER='${BATS_TEST_DESCRIPTION//[][().*+?^\$|\\\{\}\']/.}'" \
        "tests/run file tests/${BATS_TEST_FILENAME##*/}"
}
