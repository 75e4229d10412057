#!/usr/bin/env bats
# The wall that this stage removes: it stands in the stage before.
#
# bats file_tags=step05

load ../../../tests/lib.bash
load ../../../tests/counting.bash

HERE=step05_final/stages/03_accept_pause/README.md

# bats test_tags=wall
@test "wall: out of descriptors it accepts without end" {
    about "let more clients wait than a server with 32 descriptors can take, and counted its accepts" \
        "the listener stays ready while no descriptor is free, and accept fails each time" \
        "$HERE, \"The wall\""
    SERVER_WRAP="prlimit --nofile=32:32"
    counted_server
    # They stay to the end.
    probe 'open a*50' 'within 15000' gone &
    local probe_pid=$!
    wait_until 20000 accepts_more_than 2000 ||
        report "$(count_accepts) accepts" "more than 2,000" || past_the_wall few_accepts
    stop_server
    wait "$probe_pid"
}

accepts_more_than() { (($(count_accepts) > $1)); }

few_accepts() { (($(count_accepts) < 1000)); }
