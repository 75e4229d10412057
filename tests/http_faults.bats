#!/usr/bin/env bats
# http_faults.bats - calls that do only a part, or nothing, or are interrupted: HTTP as well as
# echo comes through whole. faults.bats asks that of echo, of every server.
#
# Not for binaries that bring their own malloc or loader (valgrind, sanitizers, -static).
#
# bats file_tags=step05,faults

load lib.bash
load http.bash
load traffic.bash

HERE=step05_final/README.md

setup() {
    STEP=05
    [[ -n ${STAGE-} ]] || SERVER=$COURSE/step05_final/server
    COUNT_FILE=$BATS_TEST_TMPDIR/counts
    # A path for LD_PRELOAD must not contain a space (ld.so(8)).
    ln -sf "$TOOLS/fault.so" "$BATS_TEST_TMPDIR/fault.so"
}

# with_fault FAULT [VARIABLE=VALUE...]: see src/preload_fault.c.
with_fault() {
    SERVER_ENV="LD_PRELOAD=$BATS_TEST_TMPDIR/fault.so COUNT_FILE=$COUNT_FILE FAULT=$*"
    rm -f "$COUNT_FILE"
}

# all_is_answered KIND...: no visit may be lost, and faults of these kinds must have struck,
# each at least a hundred times (accept: ten times).
PARTS='talk talk drain'
all_is_answered() {
    local kind least count
    start_http --drain-timeout 5000
    # shellcheck disable=SC2086 # words
    visits $PARTS
    ((LOST == 0)) || report "lost: $(lost_visits)" "every request answered, byte by byte"
    [[ $PARTS == *drain* ]] || kill -TERM "$SERVER_PID"
    expect_exit 0 6000
    for kind; do
        count=$("$TOOLS/counts" "$COUNT_FILE" "injected_$kind") least=100
        [[ $kind != accept ]] || least=10
        ((count >= least)) || report "$count faults of the kind $kind" "at least $least"
    done
}

# bats test_tags=promise:http-partial-calls,stage:18
@test "HTTP in sends of one byte" {
    about "let each send take 1 byte at most" "send returns how much it took; keep the rest, also of an answer in several rows" \
        "man 2 send"
    with_fault short-send
    all_is_answered send
}

# bats test_tags=promise:http-partial-calls,stage:18
@test "HTTP in recvs of one byte" {
    about "let each recv give 1 byte at most" "a request may come in any pieces" "man 2 recv"
    with_fault short-recv
    all_is_answered recv
}

# bats test_tags=promise:http-partial-calls,stage:18
@test "HTTP in pieces of 7 and of 1,000 bytes" {
    about "let each send and recv move 7 bytes at most, then 1,000" "" "man 2 send"
    with_fault short FAULT_BYTES=7
    all_is_answered send recv
    with_fault short FAULT_BYTES=1000
    all_is_answered send recv
}

# bats test_tags=promise:http-interrupted-calls,stage:18
@test "HTTP with every second call interrupted" {
    about "let every second recv, send, accept and wait fail with EINTR" \
        "EINTR says that nothing was done: call again" 'man 7 signal, "Interruption of system calls"'
    with_fault eintr,short FAULT_BYTES=100
    all_is_answered send recv accept wait
}

# Not while it drains: there EAGAIN means that nothing has come before the signal, and it
# would be a lie.
# bats test_tags=promise:http-interrupted-calls,stage:18
@test "HTTP with EAGAIN where there was readiness" {
    about "let every third recv, send and accept fail with EAGAIN" \
        "readiness is a hint: keep what is unsent, and wait again" 'man 2 select, "BUGS"'
    PARTS='talk talk'
    with_fault eagain,short FAULT_BYTES=100
    all_is_answered send recv accept
}

# bats test_tags=promise:http-interrupted-calls,stage:18
@test "HTTP with all of this at once" {
    about "mixed EINTR, EAGAIN and sends and recvs of 29 bytes" "" "step05_final/stages/18_fleet/README.md, \"The idea\""
    PARTS='talk talk'
    with_fault eintr,short,eagain FAULT_BYTES=29
    all_is_answered send recv accept
}
