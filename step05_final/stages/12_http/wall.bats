#!/usr/bin/env bats
# wall.bats - what the stage before 05.12 cannot do.

load ../../../tests/lib.bash
load ../../../tests/http.bash

# bats test_tags=wall,promise:one-answer
@test "wall: every path is the same page" {
    about "asked for a path that does not exist" \
        "a request is only waited for: nobody reads what it asks for" \
        "step05_final/stages/12_http/README.md, \"The wall\""
    start_http
    http_probe 'open a' 'send a "GET /nothing HTTP/1.1\r\nHost: a\r\n\r\n"' \
        'expect a "HTTP/1.1 200 OK\r\n"' || past_the_wall nothing_is_404
    end_server
}

nothing_is_404() {
    start_http && http_probe 'open a' 'send a "GET /nothing HTTP/1.1\r\nHost: a\r\n\r\n"' \
        'expect a "HTTP/1.1 404 Not Found\r\n"'
}

# bats test_tags=wall,promise:one-request
@test "wall: a connection is good for one request" {
    about "sent a second request when the first was answered" \
        "an answer without a length ends where the connection ends, so each is the last" \
        "step05_final/stages/12_http/README.md, \"The wall\""
    start_http
    http_probe 'open a' 'send a "GET / HTTP/1.1\r\nHost: a\r\n\r\n"' \
        'find a "HTTP/1.1 200 OK\r\n"' 'find a "\r\n\r\nok"' 'eof a' ||
        past_the_wall the_second_is_answered
    end_server
}

the_second_is_answered() {
    start_http && http_probe 'open a' 'send a "GET / HTTP/1.1\r\nHost: a\r\n\r\n"' \
        'find a "HTTP/1.1 200 OK\r\n"' 'send a "GET / HTTP/1.1\r\nHost: a\r\n\r\n"' \
        'find a "HTTP/1.1 200 OK\r\n"'
}
