#!/usr/bin/env bats
# The wall that stage 01 removes: threads that wake up interrupt the one at work.
#
# bats file_tags=step05

load ../../../tests/lib.bash

HERE=step05_final/stages/01_options/README.md

# Field 41 of /proc/PID/stat (proc(5)): 0 is SCHED_OTHER.
# bats test_tags=wall
@test "wall: a worker that wakes may interrupt the main thread" {
    chrt -b 0 true 2>/dev/null || skip "no program may choose SCHED_BATCH here"
    about "asked /proc for the scheduling policy of the server's threads" \
        "under SCHED_OTHER a thread that becomes ready may take the core from the one at work" \
        "$HERE, \"The wall\""
    start_server
    all_have_policy 0 || report "another policy" "0 (SCHED_OTHER)" || past_the_wall all_have_policy 3
    stop_server
}

all_have_policy() {
    local task stat fields
    if [[ -z ${SERVER_PID-} ]] || ! kill -0 "$SERVER_PID" 2>/dev/null; then start_server; fi
    for task in "/proc/$SERVER_PID/task/"*; do
        stat=$(<"$task/stat")
        read -ra fields <<<"${stat##*) }"
        [[ ${fields[38]} == "$1" ]] || return 1
    done
}
