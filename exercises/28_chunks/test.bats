#!/usr/bin/env bats
#
# Exercise 28: a chunked body is decoded, and nothing else is.

load ../../tests/lib.bash
load ../../tests/http.bash

HERE=exercises/28_chunks/README.md

@test "chunked bodies are read as RFC 9112 says" {
    about "sent the chunked bodies of tests/http_cases.txt, whole, in pieces and byte by byte" \
        "the section stands beside each case; http_chunks.h has the table" "$HERE, \"The task\""
    start_http
    group chunks
    end_server
}

@test "however a body is cut, the verdict is the same, and no byte beyond it is touched" {
    about "called http_decode_chunks with bodies cut at every place, at the edges of a page that must not be touched" \
        "keep what is known in struct http_chunks; look at no byte that is not there, and refuse at the first one that is wrong" \
        "$HERE, \"Done when\""
    local program=$BATS_TEST_TMPDIR/http_parser_test
    ${CC:-cc} -std=c11 -D_GNU_SOURCE -O1 -g -I"$EXERCISE" -o "$program" \
        "$COURSE/tests/unit/http_parser_test.c" "$EXERCISE"/http_{chunks,head,text}.c >"$BATS_TEST_TMPDIR/said" 2>&1 ||
        report "it does not compile: $(head -n 5 "$BATS_TEST_TMPDIR/said")" "what http_chunks.h and http_head.h declare"
    as_server "$program"
    try_server
    ((TRIED_STATUS == 0)) || report "$(head -n 20 <<<"$TRIED_OUT$TRIED_ERR")" "every case as it says there"
}
