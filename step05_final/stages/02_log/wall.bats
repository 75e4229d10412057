#!/usr/bin/env bats
# The walls that this stage removes: they stand in the stage before.
#
# bats file_tags=step05

load ../../../tests/lib.bash

HERE=step05_final/stages/02_log/README.md

# bats test_tags=wall
@test "wall: the server says nothing about what it does" {
    about "let clients come and go, one of them with a reset, stopped the server, and read its stderr" \
        "it prints what is wrong at the start, and nothing after that" "$HERE, \"The wall\""
    start_server
    probe 'visit 20 "hello\n"' 'vanish 50 reset'
    stop_server
    [[ ! -s $SERVER_ERR ]] || report "stderr: $(server_stderr)" "nothing on stderr" ||
        past_the_wall true
}

# bats test_tags=wall
@test "wall: with stderr closed a socket becomes descriptor 2" {
    about "started the server with stderr closed, and asked /proc for its descriptor 2" \
        "the next descriptor that is opened gets the lowest free number" "$HERE, \"The wall\""
    printf '#!/bin/bash\nexec "$@" 2>&-\n' >"$BATS_TEST_TMPDIR/redirected"
    chmod +x "$BATS_TEST_TMPDIR/redirected"
    SERVER_WRAP="$BATS_TEST_TMPDIR/redirected"
    start_server
    [[ $(readlink "/proc/$SERVER_PID/fd/2") == socket:* ]] ||
        report "descriptor 2 is $(readlink "/proc/$SERVER_PID/fd/2")" "a socket" ||
        past_the_wall true
    stop_server
}
