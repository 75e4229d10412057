#!/usr/bin/env bats
# The wall that stage 02 removes: the server is silent.
#
# bats file_tags=step05

load ../../../tests/lib.bash

HERE=step05_final/stages/02_log/README.md

# bats test_tags=wall
@test "wall: nobody hears what the server does" {
    about "visited the server, reset a connection, ended it, and looked at its stderr" \
        "nothing is written down" "$HERE, \"The wall\""
    start_server
    probe 'visit 3 "hello"' 'vanish 3 reset burst=0'
    stop_server
    [[ ! -s $SERVER_ERR ]] ||
        report "$(head -n 1 "$SERVER_ERR")" "an empty stderr" || past_the_wall it_says_something
}

it_says_something() {
    start_server && probe 'visit 3 "hello"' && stop_server && [[ -s $SERVER_ERR ]]
}
