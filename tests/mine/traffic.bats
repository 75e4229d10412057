#!/usr/bin/env bats
# traffic.bats - clients of all kinds against the instrumented server of a student. mine.bash
# runs it; what the tools saw meanwhile is judged by findings.bats.

load ../lib.bash
load ../http.bash
load ../traffic.bash
load traffic.bash

# bats test_tags=promise:clean-memory
@test "many kinds of clients at once, and slow calls" {
    about "let clients of all kinds loose on the server, while some of its calls took $PAUSE_US us longer" \
        "a correct server cannot tell: who waits for what?"
    start_for_traffic
    if is_concurrent; then
        together
        [[ -z $HTTP_PORT ]] || half_requests
        mixed 4
        together
    else
        one_by_one
    fi
    end_clean
}

# Under valgrind nothing but the threads is judged here: what is connected at the end may stay
# for the kernel. So those who are connected are few.
# bats test_tags=promise:clean-memory
@test "SIGTERM in the middle of it" {
    about "sent SIGTERM while clients were busy" \
        "whatever a worker still uses must be there until it has ended"
    if [[ $MINE_KIND == valgrind ]]; then
        step_at_least 04 || skip "no threads before step 04"
        # A main thread that does not wait for them leaves while they sleep, however busy the machine.
        start_for_traffic -w 2000000
        probe 'within 10000' 'open x*4' 'send x "query\n"' 'arrived x' asleep 'signal TERM'
    else
        step_at_least 02 || skip "one client at a time"
        start_for_traffic -w 2000
        "$TOOLS/load" -p "$PORT" -c 12 -t 20 -w 0 >/dev/null 2>&1 3>&- 4>&- &
        STARTED_PIDS+=($!)
        probe 'visit 20 "hello"' || has_report
        kill -TERM "$SERVER_PID" 2>/dev/null || true
    fi
    expect_end 10000
}

# bats test_tags=promise:clean-memory
@test "deadlines, and a drain" {
    step_at_least 05 || skip "from step 05 on"
    about "let clients be too late for each deadline, and sent SIGTERM with requests on their way" \
        "who ends a connection must own it"
    local option limits=()
    for option in --idle-timeout --header-timeout --body-timeout --write-timeout; do
        ! is_offered "$option" || limits+=("$option" 300)
    done
    start_for_traffic "${limits[@]}"
    if [[ -z $HTTP_PORT ]]; then
        mixed 3 || has_report
        end_clean
        return
    fi
    visits late || has_report
    end_clean
    start_for_traffic
    visits talk drain || has_report
    expect_end 10000
}
