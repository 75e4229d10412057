#!/usr/bin/env bats
#
# Exercise 13: at most so many connections from one address, and all others are served.

load ../../tests/lib.bash

HERE=exercises/13_a_limit_per_address/README.md

@test "one connection too many is closed at once" {
    about "with -l 3, connected three times from 127.0.0.2 and a fourth time; then from 127.0.0.3" \
        "count by address, without the port; accept the one too many, and close it: a client that is not accepted waits" \
        "$HERE, \"The task\""
    start_server -l 3
    probe 'open a*3 from=127.0.0.2' 'echo a "one of three"' 'open b from=127.0.0.2' 'closed b' \
        'open c*3 from=127.0.0.3' 'echo c "another address"' 'open d from=127.0.0.3' 'closed d' 'echo a "still here"'
    end_server
}

@test "while one address has too many, others are served" {
    about "with -l 2, let 200 clients of one address come, which are too many, and two of another" \
        "the limit is about one address: do not stop accepting" "$HERE, \"The task\""
    start_server -l 2
    probe 'open a*2 from=127.0.0.2' 'open b*200 from=127.0.0.2' 'open c*2 from=127.0.0.9' 'echo c "served"' 'closed b' 'echo a "served"'
    end_server
}

@test "a connection that ends makes room, however it ends" {
    local how
    about "with -l 3, let three clients of one address end in one way, and three more come; for each way, ten times" \
        "each way to the end of a connection must come by the place where it is counted down" "$HERE, \"What you learn\""
    start_server -l 3
    for how in 'close a' 'half-close a|eof a|close a' 'reset a' 'send a "unanswered"|reset a' 'pour a|reset a'; do
        for _ in 1 2 3 4 5 6 7 8 9 10; do
            IFS='|' read -ra ends <<<"$how"
            probe 'open a*3 from=127.0.0.2 rcvbuf=4k' 'echo a "x"' "${ends[@]}"
            expect_fds "$START_FDS"
        done
    done
    probe 'open a*3 from=127.0.0.2' 'echo a "room"'
    end_server
}

# bats test_tags=exact
@test "nothing stays of an address that has left" {
    local address
    about "let clients of 600 addresses come and go, then of 6,000 others, and compared the memory" \
        "an address without a connection is not counted any more" "$HERE, \"What you learn\""
    start_server -l 3
    round() {
        local script=() address
        for address in $(seq "$1" $(($1 + 199))); do
            script+=("open a from=127.$((address / 60000 + 1)).$((address / 250 % 240)).$((address % 250 + 1))" 'echo a "x"' 'close a')
        done
        probe "${script[@]}"
        expect_fds "$START_FDS"
    }
    for address in 0 200 400; do round $address; done
    rss_before=$(awk '/^VmRSS:/ { print $2 }' "/proc/$SERVER_PID/status")
    for address in $(seq 1000 200 6800); do round "$address"; done
    rss_after=$(awk '/^VmRSS:/ { print $2 }' "/proc/$SERVER_PID/status")
    ((rss_after - rss_before < 200)) ||
        report "$((rss_after - rss_before)) KiB more" "less than 200 KiB more for 6,000 addresses that have gone"
    end_server
}

@test "without -l there is no limit" {
    about "connected 100 times from one address" "the default is no limit: -l asks for one" "$HERE, \"Done when\""
    start_server
    probe 'open a*100 from=127.0.0.2' 'echo a "x"'
    end_server
}
