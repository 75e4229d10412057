#!/usr/bin/env bats
# What the final server promises: limits and policies everywhere, and an end in which
# nothing is lost.
#
# bats file_tags=step05

load ../tests/lib.bash
load ../tests/counting.bash

HERE=step05_final/README.md

# has_connections COUNT: that many, or more.
has_connections() { (($(fd_count) >= START_FDS + $1)); }

# switches: how often the server's threads have gone to sleep, as each process call with -w does.
switches() { cat /proc/"$SERVER_PID"/task/*/status 2>/dev/null | awk '/^voluntary_ctxt_switches/ { n += $2 } END { print n + 0 }'; }

# has_worked SWITCHES TIMES
has_worked() { (($(switches) >= $1 + $2)); }

expect_log() {
    grep -q -- "$1" "$SERVER_ERR" || report "no line with $1 on stderr" "one"
}

# ---- scheduling -------------------------------------------------------------------

# bats test_tags=exact,promise:registered-once,needs:silent-clients,stage:07
@test "each connection is registered once" {
    about "counted the calls of epoll_ctl for the messages of 10 clients" \
        "edge-triggered and registered for everything, a connection needs epoll_ctl at its birth and its end, not per message" \
        "step05_final/stages/07_edges/README.md, \"The idea\""
    counted_server
    count_load -c 10 -t 0.3
    (($(counts epoll_ctl) <= 30)) ||
        report "$(counts epoll_ctl) calls for 10 connections and $REPLIES messages" "30 or fewer"
    stop_server
}

# bats test_tags=exact,promise:one-recv,needs:registered-once,stage:07
@test "a short recv is the last one" {
    about "counted the calls of recv for the messages of 64 clients" \
        "a recv that gave less than it was asked for has emptied the socket; another one, only to hear EAGAIN, is a wasted system call" \
        "step05_final/stages/07_edges/README.md, \"The idea\""
    counted_server
    count_load -c 64 -t 0.3
    local recvs
    recvs=$(count_all recv recvfrom recvmsg readv)
    ((recvs > 0)) || recvs=$(counts read) # otherwise this is for signals and the like
    ((recvs * 10 <= REPLIES * 11 + 1280)) ||
        report "$recvs calls of recv for $REPLIES messages" "hardly more than one each"
    stop_server
}

# bats test_tags=promise:turns,needs:fair-turns,stage:07
@test "a stream longer than a turn does not starve the others" {
    about "sent 4 endless streams to a server with 1 worker, then messages as one more client" \
        "after some rounds a connection goes to the end of the queue" \
        "step05_final/stages/07_edges/README.md, \"The idea\""
    start_server -t 1
    timeout 20 "$TOOLS/load" -p "$PORT" -c 4 -s 1048576 -d 4 -t 3 -w 0 >/dev/null 3>&- 4>&- &
    STARTED_PIDS+=($!)
    wait_until 20000 has_connections 4
    probe 'within 5000' 'visit 20 "hello"'
    stop_server
}

# bats test_tags=promise:last-bytes-seen,needs:half-close,needs:urgent-data,stage:07
@test "the end that comes with the last bytes is seen" {
    about "queued bytes and FIN, or bytes, an urgent byte and more bytes, while the server was stopped" \
        "with EPOLLRDHUP or EPOLLPRI a short recv is not the last one: there is no further edge for what is left" \
        "step05_final/stages/07_edges/README.md, \"The idea\""
    start_server
    local i
    for i in 1 2 3 4 5; do
        probe 'open a' 'open b' 'echo a "x"' 'echo b "x"' stop 'send a "last"' 'half-close a' \
            'send b "one "' 'urgent b "!"' 'send b " two"' cont 'expect a "last"' 'eof a' \
            'expect b "one ! two"' 'half-close b' 'eof b'
    done
    stop_server
}

# bats test_tags=promise:turns,needs:fair-turns,needs:wait-option,stage:07
@test "slow requests of one client do not delay the others" {
    about "let one client send without a pause to a server with 1 worker whose process call takes 50 ms, then sent 5 messages as another" \
        "a turn is one process call, not as many as there is input for" \
        "step05_final/stages/07_edges/README.md, \"The idea\""
    start_server -t 1 -w 50000
    timeout 20 "$TOOLS/load" -p "$PORT" -c 1 -s 1048576 -d 4 -t 8 -w 0 >/dev/null 2>&1 3>&- 4>&- &
    STARTED_PIDS+=($!)
    wait_until 20000 has_connections 1
    probe 'within 10000' 'visit 1 "hello"' mark 'open a' 'echo a "1"' 'echo a "2"' 'echo a "3"' \
        'echo a "4"' 'echo a "5"' 'grew clock max=2000'
}

# bats test_tags=exact,promise:one-wake-up,needs:end-of-stream,stage:05
@test "messages that come together wake no more workers than there are" {
    about "sent 64 messages at once to a server with one worker, and counted how often a thread is told that there is work" \
        "what one epoll_wait reports goes to the pool as a list, and a worker that is on its way or busy need not be woken" \
        "step05_final/stages/05_batches/README.md, \"The idea\""
    counted_server -t 1
    probe 'within 10000' 'open x*64' asleep stop 'send x "hello\n"' 'arrived x' cont 'expect x "hello\n"'
    (($(counts wakes) <= 16)) || report "$(counts wakes) wake-ups for 64 messages" "a few"
    stop_server
}

# bats test_tags=exact,promise:one-owner,needs:one-worker-each,stage:06
@test "an event that comes twice makes no second owner" {
    about "let each event of epoll_wait come twice, and sent 100 KB in small pieces as each of 30 clients" \
        "whoever sets the bit in the state word owns the connection; an event that finds it set adds itself, and queues nothing" \
        "step05_final/stages/06_state_word/README.md, \"The idea\""
    SERVER_ENV="LD_PRELOAD=$TOOLS/twice.so"
    start_server -t 4
    probe 'within 10000' 'open x*30' 'stream x 100k chunk=50'
    stop_server
}

# Field 41 of /proc/PID/stat (proc(5)): 0 is SCHED_OTHER, 3 is SCHED_BATCH.
# bats test_tags=promise:sched-option,needs:long-options,stage:01
@test "--sched sets the scheduling policy of all threads" {
    chrt -b 0 true 2>/dev/null || skip "no program may choose SCHED_BATCH here"
    about "started the server with --sched batch and normal, and asked /proc for its threads' policies" \
        "set it before the first thread starts: threads inherit it" \
        "step05_final/stages/01_options/README.md, \"The idea\""
    local policy stat task fields
    for policy in batch:3 normal:0; do
        start_server --sched "${policy%:*}"
        for task in "/proc/$SERVER_PID/task/"*; do
            stat=$(<"$task/stat")
            read -ra fields <<<"${stat##*) }"
            [[ ${fields[38]} == "${policy#*:}" ]] ||
                report "policy ${fields[38]} of a thread" "${policy#*:}"
        done
        stop_server
    done
}

# ---- deadlines --------------------------------------------------------------------

# bats test_tags=promise:idle-timeout,needs:long-options,needs:log-lines,needs:silent-clients,stage:08
@test "--idle-timeout closes a client that says nothing more" {
    about "connected two clients to a server with an idle timeout of 1 s, of which one spoke up every 0.1 s" \
        "the deadline moves with each message that is answered, and with nothing else" \
        "step05_final/stages/08_deadlines/README.md, \"The idea\""
    start_server --idle-timeout 1000
    local i lines=()
    for i in {1..16}; do lines+=(mark 'echo b "still here\n"' 'in-time 950' 'silent b 100'); done
    probe mark 'open a' 'open b' 'in-time 950' 'echo a "hello\n"' "${lines[@]}" \
        'echo b "alive\n"' 'in-time 0' 'closed a'
    expect_log 'what=timeout .*kind=idle'
    stop_server
}

# bats test_tags=promise:idle-timeout,needs:long-options,needs:silent-clients,stage:08
@test "--idle-timeout closes a client that never said anything" {
    about "connected 50 clients that said nothing to a server with an idle timeout of 0.3 s" \
        "the first deadline is set when the connection is accepted" "step05_final/stages/08_deadlines/README.md, \"The idea\""
    start_server --idle-timeout 300
    local base
    base=$(fd_count)
    probe 'open a*50' 'eof a' mark 'in-time 300' 'visit 1 "hello"'
    expect_fds "$base"
    stop_server
}

# bats test_tags=promise:idle-timeout,needs:long-options,needs:wait-option,needs:silent-clients,stage:08
@test "a long process call is no idleness" {
    about "sent a message to a server with an idle timeout of 0.2 s and a process call of 0.8 s; another client said nothing, and was closed meanwhile" \
        "a connection that a worker has is not idle: only its owner may end it" \
        "step05_final/stages/08_deadlines/README.md, \"The idea\""
    start_server --idle-timeout 200 -w 800000
    # Who is idle is closed, and so there is a timeout.
    probe mark 'open i' 'open a' 'in-time 200' 'send a "query\n"' 'in-time 0' 'within 5000' \
        'eof i' 'expect a "query\n"'
    stop_server
}

# bats test_tags=promise:idle-timeout,needs:long-options,needs:stop-and-continue,needs:silent-clients,stage:08
@test "a client that spoke while the server was stopped was not idle" {
    about "stopped the server for longer than its idle timeout, sent messages, let it go on" \
        "look whether something has come before closing an idle connection: its event may be late" \
        "step05_final/stages/08_deadlines/README.md, \"The idea\""
    start_server --idle-timeout 1500
    # Nobody may be closed before it is stopped.
    probe mark 'open a*20' 'open i' 'echo a "x"' 'echo i "x"' 'in-time 1400' stop 'in-time 0' \
        'send a "hello\n"' 'silent i 2000' cont \
        'expect a "hello\n"' 'eof i'
    stop_server
}

# bats test_tags=promise:write-timeout,needs:long-options,needs:log-lines,needs:silent-clients,stage:09
@test "--write-timeout closes a client that does not take its answer" {
    about "sent without reading to a server with a write timeout of 4 s" \
        "from the moment the socket takes no more, the client has that long" \
        "step05_final/stages/09_limits/README.md, \"The idea\""
    start_server --write-timeout 4000 --idle-timeout 0
    local base
    base=$(fd_count)
    # p stays connected, without reading, to the end.
    probe 'within 20000' 'open i' 'open p rcvbuf=4096 sndbuf=16384' 'pour p' \
        'echo i "hello\n"' gone &
    local probe_pid=$!
    wait_until 20000 grep -q 'what=timeout .*kind=write' "$SERVER_ERR" ||
        report "no line with kind=write on stderr" "one"
    expect_fds $((base + 1))
    stop_server
    wait "$probe_pid"
}

# bats test_tags=promise:timeouts-off,needs:idle-timeout,needs:write-timeout,stage:09
@test "without timeouts no client is closed" {
    about "left a silent client, and one with its echo unread, for a second, with both timeouts 0" \
        "0 means no limit" "step05_final/stages/09_limits/README.md, \"The idea\""
    start_server --write-timeout 0 --idle-timeout 0
    probe 'within 10000' 'open a' 'open p' 'pour p blocks' 'silent a 1000' 'drink p' \
        'echo a "here\n"' 'echo p "here\n"'
    stop_server
}

# ---- limits -----------------------------------------------------------------------

# bats test_tags=promise:max-connections,needs:long-options,needs:log-lines,needs:silent-clients,stage:08
@test "--max-connections rejects later clients" {
    about "connected 7 clients to a server that takes 5, then one more when one had left" \
        "count what is open in the main thread, and free what has ended before accepting" \
        "step05_final/stages/08_deadlines/README.md, \"The idea\""
    start_server --max-connections 5
    local base i visits=()
    base=$(fd_count)
    probe 'open a*5' 'echo a "in\n"' 'open b*2' 'closed b' 'echo a "still in\n"'
    expect_log 'what=connections_full'
    expect_fds "$base" # the five have left
    probe 'visit 30 "one at a time\n"'
    stop_server
    # The end comes while a worker is in process. So when the worker ends the connection
    # the main thread sleeps, and who comes next wakes it: then the dead one must not count.
    start_server --max-connections 1 -w 50000
    for i in 1 2 3 4 5; do
        visits+=('open a' stop 'send a "x"' 'half-close a' 'arrived a' cont 'expect a "x"' \
            'eof a' 'close a' asleep)
    done
    probe "${visits[@]}"
    stop_server
}

# bats test_tags=promise:rejected-softly,needs:max-connections,stage:09
@test "a rejected client gets FIN, not RST" {
    about "connected 20 clients that sent a message to a server that takes 5" \
        "a close with unread input is a reset: shutdown(SHUT_WR), and throw away what comes until the client leaves" \
        "step05_final/stages/09_limits/README.md, \"The idea\""
    start_server --max-connections 5
    local base
    base=$(fd_count)
    # The server lingers for a second.
    probe 'open a*5' 'echo a "in\n"' mark 'open b*20' 'in-time 900' 'send b "and we?\n"' 'eof b' \
        'send b "still talking\n"' 'echo a "still in\n"'
    expect_fds "$base"
    probe 'visit 5 "and now?"'
    stop_server
}

# bats test_tags=exact,promise:accept-pauses,needs:log-lines,needs:out-of-descriptors,stage:03
@test "out of descriptors it pauses" {
    about "let more clients wait than a server with 32 descriptors can take, and counted its calls for half a second" \
        "a level-triggered listener is ready forever while nothing can be accepted: disarm it, and look again when a connection ends" \
        "step05_final/stages/03_accept_pause/README.md, \"The idea\""
    local accepts waits begin
    SERVER_WRAP="prlimit --nofile=32:32"
    counted_server
    begin=$(now_ms)
    probe 'open a*60' 'open w' 'silent w 300' &
    local probe_pid=$!
    wait_until 20000 grep -q 'what=accept_paused' "$SERVER_ERR" ||
        report "no line with accept_paused on stderr" "one"
    wait "$probe_pid"
    accepts=$(count_accepts) waits=$(count_waits)
    # It looks again ten times a second.
    local more=$(($(elapsed_ms "$begin") / 25))
    ((accepts <= 200 + more && waits <= 300 + more)) ||
        report "$accepts calls of accept and $waits of epoll_wait" "some dozens"
    probe 'visit 10 "hello\n"'
    (($(grep -c 'what=accept_paused' "$SERVER_ERR") <= 3)) ||
        report "$(grep -c accept_paused "$SERVER_ERR") lines about it" "one for each time"
    stop_server
}

# bats test_tags=promise:accept-resumes,needs:accept-pauses,stage:03
@test "a client that waits for a descriptor gets the first free one" {
    about "connected one client more than a server with 32 descriptors can take, and let another one leave" \
        "the worker that closes a connection wakes the main thread when accepting is paused" \
        "step05_final/stages/03_accept_pause/README.md, \"The idea\""
    SERVER_WRAP="prlimit --nofile=32:32"
    start_server
    local room=$((32 - $(fd_count)))
    # Just one leaves, while the main thread sleeps: nothing else could wake it afterwards.
    probe 'within 5000' "open a*$((room - 1))" 'echo a "in\n"' 'open d' 'echo d "in\n"' 'open b' \
        'send b "waiting\n"' 'arrived b' asleep 'close d' 'expect b "waiting\n"' 'open c' 'reset c' \
        'close b' 'visit 3 "hello"'
    stop_server
}

# bats test_tags=exact,promise:idle-memory,needs:many-clients,stage:04
@test "an idle connection costs next to nothing" {
    about "connected 3,000 clients that sent one message and then nothing" \
        "buffers belong to the workers; a connection keeps only what could not be sent" \
        "step05_final/stages/04_scratch_buffers/README.md, \"The idea\""
    start_server
    probe 'within 10000' 'open w' 'echo w "warm"' mark 'open x*3000' 'echo x "hello\n"' \
        'grew rss max=1500'
    stop_server
}

# bats test_tags=exact,promise:idle-memory,needs:many-clients,stage:04
@test "a client that was slow once costs no more than another" {
    about "counted the memory of 10 clients, and again when each had filled its sockets and then read everything" \
        "what a socket did not take is kept in memory of the connection: give that back when all is sent" \
        "step05_final/stages/04_scratch_buffers/README.md, \"The diff\""
    SERVER_ENV="LD_PRELOAD=$TOOLS/heap.so COUNT_FILE=$BATS_TEST_TMPDIR/counts"
    export PROBE_COUNTS=$BATS_TEST_TMPDIR/counts
    start_server
    [[ -s $PROBE_COUNTS ]] || skip "a library cannot be preloaded into this server (linked statically?)"
    # Ten times half a KiB, which is what an idle one may cost.
    probe 'within 10000' mark 'open w*10 rcvbuf=4k mss=536' 'clog w' 'drink w' 'close w' 'grew fds max=0' \
        'open p*10 rcvbuf=4k mss=536' 'echo p "x"' mark 'clog p' 'drink p' 'echo p "y"' 'grew bytes max=5k'
    stop_server
}

# is_due OPTION: whether the server must know it. On the way to step 05 they come one by one.
is_due() { [[ -z ${STAGE-} ]] || has_option "$1"; }

# bats test_tags=promise:long-options,needs:end-of-stream,stage:01
@test "the long options are known" {
    about "started the server with every long option but those of HTTP" \
        "getopt_long(3): each has a name, a value and an effect" "step05_final/stages/01_options/README.md, \"The idea\""
    local option known=()
    for option in '--max-connections 10' '--idle-timeout 0' '--write-timeout 30000' \
        '--drain-timeout 1000' '--log-level warn' '--sched normal'; do
        # shellcheck disable=SC2206 # two words
        ! is_due "${option% *}" || known+=($option)
    done
    ((${#known[@]} > 0)) || report "no long option in the usage" "at least --sched"
    start_server "${known[@]}"
    probe 'visit 1 "hello"'
    end_server
}

# bats test_tags=promise:long-options,stage:01
@test "wrong values of the long options" {
    about "started the server with values that are none" \
        "digits only, and in range: status 2, the option's name and the usage" \
        "step05_final/stages/01_options/README.md, \"The idea\""
    local wrong
    for wrong in '--max-connections 0' '--max-connections x' '--idle-timeout -1' \
        '--write-timeout 1s' '--drain-timeout 99999999999' '--log-level loud' '--sched fifo' \
        '--idle-timeout' '--no-such-option'; do
        is_due "${wrong%% *}" || [[ $wrong == --no-such-option ]] || continue
        # shellcheck disable=SC2086 # two words
        try_server $wrong
        ((TRIED_STATUS == 2)) || report "$wrong: status $TRIED_STATUS" "status 2"
        [[ $TRIED_ERR == *"${wrong%% *}"* && $TRIED_ERR == *usage:* ]] ||
            report "$wrong: $TRIED_ERR" "stderr with the option's name and the usage"
        [[ -z $TRIED_OUT ]] || report "$wrong: stdout $TRIED_OUT" "nothing on stdout"
    done
}

both_accepted() { (($(grep -c 'what=accepted' "$SERVER_ERR") >= 2)); }

# ---- the end ----------------------------------------------------------------------

# bats test_tags=promise:drain-answers,needs:long-options,needs:stop-signals,needs:wait-option,needs:silent-clients,stage:10
@test "SIGTERM: all that has come is answered" {
    about "sent SIGTERM while 8 requests of 0.3 s were processed or queued for 2 workers" \
        "stop accepting, but go on until every connection has its answer" \
        "step05_final/stages/10_drain/README.md, \"The idea\""
    start_server -t 2 -w 200000 --drain-timeout 60000
    probe 'open x*8' stop 'send x "query\n"' cont 'signal TERM' 'within 5000' \
        'expect x "query\n"' 'eof x' 'close x' gone
    expect_exit 0
}

# bats test_tags=promise:drain-accepts,needs:drain-answers,stage:10
@test "SIGTERM: clients in the accept queue are answered" {
    about "connected and sent while the server was stopped, sent SIGTERM, let it go on" \
        "to the client its connect has succeeded: accept until EAGAIN before closing the listener" \
        "step05_final/stages/10_drain/README.md, \"The idea\""
    start_server --drain-timeout 60000
    # More than the server accepts in one go.
    probe 'within 8000' stop 'open x*300' 'send x "query\n"' 'signal TERM' cont 'expect x "query\n"' 'eof x' \
        'close x' gone
    expect_exit 0
}

# bats test_tags=promise:drain-accepts,needs:drain-answers,needs:out-of-descriptors,stage:10
@test "SIGTERM: clients that wait for a descriptor are answered" {
    about "let 40 clients with a request wait for a server with 32 descriptors, and sent SIGTERM" \
        "accept again when a connection has ended, until nobody waits; then close the listener" \
        "step05_final/stages/10_drain/README.md, \"The idea\""
    SERVER_WRAP="prlimit --nofile=32:32"
    start_server --drain-timeout 60000
    probe 'within 8000' stop 'open a*20' 'send a "query\n"' 'open b*20' 'send b "query\n"' \
        'signal TERM' cont 'expect a "query\n"' 'eof a' 'close a' 'expect b "query\n"' 'eof b' \
        'close b' gone
    expect_exit 0
}

# bats test_tags=promise:drain-refuses,needs:drain-answers,stage:10
@test "SIGTERM: no new client is accepted" {
    about "connected after SIGTERM, while a client that had not taken its answer kept the server draining" \
        "close the listener first" "step05_final/stages/10_drain/README.md, \"The idea\""
    start_server --drain-timeout 60000
    # That p still gets its answers shows that it was the drain, and not the end.
    probe 'within 8000' 'open p rcvbuf=4k mss=536' 'clog p' 'signal TERM' 'refused soon' 'drink p' 'eof p' \
        'close p' gone
    expect_exit 0
}

# bats test_tags=promise:drain-softly,needs:drain-answers,stage:10
@test "SIGTERM: idle clients hear the end and keep what they have" {
    about "sent SIGTERM while 20 clients were idle and one had its echo unread" \
        "shutdown(SHUT_WR) when all is sent, then wait for the client's FIN: a close with unread input resets the connection, and a reset takes what the client has not read" \
        "step05_final/stages/10_drain/README.md, \"The idea\""
    start_server --drain-timeout 60000
    # Of p all has come, and a part of it is not even read yet.
    probe 'within 8000' 'open i*20' 'echo i "x"' 'open p rcvbuf=4k mss=536' 'clog p' 'signal TERM' \
        'eof i' 'send i "too late"' 'close i' 'drink p' 'eof p' 'close p' gone
    expect_exit 0
}

# bats test_tags=promise:drain-softly,needs:drain-answers,stage:10
@test "SIGTERM: a client that goes on sending keeps what it has not read" {
    about "let the echo of 200 KB come without reading it, sent SIGTERM, sent on, then read" \
        "shutdown(SHUT_WR) and wait for the client's FIN: a byte that comes to a closed socket brings a reset back" \
        "step05_final/stages/10_drain/README.md, \"The idea\""
    start_server --drain-timeout 60000
    # When the server sleeps, a has been told the end as well, in whatever order it tells them.
    probe 'within 8000' 'open a rcvbuf=4k' 'pour a max=200k' 'arrived a' asleep 'open b' \
        'echo b "x"' 'signal TERM' 'eof b' asleep 'send a "too late"' 'drink a' 'eof a' \
        'close a' 'close b' gone
    expect_exit 0
}

# bats test_tags=promise:drain-ends,needs:drain-answers,needs:log-lines,stage:10
@test "SIGTERM: a client that always has one more to say is told the end" {
    about "sent SIGTERM to a server with a drain timeout of a minute, while clients sent the next message as soon as they had an answer" \
        "whether something is left to answer is asked before the answer leaves: afterwards there always is" \
        "step05_final/stages/10_drain/README.md, \"The idea\""
    # One worker, two clients: one of them waits with its message when the signal comes, for
    # both have been at it for a while.
    start_server -t 1 -w 5000 --log-level debug --drain-timeout 60000
    local i
    for i in 1 2; do
        timeout 40 "$TOOLS/load" -p "$PORT" -c 1 -t 30 -w 0 >/dev/null 2>&1 3>&- 4>&- &
        STARTED_PIDS+=($!)
    done
    wait_until 20000 both_accepted || report "$(<"$SERVER_ERR")" "two lines with what=accepted"
    local before
    before=$(switches)
    wait_until 20000 has_worked "$before" 60
    kill -TERM "$SERVER_PID"
    expect_exit 0 8000
}

# bats test_tags=promise:drain-timeout,needs:drain-answers,stage:10
@test "--drain-timeout says how long" {
    about "sent SIGTERM to a server with a drain timeout of 0.2 s, then to one of 4 s, with a client that does not take its answers" \
        "the deadline runs from the signal; until then the client may still take its answers" \
        "step05_final/stages/10_drain/README.md, \"The idea\""
    start_server --drain-timeout 200
    probe 'within 10000' 'open p' 'pour p blocks' mark 'signal TERM' 'within 1500' gone
    expect_exit 0
    start_server --drain-timeout 4000
    probe 'within 10000' 'open p' 'pour p blocks' mark 'signal TERM' 'within 8000' gone \
        'grew clock min=4000'
    expect_exit 0
}

# bats test_tags=promise:drain-timeout,needs:drain-answers,needs:log-lines,stage:10
@test "SIGTERM: the deadline ends clients that do not leave" {
    about "sent SIGTERM while one client did not read and one did not close" \
        "the drain has a deadline: then the process ends all the same" "step05_final/stages/10_drain/README.md, \"The idea\""
    start_server
    probe 'within 10000' 'open i' 'open p' 'pour p blocks' mark 'signal TERM' 'within 2500' gone \
        'grew clock min=900'
    expect_exit 0
    expect_log 'what=stopped .*open=2'
}

# The thread that is left behind is what ThreadSanitizer calls a leak.
# bats test_tags=exact,promise:drain-timeout,needs:drain-answers,needs:log-lines,stage:10
@test "SIGTERM: the deadline ends a long process call" {
    about "sent SIGTERM while a worker was in a process call of 20 s" \
        "a thread in process cannot be stopped, and must not be waited for: say so in the log and _exit" \
        "step05_final/stages/10_drain/README.md, \"The idea\""
    start_server -w 20000000
    probe 'open a' 'send a "query\n"' 'arrived a' asleep mark 'signal TERM' 'within 2500' gone \
        'grew clock min=900'
    expect_exit 0
    expect_log 'busy=1'
}

# bats test_tags=promise:second-signal,needs:drain-answers,stage:10
@test "a second signal ends it at once" {
    about "sent SIGTERM and SIGINT to a server with a drain timeout of a minute and a client that does not leave" \
        "who asks twice means it" "step05_final/stages/10_drain/README.md, \"The idea\""
    start_server --drain-timeout 60000
    # It waits for a, until the second signal.
    probe 'open a' 'echo a "x"' 'signal TERM' 'eof a' 'refused soon' asleep 'signal INT' gone
    expect_exit 0
}

# bats test_tags=promise:hangup,needs:drain-answers,stage:10
@test "SIGHUP: all that has come is answered" {
    about "sent SIGHUP, and once more, while two requests of 1.5 s were processed and another client was idle" \
        "a terminal that is closed sends SIGHUP: drain as for SIGTERM; its shell may send it as well, so a second one is no reason to hurry" \
        "step05_final/stages/10_drain/README.md, \"The idea\""
    start_server -t 4 -w 1500000 --drain-timeout 60000
    probe 'within 10000' 'open i' 'open x*2' stop 'send x "query\n"' 'arrived x' cont asleep \
        'signal HUP' 'eof i' 'signal HUP' 'expect x "query\n"' 'eof x' 'close x' 'close i' gone
    expect_exit 0
}

# bats test_tags=promise:hangup,needs:drain-answers,stage:10
@test "SIGHUP under nohup: it goes on" {
    about "started the server under nohup, sent it SIGHUP, and sent messages" \
        "a signal that is ignored when the program starts stays ignored; blocked, it would be pending all the same" \
        "step05_final/stages/10_drain/README.md, \"The idea\""
    SERVER_WRAP="nohup"
    start_server
    probe 'open a' 'echo a "x"' 'signal HUP' 'echo a "still here"' 'visit 20 "hello"' 'echo a "and here"'
    refute grep 'what=drain' "$SERVER_ERR"
    stop_server
}

# ---- the log ----------------------------------------------------------------------

# bats test_tags=promise:log-lines,needs:long-options,stage:02
@test "a log line is time, level, what, and pairs" {
    about "started and stopped the server at the level debug, with one client" \
        "logfmt: key=value, a line per event" "step05_final/stages/02_log/README.md, \"The idea\""
    start_server --log-level debug
    probe 'visit 1 "hello"'
    stop_server
    local line form='^time=20[0-9-]+T[0-9:.]+Z level=(error|warn|info|debug) what=[a-z_]+'
    form+='( [a-z_]+=([^" ]+|"([^"\\]|\\.)*"))*$'
    while read -r line; do
        [[ $line =~ $form ]] ||
            report "the line: $line" "time=... level=... what=... and key=value pairs"
    done <"$SERVER_ERR"
    expect_log 'level=debug what=accepted .*conn=[0-9]'
    expect_log 'level=info what=stopped'
}

# bats test_tags=promise:log-lines,needs:long-options,stage:02
@test "--log-level error is silent about clients" {
    about "started the server at the level debug, then at the level error, and let clients come and go" \
        "lines below the level are not written" "step05_final/stages/02_log/README.md, \"The idea\""
    start_server --log-level debug
    probe 'visit 3 "hello"'
    expect_log 'level=debug'
    stop_server
    start_server --log-level error
    probe 'visit 3 "hello"' 'vanish 50 reset'
    stop_server
    [[ ! -s $SERVER_ERR ]] || report "stderr: $(server_stderr)" "nothing on stderr"
}

# with_stderr REDIRECTION: start_server will run the server with it.
with_stderr() {
    printf '#!/bin/bash\nexec "$@" %s\n' "$1" >"$BATS_TEST_TMPDIR/redirected"
    chmod +x "$BATS_TEST_TMPDIR/redirected"
    SERVER_WRAP="$BATS_TEST_TMPDIR/redirected"
}

# bats test_tags=promise:log-never-blocks,needs:log-lines,stage:02
@test "a stderr that is not read blocks nothing" {
    about "started the server at the level debug with stderr on a full pipe, let 2,000 clients come" \
        "ask poll before each write; what does not fit is lost, and counted" "step05_final/stages/02_log/README.md, \"The idea\""
    mkfifo "$BATS_TEST_TMPDIR/pipe"
    with_stderr "2<>'$BATS_TEST_TMPDIR/pipe'"
    start_server --log-level debug
    probe 'visit 2000 "hello"'
    # Now somebody reads what is there, 64 KiB but for a line: the next line says how many
    # were lost.
    exec 5<>"$BATS_TEST_TMPDIR/pipe"
    timeout 20 head -c 60000 <&5 >/dev/null 5>&- || report "a pipe that is not full" "lines enough to fill it"
    probe 'visit 1 "hello"'
    timeout 20 grep -q -m 1 ' lost=[1-9]' <&5 5>&- || report "no line says lost=N" "one that does"
    exec 5>&-
    stop_server
}

# bats test_tags=promise:log-never-blocks,needs:log-lines,stage:02
@test "a terminal that is not read blocks nothing" {
    about "started the server at the level debug with stderr on a terminal that nobody reads, let 2,000 clients come" \
        "poll promises room for a byte, not for a line: open what is behind stderr once more, with O_NONBLOCK" \
        "step05_final/stages/02_log/README.md, \"The idea\""
    SERVER_WRAP="$TOOLS/terminal"
    start_server --log-level debug
    probe 'visit 2000 "hello"'
    stop_server
}

# bats test_tags=promise:log-descriptor,needs:log-lines,stage:02
@test "descriptor 2 is never a socket" {
    about "started the server with stderr closed" \
        "the next descriptor that is opened gets the lowest number: see that 0, 1 and 2 are taken" \
        "step05_final/stages/02_log/README.md, \"The idea\""
    with_stderr '2>&-'
    start_server --log-level debug
    [[ $(readlink "/proc/$SERVER_PID/fd/2") == /dev/* ]] ||
        report "descriptor 2 is $(readlink "/proc/$SERVER_PID/fd/2")" "/dev/null, or the like"
    stop_server
}

# bats test_tags=promise:log-descriptor,needs:log-lines,stage:02
@test "a closed stderr, a full disk: the server goes on" {
    about "started the server at the level debug with stderr closed, then on a full device" \
        "keep descriptor 2 occupied, or a client's socket gets its number and the log lines" \
        "step05_final/stages/02_log/README.md, \"The idea\""
    local redirection
    for redirection in '2>&-' '2>/dev/full' '<&- 2>&-'; do
        with_stderr "$redirection"
        start_server --log-level debug
        probe 'visit 20 "hello"' 'open a' 'echo a "no log line here"' 'half-close a' 'eof a'
        stop_server
    done
}
