#!/usr/bin/env bats
#
# Exercise 14: how many calls beside recv and send a message costs in each step.

load ../../tests/lib.bash
load ../../tests/counting.bash
load ../../tests/exercises/answers.bash

HERE=exercises/14_the_price_of_a_message/README.md

CASES=(02 03 04 05)

@test "the table is complete" {
    local key
    for key in predicted_03 predicted_04 predicted_05; do
        about "read your predictions" "a prediction that is wrong teaches more than none" "$HERE, \"The task\""
        [[ $(answer $key) =~ ^[0-9]+$ ]] || report "no answer to $key that is a whole number" "one" || return 1
    done
    expect_table step,waits,ctl "${CASES[@]}"
}

# calls_of STEP: sets WAITS and CTL, for 1,000 messages.
calls_of() {
    local SERVER
    for SERVER in "$COURSE/step$1"_*/server; do :; done
    [[ -x $SERVER ]] || make -s -C "${SERVER%/*}"
    counted_server >&2
    count_load -c 1 -t 0.1 -n 5000 >&2
    WAITS=$(($(count_waits) * 1000 / REPLIES)) CTL=$(($(counts epoll_ctl) * 1000 / REPLIES))
    kill_servers
    SERVER_ENV=''
}

@test "the numbers are those of the counters" {
    local case given
    for case in "${CASES[@]}"; do
        about "measured step $case again, and compared" "is it for 1,000 messages? Multiply by 1,000, and divide by the replies" "$HERE, \"The task\""
        calls_of "$case" 2>/dev/null
        given=$(row_of "$case")
        [[ $given =~ ^[0-9]+,[0-9]+$ ]] || report "the row $case says ${given:-nothing}" "two whole numbers" || return 1
        { near "${given%,*}" $WAITS 25 50 && near "${given#*,}" $CTL 25 50; } ||
            report "the row $case says $given" "near what the counters say" || return 1
    done
}

@test "the conclusion is what the table shows" {
    expect_answer pays_for_each_message 04 "in which row is ctl about as large as waits?"
    expect_answer what_for oneshot "which kind of event is off until it is armed again (epoll_ctl(2))?"
}
