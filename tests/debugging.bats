#!/usr/bin/env bats
# debugging.bats - what tests/debugging/server.gdb says about servers whose state is known: of a
# process, and of a core file.
#
# bats file_tags=debugging

load lib.bash
load http.bash # needs_dev_tcp

SCRIPT=$COURSE/tests/debugging/server.gdb

setup() { cd "$COURSE" || return 1; }

# needs_gdb STEP: skips by name what this machine or this copy of the course cannot do.
needs_gdb() {
    local version
    command -v gdb >/dev/null || skip "gdb is not installed"
    version=$(gdb --version | sed -n '1s/.* \([0-9][0-9]*\)\.[0-9].*/\1/p')
    ((${version:-0} >= 12)) || skip "gdb ${version:-of an unknown version}: 12 is needed"
    [[ $(gdb -nx -q -batch -ex 'python print(6 * 7)' 2>&1) == 42 ]] || skip "this gdb has no Python"
    STEP=$1
    [[ -n ${SERVER-} ]] || for SERVER in "$COURSE/step$1"_*/server; do :; done
    [[ -x $SERVER ]] || skip "the reference of step $1 is not here"
}

# gdb_says ARGUMENT...: SAID is what the script prints, and nothing of what gdb says beside it.
gdb_says() {
    local arguments=("$@")
    SAID=$(env -u DEBUGINFOD_URLS timeout "$NET_S" gdb -nx -q -batch -x "$SCRIPT" -ex 'echo begin\n' \
        "${arguments[@]}" 2>&1 3>&- 4>&- | grep -v '^\[Inferior .* detached\]$')
    [[ $SAID != *'ptrace: Operation not permitted'* && $SAID != *'Could not attach'* ]] ||
        skip "a process may not be traced here"
    SAID=${SAID#*begin$'\n'}
}

# ask COMMAND...: of the server that runs.
ask() {
    local words=() word
    for word; do words+=(-ex "$word"); done
    gdb_says -p "$SERVER_PID" -ex 'echo begin\n' "${words[@]}"
    SAID=${SAID#*begin$'\n'}
}

# ask_core COMMAND...: of a core file of it.
ask_core() {
    local words=() word core=$BATS_TEST_TMPDIR/core
    for word; do words+=(-ex "$word"); done
    [[ -e $core.$SERVER_PID ]] || timeout "$NET_S" gcore -o "$core" "$SERVER_PID" >"$core.said" 2>&1 3>&- 4>&- ||
        { cat "$core.said" && return 1; }
    gdb_says "$SERVER" "$core.$SERVER_PID" -ex 'echo begin\n' "${words[@]}"
    SAID=${SAID#*begin$'\n'}
}

# shows WORDS COMMAND...: what the server's state looks like, sooner or later.
shows() {
    ask "${@:2}"
    [[ $SAID == *"$1"* ]]
}

# expect: SAID is what stands on stdin, where FD1 is the first client's descriptor and so on, N a
# port or a time, and SOME a thousand bytes or more.
expect() {
    local wanted i
    wanted=$(cat)
    for i in "${!CLIENT_FDS[@]}"; do wanted=${wanted//FD$((i + 1))/${CLIENT_FDS[i]}}; done
    diff <(echo "$wanted") <(sed -E 's/(deadline (in|at)) [0-9.]+ s/\1 N s/; s/127\.0\.0\.1:[0-9]+/127.0.0.1:N/
        s/(, |output )[1-9][0-9]{3,}/\1SOME/' <<<"$SAID")
}

# connect [PORT]: one client more, as the descriptor FD of this shell. CLIENT_FDS: the server's
# descriptors, in the order in which the clients came.
connect() {
    local count=$(($(fd_count) + 1)) fds
    exec {FD}<>"/dev/tcp/127.0.0.1/${1:-$PORT}"
    wait_until 5000 has_fds "$count" || report "$(fd_count) descriptors" "$count, when a client has connected"
    fds=("/proc/$SERVER_PID/fd/"*)
    mapfile -t fds < <(printf '%s\n' "${fds[@]##*/}" | sort -n)
    CLIENT_FDS+=("${fds[-1]}")
}

# clients_come: a silent one, one that is served, one that waits in the queue. The process call
# of the second lasts as long as the test.
clients_come() {
    CLIENT_FDS=()
    connect
    connect
    echo hello >&"$FD"
    wait_until 10000 shows 'worker: in process' workers || report "$SAID" 'the worker in process'
    connect
    echo hello >&"$FD"
    wait_until 10000 shows '1 task in the queue' queue || report "$SAID" 'a task in the queue'
}

# clog: a client that sends and does not read, until the server is left with an answer.
clog() {
    CLIENT_FDS=()
    connect
    head -c 64M /dev/zero >&"$FD" 2>/dev/null 3>&- 4>&- &
    STARTED_PIDS+=("$!")
    wait_until 10000 shows "$1" connections || report "$SAID" "a connection that waits until it can write"
}

# ---- step 04 ----------------------------------------------------------------------

@test "gdb: of step 04 it says who is silent, served, queued, and what each thread does" {
    needs_gdb 04
    needs_dev_tcp
    start_server -t 1 -w 60000000
    clients_come
    # In the end the last task is queued twice.
    ask workers queue connections 'connections 0' "connections ${CLIENT_FDS[2]}" \
        'set var $conn->task.next = &$conn->task' queue 'set var $conn->task.next = 0'
    expect <<'END'
thread 1, main thread: waits for events
thread 2, worker: in process, for fd FD2
1 task in the queue: fd FD3
fd FD1: nobody's, epoll waits until it is readable
    owned false, 0 bytes in its buffer
fd FD2: thread 2 has it, in process
    owned true, 6 bytes in its buffer
fd FD3: in the queue, place 1
    owned false, 0 bytes in its buffer
3 connections
connections: no connection that can be seen has the descriptor 0
fd FD3: in the queue, place 1
    owned false, 0 bytes in its buffer
1 task in the queue: fd FD3
and then fd FD3 again: it was queued twice, and so the list is a circle
END
    # The kernel's list of the silent ones is no part of a core file.
    ask_core workers queue connections
    expect <<'END'
thread 1, main thread: waits for events
thread 2, worker: in process, for fd FD2
1 task in the queue: fd FD3
Those that are queued or served; the list of the others is in the kernel.
fd FD2: thread 2 has it, in process
    owned true, 6 bytes in its buffer
fd FD3: in the queue, place 1
    owned false, 0 bytes in its buffer
2 connections
END
}

@test "gdb: of step 04 it says who does not read, and that nobody waits for a connection that is forgotten" {
    needs_gdb 04
    needs_dev_tcp
    start_server -t 2
    clog 'epoll waits until it is writable'
    connect
    local fd=${CLIENT_FDS[1]} poller
    poller=$(find "/proc/$SERVER_PID/fd" -lname '*eventpoll*')
    # The second is forgotten: epoll_ctl disarms it as if its event had come.
    ask workers queue connections "connections ${CLIENT_FDS[0]}" 'print $conn->begin < $conn->end' "connections $fd" \
        'set var $event = (struct epoll_event *)$conn->buffer' 'set var $event->events = 0x40000000' \
        'set var $event->data.ptr = $conn' "print (int)epoll_ctl(${poller##*/}, 3, $fd, \$event)" "connections $fd"
    expect <<'END'
thread 1, main thread: waits for events
thread 2, worker: waits for work
thread 3, worker: waits for work
no tasks in the queue
fd FD1: nobody's, epoll waits until it is writable
    owned false, SOME bytes in its buffer
fd FD2: nobody's, epoll waits until it is readable
    owned false, 0 bytes in its buffer
2 connections
fd FD1: nobody's, epoll waits until it is writable
    owned false, SOME bytes in its buffer
$1 = 1
fd FD2: nobody's, epoll waits until it is readable
    owned false, 0 bytes in its buffer
$2 = 0
fd FD2: nobody's, and epoll does not wait for it: its event is under way, or it was forgotten
    owned false, 0 bytes in its buffer
END
}

# wrong_server NAME: builds that one of tests/mutants.
wrong_server() {
    local directory=$BATS_TEST_TMPDIR/$1
    mkdir "$directory"
    cp step"${1%%_*}"_*/{*.[ch],Makefile} "$directory"
    [[ -e tests/mutants/$1.patch ]] || skip "the wrong servers are not here"
    patch -s -d "$directory" -p1 <"tests/mutants/$1.patch"
    make -s -C "$directory"
    SERVER=$directory/server
}

@test "gdb: of two workers that wait for each other it names the locks, and who has them" {
    needs_gdb 04
    wrong_server 04_lock_order
    start_server -t 2
    # They wait forever, and so does the client, until it has had enough.
    "$TOOLS/probe" "$PORT" 'within 1000' 'open x*20' 'stream x 20k' >"$BATS_TEST_TMPDIR/probe" 3>&- 4>&- || true
    wait_until 10000 shows 'for the lock bytes_lock' workers || report "$SAID" "two workers that wait for locks"
    SAID=$(sed -E 's/conn\.c:[0-9]+\)(, for fd [0-9]+)?/conn.c:N)/' <<<"$SAID")
    # Which of the two is the first depends on who was faster.
    [[ $SAID == *'thread 2, worker: waits for the lock clients_lock, which thread 3 has, in task_read (conn.c:N)'* &&
        $SAID == *'thread 3, worker: waits for the lock bytes_lock, which thread 2 has, in conn_free (conn.c:N)'* ]] ||
        [[ $SAID == *'thread 3, worker: waits for the lock clients_lock, which thread 2 has, in task_read (conn.c:N)'* &&
            $SAID == *'thread 2, worker: waits for the lock bytes_lock, which thread 3 has, in conn_free (conn.c:N)'* ]] ||
        report "$SAID" "each waits for the lock that the other has"
}

# ---- step 05 ----------------------------------------------------------------------

# Limits that tell each other apart, and that no test lives to see.
LONG=(--idle-timeout 600000 --header-timeout 500000 --write-timeout 400000)

# left MIN MAX...: the deadlines that SAID tells, one after the other, lie between these seconds.
left() {
    local deadline
    while read -r deadline; do
        ((${deadline%.*} >= $1 && ${deadline%.*} < $2)) || {
            echo "a deadline in $deadline s, not between $1 and $2"
            return 1
        }
        shift 2
    done < <(sed -n 's/.*deadline in \([0-9.]*\) s/\1/p' <<<"$SAID")
    (($# == 0))
}

# four_connections in|at: what is said of clients_come and of one more client, of HTTP: in how many
# seconds a deadline is, of a process, and at which time, of a core file.
four_connections() {
    sed "s/deadline in/deadline $1/" <<'END'
thread 1, main thread: waits for events
thread 2, worker: in process, for fd FD2
1 task in the queue: fd FD3
fd FD1, #1, echo, 127.0.0.1:N: nobody's; noted: writable
    state 0x02, phase idle, input 0, output 0, deadline in N s
fd FD2, #2, echo, 127.0.0.1:N: thread 2 has it, in process; noted: nothing
    state 0x10, phase idle, input 0, output 0, deadline in N s
fd FD3, #3, echo, 127.0.0.1:N: in the queue, place 1; noted: readable, writable
    state 0x13, phase idle, input 0, output 0, deadline in N s
fd FD4, #4, http, 127.0.0.1:N: nobody's; noted: writable
    state 0x02, phase idle, input 0, output 0, deadline in N s
4 connections
END
}

@test "gdb: of step 05 it says the state word of each connection in words, its phase and its deadline" {
    needs_gdb 05
    needs_dev_tcp
    start_server -t 1 -w 60000000 --http 0 "${LONG[@]}"
    wait_until 5000 grep -q '^http on' "$SERVER_OUT"
    clients_come
    connect "$(sed -n 's/^http on .*://p' "$SERVER_OUT")"
    ask workers queue connections
    left 300 600 300 600 300 600 300 600
    expect < <(four_connections in)
    ask_core workers queue connections
    expect < <(four_connections at)
}

@test "gdb: of step 05 it says who is in the middle of a request, and who does not read" {
    needs_gdb 05
    needs_dev_tcp
    start_server -t 2 --http 0 "${LONG[@]}"
    wait_until 5000 grep -q '^http on' "$SERVER_OUT"
    clog 'phase write'
    connect "$(sed -n 's/^http on .*://p' "$SERVER_OUT")"
    printf 'GET / HT' >&"$FD"
    wait_until 10000 shows 'phase head' connections || report "$SAID" "a request whose head is not complete"
    left 100 400 400 500
    expect <<'END'
fd FD1, #1, echo, 127.0.0.1:N: nobody's; noted: readable; output first
    state 0x21, phase write, input 0, output SOME, deadline in N s
fd FD2, #2, http, 127.0.0.1:N: nobody's; noted: writable
    state 0x02, phase head, input 8, output 0, deadline in N s
2 connections
END
}

@test "gdb: each bit of the state word has its word, and a connection that is lost is told" {
    needs_gdb 05
    needs_dev_tcp
    start_server -t 1 --idle-timeout 0 --write-timeout 0
    CLIENT_FDS=()
    connect
    local commands=() state
    for state in 0 1 2 4 8 16 32 63; do commands+=("set var \$conn->state = $state" "connections ${CLIENT_FDS[0]}"); done
    ask "connections ${CLIENT_FDS[0]}" "${commands[@]}" 'set var $conn->state = 2'
    SAID=$(sed -n 's/^fd [^:]*:[0-9]*: //p; s/^  *\(state 0x[0-9a-f]*\), .*/\1/p; s/.*\(no deadline\)/\1/p' <<<"$SAID")
    expect <<'END'
nobody's; noted: writable
state 0x02
nobody's; noted: nothing
state 0x00
nobody's; noted: readable
state 0x01
nobody's; noted: writable
state 0x02
nobody's; noted: read all
state 0x04
nobody's; noted: drain
state 0x08
owned, by none of the workers: the main thread has it, or it is lost; noted: nothing
state 0x10
nobody's; noted: nothing; output first
state 0x20
owned, by none of the workers: the main thread has it, or it is lost; noted: readable, writable, read all, drain; output first
state 0x3f
END
}

# ---- what it cannot tell ----------------------------------------------------------

@test "gdb: what it cannot tell it says in one line" {
    needs_gdb 04
    local plain=$BATS_TEST_TMPDIR/plain
    CLIENT_FDS=()
    make -s -C step04_threadpool CFLAGS=-O2 BUILD="$plain" SERVER="$plain/server"
    gdb_says -ex workers
    expect <<<'workers: there is no program: say gdb -p PID, or gdb SERVER CORE'
    gdb_says "$SERVER" -ex queue
    expect <<<'queue: there is no process and no core file: say gdb -p PID, or gdb SERVER CORE'
    gdb_says "$plain/server" -ex connections
    expect <<<'connections: this program was built without -g, or it was stripped, so there are no names in it'
    gdb_says step03_epoll/server -ex workers
    expect <<<'workers: this is no server of step 04 or 05: their struct pool and struct conn are not in it'
    gdb_says "$SERVER" -ex 'connections all'
    expect <<<'connections: there is no process and no core file: say gdb -p PID, or gdb SERVER CORE'
}
