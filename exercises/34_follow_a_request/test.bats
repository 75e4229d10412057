#!/usr/bin/env bats
#
# Exercise 34: questions about the way of a request through step 05.

load ../../tests/lib.bash
load ../../tests/counting.bash
load ../../tests/exercises/answers.bash

HERE=exercises/34_follow_a_request/README.md

load ../../tests/http.bash

@test "the way of a request" {
    local count
    salt 500
    start_http --max-requests $((1 + SALT))
    count=$(printf 'GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n%.0s' {1..1000} >"$BATS_TEST_TMPDIR/requests"
        needs_dev_tcp
        exec {socket}<>"/dev/tcp/127.0.0.1/$HTTP_PORT"
        { cat "$BATS_TEST_TMPDIR/requests" >&"$socket"; } 2>/dev/null &
        timeout $((FETCH_S * SLOWNESS)) cat <&"$socket" 2>/dev/null | grep -ao 'HTTP/1.1 200' | wc -l)
    stop_server
    expect_answer requests_in_a_row "$count" "step05_final/README.md: what does --max-requests say, and what does the server do after the last?"
}

@test "threads and owners" {
    expect_answer thread_of_recv worker "who calls conn.c's functions that read? See the thread sentence at the top of conn.h, and service.h"
    expect_answer thread_of_accept main "acceptor.h says which thread calls it"
    expect_answer thread_that_frees main "look for the retired list in server.c: who puts connections on it, and who takes them off?"
    expect_answer owner_bit SCHEDULED "state.c begins with the bits of the word"
    expect_answer notify_order "$(sed -n '/^bool state_notify/,/^}/s/.*&before, after, \(memory_order_[a-z_]*\),.*/\1/p' "$COURSE/step05_final/state.c")" \
        "the compare-exchange in state_notify takes two: one for when it succeeds, one for when it does not"
}

@test "the rules of HTTP" {
    expect_answer expect_field 417 "the table in step05_final/http_head.h"
    expect_answer limit_status 414 "the table in step05_final/http_head.h"
}
