#!/usr/bin/env bats
# wall.bats - what the stage before 05.13 cannot do.

load ../../../tests/lib.bash
load ../../../tests/http.bash

SMUGGLED='GET /healthz HTTP/1.1\r\nHost: a\r\nContent-Length: 39\r\n\r\nGET /healthz HTTP/1.1\r\nHost: hidden\r\n\r\n'

# bats test_tags=wall,promise:believes
@test "wall: a body is taken for a request" {
    about "sent a request with a body that looks like another request" \
        "a field that is not looked at may say where the request ends" \
        "step05_final/stages/13_strict_head/README.md, \"The wall\""
    start_http
    http_probe 'open a' "send a \"$SMUGGLED\"" 'find a "HTTP/1.1 200 OK\r\n"' \
        'find a "HTTP/1.1 200 OK\r\n"' || past_the_wall the_first_is_refused
    end_server
}

the_first_is_refused() {
    start_http && http_probe 'open a' "send a \"$SMUGGLED\"" 'find a "Connection: close\r\n"'
}

# bats test_tags=wall,promise:waits-for-ever
@test "wall: what can never become a request is waited for" {
    about "sent the first bytes of TLS, and nothing more" \
        "a reader of complete heads waits for the end of one that never comes" \
        "step05_final/stages/13_strict_head/README.md, \"The wall\""
    start_http
    http_probe 'open a' 'send a "\x16\x03\x01\x02"' 'silent a 500' \
        'send a "\r\n\r\n"' 'find a "HTTP/1.1 400 "' || past_the_wall tls_is_refused
    end_server
}

tls_is_refused() {
    start_http && http_probe 'open a' 'send a "\x16\x03\x01\x02"' 'find a "HTTP/1.1 400 "'
}
