#!/usr/bin/env bats
# wall.bats - what the stage before 05.18 cannot do.

load ../../../tests/lib.bash
load ../../../tests/http.bash

# bats test_tags=wall,promise:ends-unannounced
@test "wall: the end comes without a warning" {
    about "asked the server to go on for a while after SIGTERM" \
        "the listener closes at once, and a load balancer hears of it from clients that failed" \
        "step05_final/stages/18_fleet/README.md, \"The wall\""
    try_server --drain-delay 1000 -h
    ((TRIED_STATUS == 2)) || report "status $TRIED_STATUS" "status 2: there is no such option" ||
        past_the_wall the_end_is_announced
}

the_end_is_announced() { try_server --drain-delay 1000 -h && ((TRIED_STATUS == 0)); }

# bats test_tags=wall,promise:no-access-log
@test "wall: a request leaves no trace" {
    about "asked for a page and looked for it in the log" \
        "numbers say how many requests there were, but not which" \
        "step05_final/stages/18_fleet/README.md, \"The wall\""
    try_server --access-log -h
    ((TRIED_STATUS == 2)) || report "status $TRIED_STATUS" "status 2: there is no such option" ||
        past_the_wall requests_are_logged
}

requests_are_logged() { try_server --access-log -h && ((TRIED_STATUS == 0)); }
