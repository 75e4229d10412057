#!/usr/bin/env bats
# wall.bats - what the stage before 05.16 cannot do.

load ../../../tests/lib.bash
load ../../../tests/http.bash
load ../../../tests/counting.bash

# bats test_tags=wall,exact,promise:send-per-answer
@test "wall: each answer costs a send" {
    about "sent 200 requests in one go and counted the calls of send" \
        "one request is answered, and what is behind it goes to the end of the queue" \
        "step05_final/stages/16_pipelining/README.md, \"The wall\""
    counted_http
    ask_200
    (($(sends) >= 200)) || report "$(sends) sends for 200 answers" "at least as many" ||
        past_the_wall few_sends
    end_server
}

counted_http() {
    SERVER_ENV="LD_PRELOAD=$TOOLS/count.so COUNT_FILE=$BATS_TEST_TMPDIR/counts"
    start_http
}

ask_200() {
    cases -w whole <<<'a row | 9112 9.3.2 | "GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n"*200 => 200*200 body "ok" open'
}

sends() { count_all send sendto sendmsg write writev; }

few_sends() { counted_http && ask_200 && (($(sends) <= 50)); }
