#!/usr/bin/env bats
# faults.bats - system calls fail; the server must not. fault.so (src/preload_fault.c)
# makes them fail as the kernel may, and every test asserts that it did.
#
# Not for binaries that bring their own malloc or loader (valgrind, sanitizers, -static).
#
# bats file_tags=faults

# shellcheck disable=SC2030,SC2031 # each test is a process of its own, as it should be
# shellcheck disable=SC2153         # SERVER_ERR comes from lib.bash
load lib.bash

setup() {
    [[ -z ${SERVER_WRAP-} ]] || skip "faults are injected into the plain binary only"
    OUTER_ENV=${SERVER_ENV-}
    COUNT_FILE=$BATS_TEST_TMPDIR/counts
    # A path for LD_PRELOAD must not contain a space (ld.so(8)).
    ln -sf "$TOOLS/fault.so" "$BATS_TEST_TMPDIR/fault.so"
}

# with_fault FAULT [VARIABLE=VALUE...]: for the servers that are started from now on.
with_fault() {
    SERVER_ENV="$OUTER_ENV LD_PRELOAD=$BATS_TEST_TMPDIR/fault.so COUNT_FILE=$COUNT_FILE FAULT=$*"
    rm -f "$COUNT_FILE"
}

# count NAME: of the running server, or of the last one.
count() {
    "$TOOLS/counts" "$COUNT_FILE" "$1" || {
        echo "The preloaded library was not loaded: is the server linked statically, or" \
            "with a sanitizer? Build it without for this test." >&2
        return 1
    }
}

# fired [NAME]: has the fault struck? KIND names the one that counts where a test mixes.
KIND=injected
fired() { (($(count "${1:-$KIND}") > 0)); }

# Of our own servers (WALLS=judged, see run) it is known which calls they make. Another one may
# be built in another way, and no promise says with which calls.
is_ours() { [[ ${WALLS-} == judged ]]; }

# expect_fired NAME...: nothing is proved by a fault that never happened. A server that makes
# no such call, or not through libc, has done nothing wrong, but cannot be judged.
expect_fired() {
    local name
    for name; do
        if fired "$name"; then
            continue
        elif is_ours; then
            report "the server made no call for a fault of the kind $name" "such calls" || return 1
        else
            skip "this server makes no calls that could fail so ($name), or not through libc"
        fi
    done
}

# expect_ours_fired NAME...: of calls that a server need not make. One that makes none keeps the
# promise all the same.
expect_ours_fired() { ! is_ours || expect_fired "$@"; }

# start_or_refuse: a fault may hit the start. Then the server must end with
# status 1 and a reason on stderr, and must not have said that it listens. 0: it runs;
# 1: it was no server to the contract (reported); 2: it ended, as it should.
start_or_refuse() {
    local status=0 why=$ABOUT_WHY read=$ABOUT_READ
    if start_server >"$BATS_TEST_TMPDIR/start"; then
        return 0
    elif is_running "$SERVER_PID" || ! fired; then
        cat "$BATS_TEST_TMPDIR/start"
        return 1
    fi
    ABOUT_WHY=$why ABOUT_READ=$read # not that a server should have started
    wait "$SERVER_PID" 2>/dev/null || status=$?
    if ((status != 1)) || [[ -s $SERVER_OUT ]]; then
        report "the server $(status_in_words $status); on stdout: \"$(<"$SERVER_OUT")\"" \
            "exit status 1 and nothing on stdout" || return 1
    elif [[ ! -s $SERVER_ERR ]]; then
        report "nothing on stderr" "a message that says what failed" || return 1
    fi
    return 2
}

# client: one client with a message of 5,000 bytes. 0: served in full; 1: the server ended
# the connection before. All else (a wrong byte, a client that waits in vain) is reported.
client() {
    local said
    probe 'open a' 'echo a random:5k' 'half-close a' 'eof a' >"$BATS_TEST_TMPDIR/client" &&
        return 0
    said=$(<"$BATS_TEST_TMPDIR/client")
    [[ $said =~ ' saw '.*(closed|reset|Broken pipe).*' wanted ' ]] && return 1
    echo "$said"
    return 2
}

# some_clients COUNT: adds to LOST those whose connection the server ended early.
some_clients() {
    local i status
    for ((i = 0; i < $1; i++)); do
        status=0
        client || status=$?
        ((status < 2)) || return 1
        LOST=$((LOST + status))
    done
}

# survive_one: the server runs and one fault will strike, or has. At most one client may
# suffer (none, if it struck at the start), all others are served to the end, and no
# descriptor may stay behind.
survive_one() {
    local base allowed=1
    if fired; then allowed=0; fi
    LOST=0
    base=$(fd_count)
    some_clients 4 || return 1
    expect_alive || return 1
    ((LOST <= allowed)) || report "$LOST of 4 clients lost their connection" \
        "at most $allowed: the one whose call failed" || return 1
    if fired; then probe 'visit 3 "hello"' || return 1; fi
    expect_fds "$base" || return 1
}

# until_it_misses FAULT [VARIABLE=VALUE...]: the call with the number @ in FAULT fails;
# for @ = 1, 2 ... until a run has no such call. Sets STRUCK, the number of those it had.
CALLS_MAX=100 # for 4 clients
until_it_misses() { unseen strike_each_call "$@"; }

strike_each_call() {
    local n status did=$ABOUT_DID fault=$1
    shift
    for ((n = 1; n <= CALLS_MAX; n++)); do
        ABOUT_DID="$did (N = $n)"
        with_fault "${fault/@/$n}" "$@"
        status=0
        start_or_refuse || status=$?
        ((status != 1)) || return 1
        ((status == 0)) || continue
        survive_one || return 1
        fired || break
        stop_server || return 1
    done
    ((n <= CALLS_MAX)) || report "the fault still struck at call $n" \
        "a number of calls that does not grow without end" || return 1
    STRUCK=$((n - 1))
    stop_server || return 1
}

# ---- calls that are interrupted ---------------------------------------------------

# bats test_tags=promise:interrupted-calls,needs:any-length
@test "interrupted calls (EINTR) change nothing" {
    about "let every second recv, send, accept and wait fail with EINTR" \
        "EINTR says that nothing was done: call again; do not close, do not exit, do not wait for readiness" \
        'man 7 signal, "Interruption of system calls"'
    with_fault eintr
    start_server
    probe 'open a' 'echo a "hello\n"' 'echo a random:20k' 'half-close a' 'eof a' \
        'open b' 'stream b 1M' 'visit 20 "x"'
    expect_fired injected_accept injected_recv injected_send
    # A thread that waits in recv for its one client needs no poll or epoll_wait.
    if step_at_least 02; then expect_ours_fired injected_wait; fi
    stop_server
}

# bats test_tags=promise:interrupted-calls,needs:wait-option,needs:end-of-stream
@test "an interrupted sleep is slept to its end" {
    about "started with -w 300000 (each process waits 300 ms), let the first three sleeps be interrupted at once, sent 3 messages" \
        "nanosleep says with EINTR that it was cut short, and stores what is left: sleep that too" \
        "man 2 nanosleep"
    with_fault errno:sleep:EINTR:1:3
    start_server -w 300000
    probe 'open a' mark 'echo a "one\n"' 'echo a "two\n"' 'echo a "three\n"' \
        'grew clock min=890' 'half-close a' 'eof a'
    expect_fired injected_sleep
    stop_server
}

# ---- calls that do only a part ----------------------------------------------------

# bats test_tags=promise:partial-calls,needs:late-reader
@test "a send that takes one byte loses nothing" {
    about "let each send take 1 byte at most, then 1,000" \
        "send returns how much it took; the rest must be kept and sent later" "man 2 send"
    with_fault short-send
    start_server
    probe 'open a' 'echo a "hello\n"' 'echo a random:3k' 'half-close a' 'eof a'
    expect_fired injected_send
    stop_server
    with_fault short-send FAULT_BYTES=1000
    start_server
    probe 'open a' 'stream a 1M' 'visit 3 random:5k'
    # All that the client has to say, its end too, is there before the first send.
    probe 'open a' 'echo a "x"' stop 'send a random:5k' 'half-close a' 'arrived a' cont \
        'expect a random:5k' 'eof a'
    expect_fired injected_send
    stop_server
}

# bats test_tags=promise:partial-calls,needs:late-reader
@test "a recv that gives one byte loses nothing" {
    about "let each recv give 1 byte at most, then 1,000" \
        "TCP is a stream: recv may give any part of what was sent" "man 2 recv"
    with_fault short-recv
    start_server
    probe 'open a' 'echo a "hello\n"' 'echo a random:3k' 'half-close a' 'eof a'
    expect_fired injected_recv
    stop_server
    with_fault short-recv FAULT_BYTES=1000
    start_server
    probe 'open a' 'stream a 1M' 'visit 3 random:5k'
    expect_fired injected_recv
    stop_server
}

# bats test_tags=promise:ready-is-a-hint,needs:any-length
@test "ready, and yet EAGAIN" {
    about "let every third recv, send and accept fail with EAGAIN though the descriptor was ready" \
        "readiness is a hint (a client may leave between accept's readiness and accept): wait again, keep what is unsent" \
        'man 2 select, "BUGS"'
    local clients=8
    if [[ $STEP == 01 ]]; then
        return 0 # its sockets block, so the kernel never says this
    fi
    with_fault eagain
    start_server
    serves_several || clients=1
    probe "open a*$clients" 'echo a "hello\n"' 'echo a random:20k' 'half-close a' 'eof a' \
        'open b' 'stream b 1M' 'visit 20 "x"'
    # Calls that never ask whether a socket is ready may wait in it: then the kernel never says
    # EAGAIN. But once a server has asked, it must be able to take "not now" for an answer.
    (($(count blocking_though_asked) == 0)) ||
        report "$(count blocking_though_asked) calls of accept, recv or send that would wait, on a descriptor that poll, select or epoll had been asked about" \
            "none: O_NONBLOCK with F_SETFL, or SOCK_NONBLOCK, for each accepted socket and for the listener"
    expect_ours_fired injected_accept injected_recv injected_send
    stop_server
}

# bats test_tags=promise:partial-calls,needs:late-reader,needs:interrupted-calls
@test "all of this at once" {
    about "mixed EINTR, short counts and EAGAIN" \
        "each is handled, but not one after the other: perhaps a retry loses the rest of a short send"
    local clients=8
    step_at_least 02 || clients=1
    with_fault eintr,short,eagain FAULT_BYTES=29
    start_server
    probe 'within 10000' "open a*$clients" 'echo a "hello\n"' 'echo a random:5k' 'half-close a' 'eof a' \
        'open b' 'stream b 100k' 'visit 20 "x"'
    expect_fired injected_accept injected_recv injected_send
    stop_server
}

# ---- no memory --------------------------------------------------------------------

# bats test_tags=promise:out-of-memory,needs:end-of-stream,needs:one-worker-each
@test "one allocation fails: at most one client suffers" {
    about "let the Nth malloc fail" \
        "malloc can return NULL: give up this one client (close its descriptor), not the server" \
        "man 3 malloc"
    until_it_misses malloc:@
    # In our step 01 a connection needs no memory; later ones allocate it.
    if step_at_least 02 && ((STRUCK == 0)); then expect_ours_fired injected_malloc; fi
}

# bats test_tags=promise:out-of-memory,needs:end-of-stream,needs:one-worker-each
@test "no memory for a while: served again when it is back" {
    about "let 6 allocations in a row fail once the server runs, with clients coming until one is served" \
        "a client for whom there is no memory is closed; nothing else may stop: accept the next" \
        "man 3 malloc"
    local started base
    with_fault malloc:1000000
    start_server
    started=$(count allocations)
    stop_server
    with_fault "malloc-from:$((started + 1)):6"
    start_server
    base=$(fd_count) LOST=0
    for ((i = 0; i < 10; i++)); do some_clients 1; done
    expect_alive
    ((LOST <= 6)) || report "$LOST of 10 clients lost their connection" "at most 6"
    probe 'visit 5 "hello"'
    expect_fds "$base"
    if step_at_least 02; then expect_ours_fired injected_malloc; fi
    stop_server
}

# ---- calls that fail --------------------------------------------------------------

# bats test_tags=promise:accept-fails,needs:end-of-stream,needs:one-worker-each
@test "accept fails: every client is served in the end" {
    about "let two accepts fail after the first client, with each errno of accept(2)" \
        "an accept that fails says something about one client or about the moment, not about the listener: go on" \
        'man 2 accept, "Error handling"'
    local error did=$ABOUT_DID
    for error in ECONNABORTED EMFILE ENFILE ENOBUFS ENOMEM EPROTO EPERM EINTR ENETDOWN \
        ENOPROTOOPT EHOSTDOWN ENONET EHOSTUNREACH EOPNOTSUPP ENETUNREACH; do
        ABOUT_DID="$did ($error)"
        with_fault "errno:accept:$error:2:2"
        start_server
        probe 'within 10000' 'visit 4 "hello"'
        expect_alive
        expect_fired injected_accept
        stop_server
    done
}

# fails_once CALL ERRNO...: the first, second, third CALL.
fails_once() { unseen strike_the_first_three "$@"; }

strike_the_first_three() {
    local call=$1 error n did=$ABOUT_DID
    shift
    for error; do
        for n in 1 2 3; do
            ABOUT_DID="$did ($error at call $n)"
            with_fault "errno:$call:$error:$n"
            start_server
            survive_one
            expect_fired "injected_$call"
            stop_server
        done
    done
}

# bats test_tags=promise:one-call-fails,needs:end-of-stream,needs:one-worker-each
@test "recv fails: that connection ends, and no other" {
    about "let one recv fail" "an error of recv is the end of this connection, not of the server" \
        'man 2 recv, "ERRORS"'
    fails_once recv ECONNRESET ETIMEDOUT ENOMEM
}

# bats test_tags=promise:one-call-fails,needs:end-of-stream,needs:one-worker-each
@test "send fails: that connection ends, and no other" {
    about "let one send fail" \
        "an error of send is the end of this connection, not of the server; EPIPE comes with SIGPIPE unless that is ignored" \
        'man 2 send, "ERRORS"'
    fails_once send ECONNRESET EPIPE ENOBUFS
}

# bats test_tags=promise:one-call-fails,needs:end-of-stream,needs:one-worker-each
@test "epoll_ctl fails: that connection ends, and no other" {
    about "let the Nth epoll_ctl fail, with sends of 2,000 bytes at most" \
        "a connection that cannot be registered (or armed again) will never be heard of again: close it" \
        "man 2 epoll_ctl"
    if [[ -n $STEP ]] && ! step_at_least 03; then
        return 0 # no epoll yet
    fi
    KIND=injected_other
    until_it_misses errno:epoll_ctl:ENOMEM:@,short-send FAULT_BYTES=2000
    until_it_misses errno:epoll_ctl:ENOSPC:@,short-send FAULT_BYTES=2000
    ! is_ours || ((STRUCK >= 4)) ||
        report "only $STRUCK calls of epoll_ctl could be made to fail" "one for each of 4 clients"
}

# ---- a start that fails -----------------------------------------------------------

# serves_nonetheless: the call was not needed for anything that is promised. So nothing of what
# such calls are for may be missing: its address, urgent data, and a start on the same port.
serves_nonetheless() {
    local port=$PORT
    [[ $ADDRESS == 127.0.0.1 ]] || report "it listens on $ADDRESS" \
        "127.0.0.1, or exit status 1 and no such line" || return 1
    probe 'visit 3 "hello"' 'open a' 'send a "x"' 'urgent a "!"' 'send a "y"' 'expect a "x!y"' \
        'signal TERM' "within $STOP_LIMIT_MS" gone 'closed a' || return 1
    expect_exit 0 || return 1
    SERVER_ENV=$OUTER_ENV
    start_server -p "$port" || return 1
    probe 'visit 1 "hello"' || return 1
    stop_server
}

# all_workers_work: as many process calls at a time as -t 4 promises, from step 04 on.
all_workers_work() {
    step_at_least 04 || return 0
    SERVER_ENV="$OUTER_ENV $1"
    start_server -t 4 -w 1000000 || return 1
    probe 'open x*4' stop 'send x "query\n"' mark cont 'within 10000' 'expect x "query\n"' \
        'grew clock max=1900' || return 1
    stop_server
}

# in_words_of_musl ERRNO: what its strerror says where it differs from glibc's.
in_words_of_musl() {
    case $1 in
        EMFILE) echo "No file descriptors available" ;;
        ENOMEM) echo "Out of memory" ;;
        EADDRNOTAVAIL) echo "Address not available" ;;
        EADDRINUSE) echo "Address in use" ;;
    esac
}

# refuses CALL ERRNO REASON [NTH]: the server cannot start, and says why; or it can do without.
# Of our own servers it is known that they do make this call, unless `optional` is said.
refuses() { unseen start_with_fault "$@"; }

start_with_fault() {
    local call=$1 error=$2 reason=$3 nth=${4:-1} optional=${5-} status=0 environment theirs
    theirs=$(in_words_of_musl "$error")
    ABOUT_DID="let $call fail with $error (\"$reason\") while the server starts"
    ABOUT_WHY='check what it returns; tell strerror(errno) on stderr, return 1 from main'
    with_fault "errno:$call:$error:$nth"
    environment=${SERVER_ENV#"$OUTER_ENV"}
    start_or_refuse || status=$?
    case $status in
        0)
            if fired; then
                serves_nonetheless && all_workers_work "$environment"
                return
            elif is_ours && [[ -z $optional ]]; then
                report "the server does not call $call" "a server that does" || return 1
            fi
            stop_server
            ;;
        1) return 1 ;;
        2)
            [[ $(some_of "$SERVER_ERR") == *@("$reason"|"${theirs:-$reason}"|"$call")* ]] ||
                report "stderr does not tell what failed" \
                    "\"$reason\" (strerror(errno)) or \"$call\" in the message"
            ;;
    esac
}

# bats test_tags=promise:start-fails,needs:listening-line
@test "no listening socket: status 1 and the reason" {
    about "" "" "man 3 strerror"
    refuses socket EMFILE "Too many open files"
    refuses setsockopt ENOMEM "Cannot allocate memory"
    refuses setsockopt ENOMEM "Cannot allocate memory" 2
    refuses bind EADDRNOTAVAIL "Cannot assign requested address"
    refuses listen EADDRINUSE "Address already in use"
}

# bats test_tags=promise:start-fails,needs:listening-line
@test "no epoll, no signalfd, no eventfd: status 1 and the reason" {
    about "" "" "man 3 strerror"
    local optional=optional
    ! step_at_least 03 || optional=''
    refuses epoll_create1 EMFILE "Too many open files" 1 $optional
    refuses epoll_ctl ENOSPC "No space left on device" 1 $optional
    refuses signalfd ENFILE "Too many open files in system" 1 optional
    refuses eventfd ENFILE "Too many open files in system" 1 optional
    refuses timerfd_create ENFILE "Too many open files in system" 1 optional
}

# bats test_tags=promise:start-fails,needs:listening-line
@test "no thread: status 1 and the reason" {
    about "" "" "man 3 pthread_create"
    local optional=optional
    ! step_at_least 04 || optional=''
    refuses pthread_create EAGAIN "Resource temporarily unavailable" 1 $optional
    refuses pthread_create EAGAIN "Resource temporarily unavailable" 3 $optional
}

# bats test_tags=promise:one-call-fails,needs:end-of-stream,needs:one-worker-each
@test "a thread cannot be created: at most one client suffers" {
    about "let the Nth pthread_create fail" \
        "a thread that would have served one client: close that client's descriptor, and go on" \
        "man 3 pthread_create"
    until_it_misses errno:pthread_create:EAGAIN:@
}

# ---- out of descriptors, for real -------------------------------------------------

# bats test_tags=promise:out-of-descriptors,needs:silent-clients
@test "out of descriptors: clients that wait are served when others leave" {
    about "allowed the server 32 descriptors (ulimit -n 32); 60 clients connected; ten by ten they sent, were served and left" \
        "accept fails with EMFILE while all are in use; the client stays in the queue: keep serving the others and try again" \
        'man 2 accept, "ERRORS"'
    step_at_least 02 || return 0 # one client at a time needs no more
    SERVER_WRAP="prlimit --nofile=32:32"
    start_server
    local base script=() group
    base=$(fd_count)
    for group in a b c d e f; do script+=("open $group*10"); done
    script+=('echo a "here\n"' "grew fds min=$((32 - base - 4))" 'echo a "still here\n"')
    for group in a b c d e f; do
        script+=("echo $group \"hello\\n\"" "echo $group random:5k" "close $group")
    done
    probe 'within 10000' mark "${script[@]}" 'visit 3 "hello"'
    expect_fds "$base"
    stop_server
}
