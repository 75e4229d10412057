#!/usr/bin/env bats
# wall.bats - what the stage before 05.11 cannot do.

load ../../../tests/lib.bash

# bats test_tags=wall,promise:one-protocol
@test "wall: it speaks one protocol" {
    about "asked the server to listen for HTTP as well" \
        "what is done with the bytes stands in the middle of a connection's code" \
        "step05_final/stages/11_handlers/README.md, \"The wall\""
    try_server --http 0 -h
    ((TRIED_STATUS == 2)) || report "status $TRIED_STATUS" "status 2: there is no such option" ||
        past_the_wall it_speaks_http
}

it_speaks_http() {
    try_server --http 0 -h && ((TRIED_STATUS == 0))
}
