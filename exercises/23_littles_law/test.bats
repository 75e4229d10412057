#!/usr/bin/env bats
#
# Exercise 23: how many requests a second a pool can serve whose requests wait.

load ../../tests/lib.bash
load ../../tests/counting.bash
load ../../tests/exercises/answers.bash

HERE=exercises/23_littles_law/README.md

WAIT_MS=20

# bound WORKERS: requests a second; 64 clients ask for no more than 64 at a time.
bound() { echo $((($1 < 64 ? $1 : 64) * 1000 / WAIT_MS)); }

@test "the table is complete" { expect_table workers,per_second 1 4 16 64 128; }

@test "the predictions are what the law says" {
    local workers
    for workers in 1 4 16 64; do
        expect_answer predicted_$workers "$(bound $workers)" "each worker is busy with one request for $WAIT_MS ms: how many of these fit into a second? Times the workers"
    done
}

@test "the table is plausible" {
    local workers rate before=0
    for workers in 1 4 16 64 128; do
        rate=$(row_of $workers)
        about "compared your rate with $workers workers" "no pool serves more than the law allows, however fast the machine: what did you measure?" "$HERE, \"Done when\""
        [[ $rate =~ ^[0-9]+$ ]] || report "no rate for $workers workers" "a whole number" || return 1
        # The clock of the load may cut a request at either end.
        ((rate > 0 && rate * 100 <= $(bound $workers) * 105)) || report "$rate a second with $workers workers" "more than 0, and not more than the bound" || return 1
        ((rate * 2 >= before)) || report "$rate a second with $workers workers, fewer than half of the row before" "more workers do not serve fewer by far" || return 1
        before=$rate
    done
}

@test "a quick run does not exceed it many times" {
    local rate given SERVER=$COURSE/step04_threadpool/server
    about "measured 4 workers again, for a second" "measure on a machine that does nothing else" "$HERE, \"The task\""
    [[ -x $SERVER ]] || make -s -C "${SERVER%/*}"
    start_server -w 20000 -t 4
    rate=$(timeout "$NET_S" "$TOOLS/load" -p "$PORT" -c 64 -w 0 -t 1 3>&- | sed -n 's/.* rps=\([0-9]*\).*/\1/p')
    given=$(row_of 4)
    end_server
    ((${given:-0} * 3 >= rate)) || report "you have ${given:-0} a second, a quick run $rate" "not three times as many"
}

@test "the conclusions are those of the law" {
    expect_answer grows_until 64 "a worker needs a request to work on: how many can there be at the same time?"
    expect_answer latency_ms_4 $((64 * WAIT_MS / 4)) "L is how many requests are in the system, waiting or served; the rate is that of your table; W is their quotient"
}
