#!/usr/bin/env bats
#
# Exercise 09: how many descriptors are looked at for one message, with idle clients beside.

load ../../tests/lib.bash
load ../../tests/counting.bash
load ../../tests/exercises/answers.bash

HERE=exercises/09_the_walk/README.md

CASES=('02,0' '02,200' '02,800' '03,0' '03,200' '03,800')

@test "the table is complete" {
    local key
    for key in predicted_02_0 predicted_02_800 predicted_03_800; do
        about "read your predictions" "a prediction that is wrong teaches more than none" "$HERE, \"The task\""
        [[ $(answer $key) =~ ^[0-9]+$ ]] || report "no answer to $key that is a whole number" "one" || return 1
    done
    expect_table step,idle,watched "${CASES[@]}"
}

# watched_for STEP IDLE: for each message, measured by us.
watched_for() {
    local SERVER
    for SERVER in "$COURSE/step$1"_*/server; do :; done
    [[ -x $SERVER ]] || make -s -C "${SERVER%/*}"
    counted_server >&2
    count_load -c 1 -i "$2" -t 0.1 -n 5000 >&2
    WATCHED=$(($(counts watched) / REPLIES))
    kill_servers
    SERVER_ENV=''
}

@test "the numbers are those of the counters" {
    local case given
    about "measured again, and compared" "is it for each message? Divide by the replies; start the server anew for each row" "$HERE, \"The task\""
    (($(ulimit -Hn) >= 1000)) || skip "this machine allows $(ulimit -Hn) descriptors (ulimit -Hn)"
    for case in "${CASES[@]}"; do
        watched_for "${case%,*}" "${case#*,}" 2>/dev/null
        given=$(row_of "$case")
        near "${given:-1000000}" "$WATCHED" 15 12 || report "the row $case says ${given:-nothing}" "near what the counters say"  || return 1
    done
}

@test "the conclusion follows" {
    local few many
    expect_answer grows_with_idle_clients 02 "compare the three rows of each step"
    few=$(row_of 02,0) many=$(row_of 02,800)
    [[ $few =~ ^[1-9][0-9]*$ && $many =~ ^[0-9]+$ ]] || report "no rows 02,0 and 02,800" "both" || return 1
    about "divided your rows" "the last row of step 02 by its first one" "$HERE, \"The task\""
    [[ $(answer cost_of_800_idle) =~ ^[0-9]+$ ]] && near "$(answer cost_of_800_idle)" $((many / few)) 20 2 ||
        report "cost_of_800_idle: $(answer cost_of_800_idle)" "what your table says"
}
