#!/usr/bin/env bats
# What step 02 promises: many clients in one thread, none of whom holds up the others.
# Every later step keeps it. The tests tagged `wall` show what step 02 cannot do.
#
# bats file_tags=step02

load ../tests/lib.bash
load ../tests/counting.bash

HERE=step02_select/README.md

LOAD_PID=''

# start_load ARGUMENT...: a load on the server, in the background.
start_load() {
    timeout 20 "$TOOLS/load" -p "$PORT" "$@" >"$BATS_TEST_TMPDIR/load" 2>&1 3>&- 4>&- &
    LOAD_PID=$!
    STARTED_PIDS+=("$LOAD_PID")
}

# has_connections COUNT: that many, or more.
has_connections() { (($(fd_count) >= START_FDS + $1)); }

# bats test_tags=promise:silent-clients,needs:end-of-stream,needs:none-forgotten,needs:one-worker-each
@test "silent clients delay no other" {
    about "connected 50 clients that say nothing, then sent a message as one more" \
        "a recv on a socket that has nothing blocks the thread: wait for readiness before each recv, and make the sockets non-blocking" \
        "$HERE, \"Non-blocking sockets\""
    start_server
    probe 'open s*50' 'open b' 'echo b "hello\n"' 'half-close b' 'eof b' 'echo s "and we\n"'
    stop_server
}

# bats test_tags=promise:many-clients,needs:silent-clients
@test "900 clients at once" {
    about "connected 900 clients, sent a message as each of them, twice" \
        "every connection needs its own state: a buffer or a position that two share mixes them up" \
        "$HERE, \"The state of a connection\""
    start_server
    probe 'within 10000' 'open x*900' 'echo x "first\n"' 'echo x "second message\n"' \
        'half-close x' 'eof x'
    stop_server
}

# bats test_tags=promise:many-clients,needs:silent-clients,needs:any-length
@test "50 streams at once" {
    about "sent 200 KB as each of 50 clients at the same time, reading what comes back" \
        "after a short send the rest must be kept, per connection, and sent from where it stopped" \
        "$HERE, \"Backpressure\""
    start_server
    probe 'within 10000' 'open x*50' 'stream x 200k'
    stop_server
}

# bats test_tags=promise:stuck-clients,needs:silent-clients,needs:late-reader
@test "a client that never reads delays no other and loses nothing" {
    about "sent as client p until nothing more went, without reading; then a message as client b; then read as p" \
        "keep what send did not take and wait until that socket is writable; never wait inside send" \
        "$HERE, \"Backpressure\""
    start_server
    probe 'within 10000' 'open p' 'pour p blocks' 'open b' 'echo b "hello\n"' 'stream b 100k' \
        'drink p' 'echo p "again\n"'
    stop_server
}

# bats test_tags=promise:stuck-clients,needs:silent-clients,needs:late-reader
@test "a client that half-closes with its echo unread gets all of it" {
    about "sent as client p until nothing more went, half-closed, then read" \
        "the end of the input is not the end of the output: close when all has been sent" \
        "$HERE, \"Backpressure\""
    start_server
    probe 'within 10000' 'open p' 'pour p blocks' 'half-close p' 'drink p slow' 'eof p'
    # There, the end of the input comes late. Here it is with the server for certain, and
    # the server stuck for certain, before the client reads. (Small segments keep the
    # buffers small.)
    probe 'within 10000' 'open p rcvbuf=4k mss=536' 'clog p' 'half-close p' 'arrived p' \
        asleep 'drink p' 'eof p'
    stop_server
}

# bats test_tags=exact,promise:bounded-output,needs:silent-clients
@test "clients that never read cost little memory" {
    about "sent up to 8 MB as each of 20 clients that never read" \
        "while output is pending, do not read: then one buffer is all that a client can fill" \
        "$HERE, \"Backpressure\""
    start_server
    probe 'within 10000' 'open a' 'echo a "warm\n"' mark 'open p*20' 'pour p max=8M' \
        'grew rss max=4000' 'echo a "alive\n"'
    stop_server
}

# bats test_tags=exact,promise:idle-is-asleep,needs:silent-clients
@test "waiting costs no CPU time" {
    about "left 100 clients idle, one with its echo unread, one of those half-closed, for a second" \
        "the loop turns without anything to do: perhaps it waits for writable when there is nothing to write, or for an end that it has already seen" \
        "$HERE, \"The reactor\""
    start_server
    # On a busy machine a loop that never waits may get little CPU time; but it never sleeps.
    probe 'within 5000' 'open i*100' 'echo i "x"' 'open p*2' 'pour p blocks' 'half-close p' \
        'open w' 'echo w "settled"' asleep mark 'silent w 1000' 'grew cpu max=60' 'echo i "y"'
    stop_server
}

# bats test_tags=promise:resets-alone,needs:silent-clients,needs:reset
@test "resets of some leave the others alone" {
    about "connected 100 clients, reset 50 of them, some with data on the way" \
        "an error of one socket ends that connection, and nothing else" \
        "step01_blocking/README.md, \"Errors end one connection\""
    start_server
    probe 'open a*50' 'open r*50' 'echo a "one\n"' 'echo r "one\n"' 'send r random:20k' \
        'reset r' 'echo a "two\n"' 'open n*50' 'echo n "three\n"' 'echo a "four\n"'
    stop_server
}

# bats test_tags=promise:resets-alone,needs:silent-clients,needs:reset
@test "a client that resets while others are ready as well" {
    about "stopped the server, queued messages of 40 clients and the resets of 20, let it go on" \
        "within one batch of ready connections, one may be gone when its turn comes" \
        "$HERE, \"The reactor\""
    start_server
    probe 'open a*20' 'open r*20' 'echo a "one\n"' 'echo r "one\n"' stop 'send a "two\n"' \
        'send r "two\n"' 'reset r' 'open n*20' 'send n "new\n"' cont 'expect a "two\n"' \
        'expect n "new\n"' 'echo a "three\n"'
    stop_server
}

# bats test_tags=promise:fair-turns,needs:silent-clients
@test "a client that sends without a pause does not starve the others" {
    about "sent as fast as possible on 4 connections, then a message as one more" \
        "one recv per readiness, not until the socket is empty: a fast client's never is" \
        "$HERE, \"The reactor\""
    local few=()
    ! step_at_least 04 || few=(-t 2) # or there were a worker for each
    start_server "${few[@]}"
    start_load -c 4 -s 65536 -d 16 -t 3 -w 0
    wait_until 20000 has_connections 4
    probe 'within 5000' 'visit 1 "hello"' 'visit 20 "hello"'
    expect_alive
    stop_server
}

# bats test_tags=promise:fair-turns,needs:silent-clients,needs:wait-option
@test "a client with much to say does not delay the others" {
    about "queued 300 KB of client a, then one byte of client b, for a server whose process call takes 0.2 s" \
        "one recv per readiness, and the others before the next: not all that a client has sent" \
        "$HERE, \"The reactor\""
    local few=()
    ! step_at_least 04 || few=(-t 1) # or another worker would have time for b
    start_server -w 200000 "${few[@]}"
    # All of a takes 19 calls, 3.8 s.
    probe 'open a' 'open b' stop 'send a random:300k' 'send b "x"' mark cont 'within 10000' \
        'expect b "x"' 'grew clock max=1800'
    expect_alive
}

# bats test_tags=promise:many-clients,needs:silent-clients
@test "hundreds that wait in the accept queue" {
    about "connected 300 clients and sent a message as each while the server was stopped, let it go on" \
        "accept until nobody waits, or let the poller report again whoever does" \
        "$HERE, \"The reactor\""
    start_server
    probe stop 'open x*300' 'send x "hello\n"' cont 'within 5000' 'expect x "hello\n"'
    stop_server
}

# bats test_tags=promise:stop-under-load,needs:silent-clients,needs:stop-signals,needs:wait-option
@test "SIGTERM ends it under full load" {
    about "queued a message of each of 100 clients for a server whose process call takes 0.1 s, sent SIGTERM" \
        "pselect and epoll_pwait let a signal in only when nothing is ready; under load something always is. Look whether one is pending" \
        "$HERE, \"Stop signals\""
    # From the first answer on somebody is ready at any time, for 10 s.
    start_server -w 100000
    probe 'within 10000' 'open a' stop 'send a "hello\n"' 'open x*100' 'send x "hello\n"' cont \
        'expect a "hello\n"' 'signal TERM' "within $STOP_LIMIT_MS" gone
    expect_exit 0
}

# bats test_tags=promise:many-descriptors,needs:many-clients,needs:descriptors
@test "descriptors return to their base line after 900 clients" {
    about "connected 900 clients; half of them left with a close, half with a reset" \
        "every way out of a connection must close its descriptor" \
        "$HERE, \"The state of a connection\""
    start_server
    probe 'visit 1 "warm"'
    local base
    base=$(fd_count)
    probe 'within 10000' 'open c*450' 'open r*450' 'echo c "x"' 'echo r "x"' 'close c' 'reset r'
    expect_fds "$base"
    stop_server
}

# bats test_tags=wall,promise:select-limit
@test "wall: at most 1,024 descriptors" {
    about "connected 1,100 clients" \
        "FD_SET with a descriptor from FD_SETSIZE on writes behind the set: close such a connection at once" \
        "$HERE, \"FD_SETSIZE\""
    start_server
    # Those whose descriptors select cannot watch are closed; all others are served, and
    # when some have left (and the server has seen it), others may come.
    probe 'within 10000' mark 'open a*900' 'echo a "first\n"' 'open b*120' 'open c*80' \
        'closed c' 'echo a "second\n"' 'close b' 'close a' 'grew fds max=0' 'open d*500' \
        'echo d "third\n"' || past_the_wall more_than_1024
    expect_alive
    stop_server
}

more_than_1024() {
    start_server && probe 'within 10000' 'open a*900' 'open b*200' 'echo a "first\n"' \
        'echo b "second\n"'
}

# bats test_tags=wall,promise:cost-per-wakeup
@test "wall: each wake-up costs as much as there are connections" {
    about "counted the descriptors that the kernel is asked about, for each message of one client beside 800 idle ones" \
        "select brings the whole list along each time" \
        "$HERE, \"The reactor\""
    counted_server
    count_load -c 1 -i 800 -t 0.3
    (($(counts watched) >= 400 * REPLIES)) ||
        report "$(($(counts watched) / REPLIES)) descriptors for each message" "400 or more" ||
        past_the_wall few_are_watched
    stop_server
}

few_are_watched() { ((REPLIES > 0 && $(counts watched) <= 4 * REPLIES)); }
