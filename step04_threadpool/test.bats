#!/usr/bin/env bats
# What step 04 promises: slow work overlaps and all cores work, and yet each connection is
# served by one thread at a time. Step 05 keeps it. The tests tagged `wall` show what
# step 04 cannot do.
#
# bats file_tags=step04

load ../tests/lib.bash
load ../tests/counting.bash

HERE=step04_threadpool/README.md

# bats test_tags=promise:overlap,needs:none-forgotten,needs:wait-option,needs:stop-and-continue
@test "slow work overlaps" {
    about "sent a message as each of 8 clients to a server with 8 workers whose process call takes 0.5 s" \
        "process must run in the workers, not in the main thread, and not under the lock of the queue" \
        "$HERE, \"Handing over\""
    start_server -t 8 -w 500000
    # All at once, so that none finds a worker that another has woken before.
    probe 'open x*8' stop 'send x "query\n"' mark cont 'within 10000' 'expect x "query\n"' \
        'grew clock max=2000'
    stop_server
}

# bats test_tags=promise:several-cores,needs:overlap,needs:cpu-option
@test "several cores are wanted at the same time" {
    about "let 4 clients compute for 0.3 s each, and looked whether two threads of the server computed at the same time" \
        "the workers wait for each other: perhaps run is called under the lock of the queue" \
        "$HERE, \"The pool\""
    start_server -t 4 -c 300000
    probe 'open x*4' 'send x "query\n"' 'within 15000' 'expect x "query\n"' &
    local probe_pid=$!
    wait_until 20000 computed_together || report "never two threads at a time" "two or more"
    wait "$probe_pid"
    stop_server
}

# bats test_tags=promise:none-forgotten,needs:echo
@test "more slow requests than workers" {
    about "sent a message as each of 12 clients to a server with 4 workers whose process call takes 0.2 s" \
        "what does not find a free worker waits in the queue, and none is forgotten" \
        "$HERE, \"The pool\""
    start_server -t 4 -w 200000
    probe 'open x*12' 'send x "query\n"' 'within 5000' 'expect x "query\n"' 'echo x "again\n"'
    stop_server
}

# threads_at_work WORKERS: sets THREADS, how many there are when more requests have come than
# there are workers, so that each worker has begun. (There may be others than the main thread
# and the workers, and workers may be started late.)
threads_at_work() {
    start_server -t "$1" -w 2000000
    probe 'open x*20' 'send x "query\n"' 'arrived x' asleep
    local tasks=("/proc/$SERVER_PID/task/"*)
    THREADS=${#tasks[@]}
    kill_servers
}

# bats test_tags=exact,promise:thread-count,needs:silent-clients
@test "-t says how many threads there are" {
    about "started the server with -t 3, then with -t 5, and counted its threads while they worked" \
        "a fixed pool: the main thread, and as many workers as -t says" \
        "$HERE, \"The pool\""
    local three
    threads_at_work 3
    three=$THREADS
    threads_at_work 5
    ((THREADS == three + 2)) ||
        report "$three threads with -t 3, $THREADS with -t 5" "two more with -t 5"
    ABOUT_DID="started the server with -t 3, counted its threads with 201 clients connected"
    ABOUT_WHY="no thread per connection"
    start_server -t 3
    probe 'open a' 'echo a "hello\n"' mark 'open x*200' 'echo x "hello\n"' 'grew threads max=2'
    stop_server
}

# bats test_tags=exact,promise:thread-count,needs:silent-clients,needs:wait-option
@test "-t says how many threads there are, also under load" {
    about "sent a message as each of 20 clients, then of 20 more, to a server started with -t 3 and a process call of 2 s, and counted its threads while it was at them" \
        "a fixed pool: what finds no free worker waits in the queue; no thread per request" \
        "$HERE, \"The pool\""
    start_server -t 3 -w 2000000
    # All that can begin has begun when all are asleep; stopped, no thread comes or goes.
    probe 'open x*20' 'send x "query\n"' 'arrived x' asleep mark 'open y*20' \
        'send y "query\n"' 'arrived y' asleep stop 'grew threads max=0' cont
    end_server
}

# at_work COUNT ARGUMENT...: with a process call of half a minute and more clients than workers,
# COUNT process calls go on at the same time. Nobody waits for them to end.
at_work() {
    local wanted=$1 working
    shift
    counted_server -w 30000000 "$@"
    probe "open x*$((wanted + 9))" 'send x "query\n"' 'arrived x' asleep
    working=$(counts sleeping)
    ((working == wanted)) || report "$working process calls at the same time" "$wanted"
    end_server
}

# bats test_tags=exact,promise:overlap,needs:none-forgotten,needs:wait-option,needs:stop-and-continue
@test "-t says how many requests are processed at the same time" {
    about "sent a message as each of 29 clients to a server started with -t 20, and counted the process calls that went on at the same time; then with -t 1" \
        "each worker takes a task when there is one: perhaps there are fewer workers than -t says, only some of them are woken, or they wait for each other" \
        "$HERE, \"The pool\""
    at_work 20 -t 20
    at_work 1 -t 1
}

# bats test_tags=promise:none-forgotten,needs:echo,needs:stop-and-continue
@test "none of 5,000 requests is forgotten" {
    about "stopped the server, sent a message as each of 5,000 clients, let it go on" \
        "the queue has room for one task of each connection, however many there are: none may be dropped when an array is full" \
        "$HERE, \"The pool\""
    (($(ulimit -Hn) >= 5100)) || skip "this machine allows $(ulimit -Hn) descriptors (ulimit -Hn)"
    local PROBE_TIMEOUT=60
    # Each takes a worker a little longer than it takes the main thread to hand it over.
    start_server -t 4 -w 100
    probe 'within 30000' 'open x*5000' stop 'send x "hello\n"' cont 'expect x "hello\n"'
    stop_server
}

# bats test_tags=exact,promise:stop-with-queue,needs:stop-signals,needs:wait-option
@test "SIGTERM ends it with 1,100 requests in the queue" {
    about "sent a message as each of 1,100 clients to a server with one worker whose process call takes 0.5 s, and SIGTERM when no thread had anything else to do" \
        "the main thread must not wait for room in a queue: nobody would see the signal. What waits in the queue is not processed any more" \
        "$HERE, \"Shutdown\""
    local patient=()
    ! has_option --drain-timeout || patient=(--drain-timeout 500)
    start_server -t 1 -w 500000 "${patient[@]}"
    # All at once, so that the main thread has them all in its hands when the signal comes.
    probe 'within 10000' 'open x*1100' asleep stop 'send x "query\n"' 'arrived x' cont asleep \
        'signal TERM' "within $((STOP_LIMIT_MS + 500))" gone
    expect_exit 0
}

# bats test_tags=exact,promise:first-come,needs:none-forgotten,needs:wait-option,needs:stop-and-continue
@test "first come, first served" {
    about "queued a message as each of 4 clients, for one worker with a process call of 0.2 s" \
        "a queue has two ends: append to the one, take from the other" \
        "$HERE, \"The pool\""
    start_server -t 1 -w 200000
    probe 'within 5000' 'open a' 'open b' 'open c' 'open d' stop 'send a "1"' 'send b "2"' \
        'send c "3"' 'send d "4"' cont 'expect a "1"' 'expect b "2"' 'expect c "3"' \
        'expect d "4"' 'in-order a b c d'
    # Not only those that come together: b waits for a, and c comes later still.
    probe 'within 5000' 'open a' 'open b' 'open c' 'send a "1"' 'arrived a' asleep \
        'send b "2"' 'arrived b' asleep 'send c "3"' 'expect a "1"' 'expect b "2"' \
        'expect c "3"' 'in-order a b c'
    stop_server
}

# bats test_tags=exact,promise:requests-in-turn,needs:one-worker-each,needs:wait-option
@test "one request of a client at a time" {
    about "sent a message and, while it was processed for a second, one more, with 4 workers" \
        "a connection that is being served must not be queued again, or answers overtake each other" \
        "$HERE, \"Re-arm last\""
    start_server -t 4 -w 1000000
    probe 'open a' mark 'send a "message 1\n"' 'arrived a' asleep 'send a "message 2\n"' \
        'within 5000' 'expect a "message 1\nmessage 2\n"' 'grew clock min=2000'
    stop_server
}

# bats test_tags=promise:one-worker-each,needs:none-forgotten,needs:end-of-stream
@test "one connection has one worker at a time" {
    about "sent 100 KB in small pieces as each of 30 clients, with 16 workers" \
        "two workers serve one connection: an event must be a token (EPOLLONESHOT), armed again only when all is done" \
        "$HERE, \"Re-arm last\""
    start_server -t 16
    probe 'within 10000' 'open x*30' 'stream x 100k chunk=50'
    stop_server
}

# bats test_tags=promise:no-worker-waits,needs:stuck-clients
@test "slow readers occupy no worker" {
    about "let 10 clients send without reading to a server with 2 workers, then sent a message as one more" \
        "a worker must not wait for a socket to become writable: keep the rest, wait for EPOLLOUT, go on" \
        "$HERE, \"Handing over\""
    start_server -t 2
    probe 'within 10000' 'open p*10' 'pour p blocks' 'visit 5 "hello"' 'drink p'
    stop_server
}

# bats test_tags=promise:no-worker-waits,needs:silent-clients
@test "silent clients occupy no worker" {
    about "connected 50 silent clients to a server with 2 workers, then sent a message as one more" \
        "a worker must not wait in recv: hand over what is ready, and nothing else" \
        "$HERE, \"Handing over\""
    start_server -t 2
    probe 'open s*50' 'visit 5 "hello"' 'echo s "hello\n"'
    stop_server
}

# bats test_tags=exact,promise:finish-process,needs:stop-signals,needs:wait-option
@test "SIGTERM: a worker finishes what it is at" {
    about "sent a message to a server whose process call takes 1 s, and SIGTERM while a worker was at it" \
        "join the workers: to return from main before is to end them in the middle of a request" \
        "$HERE, \"Shutdown\""
    local patient=()
    ! has_option --drain-timeout || patient=(--drain-timeout 60000)
    start_server -w 1000000 "${patient[@]}"
    probe 'within 5000' 'open a' 'send a "query\n"' 'arrived a' asleep 'signal TERM' \
        'expect a "query\n"' 'close a' gone
    expect_exit 0
}

# bats test_tags=wall,promise:epoll-ctl-per-message
@test "wall: one epoll_ctl for each request" {
    about "counted the calls of epoll_ctl for the messages of 10 clients" \
        "a one-shot event must be armed again for each request" \
        "$HERE, \"Re-arm last\""
    counted_server
    count_load -c 10 -t 0.3
    (($(counts epoll_ctl) >= REPLIES)) ||
        report "$(counts epoll_ctl) calls for $REPLIES messages" "at least as many" ||
        past_the_wall registered_once
    stop_server
}

registered_once() { ((REPLIES > 0 && $(counts epoll_ctl) <= 100 + REPLIES / 10)); }

# bats test_tags=wall,promise:unbounded-connections
@test "wall: no bound on connections" {
    about "connected 3,000 clients that sent one message and then nothing" \
        "each connection has a buffer of its own, used or not" \
        "$HERE, \"The pool\""
    start_server
    probe 'within 10000' 'open w' 'echo w "warm"' mark 'open x*3000' 'echo x "hello\n"' \
        'grew rss min=6000' 'echo x "all of us are here\n"' || past_the_wall idle_ones_cost_little
    stop_server
}

idle_ones_cost_little() {
    start_server && probe 'within 10000' 'open w' 'echo w "warm"' mark 'open x*3000' \
        'echo x "hello\n"' 'grew rss max=6000' 'echo x "all of us are here\n"'
}

# bats test_tags=wall,promise:silent-stays
@test "wall: a silent client stays forever" {
    about "connected a client that said nothing for 1.5 s" \
        "nobody looks at the clock" \
        "$HERE, \"The pool\""
    start_server
    probe 'open a' 'echo a "hello\n"' 'silent a 1500' 'echo a "still here\n"' ||
        past_the_wall the_silent_are_closed
    stop_server
}

the_silent_are_closed() {
    start_server && probe 'open a' 'echo a "hello\n"' 'within 10000' 'closed a'
}

# bats test_tags=wall,promise:replies-dropped
@test "wall: SIGTERM drops replies in flight" {
    about "queued a request as each of two clients, with one worker, and sent SIGTERM" \
        "a worker finishes what it is at; what is still queued is dropped" \
        "$HERE, \"Shutdown\""
    start_server -t 1 -w 300000
    # Whichever is first, the other is still queued when the signal comes.
    probe 'open x*2' stop 'send x "query\n"' 'signal TERM' cont gone
    expect_exit 0
    refute queued_ones_are_answered || past_the_wall queued_ones_are_answered
}

queued_ones_are_answered() {
    start_server -t 1 -w 300000 &&
        probe 'open x*2' stop 'send x "query\n"' 'signal TERM' cont 'expect x "query\n"'
}

# bats test_tags=wall,promise:accept-spins
@test "wall: out of descriptors it spins" {
    about "let more clients wait than a server with 32 descriptors can take, and counted its accepts" \
        "the listener stays ready while no descriptor is free, and accept fails each time" \
        "$HERE, \"The pool\""
    SERVER_WRAP="prlimit --nofile=32:32"
    counted_server
    # They stay to the end.
    probe 'open a*50' 'within 15000' gone &
    local probe_pid=$!
    wait_until 20000 accepts_more_than 2000 ||
        report "$(counts accept4) accepts" "more than 2,000" ||
        past_the_wall few_accepts
    stop_server
    wait "$probe_pid"
}

few_accepts() { (($(counts accept4) < 1000)); }

accepts_more_than() { (($(counts accept4) > $1)); }
