#!/usr/bin/env bats
# The walls that this stage removes: they stand in the stage before.
#
# bats file_tags=step05

load ../../../tests/lib.bash

HERE=step05_final/stages/01_options/README.md

# bats test_tags=wall
@test "wall: an option has a letter, and no name" {
    about "started the server with --sched and a policy that it does not know" \
        "getopt knows options of one letter only, and so it complains about the option '-'" \
        "$HERE, \"The wall\""
    try_server --sched fifo
    [[ $TRIED_ERR != *"--sched: "* ]] ||
        report "stderr: $TRIED_ERR" "no word of --sched" || past_the_wall true
    ((TRIED_STATUS == 2)) || report "status $TRIED_STATUS" "status 2"
}

# Field 41 of /proc/PID/stat (proc(5)): 0 is SCHED_OTHER, 3 is SCHED_BATCH.
# bats test_tags=wall
@test "wall: a worker that wakes may interrupt the main thread" {
    chrt -b 0 true 2>/dev/null || skip "no program may choose SCHED_BATCH here"
    about "asked /proc for the scheduling policy of the server's threads" \
        "under SCHED_OTHER a thread that is woken may take the core from the one that woke it" \
        "$HERE, \"The wall\""
    local task stat fields
    start_server
    for task in "/proc/$SERVER_PID/task/"*; do
        stat=$(<"$task/stat")
        read -ra fields <<<"${stat##*) }"
        [[ ${fields[38]} == 0 ]] || report "policy ${fields[38]} of a thread" "0, SCHED_OTHER" ||
            past_the_wall true
    done
    stop_server
}
