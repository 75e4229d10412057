#!/usr/bin/env bats
# wrap.bats - every call of step 05 that can fail does fail, one after the other: at the
# start the server says so and ends with status 1; later one connection ends, all others go
# on, and nothing leaks. faults.bats asks less, of any server, from outside; here the calls
# are wrapped in our own objects (src/wrap_fault.c), so that none is missed.
#
# bats file_tags=step05,faults

load lib.bash
load builds.bash
load http.bash
load traffic.bash

HERE=step05_final/README.md

setup_file() {
    export BATS_TEST_TMPDIR=$BATS_FILE_TMPDIR
    wrapped_server "$COURSE/step05_final"
}

setup() {
    STEP=05
    SERVER=$COURSE/step05_final/build-wrap/server
    COUNT_FILE=$BATS_TEST_TMPDIR/counts
}

# ---- a run with a fault -----------------------------------------------------------

# with_fault CALL:ERRNO:FIRST[:TIMES]: for the servers that are started from now on.
with_fault() {
    FAULT=$1
    SERVER_ENV="COUNT_FILE=$COUNT_FILE WRAP_FAULT=$1"
    rm -f "$COUNT_FILE"
}

count() { "$TOOLS/counts" "$COUNT_FILE" "$1"; }

fired() { (($(count injected) > 0)); }

# What strerror says: the word that a message at the start has to contain.
reason_of() {
    case $1 in
        ENOMEM) echo "Cannot allocate memory" ;;
        EMFILE) echo "Too many open files" ;;
        ENFILE) echo "Too many open files in system" ;;
        EAGAIN) echo "Resource temporarily unavailable" ;;
        ENOSPC) echo "No space left on device" ;;
        ENOBUFS) echo "No buffer space available" ;;
        EADDRINUSE) echo "Address already in use" ;;
        EADDRNOTAVAIL) echo "Cannot assign requested address" ;;
        EACCES) echo "Permission denied" ;;
        *) echo "no reason is known for $1" ;;
    esac
}

# balanced: what our objects took they gave back.
balanced() {
    (($(count blocks_taken) == $(count blocks_freed) && \
        $(count fds_opened) == $(count fds_closed))) ||
        report "$(count blocks_taken) blocks of memory taken and $(count blocks_freed) freed, $(count fds_opened) descriptors opened and $(count fds_closed) closed" \
            "equal numbers at the end"
}

# start_or_refuse ARGUMENT...: 0: it runs; 1: reported; 2: it refused, as it should.
start_or_refuse() {
    local status=0 error why=$ABOUT_WHY read=$ABOUT_READ
    if start_http "$@" >"$BATS_TEST_TMPDIR/start"; then
        return 0
    elif is_running "$SERVER_PID" || ! fired; then
        cat "$BATS_TEST_TMPDIR/start"
        return 1
    fi
    ABOUT_WHY=$why ABOUT_READ=$read # start_server thought that it should have started
    wait "$SERVER_PID" 2>/dev/null || status=$?
    IFS=: read -r _ error _ <<<"$FAULT"
    if ((status != 1)) || [[ -s $SERVER_OUT ]]; then
        report "the server $(status_in_words $status); on stdout: \"$(<"$SERVER_OUT")\"" \
            "exit status 1 and nothing on stdout" || return 1
    elif [[ $(<"$SERVER_ERR") != *"$(reason_of "$error")"* ]]; then
        report "stderr does not tell what failed" "\"$(reason_of "$error")\"" || return 1
    fi
    balanced || return 1
    return 2
}

# one_run PART...: a server with ARGUMENTS and the fault, and visits to it. What is wrong is
# reported. ALLOWED: how many visits may be lost if it strikes among them.
# Sets RAN: the server started. STRUCK_AT: start, visits or nothing.
one_run() {
    local status=0 allowed=$ALLOWED
    RAN='' STRUCK_AT=''
    start_or_refuse "${ARGUMENTS[@]}" || status=$?
    ((status != 1)) || return 1
    if ((status == 2)); then
        STRUCK_AT=start
        return 0
    fi
    RAN=1
    if fired; then
        STRUCK_AT=start
        [[ $FAULT == *:all ]] || allowed=0
    fi
    visits "$@" || return 1
    [[ -n $STRUCK_AT ]] || ! fired || STRUCK_AT=visits
    ((LOST <= allowed)) || report "lost: $(lost_visits)" \
        "at most $allowed lost: the one whose call failed" || return 1
    [[ $FAULT != *:ENOMEM:*:all ]] || ((BYSTANDERS_LOST == 0)) || report "lost: $(lost_visits)" \
        "the bystanders are served to the end: small answers need no memory" || return 1
    if [[ " $* " == *" drain "* ]]; then
        expect_exit 0 || return 1
    else
        stop_server || return 1
    fi
    balanced
}

# sweep CALL:ERRNO:@[:TIMES] PART...: the call with the number @ fails, for @ = 1, 2 ... until
# a run has no such call. Sets STARTS and VISITS, how many struck before and among the visits,
# and REFUSALS: how many of the STARTS ended there.
CALLS_MAX=400
sweep() {
    local fault=$1 n did=$ABOUT_DID
    shift
    STARTS=0 VISITS=0 REFUSALS=0
    for ((n = 1; n <= CALLS_MAX; n++)); do
        ABOUT_DID="$did (${fault/@/$n})"
        with_fault "${fault/@/$n}"
        one_run "$@" || return 1
        [[ -n $RAN ]] || REFUSALS=$((REFUSALS + 1))
        case $STRUCK_AT in
            start) STARTS=$((STARTS + 1)) ;;
            visits) VISITS=$((VISITS + 1)) ;;
            *) break ;;
        esac
    done
    ABOUT_DID=$did
    ((n <= CALLS_MAX)) || report "the fault still struck at call $n" \
        "a number of calls that does not grow without end"
}

# struck STARTS VISITS: that the last sweep reached at least so many of each.
struck() {
    ((STARTS >= $1 && VISITS >= $2)) ||
        report "it struck $STARTS times at the start and $VISITS times later" \
            "at least $1 and $2; a sweep that strikes nothing proves nothing"
}

# refused STARTS: the last sweep struck at the start only, at least so often, and each time
# the server did not start.
refused() {
    struck "$1" 0 || return 1
    ((REFUSALS == STARTS && VISITS == 0)) ||
        report "of $((STARTS + VISITS)) servers whose call failed $REFUSALS did not start" "none starts"
}

ALLOWED=1
ARGUMENTS=()
LATE=(--idle-timeout 300 --header-timeout 300 --body-timeout 300 --write-timeout 300)

# ---- nothing is left out ----------------------------------------------------------

# Calls of ours that cannot fail, or whose failure has a test of its own (fault.so makes a
# sleep fail, test.bats a printf and a log line).
CANNOT_FAIL=" __assert_fail __errno_location __sched_cpucount _exit clock_gettime clock_nanosleep
 close fflush fprintf free getopt_long gmtime_r inet_ntop inet_pton memchr memcmp memcpy memmove
 memset nanosleep optarg optind pthread_cond_broadcast pthread_cond_destroy pthread_cond_init
 pthread_cond_signal pthread_cond_timedwait pthread_cond_wait pthread_condattr_destroy
 pthread_condattr_init pthread_condattr_setclock pthread_getschedparam pthread_join
 pthread_mutex_destroy pthread_mutex_init pthread_mutex_lock pthread_mutex_unlock pthread_self printf
 qsort sched_getaffinity sched_yield sigaction sigaddset sigemptyset sigprocmask snprintf stderr stdout
 strcasecmp strchr strcmp strcpy strerror strftime strlen strncasecmp strncmp
 sprintf strspn strstr strtoul time vsnprintf puts putchar fputs fwrite fputc putc bcmp stpcpy memmem memrchr
 __tls_get_addr _GLOBAL_OFFSET_TABLE_ __stack_chk_fail "

# bats test_tags=course
@test "every call that can fail is made to fail" {
    local wrapped name missing=''
    wrapped=" $(nm "$TOOLS/wrap_fault.o" | sed -n 's/.* T __wrap_//p' | tr '\n' ' ')"
    for name in $(cd "$COURSE/step05_final/build-wrap" && nm -u -- *.o | awk '$1 == "U" { print $2 }' |
        sort -u | grep -vxFf <(nm --defined-only -- *.o | awk 'NF == 3 { print $3 }')); do
        [[ $wrapped == *" $name "* || ${CANNOT_FAIL//$'\n'/ } == *" $name "* ]] || missing+=" $name"
    done
    [[ -z $missing ]] || {
        echo "step05_final calls$missing: wrap it in src/wrap_fault.c and add a test here, or add" \
            "it to CANNOT_FAIL with the reason"
        return 1
    }
}

# bats test_tags=promise:each-call-fails
@test "without a fault nothing is lost and nothing leaks" {
    about "visited the server in all the ways that the tests below use" "" "$HERE, \"How the data flows\""
    ALLOWED=0
    with_fault bind:EPERM:1000
    one_run talk drain
    ARGUMENTS=("${LATE[@]}")
    one_run late
}

# ---- no memory --------------------------------------------------------------------

# Of those that take memory, and of the visits, as many as this must be reached: two
# allocations at the start, one for each connection.
# bats test_tags=promise:each-allocation-fails
@test "the Nth allocation fails: one visit is lost" {
    about "let the Nth allocation fail, once" \
        "a connection that gets no memory ends; a server that gets none does not start" \
        "step05_final/stages/04_scratch_buffers/README.md, \"The idea\""
    sweep memory:ENOMEM:@ talk drain
    struck 3 10
}

# bats test_tags=promise:each-allocation-fails
@test "the Nth allocation fails while clients time out" {
    about "let the Nth allocation fail, once, with clients that do not say or take all" \
        "what could not be sent has to be kept: without memory for it, the connection ends" \
        "step05_final/stages/04_scratch_buffers/README.md, \"The idea\""
    ARGUMENTS=("${LATE[@]}")
    sweep memory:ENOMEM:@ late
    struck 3 5
}

# bats test_tags=promise:each-allocation-fails
@test "from the Nth allocation on, all fail: clients that are served stay" {
    about "let all allocations from the Nth on fail" \
        "new clients cannot be served; a connection that needs no memory does not notice" \
        "step05_final/stages/04_scratch_buffers/README.md, \"The idea\""
    ALLOWED=1000
    sweep memory:ENOMEM:@:all talk drain
    struck 3 10
}

# bats test_tags=promise:each-allocation-fails
@test "malloc, calloc, realloc, aligned_alloc: one of them fails for good" {
    about "let all calls of one of them fail from the Nth on" \
        "what is taken before the one that fails has to be given back" "step05_final/stages/04_scratch_buffers/README.md, \"The idea\""
    local call reached=0
    ALLOWED=1000
    for call in malloc calloc realloc aligned_alloc; do
        sweep "$call:ENOMEM:@:all" talk drain
        reached=$((reached + VISITS))
    done
    ((reached >= 10)) || struck 0 10
}

# ---- calls of the start -----------------------------------------------------------

# The number of calls is known: a listener for each protocol.
# bats test_tags=promise:each-start-fails
@test "a call of the start fails: status 1 and the reason" {
    about "let the Nth call fail while the server starts" \
        "check what it returns; give back what was taken; tell strerror(errno) on stderr" \
        "man 3 strerror"
    local fault
    for fault in socket:EMFILE socket:ENFILE socket:ENOBUFS socket:ENOMEM socket:EACCES \
        setsockopt:ENOMEM setsockopt:ENOBUFS bind:EADDRINUSE bind:EADDRNOTAVAIL bind:EACCES \
        listen:EADDRINUSE getsockname:ENOBUFS; do
        sweep "$fault:@" talk
        refused 2
    done
    # One of each for the whole server.
    for fault in epoll_create1:EMFILE epoll_create1:ENFILE epoll_create1:ENOMEM eventfd:EMFILE \
        eventfd:ENFILE eventfd:ENOMEM signalfd:EMFILE signalfd:ENFILE signalfd:ENOMEM; do
        sweep "$fault:@" talk
        refused 1
    done
}

# bats test_tags=promise:each-start-fails
@test "a thread cannot be created: status 1 and the reason" {
    about "let the Nth pthread_create fail" \
        "it returns its error and does not set errno; end and join the threads that run already" \
        "man 3 pthread_create"
    local error
    for error in EAGAIN ENOMEM; do
        ARGUMENTS=(-t 4)
        sweep "pthread_create:$error:@" talk
        refused 4
    done
}

# bats test_tags=promise:each-start-fails
@test "what is good to have may fail at the start" {
    about "let a call fail without which the server can do its work" \
        "more descriptors, another scheduling, a second way to stderr: say so and go on" \
        "step05_final/stages/09_limits/README.md, \"The idea\""
    local fault
    for fault in getrlimit:EPERM setrlimit:EPERM pthread_setschedparam:EPERM open:EMFILE open:ENOENT; do
        with_fault "$fault:1"
        one_run talk drain
        [[ $STRUCK_AT == start && -n $RAN ]] || report "$fault: struck at ${STRUCK_AT:-nothing}" "a server that runs"
    done
}

# ---- calls of each connection -----------------------------------------------------

# bats test_tags=promise:each-call-fails
@test "epoll_ctl fails: at the start status 1, later one visit is lost" {
    about "let the Nth epoll_ctl with EPOLL_CTL_ADD fail" \
        "a connection that cannot be registered will never be heard of: close it" \
        "man 2 epoll_ctl"
    sweep epoll_ctl:ENOMEM:@ talk drain
    struck 3 5
    each epoll_ctl 'talk drain' '6 9' ENOSPC
}

# each CALL PART WHEN ERRNO...: each errno once, at each call whose number is in WHEN.
each() {
    local call=$1 part=$2 when=$3 error n did=$ABOUT_DID
    shift 3
    for error; do
        for n in $when; do
            ABOUT_DID="$did ($call: $error at call $n)"
            with_fault "$call:$error:$n"
            # shellcheck disable=SC2086 # words
            one_run $part
            [[ -n $RAN && -n $STRUCK_AT ]] ||
                report "it struck at ${STRUCK_AT:-nothing}" "a call that fails once the server runs"
        done
    done
    ABOUT_DID=$did
}

# bats test_tags=promise:harmless-failures
@test "accept4 fails: no client is lost" {
    about "let accept4 fail" "it says something about one client or about the moment, not about the listener" \
        'man 2 accept, "Error handling"'
    ALLOWED=0
    each accept4 'talk drain' '1 4' ECONNABORTED EMFILE ENFILE ENOBUFS ENOMEM EPROTO EPERM EINTR \
        ENETDOWN ENOPROTOOPT EHOSTDOWN ENONET EHOSTUNREACH EOPNOTSUPP ENETUNREACH ETIMEDOUT
}

# bats test_tags=promise:harmless-failures
@test "accept4 fails for a while: no client is lost" {
    about "let 20 calls of accept4 fail" "pause, and look again" "step05_final/stages/03_accept_pause/README.md, \"The idea\""
    ALLOWED=0
    local error
    for error in EMFILE ENOMEM ECONNABORTED EPERM; do
        with_fault "accept4:$error:2:20"
        one_run talk drain
        [[ $STRUCK_AT == visits ]] || report "it struck at ${STRUCK_AT:-nothing}" "among the visits"
    done
}

# bats test_tags=promise:each-call-fails
@test "recv fails: one visit is lost" {
    about "let the Nth recv fail" "it is the end of this connection, not of the server" \
        'man 2 recv, "ERRORS"'
    each recv 'talk drain' '1 2 7' ECONNRESET ETIMEDOUT ENOMEM EHOSTUNREACH ENETUNREACH ECONNREFUSED
    ALLOWED=0
    each recv 'talk drain' '1 2 7' EINTR
}

# bats test_tags=promise:each-call-fails
@test "sending fails: one visit is lost" {
    about "let the Nth send, sendmsg or writev fail" \
        "it is the end of this connection, not of the server" 'man 2 send, "ERRORS"'
    local call calls
    calls=$(nm -u "$COURSE"/step05_final/build-wrap/*.o | awk '$1 == "U" { print $2 }' | sort -u)
    for call in send sendmsg writev; do
        [[ $'\n'$calls$'\n' == *$'\n'"$call"$'\n'* ]] || continue
        ALLOWED=1
        each $call 'talk drain' '1 2 5' ECONNRESET EPIPE ENOBUFS ENOMEM ETIMEDOUT EHOSTUNREACH
        ALLOWED=0
        each $call 'talk drain' '1 2 5' EINTR
    done
}

# bats test_tags=promise:harmless-failures
@test "waiting, polling and waking fail: no client is lost" {
    about "let epoll_wait, poll or read fail" "EINTR says that nothing was done: try again" \
        'man 7 signal, "Interruption of system calls"'
    ALLOWED=0
    each epoll_wait 'talk drain' '1 2 9' EINTR
    each read drain '1' EINTR
    ARGUMENTS=("${LATE[@]}")
    each epoll_wait late '1 2 9' EINTR
    each poll late '1 2' EINTR ENOMEM
}

# bats test_tags=promise:harmless-failures
@test "the log fails: no client is lost" {
    about "let the write of a log line fail" "a line is lost, and counted, and that is all" \
        "step05_final/stages/02_log/README.md, \"The idea\""
    ALLOWED=0
    ARGUMENTS=(--log-level debug)
    each write 'talk drain' '1 3' ENOSPC EIO EPIPE EAGAIN EINTR EFBIG EDQUOT
}

# bats test_tags=promise:harmless-failures
@test "shutdown fails: the connection ends all the same" {
    about "let shutdown fail" "the client has left already; the deadline ends what is left" \
        "step05_final/stages/10_drain/README.md, \"The idea\""
    ARGUMENTS=(--drain-timeout 500)
    each shutdown drain '1 2' ENOTCONN
}

# ---- under valgrind ---------------------------------------------------------------

# The books above say that nothing is lost; valgrind also sees what is used after it was given
# back, and which descriptor stays open. A selection, for each run takes seconds.
# bats test_tags=long,promise:memcheck-when-calls-fail
@test "memcheck finds nothing when allocations fail" {
    about "let the Nth allocation fail, under valgrind" "valgrind tells on stderr what it saw" \
        "step05_final/stages/04_scratch_buffers/README.md, \"The idea\""
    valgrind_runs "talk drain" memory:ENOMEM:{4,12,21,30,39,48} memory:ENOMEM:{15,33}:all
    ARGUMENTS=(--idle-timeout 3000 --header-timeout 3000 --body-timeout 3000 --write-timeout 3000)
    valgrind_runs late memory:ENOMEM:{9,14}
}

# bats test_tags=long,promise:memcheck-when-calls-fail
@test "memcheck finds nothing when calls fail" {
    about "let the Nth call fail, under valgrind" "valgrind tells on stderr what it saw" \
        "step05_final/stages/04_scratch_buffers/README.md, \"The idea\""
    valgrind_runs "talk drain" epoll_ctl:ENOMEM:{3,9} accept4:EMFILE:3:3 recv:ECONNRESET:5 \
        send:EPIPE:3 sendmsg:ECONNRESET:2 pthread_create:EAGAIN:2
}

# valgrind_runs PARTS FAULT...
valgrind_runs() {
    local parts=$1 fault did=$ABOUT_DID
    needs_valgrind
    SERVER_WRAP="valgrind -q --error-exitcode=99 --leak-check=full --track-fds=yes"
    SERVER_WRAP+=" --errors-for-leak-kinds=definite,indirect,possible"
    SLOWNESS=$((10 * PACE))
    shift
    for fault; do
        ABOUT_DID="$did ($fault)"
        with_fault "$fault"
        ALLOWED=1
        [[ $fault != *:all ]] || ALLOWED=1000
        # shellcheck disable=SC2086 # words
        one_run $parts
        fired || report "the fault did not strike" "a call that fails"
        # It lists the first three descriptors too, which are not ours to close.
        if grep -qE '^==.*(Invalid|lost|uninitialised|Open (AF_|file descriptor ([3-9]|[1-9][0-9])))' "$SERVER_ERR"; then
            report "$(grep '^==' "$SERVER_ERR" | head -20)" "no word from valgrind"
        fi
    done
    ABOUT_DID=$did
}
