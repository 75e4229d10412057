#!/usr/bin/env bats
# ending.bats - the end of step 05 under full load: what was received is answered, and the
# next server can start on the same port at once.
#
# bats file_tags=step05

load lib.bash
load builds.bash
load http.bash
load traffic.bash

HERE=step05_final/README.md

setup() {
    STEP=05
    [[ -n ${STAGE-} ]] || SERVER=$COURSE/step05_final/server
}

# ---- started again ----------------------------------------------------------------

# bats test_tags=promise:restart-under-load,stage:14
@test "20 restarts under load: no answer is cut short" {
    about "ended the server with SIGTERM and started it on the same ports, 20 times, with 16 clients that never paused" \
        "SO_REUSEADDR, accept until EAGAIN before the listener is closed, and a shutdown before each close" \
        "step05_final/stages/14_bodies/README.md, \"The idea\""
    local i echo_port http_port said
    # The clients leave when they are told the end; the timeout is for a machine where that
    # takes long.
    start_http --drain-timeout 60000
    echo_port=$PORT http_port=$HTTP_PORT
    steady -m restart -c 16 -t 600
    for ((i = 1; i <= 20; i++)); do
        ABOUT_DID="restart $i of 20, on the same ports, with 16 clients that never paused"
        # Each of the servers has some work before it is ended.
        probe 'visit 20 "hello"'
        stop_server 20000
        start_http -p "$echo_port" --http "$http_port" --drain-timeout 60000
        [[ $PORT == "$echo_port" && $HTTP_PORT == "$http_port" ]] ||
            report "ports $PORT and $HTTP_PORT" "$echo_port and $http_port"
    done
    kill -TERM "$STEADY_PID"
    steady_ends 60000
    # The clients were there, and saw the restarts.
    (($(steady_count answers) > 200 && $(steady_count refused) + $(steady_count closed) >= 20)) ||
        report "$STEADY_LINE" "more than 200 answers, and 20 ends or refusals"
    stop_server
}

# ---- SIGTERM in full load ---------------------------------------------------------

# under_load: 64 clients, of which each has a request on its way at any time,
# and idle, slow and stuck ones beside them; then SIGTERM.
under_load() {
    about "sent SIGTERM to a server with 64 busy clients and idle, slow and stuck ones" \
        "what was received before the signal is answered; nobody may keep the server longer than its drain deadline" \
        "step05_final/stages/10_drain/README.md, \"The idea\""
    # On a busy machine the drain timeout may be over before all is answered. That proves
    # nothing, and is tried again with a longer one; the last is judged in any case.
    local drain_ms
    for drain_ms in 3000 6000 12000 24000; do
        rm -f "$BATS_TEST_TMPDIR/counts"
        start_http -w 10000 -t 4 --drain-timeout $drain_ms
        steady -m drain -c 64 -P "$SERVER_PID" -D $((drain_ms == 24000 ? 1000000 : drain_ms))
        steady_ends 60000
        (($(steady_count owed) > 0)) || report "$STEADY_LINE" "some requests are with the server when the signal comes"
        expect_exit 0 $((drain_ms + 3000))
        (($(steady_count late) == 1)) || break
    done
}

# bats test_tags=promise:drain-under-load,stage:14
@test "SIGTERM in full load: what was received is answered" { under_load; }

# bats test_tags=promise:drain-under-load,stage:14
@test "SIGTERM in full load: nothing leaks" {
    SERVER=$(wrapped_server "$COURSE/step05_final") || {
        echo "$SERVER"
        return 1
    }
    SERVER_ENV="COUNT_FILE=$BATS_TEST_TMPDIR/counts"
    under_load
    local name counts=()
    for name in blocks_taken blocks_freed fds_opened fds_closed; do
        counts+=("$("$TOOLS/counts" "$BATS_TEST_TMPDIR/counts" $name)")
    done
    ((counts[0] > 64 && counts[0] == counts[1] && counts[2] > 64 && counts[2] == counts[3])) ||
        report "${counts[0]} blocks of memory taken and ${counts[1]} freed, ${counts[2]} descriptors opened and ${counts[3]} closed" \
            "equal numbers"
}

# bats test_tags=promise:second-signal,stage:14
@test "SIGTERM in full load: a second one ends it at once" {
    about "sent SIGTERM, and again when it was at work on that, to a server with 64 busy clients and a drain timeout of a minute" \
        "who asks twice means it" "step05_final/stages/14_bodies/README.md, \"The idea\""
    start_http -w 10000 -t 4 --drain-timeout 60000
    steady -m drain -2 -c 64 -P "$SERVER_PID"
    steady_ends 60000
    expect_exit 0
}
