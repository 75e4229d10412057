# traffic.bash - a server with both of its listeners, and the clients that come in numbers.
# shellcheck shell=bash disable=SC2034,SC2153 # set for, and by, who sources it

HTTP_PORT=''

has_http_line() {
    [[ $(<"$SERVER_OUT") =~ $'\n'http\ on\ .+:([0-9]+)$ ]] || return 1
    HTTP_PORT=${BASH_REMATCH[1]}
}

# start_both ARGUMENT...: start_server, with HTTP too. Sets HTTP_PORT.
start_both() {
    local http=(--http 0)
    [[ " $* " != *" --http "* ]] || http=()
    [[ -z ${DEV-} ]] || http=() #DEV
    HTTP_PORT=''
    start_server "${http[@]}" "$@" || return 1
    [[ -z ${DEV-} ]] || return 0 #DEV
    wait_until "$START_LIMIT_MS" has_http_line ||
        report "on stdout: \"$(<"$SERVER_OUT")\"" "a second line, \"http on ADDRESS:PORT\""
}

# visits PART...: src/visits.c says which. Sets LOST and BYSTANDERS_LOST; all else that is
# not as it should be is reported.
visits() {
    local said=$BATS_TEST_TMPDIR/visits status=0 line
    timeout -k 1 $((60 * SLOWNESS)) "$TOOLS/visits" -p "$PORT" ${HTTP_PORT:+-H "$HTTP_PORT"} \
        -P "$SERVER_PID" -f "$SLOWNESS" "$@" >"$said" 2>&1 3>&- 4>&- || status=$?
    line=$(tail -n 1 "$said")
    if ((status != 0)) || [[ ! $line =~ ^visits=[0-9]+\ lost=([0-9]+)\ bystanders_lost=([0-9]+)$ ]]; then
        report "$(<"$said")" "every visit answered in full, or its connection ended" || return 1
    fi
    LOST=${BASH_REMATCH[1]} BYSTANDERS_LOST=${BASH_REMATCH[2]}
}

# lost_visits: which, for a report.
lost_visits() { sed -n 's/^lost: //p' "$BATS_TEST_TMPDIR/visits"; }
