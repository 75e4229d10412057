# traffic.bash - clients of all kinds at once, so that everything that a server hands from one
# thread to another is handed over often, while some of its calls take longer than usual
# (src/wrap_handover.c). Needs lib.bash, http.bash and ../traffic.bash.
#
# The servers are instrumented, and what they say goes to $MINE_WORK/KIND.reports. A report
# slows a server down, so each part ends early when there are some: one is enough to begin with.
# shellcheck shell=bash

PAUSE_US=2000
ENOUGH_MS=5000 # after a report has come

has_report() {
    grep -qsE 'WARNING: ThreadSanitizer|ERROR: (Address|Thread)Sanitizer|: runtime error: |^==[0-9]+== ' \
        "$MINE_WORK/$MINE_KIND.reports/report"*
}

# bounded SECONDS COMMAND...: runs it to its end, but no longer than that, and not much longer
# than until the first report.
bounded() {
    local seconds=$1 said=$BATS_TEST_TMPDIR/client status=0 pid reported=''
    shift
    timeout -k 1 $((seconds * SLOWNESS)) "$@" >"$said" 2>&1 3>&- 4>&- &
    pid=$!
    STARTED_PIDS+=("$pid")
    until has_ended "$pid"; do
        pause 0.05
        if [[ $MINE_KIND == valgrind ]] || ! has_report; then continue; fi
        reported=${reported:-$(now_ms)}
        (($(elapsed_ms "$reported") < ENOUGH_MS)) || kill "$pid" 2>/dev/null || true
    done
    wait "$pid" 2>/dev/null || status=$?
    # A report says more than what clients suffered from its cause.
    ((status == 0)) || has_report || report "$(head -n 12 "$said")" "all clients served"
}

# One at a time, as a blocking server takes them.
one_by_one() {
    local i
    probe 'within 5000' 'visit 20 "hello"' 'vanish 20 reset' 'vanish 20 half'
    for ((i = 0; i < 12; i++)); do
        probe 'within 5000' 'open a' 'echo a "one\n"' 'drip a "bytes"' 'urgent a "!"' \
            'expect a "bytes!"' 'stream a 50k' 'open b' 'half-close a' 'eof a' 'send b "x"' \
            'half-close b' 'expect b "x"' 'eof b' 'open c' 'send c random:40k' 'reset c'
    done
}

# Each way of life twenty times, so that what leaks, leaks more than once.
together() {
    probe 'within 10000' 'open x*20' 'echo x "hello\n"' 'drip x "bytes"' 'urgent x "!"' \
        'expect x "bytes!"' 'open h*20' 'send h random:30k' 'half-close h' 'expect h random:30k' \
        'eof h' 'open e*20' 'half-close e' 'eof e' 'open r*20' 'send r random:30k' 'reset r' \
        'open p*3' 'pour p max=2M' 'stream x 20k' 'drink p' 'close p' 'vanish 60 reset' \
        'vanish 60 half' 'close x' 'visit 20 "hello"' ||
        has_report
}

# Twenty clients that leave in the middle of a head, twenty in the middle of a body.
half_requests() {
    http_probe 'within 10000' 'open h*20' 'send h "GET / HTTP/1.1\r\nHost: h"' 'arrived h' 'reset h' \
        'open b*20' 'send b "POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: 100\r\n\r\nsome"' \
        'arrived b' 'reset b' ||
        has_report
}

# Polite and hostile clients for SECONDS.
mixed() {
    bounded $(($1 + 20)) "$TOOLS/soak" -p "$PORT" ${HTTP_PORT:+-H "$HTTP_PORT"} -t "$1" -S 7 \
        -c 8 -x 24 -f "$SLOWNESS" -l 1000
}

# Does it serve a client while another says nothing?
is_concurrent() {
    step_at_least 02 || { [[ -z $STEP ]] && probe 'open a' 'open b' 'echo b "x"' >/dev/null; }
}

# is_offered OPTION: a stage on the way to step 05 need not know it yet.
# shellcheck disable=SC2034 # has_option asks it
is_offered() { [[ -z ${STAGE-} ]] || (source "$COURSE/tests/mine.bash" && SERVER=$(server_of plain) && has_option "$1"); }

start_for_traffic() {
    local arguments=()
    HTTP_PORT=''
    SERVER_ENV+=" HANDOVER_PAUSE_US=$PAUSE_US"
    ! step_at_least 04 || arguments=(-t 4)
    if step_at_least 05 && is_offered --http; then
        start_http "${arguments[@]}" "$@"
    else
        start_server "${arguments[@]}" "$@"
    fi
}

# expect_end LIMIT_MS: the server ends by itself, with status 0. One that has been reported
# may do what it likes, but not keep us.
expect_end() {
    local status=0
    if ! wait_until "$1" has_ended "$SERVER_PID"; then
        has_report || report "still running after SIGTERM" "an end" || return 1
        kill_servers
        return 0
    fi
    wait "$SERVER_PID" 2>/dev/null || status=$?
    ((status == 0)) || has_report || report "the server $(status_in_words $status)" "exit status 0"
}

# end_clean: once all clients are gone, so that what is left of them is a leak.
end_clean() {
    wait_until 3000 has_fds "$START_FDS" || true
    kill -TERM "$SERVER_PID" 2>/dev/null || true
    expect_end 5000
}
