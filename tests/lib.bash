# lib.bash - what every test file loads (bats-core 1.8.2 or later).
#
# Told by the environment:
#   SERVER       the binary under test; without it, the one of step $STEP
#   STEP         01 to 05; empty: only the contract is asked of the server
#   STAGE        with STEP=05: the stage on the way to it, such as 07, that SERVER is
#   EX           an exercise is judged, 07; then EXERCISE is the student's directory
#   SERVER_WRAP  words before the binary, such as "valgrind -q"; limits grow tenfold
#   SLOWNESS     how many times longer than usual things may take
#   PACE         that, because this machine is slow (src/pace.c); tests/run measures it
#   SERVER_ENV   words VAR=value for its environment, such as LD_PRELOAD=...
#   CHECK_EXIT   not empty: every test asks for exit status 0, where valgrind and the
#                sanitizers say what they found; SERVER_WRAP implies it
#   KEEP_STDERR  a directory where what each server writes to stderr is kept
#   CHECK_RERUN  how to start this run again, such as "make check STEP=03"
#
# Every wait here has a limit and watches for a condition; nothing sleeps and hopes. Limits
# count the time in which the server could run (fair.bash).
#
# Each test that judges a server has the tag promise:NAME, above it, and asks for nothing but
# that promise: README.md ("The contract") lists those of contract.bats and faults.bats, and
# stepNN/README.md ("Promises") those of the step. A test with the tag `wall` is about one of
# the step's walls, which that chapter lists as well. course.bats holds these lists.
# shellcheck shell=bash

COURSE=${COURSE_LINK:-$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd -P)}
TOOLS=$COURSE/tests/bin

STEP=${STEP-}
if [[ -z ${SERVER-} && -n $STEP ]]; then
    for SERVER in "$COURSE/step$STEP"_*/server; do :; done
elif [[ -n ${SERVER-} && $SERVER != /* ]]; then
    SERVER=$PWD/$SERVER
fi
SERVER=${SERVER-}

# A server under valgrind or a sanitizer runs in slow motion, and so does all on a slow machine.
PACE=${PACE:-1}
SLOWNESS=${SLOWNESS:-1}
[[ -z ${SERVER_WRAP-} ]] || ((SLOWNESS > 1)) || SLOWNESS=10
SLOWNESS=$((SLOWNESS * PACE))

START_LIMIT_MS=5000
STOP_LIMIT_MS=2500 # the contract says 2 s
PROBE_TIMEOUT=${PROBE_TIMEOUT:-20} # seconds for a whole script of the client
TRY_LIMIT_S=20 # for a server that must end at once, in real time: it takes 10 ms
# shellcheck disable=SC2034 # for who sources this
NET_S=900 # real time, for programs that end by themselves unless they have a fault

SERVER_PID='' PORT='' ADDRESS='' SERVER_OUT='' SERVER_ERR=''
TRIED_STATUS='' TRIED_OUT='' TRIED_ERR=''
ABOUT_DID='' ABOUT_WHY='' ABOUT_READ=''
declare -gA BECAUSE=()
STARTED_PIDS=()
SERVER_NUMBER=0

# shellcheck source=tests/fair.bash
source "$COURSE/tests/fair.bash"

export BATS_TEST_DESCRIPTION # for LIMITS_LOG

# ---- small helpers ----------------------------------------------------------------

now_ms() { echo $((${EPOCHREALTIME/[.,]/} / 1000)); }

# elapsed_ms SINCE: milliseconds since `SINCE=$(now_ms)`.
elapsed_ms() { echo $(($(now_ms) - $1)); }

# some_of FILE: its beginning. A server that prints without end has said enough, and bash is slow
# with patterns in long texts.
some_of() { head -c 65536 "$1" | tr -d '\0'; }

# refute COMMAND...: fails if it succeeds. A bare `! command` never fails a test: the
# shell does not count it as an error.
refute() {
    if "$@"; then
        echo "should have failed: $*"
        return 1
    fi
}

# unseen COMMAND...: bats looks at each command of a test to be able to name the one that
# failed, at a cost of about a millisecond. It need not look into what only waits and asks.
unseen() {
    local -
    set +T
    "$@"
}

# pause SECONDS: a sleep that starts no process, for a suite has thousands of them: it reads
# from a pipe into which nobody writes.
PAUSE_FD=''
pause() {
    [[ -n $PAUSE_FD ]] || exec {PAUSE_FD}<> <(:)
    read -rt "$1" -u "$PAUSE_FD" || true
}

# wait_until LIMIT_MS COMMAND...: tries again and again until it succeeds, at first often,
# for most waits are short.
wait_until() { unseen try_until "$@"; }

try_until() {
    local LIMIT_US=$(($1 * SLOWNESS * 1000)) BEGAN_US=${EPOCHREALTIME/[.,]/} UNTIL_US ACCOUNT=()
    local tries=0
    UNTIL_US=$((BEGAN_US + LIMIT_US))
    shift
    until "$@"; do
        if ! time_is_left; then
            "$@" # as late as we may be: is it still not so?
            return
        fi
        if ((tries++ < 10)); then pause 0.002; else pause 0.02; fi
    done
    note_limit "$@"
}

# is_running PID: true until it has ended, even if nobody asked for its status yet.
is_running() {
    local stat
    read -r stat 2>/dev/null <"/proc/$1/stat" || return 1
    [[ ${stat##*) } != [ZX]* ]]
}

has_ended() { ! is_running "$1"; }

# has_option --NAME: whether the server knows it, says its usage.
has_option() { "$SERVER" -h 2>/dev/null | grep -qF -- "$1 "; }

# step_at_least NN: is a step under test, this one or a later one?
step_at_least() { [[ -n $STEP ]] && ((10#$STEP >= 10#$1)); }

# ---- the report of a failure ------------------------------------------------------

# about DID WHY [READ]: what a student should know if this test fails.
about() {
    ABOUT_DID=$1 ABOUT_WHY=$2 ABOUT_READ=${3-}
    BECAUSE=()
}

# because KINDS WHY: more likely than the WHY of `about` if the client sees a failure of one of
# these kinds (src/probe.c lists them); `ended`: if the server ends at its start.
because() {
    local kind
    for kind in $1; do BECAUSE[$kind]=$2; done
}

# in_a_pool WORDS: where there are workers.
in_a_pool() { if step_at_least 04; then echo "$1"; fi; }

# why_of KIND: what mostly lies behind it, whatever the test is about. Nothing: it depends.
why_of() {
    local two='two workers at one connection: its event is the token of who owns it (EPOLLONESHOT), armed again last'
    case $1 in
        lost) echo "bytes were dropped: mostly the rest of a partial send, which send did not take, or what is \
overwritten by the next recv before it was sent$(in_a_pool "; or $two")" ;;
        repeated) echo "bytes were sent twice: the next send after a partial one begins where that one stopped, \
counted from the place where it began$(in_a_pool "; or $two")" ;;
        reordered) echo "what came first must leave first: perhaps new input is sent before the rest of the last \
answer$(in_a_pool "; or $two")" ;;
        foreign) echo "two connections share a buffer or a position: each needs its own\
$(in_a_pool "; or a worker uses a connection that was freed, and whose memory is another's now")" ;;
        cut) echo "the rest of an answer never came: after a partial send, keep the rest, wait until the socket is \
writable, and send it$(in_a_pool "; or its event is lost: arm it when all is done")" ;;
        invented | unasked) echo "more was sent than had come: send as many bytes as recv returned, not the whole \
buffer, and after a partial send only those that are left" ;;
        refused) echo "nobody listens there: the server has ended, or it has closed its listener" ;;
        gone) echo "the server has ended: whatever a client does, it ends its own connection, and not the process" ;;
    esac
}

# explain KIND: the best WHY for a failure of this kind.
explain() {
    local why=${BECAUSE[${1:-none}]-}
    [[ -n $why ]] || why=$(why_of "$1")
    [[ -z $why ]] || ABOUT_WHY=$why
}

report_line() {
    local label=$1 text=$2
    [[ -z $text ]] || printf '    %-6s : %s\n' "$label" "${text//$'\n'/$'\n'             }"
}

# What `wait` said, in words.
status_in_words() {
    if (($1 > 128)) && kill -l $(($1 - 128)) >/dev/null 2>&1; then
        echo "ended by SIG$(kill -l $(($1 - 128)))"
    else
        echo "ended with status $1"
    fi
}

# Prints how the server fares. Only in the shell that started it can we know its status.
server_state() {
    local status=0
    if [[ -n ${TRIED_STATUS-} ]]; then
        status_in_words "$TRIED_STATUS"
    elif [[ -z $SERVER_PID ]]; then
        echo "not started"
    elif is_running "$SERVER_PID"; then
        echo "still running"
    else
        wait "$SERVER_PID" 2>/dev/null || status=$?
        if ((status == 127)); then echo "ended"; else status_in_words "$status"; fi
    fi
}

# ---- where it crashed -------------------------------------------------------------

# loader FILE: the program that loads it, if it is glibc's; not for a script, a program that is
# linked statically or one with a sanitizer.
loader() {
    LC_ALL=C grep -aqm1 '__[a-z]*san_init' "$1" || LC_ALL=C grep -aom1 'ld-linux[-._a-z0-9]*' "$1"
}

# image_of SERVER: the program itself, which the grader may have put behind a guard
# (src/guard.c).
image_of() {
    local conf=${1%/*}/guard.conf
    if [[ -f $conf ]]; then sed -n 's/^program //p' "$conf"; else echo "$1"; fi
}

# open_to_guard VARIABLE=VALUE...: behind a guard the server is another user. It may write into the
# files that these name, which the libraries preloaded into it fill, and into no others.
open_to_guard() {
    local word
    [[ -f ${SERVER%/*}/guard.conf ]] || return 0
    chmod o+x "$BATS_RUN_TMPDIR"
    for word; do
        [[ $word != @(COUNT|CRASH)_FILE=* ]] || { : >"${word#*=}" && chmod 666 "${word#*=}"; }
    done
}

# as_server PROGRAM: another program with a student's code in it takes the server's place, behind a
# guard as well if the server is.
as_server() {
    local guarded=$BATS_TEST_TMPDIR/guarded
    if [[ -f ${SERVER%/*}/guard.conf ]]; then
        mkdir "$guarded" && cp "$SERVER" "$guarded/server"
        sed '/^program /d' "${SERVER%/*}/guard.conf" >"$guarded/guard.conf"
        printf 'program %s\n' "$1" >>"$guarded/guard.conf"
        chmod o+x "$BATS_RUN_TMPDIR" "$BATS_RUN_TMPDIR"/test "$BATS_TEST_TMPDIR" "$guarded"
        chmod o+rx "$1"
        set -- "$guarded/server"
    fi
    SERVER=$1
}

# notes_crashes: can crash.so (src/preload_crash.c) be loaded into the server?
notes_crashes() {
    [[ -z ${SERVER_WRAP-}${CHECK_EXIT-} && " ${SERVER_ENV-}" != *' LD_PRELOAD='* &&
        $TOOLS != *[[:space:]:]* && -f $TOOLS/crash.so ]] || return 1
    # Looking into a program takes a while, so each server is asked once in a run of bats.
    local known=$BATS_RUN_TMPDIR/notes-crashes server='' answer='' loaded_by
    read -r answer server 2>/dev/null <"$known" || true
    if [[ $server != "$SERVER" ]]; then
        answer=no
        loaded_by=$(loader "$(image_of "$SERVER")") || true
        [[ -z $loaded_by || $loaded_by != "$(loader "$TOOLS/probe")" ]] || answer=yes
        echo "$answer $SERVER" >"$known"
    fi
    [[ $answer == yes ]]
}

# crash_place: the innermost functions that were at work, as "take_task (pool.c:37), work
# (pool.c:48)"; nothing if that is not known.
crash_place() {
    local file=$BATS_TEST_TMPDIR/server$SERVER_NUMBER.crash frames
    [[ -s $file ]] && command -v addr2line >/dev/null || return 0
    mapfile -t frames <"$file"
    addr2line -fsip -e "$(image_of "$SERVER")" "${frames[@]}" 2>/dev/null |
        sed -n 's/^ (inlined by) //; s/^\([A-Za-z_].*\) at \([^?]*:[0-9]*\).*/\1 (\2)/p' | head -n 4 |
        paste -sd ',' | sed 's/,/, /g'
}

server_stderr() {
    if [[ -s $SERVER_ERR ]]; then
        # What was wrong stands before the usage, which is long.
        sed '/^usage:/,$d' "$SERVER_ERR" | tail -n 5
    else
        echo "(stderr empty)"
    fi
}

rerun_command() {
    local prefix=${CHECK_RERUN-} name=$BATS_TEST_DESCRIPTION
    if [[ -z $prefix && -n $STEP ]]; then
        prefix="make check STEP=$STEP${STAGE:+.$STAGE}"
    elif [[ -z $prefix ]]; then
        prefix="make check SERVER=$SERVER"
    fi
    # The filter is a regular expression, and stands in single quotes.
    echo "$prefix FILTER='${name//[][().*+?^\$|\\\{\}\']/.}'"
}

# why_of_death STATE: a server that crashed has a mistake of another kind than the test is about.
why_of_death() {
    case $1 in
        *SIGPIPE)
            ABOUT_WHY="sending to a client that has gone raises SIGPIPE, which ended the \
server: ignore it, and take EPIPE for the end of this one connection"
            ABOUT_READ='step01_blocking/README.md, "Signals"'
            ;;
        *SIGSEGV | *SIGBUS | *SIGFPE | *SIGILL | *SIGABRT)
            ABOUT_WHY="the server crashed, which comes before all that this test is about; \
'make check MINE=directory' tells more"
            step_at_least 04 || return 0
            ABOUT_WHY+=". In a pool it is mostly a worker that waits with if instead of while \
and finds no task, or two workers at one connection"
            ABOUT_READ='step04_threadpool/README.md, "The pool"'
            ;;
    esac
}

# report SAW WANTED: tells the student, and fails.
report() { unseen print_report "$@"; }

print_report() {
    local state
    # Not in $( ): a subshell could not wait for the server.
    server_state >"$BATS_TEST_TMPDIR/state"
    read -r state <"$BATS_TEST_TMPDIR/state"
    if [[ -n ${EX-} ]]; then
        echo "✗ exercise $EX: $BATS_TEST_DESCRIPTION"
    else
        echo "✗ ${STEP:+step}${STEP:-${SERVER##*/}}${STAGE:+.$STAGE}: $BATS_TEST_DESCRIPTION"
    fi
    report_line did "${ABOUT_DID:-$BATS_TEST_DESCRIPTION}"
    report_line saw "$1"
    report_line wanted "$2"
    why_of_death "$state"
    report_line why "$ABOUT_WHY"
    [[ -n ${EX-} && $state == 'not started' ]] || report_line server "$(server_stderr)"$'\n'"$state"
    report_line crash "$(crash_place)"
    report_line rerun "$(rerun_command)"
    report_line read "$ABOUT_READ"
    return 1
}

# past_the_wall COMMAND...: for a test that runs into a wall, behind an ||. Of our own server
# the wall is asked. Another may be better than its step: where COMMAND, which says what is so
# once the wall is gone, succeeds, that is said; where it does not, the test has seen
# something else, and says what. In neither case the server has done wrong. COMMAND starts its
# own server.
past_the_wall() {
    local saw
    [[ ${WALLS-} != judged ]] || return 1
    kill_servers
    saw=$("$@" 3>&- | sed -n 's/^ *saw *: //p' | head -n 1; exit "${PIPESTATUS[0]}") &&
        skip "this wall is gone: well done"
    skip "neither the wall nor its absence was seen${saw:+; $saw}"
}

# ---- the server -------------------------------------------------------------------


ready_to_test() {
    if [[ ! -x $TOOLS/probe || ! -x $TOOLS/launch ]]; then
        echo "The tools of the tests are not built: run 'make -C tests' in $COURSE."
        return 1
    elif [[ -z $SERVER ]]; then
        echo "No server to test: say STEP=01 to STEP=05, or SERVER=path/to/server."
        return 1
    elif [[ ! -x $SERVER ]]; then
        echo "There is no program $SERVER: build it first, for example with" \
            "'make -C ${SERVER%/*}'."
        return 1
    fi
    leave_out
}

# has_tag TAG: does the test have it? Older versions of bats do not tell a test its tags.
has_tag() {
    awk -v tag="$1" -v head="@test \"$BATS_TEST_DESCRIPTION\" {" '
        /^# bats test_tags=/ { tags = "," substr($0, 18) "," }
        $0 == head { found = index(tags, "," tag ",") }
        /^@test / { tags = "" }
        END { exit !found }' "$BATS_TEST_FILENAME"
}

# leave_out: skips a test that cannot judge such a server, whether it is correct or broken: a
# sanitizer and a preloaded library get in each other's way, and it changes what is counted.
leave_out() {
    if [[ -n ${SERVER_KIND-} && ${SERVER_ENV-} == *LD_PRELOAD=* ]]; then
        skip "preloads a library; the server is built with $SERVER_KIND"
    elif [[ -n ${SERVER_KIND-} && $SERVER_KIND != static ]] && has_tag exact; then
        skip "counts what $SERVER_KIND changes"
    fi
}

# server_command ARGUMENT...: sets the array COMMAND.
server_command() {
    local environment wrap port=(-p 0) stdin=()
    read -ra environment <<<"${SERVER_ENV-}"
    read -ra wrap <<<"${SERVER_WRAP-}"
    ! notes_crashes || environment+=("LD_PRELOAD=$TOOLS/crash.so"
        "CRASH_FILE=$BATS_TEST_TMPDIR/server$((SERVER_NUMBER + 1)).crash")
    open_to_guard "${environment[@]}"
    [[ " $* " != *" -p "* ]] || port=()
    [[ ${SERVER_STDIN-} != closed ]] || stdin=(-i)
    COMMAND=("$TOOLS/launch" "${stdin[@]}" "${environment[@]}" "${wrap[@]}" "$SERVER" "${port[@]}" "$@")
    SERVER_NUMBER=$((SERVER_NUMBER + 1))
    SERVER_OUT=$BATS_TEST_TMPDIR/server$SERVER_NUMBER.out
    SERVER_ERR=$BATS_TEST_TMPDIR/server$SERVER_NUMBER.err
    [[ -z ${KEEP_STDERR-} ]] || SERVER_ERR=$(mktemp "$KEEP_STDERR/report.XXXXXX")
}

# Takes address and port from the line that the server prints. 1: no whole line yet.
read_address() {
    local line
    read -r line 2>/dev/null <"$SERVER_OUT" || return 1
    FIRST_LINE=$line
    if [[ $line =~ ^listening\ on\ (.+):([0-9]+)$ ]]; then
        ADDRESS=${BASH_REMATCH[1]} PORT=${BASH_REMATCH[2]}
        ADDRESS=${ADDRESS#\[} ADDRESS=${ADDRESS%\]}
    fi
}

said_or_ended() { read_address || has_ended "$SERVER_PID"; }

# start_server ARGUMENT...: in the background, on a port that the kernel picks unless
# -p is among the arguments. Sets SERVER_PID, ADDRESS, PORT, SERVER_OUT, SERVER_ERR.
# SERVER_STDIN=closed starts it without a stdin. Never under `run`, which is a subshell.
start_server() { unseen start_and_read_line "$@"; }

start_and_read_line() {
    local COMMAND FIRST_LINE='' saw limit=$START_LIMIT_MS
    ready_to_test || return 1
    server_command "$@"
    SERVER_PID='' PORT='' ADDRESS='' TRIED_STATUS=''
    "${COMMAND[@]}" </dev/null >"$SERVER_OUT" 2>"$SERVER_ERR" 3>&- 4>&- &
    SERVER_PID=$!
    STARTED_PIDS+=("$SERVER_PID")
    # Once is enough to wait long for a server that says nothing.
    [[ ! -e $BATS_RUN_TMPDIR/mute ]] || limit=1000
    if ! wait_until $limit said_or_ended; then
        saw="no line on stdout"
        # Whatever the test is about: without the line it does not even begin.
        ABOUT_WHY='stdout is a file here, and printf keeps the line back: fflush(stdout) after it'
        ABOUT_READ='step01_blocking/README.md, "The command line"'
        touch "$BATS_RUN_TMPDIR/mute"
    elif [[ -n $PORT ]]; then
        count_fds START_FDS
        return 0
    elif [[ -n $FIRST_LINE ]]; then
        saw="the line \"$FIRST_LINE\""
        ABOUT_WHY='the tests find the server by this line, so it must be exactly this'
        ABOUT_READ='README.md, "The contract"'
    else
        saw="it ended without that line"
        ABOUT_WHY=${BECAUSE[ended]-it ended at the start; what it said on stderr stands below}
    fi
    report "$saw" 'the line "listening on ADDRESS:PORT" on stdout within'"\
 $((limit * SLOWNESS / 1000)) s"
}

# try_server ARGUMENT...: for one that is expected to end at once. Sets TRIED_STATUS,
# TRIED_OUT and TRIED_ERR (texts); a server that start_server runs is left alone.
try_server() { unseen run_server "$@"; }

# usage_error WORD...: the server ends at once with status 2, and says why.
usage_error() {
    about "started the server with $*" "what is wrong is said on stderr, with the usage" "$HERE, \"Done when\""
    try_server "$@"
    ((TRIED_STATUS == 2)) || report "it ended with status $TRIED_STATUS" "status 2"
    [[ -n $TRIED_ERR ]] || report "nothing on stderr" "a message and the usage"
}

run_server() {
    local COMMAND
    ready_to_test || return 1
    server_command "$@"
    TRIED_STATUS=0
    timeout -k 1 $((TRY_LIMIT_S * SLOWNESS)) "${COMMAND[@]}" \
        </dev/null >"$SERVER_OUT" 2>"$SERVER_ERR" 3>&- 4>&- || TRIED_STATUS=$?
    # shellcheck disable=SC2034 # for the tests
    TRIED_OUT=$(some_of "$SERVER_OUT") TRIED_ERR=$(some_of "$SERVER_ERR")
    if ((TRIED_STATUS == 124 || TRIED_STATUS == 137)); then
        report "it still ran after $((TRY_LIMIT_S * SLOWNESS)) s" "it ends at once"
    fi
}

# expect_exit STATUS [LIMIT_MS]
expect_exit() { unseen await_exit "$@"; }

await_exit() {
    local limit=${2:-$STOP_LIMIT_MS} status=0
    TRIED_STATUS=''
    wait_until "$limit" has_ended "$SERVER_PID" ||
        report "still running after $((limit * SLOWNESS)) ms" "exit status $1 by then" ||
        return 1
    wait "$SERVER_PID" 2>/dev/null || status=$?
    ((status == $1)) || report "the server $(status_in_words $status)" "exit status $1"
}

# stop_server [LIMIT_MS]: SIGTERM, and exit status 0.
stop_server() {
    kill -TERM "$SERVER_PID" 2>/dev/null || true # if it has ended, expect_exit says how
    expect_exit 0 "$@"
}

# end_server [LIMIT_MS]: for the end of a test that is not about signals, so that a server
# that cannot end cleanly fails only those that are. It must still run; it is killed.
end_server() {
    expect_alive || return 1
    if [[ -n ${SERVER_WRAP-}${CHECK_EXIT-} ]]; then
        # The client is gone; once the server has noticed, what is left is a leak.
        wait_until 1000 has_fds "$START_FDS" || true
        stop_server "$@"
    else
        kill_servers
    fi
}

expect_alive() {
    TRIED_STATUS=''
    is_running "$SERVER_PID" || report "the server process has ended" "a running server"
}

# count_fds NAME: into this variable, without a shell of its own, for it is asked in loops.
count_fds() {
    local open=("/proc/$SERVER_PID/fd/"*)
    printf -v "$1" %d ${#open[@]}
}

fd_count() {
    local now
    count_fds now
    echo "$now"
}

has_fds() {
    local now
    count_fds now
    ((now == $1))
}

# expect_fds COUNT: the server comes to hold just so many descriptors.
expect_fds() {
    wait_until 5000 has_fds "$1" ||
        report "the server holds $(fd_count) descriptors" "$1 descriptors within 5 s"
}

# kill_servers: for the teardown of every test file. What a test did not stop ends here.
kill_servers() {
    local pid
    for pid in "${STARTED_PIDS[@]}"; do
        if is_running "$pid"; then
            kill -KILL "$pid" 2>/dev/null || true
        fi
        wait "$pid" 2>/dev/null || true # also keeps the shell from saying "Killed"
    done
    STARTED_PIDS=()
}

teardown() { kill_servers; }

# ---- the client -------------------------------------------------------------------

# few_descriptors FILE: skips the test if a client said there that this machine does not allow
# it as many descriptors as the test is about.
few_descriptors() {
    ! grep -qE 'Too many open files$|descriptors needed, but' "$1" ||
        skip "this machine allows $(ulimit -Hn) descriptors (ulimit -Hn)"
}

# probe LINE...: runs the script (src/probe.c tells the verbs) against the server.
# -a ADDRESS before the lines connects to another address than the server named.
probe() { unseen run_probe "$@"; }

run_probe() {
    local status=0 address=$ADDRESS out=$BATS_TEST_TMPDIR/probe.out
    local err=$BATS_TEST_TMPDIR/probe.err step='' saw='' wanted='' kind=''
    TRIED_STATUS=''
    case $address in
        0.0.0.0) address=127.0.0.1 ;;
        ::) address=::1 ;;
    esac
    if [[ $1 == -a ]]; then
        address=$2
        shift 2
    fi
    "$TOOLS/probe" -a "$address" -P "$SERVER_PID" -T "$PROBE_TIMEOUT" -s "$SLOWNESS" "$PORT" "$@" \
        >"$out" 2>"$err" 3>&- 4>&- || status=$?
    [[ ! -s $out ]] || grep -v $'^step\t\|^saw\t\|^wanted\t\|^kind\t' "$out" || true # of `print`
    case $status in
        0) return 0 ;;
        1)
            step=$(sed -n $'s/^step\t//p' "$out")
            saw=$(sed -n $'s/^saw\t//p' "$out")
            wanted=$(sed -n $'s/^wanted\t//p' "$out")
            kind=$(sed -n $'s/^kind\t//p' "$out")
            ((${#step} <= 60)) || step=${step:0:57}...
            # A connection of a server that crashes ends a little before the process does.
            [[ $kind != @(closed|reset|refused) ]] || wait_until 300 has_ended "$SERVER_PID" || true
            explain "$kind"
            report "$step: $saw" "$wanted"
            ;;
        *)
            few_descriptors "$err"
            cat "$err"
            echo "The fault lies in the test or the machine, not in the server (status $status)."
            return 1
            ;;
    esac
}

# serves_several: does the running server serve a second client while the first is silent? Then
# it is more than the server of step 01, and what step 02 promises is asked of it.
serves_several() {
    local known=$BATS_FILE_TMPDIR/serves-several
    if step_at_least 02; then return; fi
    [[ -e $known ]] ||
        if probe 'open a' 'within 500' 'visit 1 "x"' >/dev/null; then echo yes; else echo no; fi >"$known"
    [[ $(<"$known") == yes ]]
}
