#!/usr/bin/env bats
# What step 03 promises: ten thousand connections, of which the idle ones cost nothing per
# wake-up. Every later step keeps it. The tests tagged `wall` show what step 03 cannot do.
#
# bats file_tags=step03

load ../tests/lib.bash
load ../tests/counting.bash

HERE=step03_epoll/README.md
MANY=10000

# Client and server are two processes, each with a limit of its own, the same for both.
enough_descriptors() { (($(ulimit -Hn) >= MANY + 100)); }

# bats test_tags=promise:ten-thousand,needs:many-clients
@test "10,000 connections" {
    about "connected 10,000 clients, sent a message as each of them" \
        "raise the soft limit of descriptors to the hard one; do not use select; take memory per connection, not per descriptor number" \
        "$HERE, \"Ten thousand connections\""
    enough_descriptors || skip "this machine allows $(ulimit -Hn) descriptors (ulimit -Hn)"
    start_server
    probe 'within 20000' "open x*$MANY" 'echo x "first\n"' 'open late' 'echo late "hello\n"' \
        'echo x "second\n"'
    stop_server
}

# bats test_tags=promise:descriptor-limit,needs:silent-clients
@test "the soft limit of descriptors is raised" {
    about "started the server with a soft limit of 64 descriptors, connected 500 clients" \
        "setrlimit(RLIMIT_NOFILE): the soft limit may go up to the hard one" \
        "$HERE, \"Ten thousand connections\""
    start_with_limit -S
    probe 'within 10000' 'open x*500' 'echo x "hello\n"'
    stop_server
}

# bats test_tags=promise:descriptor-limit,needs:silent-clients
@test "says so if the hard limit is too low for 10,000 connections" {
    about "started the server with a hard limit of 64 descriptors" \
        "whoever expects 10,000 connections should learn from stderr why there are 50" \
        "$HERE, \"Ten thousand connections\""
    start_with_limit -SH
    grep -q 64 "$SERVER_ERR" || report "stderr: $(server_stderr)" "a line that names the limit, 64"
    probe 'visit 3 "hello"'
    stop_server
}

# start_with_limit -S|-SH: the server may hold 64 descriptors, softly or firmly.
start_with_limit() {
    # shellcheck disable=SC2016 # $0 and $@ are the inner shell's
    printf '#!/bin/bash\nulimit %s -n 64\nexec "$@"\n' "$1" >"$BATS_TEST_TMPDIR/limited"
    chmod +x "$BATS_TEST_TMPDIR/limited"
    SERVER_WRAP="$BATS_TEST_TMPDIR/limited ${SERVER_WRAP-}"
    start_server
}

# bats test_tags=exact,promise:idle-is-free,needs:silent-clients
@test "idle connections cost nothing per wake-up" {
    about "counted the descriptors that the kernel is asked about, for each message of one client beside 800 idle ones" \
        "select and poll bring the whole list along each time; epoll_wait does not" \
        "$HERE, \"The interest list\""
    counted_server
    count_load -c 1 -i 800 -t 0.3
    (($(counts watched) <= 4 * REPLIES)) ||
        report "$(($(counts watched) / REPLIES)) descriptors for each message" "4 or fewer"
    stop_server
}

# bats test_tags=exact,stage:07,promise:kernel-keeps-list
@test "the kernel keeps the list" {
    about "counted the calls of epoll_ctl for 2,000 messages of 10 clients" \
        "one ADD per connection, and a change only when what is wanted changes; an epoll_ctl before each wait makes epoll as slow as select" \
        "$HERE, \"The interest list\""
    # Step 04 pays one epoll_ctl per request for its one-shot events; stage 05.07 pays none again.
    counted_server
    count_load -c 10 -t 0.3
    (($(counts epoll_ctl) <= 100 + REPLIES / 10)) ||
        report "$(counts epoll_ctl) calls for $REPLIES messages" "a few for each connection"
    stop_server
}

# bats test_tags=wall,promise:slow-process
@test "wall: one slow process call stalls everyone" {
    about "sent a message as each of 8 clients to a server whose process call takes 0.3 s" \
        "one thread does all the work, one request after the other" \
        "$HERE, \"The interest list\""
    start_server -w 300000
    probe 'open x*8' mark 'send x "query\n"' 'within 10000' 'expect x "query\n"' \
        'grew clock min=2400' || past_the_wall slow_calls_overlap
    stop_server
}

slow_calls_overlap() {
    start_server -w 300000 && probe 'open x*8' mark 'send x "query\n"' 'within 10000' \
        'expect x "query\n"' 'grew clock max=2000'
}

# bats test_tags=wall,promise:one-core
@test "wall: one core" {
    about "let 8 clients compute for 0.2 s each, and looked how many threads of the server wanted a core at the same time" \
        "one thread can use one core" \
        "$HERE, \"The interest list\""
    start_server -c 200000
    probe 'open x*8' 'send x "query\n"'
    wait_until 5000 cores_wanted 1
    refute wait_until 1000 cores_wanted 2 || past_the_wall two_cores_wanted
    stop_server 3000
}

two_cores_wanted() {
    local probe_pid
    start_server -c 300000 || return 1
    probe 'open x*4' 'send x "query\n"' 'within 15000' 'expect x "query\n"' &
    probe_pid=$!
    wait_until 20000 computed_together && wait "$probe_pid"
}
