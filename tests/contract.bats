#!/usr/bin/env bats
# contract.bats - what every server of the course must do: bytes come back unchanged and
# in order, nothing that a client does ends the process, signals end it cleanly, and the
# command line is what it says. Nothing here needs two clients to be served at once.
#
# Where order matters, the server is stopped (SIGSTOP), everything it must find is queued
# in the kernel, and it is let go: then no timing is left. So the first test is that a
# server survives this, and a failure there explains others.
#
# bats file_tags=contract

load lib.bash

HERE=step01_blocking/README.md

# ---- stop and continue ------------------------------------------------------------

# bats test_tags=promise:stop-and-continue,needs:echo
@test "survives STOP and CONT" {
    about "stopped the server (kill -STOP), let it go on (kill -CONT), sent a message" \
        "after CONT some waiting calls, epoll_wait among them, return -1 with EINTR; that is no error: wait again" \
        "$HERE, \"Signals\""
    start_server
    probe stop cont stop cont 'open a' 'echo a "x"' 'close a' \
        'open b' stop cont 'echo b "x"' stop cont 'close b' 'open c' 'echo c "x"'
    end_server
}

# ---- the line on stdout -----------------------------------------------------------

# expect_stdout REGEX: the whole of stdout is one line that matches.
expect_stdout() {
    local all
    all=$(cat "$SERVER_OUT" && echo .) # the point keeps the final newline
    [[ $all =~ ^$1$'\n'\.$ ]] || report "on stdout: $(<"$SERVER_OUT")" "one line on stdout: $1"
}

# bats test_tags=promise:listening-line
@test "prints one line on stdout: where it listens" {
    about "started the server" \
        "print \"listening on ADDRESS:PORT\" and flush it" "$HERE, \"The socket\""
    start_server
    expect_stdout 'listening on 127\.0\.0\.1:[1-9][0-9]*'
    end_server
}

# bats test_tags=promise:quiet-stdout,needs:end-of-stream
@test "prints nothing else on stdout" {
    about "started the server, let three clients come, one of them with a reset" \
        "one line, once; all else goes to stderr" "$HERE, \"The socket\""
    start_server
    probe 'open a' 'echo a "hello\n"' 'half-close a' 'eof a' 'open b' 'echo b "x"' 'reset b' \
        'visit 1 "hello"'
    end_server
    expect_stdout 'listening on 127\.0\.0\.1:[1-9][0-9]*'
}

# bats test_tags=promise:address,needs:end-of-stream
@test "listens on an IPv6 address" {
    about "started the server with -b ::1" \
        "the family of the socket follows from the address; in the line, IPv6 stands in brackets" \
        "$HERE, \"The socket\""
    grep -qs '^0\{31\}1 ' /proc/net/if_inet6 || skip "no IPv6 loopback on this machine"
    start_server -b ::1
    expect_stdout 'listening on \[::1\]:[1-9][0-9]*'
    probe 'open a' 'echo a "hello\n"' 'stream a 100k'
    end_server
}

# bats test_tags=promise:address,needs:end-of-stream
@test "listens on 127.0.0.1 alone unless told otherwise" {
    about "started the server without -b, connected to 127.0.0.2" \
        "perhaps it listens on all addresses (INADDR_ANY); the default is 127.0.0.1" \
        "$HERE, \"The socket\""
    start_server
    probe 'visit 1 "hello"'
    probe -a 127.0.0.2 refused
    end_server
}

# bats test_tags=promise:address,needs:end-of-stream
@test "listens on the address of -b" {
    about "started the server with -b 127.0.0.2, connected there and to 127.0.0.1" \
        "-b ADDR is the address given to bind" "$HERE, \"The socket\""
    start_server -b 127.0.0.2
    expect_stdout 'listening on 127\.0\.0\.2:[1-9][0-9]*'
    probe 'visit 1 "hello"'
    probe -a 127.0.0.1 refused
    end_server
}

# bats test_tags=promise:stdin-closed,needs:end-of-stream
@test "serves with stdin closed" {
    about "started the server with descriptor 0 closed" \
        "then a socket may get descriptor 0: it is a descriptor like others" \
        "$HERE, \"The socket\""
    SERVER_STDIN=closed start_server
    probe 'open a' 'echo a "hello\n"' 'half-close a' 'eof a' 'visit 3 "x"'
    end_server
}

# bats test_tags=promise:port,needs:end-of-stream
@test "-p 0: the kernel picks a free port" {
    about "started two servers with -p 0, both running at the same time" \
        "0 is a port for bind like others, and makes the kernel pick one; perhaps it is taken for 'not given'" \
        "$HERE, \"The command line\""
    local ports=() low=1 high=65535
    # The kernel picks from this range (ip(7)).
    read -r low high 2>/dev/null </proc/sys/net/ipv4/ip_local_port_range || true
    while ((${#ports[@]} < 2)); do
        start_server -p 0
        ((PORT >= low && PORT <= high)) ||
            report "it listens on port $PORT" "a port from $low to $high, where the kernel picks one"
        probe 'visit 1 "hello"'
        ports+=("$PORT")
    done
    [[ ${ports[0]} != "${ports[1]}" ]] || report "both on port ${ports[0]}" "two ports"
    end_server
}

# bats test_tags=promise:port,needs:end-of-stream
@test "without options: 127.0.0.1 and port 8080" {
    about "started the server without any option" "the defaults are 127.0.0.1 and port 8080" \
        "$HERE, \"The command line\""
    # shellcheck disable=SC2016 # for the inner shell: all words but the last two, "-p 0"
    printf '#!/bin/bash\nexec "${@:1:$#-2}"\n' >"$BATS_TEST_TMPDIR/without-port"
    chmod +x "$BATS_TEST_TMPDIR/without-port"
    SERVER_WRAP="$BATS_TEST_TMPDIR/without-port ${SERVER_WRAP-}"
    if start_server >"$BATS_TEST_TMPDIR/start"; then
        expect_stdout 'listening on 127\.0\.0\.1:8080'
        probe 'visit 1 "hello"'
        end_server
    else
        # Another server may be there; then the message says where.
        TRIED_STATUS=0 TRIED_OUT=$(some_of "$SERVER_OUT") TRIED_ERR=$(some_of "$SERVER_ERR")
        wait "$SERVER_PID" 2>/dev/null || TRIED_STATUS=$?
        expect_refusal 1 8080
        expect_refusal 1 127.0.0.1
    fi
}

# start_stuck: starts a server whose stdout is a pipe without room for its line, so
# that it waits in the middle of printing it. READ_LINE is the end of the pipe to read from.
start_stuck() {
    local COMMAND page
    PIPE=$BATS_TEST_TMPDIR/pipe
    ready_to_test || return 1
    mkfifo "$PIPE"
    exec {READ_LINE}<>"$PIPE"
    printf -v page '%4095s' ''
    yes "${page// /x}" 2>/dev/null |
        dd of="$PIPE" bs=4096 iflag=fullblock oflag=nonblock 2>/dev/null || true
    server_command
    PORT='' ADDRESS='' TRIED_STATUS=''
    "${COMMAND[@]}" </dev/null >"$PIPE" 2>"$SERVER_ERR" 3>&- 4>&- {READ_LINE}>&- &
    SERVER_PID=$!
    STARTED_PIDS+=("$SERVER_PID")
}

# make_room: empties the pipe; then the line comes.
make_room() {
    local line=x
    dd if="$PIPE" of=/dev/null bs=1M count=1 iflag=nonblock 2>/dev/null
    while [[ $line == x* ]]; do
        IFS= read -r -t $((5 * SLOWNESS)) -u "$READ_LINE" line ||
            report "no line on stdout, now that there is room" "where it listens" || return 1
    done
    echo "$line" >"$SERVER_OUT"
    read_address
}

# bats test_tags=promise:line-when-ready,needs:listening-line
@test "prints the line when clients can connect, not before" {
    about "kept the server from printing its line (stdout was a full pipe), and looked whether it listened already" \
        "listen first, then print: whoever reads the line connects at once, and may be refused" \
        "$HERE, \"The socket\""
    unseen start_stuck
    ADDRESS=127.0.0.1 PORT=1 probe "within $START_LIMIT_MS" listens
    unseen make_room
    probe 'visit 1 "hello"'
    end_server
}

# bats test_tags=promise:stop-signals,needs:listening-line
@test "a signal before the line is printed" {
    about "kept the server from printing its line (stdout was a full pipe), sent it SIGTERM" \
        "handle the signals before you print the line: whoever reads it may send one at once, and its default action ends the process" \
        "$HERE, \"Signals\""
    local status=0
    unseen start_stuck
    ADDRESS=127.0.0.1 PORT=1 probe listens asleep
    kill -TERM "$SERVER_PID"
    # It may leave at once, with or without a word about the line.
    wait_until 200 has_ended "$SERVER_PID" || unseen make_room
    wait_until "$STOP_LIMIT_MS" has_ended "$SERVER_PID" ||
        report "still running after $STOP_LIMIT_MS ms" "its end by then"
    wait "$SERVER_PID" 2>/dev/null || status=$?
    ((status < 128)) || report "the server $(status_in_words $status)" "that it ends by itself"
}

# ---- bytes come back --------------------------------------------------------------

# bats test_tags=promise:echo,needs:listening-line
@test "echoes one message" {
    about "sent one message" "receive, and send back as many bytes as came" \
        "$HERE, \"The read loop\""
    because silent "nothing came back: is it received, processed and sent\
$(in_a_pool ", and does a worker wake for it (pthread_cond_signal)")"
    start_server
    probe 'open a' 'echo a "hello\n"' 'silent a'
    end_server
}

because_unread() {
    because "silent cut" "after one message nobody reads from this client again: receive in a \
loop, until recv returns 0$(in_a_pool "; with one-shot events, arm the connection again when its worker is done")"
}

# bats test_tags=promise:echo,needs:listening-line
@test "several messages on one connection" {
    about "sent 3 messages on one connection" \
        "perhaps recv is called once; loop until it returns 0" "$HERE, \"The read loop\""
    because_unread
    start_server
    probe 'open a' 'echo a "msg 1\n"' 'echo a "msg 2\n"' 'echo a "msg 3\n"'
    end_server
}

# bats test_tags=promise:echo,needs:listening-line
@test "a shorter message after a longer one" {
    about "sent a long message, then a short one" \
        "perhaps the whole buffer is sent back, not the bytes that came" "$HERE, \"The read loop\""
    because_unread
    start_server
    probe 'open a' 'echo a "a long message\n"' 'echo a "x"' 'silent a' 'echo a "ab\n"'
    end_server
}

# bats test_tags=promise:any-bytes,needs:end-of-stream,needs:one-worker-each
@test "every byte value" {
    about "sent the 256 byte values, and a message that begins and ends with NUL" \
        "bytes are no string: strlen, %s and printf stop at a NUL" "$HERE, \"The read loop\""
    start_server
    local all='' value
    for value in {0..255}; do
        printf -v all '%s\\x%02x' "$all" "$value"
    done
    probe 'open a' "echo a \"$all\"" 'echo a "\0a\0\0b\0"' 'echo a "\xff"' 'half-close a' 'eof a'
    end_server
}

# bats test_tags=promise:any-bytes,needs:end-of-stream,needs:one-worker-each
@test "no word is a command" {
    about "sent quit, exit, empty lines, both kinds of line ends, telnet's bytes, control characters, formats" \
        "what the bytes mean is the client's business: none ends the connection, is added or left out" \
        "$HERE, \"The read loop\""
    start_server
    local word script=()
    for word in quit exit bye QUIT close shutdown stop; do
        script+=("echo a \"$word\"" "echo a \"$word\n\"" "echo a \"$word\r\n\"")
    done
    for word in '\n' '\r\n' '\r' '\r\n\r\n' 'x\r\n' '\x04' '\x03' '\x1a' '\x1b' '\x7f' '\x80' '\0' ' ' '\t' \
        '.\r\n' '%s%n%d' '\xff\xf4\xff\xfd\x06' '\xff\xff' 'GET / HTTP/1.1\r\n\r\n' '\xef\xbb\xbf'; do
        script+=("echo a \"$word\"")
    done
    probe 'open a' "${script[@]}" 'silent a' 'half-close a' 'eof a'
    end_server
}

# bats test_tags=promise:any-bytes,needs:end-of-stream,needs:one-worker-each
@test "a message that comes byte by byte" {
    about "sent a message with one send per byte" \
        "one recv may bring any part of a message: echo what is there, expect no whole message" \
        "$HERE, \"The read loop\""
    start_server
    probe 'open a' 'drip a "one byte at a time\n"' 'expect a "one byte at a time\n"' \
        'half-close a' 'eof a'
    end_server
}

# bats test_tags=promise:any-bytes,needs:end-of-stream,needs:one-worker-each
@test "a message without a newline" {
    about "sent a message without a newline and waited for its echo" \
        "do not wait for the end of a line: TCP has none" "$HERE, \"The read loop\""
    start_server
    probe 'open a' 'echo a "no newline"' 'echo a "\n\n"' 'echo a " again"' 'half-close a' 'eof a'
    end_server
}

# bats test_tags=promise:any-length,needs:end-of-stream,needs:one-worker-each
@test "a message longer than any buffer" {
    about "sent 65,537 bytes at once" \
        "a message may take many calls of recv and many of send" "$HERE, \"Partial sends\""
    start_server
    probe 'open a' 'echo a random:65537' 'silent a' 'half-close a' 'eof a'
    end_server
}

# bats test_tags=promise:any-length,needs:end-of-stream,needs:one-worker-each
@test "a stream of 1 MB" {
    about "sent 1 MB while reading the echo" \
        "send may take fewer bytes than asked; go on with the rest, from where it stopped" \
        "$HERE, \"Partial sends\""
    start_server
    probe 'open a' 'stream a 1M' 'close a' 'open b' 'stream b 100k chunk=777 seed=7'
    end_server
}

# bats test_tags=promise:late-reader,needs:any-length
@test "a client that reads slowly" {
    about "sent 1 MB in small segments, reading with a small receive buffer in small pieces" \
        "the rest of a partial send must wait, neither dropped nor sent twice" \
        "$HERE, \"Partial sends\""
    start_server
    probe 'open a rcvbuf=4k mss=536' 'stream a 1M slow'
    end_server
}

# bats test_tags=promise:late-reader,needs:any-length,needs:stop-and-continue
@test "a client that sends all and reads only then" {
    about "sent without reading until the server took no more, then read" \
        "the rest of a partial send must wait until the client reads, and be sent then" \
        "$HERE, \"Partial sends\""
    start_server
    probe 'open a' 'pour a' 'drink a' 'echo a "and on\n"' 'pour a' stop cont 'drink a' 'half-close a' 'eof a'
    end_server
}

# bats test_tags=promise:any-length,needs:end-of-stream,needs:one-worker-each,needs:stop-and-continue
@test "messages as long as a buffer" {
    about "stopped the server, queued a message of N bytes, let it go on; for N = each power of two up to 65,536, one less and one more" \
        "a recv that fills the buffer to its last byte is a recv like others: nothing follows, nothing is lost, it is not the end" \
        "$HERE, \"The read loop\""
    local script=() size
    for size in 64 128 256 512 1024 2048 4096 8192 16384 32768 65536; do
        script+=(stop "send a random:$size" 'arrived a' cont "expect a random:$size")
        script+=("echo a random:$((size - 1))" "echo a random:$((size + 1))")
    done
    start_server
    probe 'open a' "${script[@]}" 'silent a' 'half-close a' 'eof a'
    end_server
}

# What b sends waits until the server gets to it: at once, or when a has left.
#
# bats test_tags=promise:own-bytes,needs:late-reader,needs:waits-asleep
@test "the bytes of two clients do not mix" {
    about "as client a sent without reading until the server waited, then the same as b; then read as a, then as b" \
        "what a has not taken yet stays with a: a buffer that all connections share is overwritten by the next" \
        "$HERE, \"Partial sends\""
    start_server
    probe 'within 5000' 'open a rcvbuf=4k mss=536' 'open b rcvbuf=4k mss=536' 'open c' 'clog a' \
        'clog b' 'send c random:5k' asleep 'drink a' 'half-close a' 'eof a' \
        'drink b' 'half-close b' 'eof b' 'expect c random:5k' 'half-close c' 'eof c'
    end_server
}

# bats test_tags=promise:own-bytes,needs:end-of-stream,needs:stop-and-continue
@test "the bytes of clients that are processed together do not mix" {
    about "started with -w 100000; stopped the server, queued a message of each of 4 clients, let it go on" \
        "between recv and send other connections are served: a buffer that all share is overwritten meanwhile" \
        "$HERE, \"The read loop\""
    start_server -w 100000
    local client script=()
    for client in a b c d; do
        script+=("expect $client random:1k" "half-close $client" "eof $client")
    done
    probe 'open a' 'open b' 'open c' 'open d' stop 'send a random:1k' 'send b random:1k' \
        'send c random:1k' 'send d random:1k' cont "${script[@]}"
    end_server
}
# bats test_tags=promise:urgent-data,needs:end-of-stream,needs:one-worker-each
@test "urgent data is data" {
    about "sent bytes, an urgent byte (MSG_OOB), more bytes" \
        "without SO_OOBINLINE the urgent byte is taken out of the stream" "$HERE, \"The socket\""
    start_server
    probe 'open a' 'urgent a "u"' 'expect a "u"' \
        'send a "before"' 'urgent a "!"' 'send a "after"' 'expect a "before!after"' \
        'half-close a' 'eof a'
    end_server
}

# bats test_tags=promise:urgent-data,needs:end-of-stream,needs:one-worker-each,needs:stop-and-continue
@test "urgent data that waits in the queue" {
    about "stopped the server, queued bytes, an urgent byte, more bytes; let it go on" \
        "without SO_OOBINLINE the urgent byte is lost; with it, recv stops at the urgent mark, so a short recv does not mean that nothing is left" \
        "$HERE, \"The socket\""
    start_server
    probe 'open a' 'echo a "x"' stop 'send a "before"' 'urgent a "!"' 'send a "after"' \
        cont 'expect a "before!after"' 'echo a "x"' \
        stop 'urgent a "1"' 'urgent a "2"' 'half-close a' cont 'expect a "12"' 'eof a'
    end_server
}

# ---- time, memory, and doing nothing ----------------------------------------------

# preload LIBRARY VARIABLE=VALUE...: for the servers that are started from now on. Its counters
# are in COUNT_FILE.
preload() {
    COUNT_FILE=$BATS_TEST_TMPDIR/counts
    SERVER_ENV="${SERVER_ENV-} LD_PRELOAD=$TOOLS/$1.so COUNT_FILE=$COUNT_FILE ${*:2}"
}

# expect_preloaded: of the running server.
expect_preloaded() {
    [[ -s $COUNT_FILE ]] || skip "a library cannot be preloaded into this server (linked statically?)"
}

# bats test_tags=exact,promise:silence,needs:end-of-stream
@test "a client may be silent for half a minute" {
    about "let the server's clock run 40 times as fast; said nothing for 0.8 s, before the first message and after it" \
        "perhaps a timeout ends the connection (SO_RCVTIMEO, alarm, the timeout of select, poll or epoll_wait): silence is no error" \
        "$HERE, \"The read loop\""
    preload clock CLOCK_FACTOR=40
    start_server
    expect_preloaded
    # A minute is 1.5 s here. If the machine makes us wait so long, that proves nothing.
    probe mark 'open a' 'in-time 1300' 'silent a 800' 'echo a "x"' 'close a'
    probe 'open a' 'echo a "x"' mark 'in-time 1300' 'silent a 800' 'echo a "y"' 'half-close a' 'eof a'
    end_server
}

# bats test_tags=exact,promise:silence,needs:late-reader,needs:waits-asleep
@test "a client may pause in reading" {
    about "let the server's clock run 20 times as fast; sent without reading until the server waited, and read after 0.6 s" \
        "perhaps a timeout ends the connection (SO_SNDTIMEO, TCP_USER_TIMEOUT): a slow reader is no error" \
        "$HERE, \"Partial sends\""
    preload clock CLOCK_FACTOR=20
    start_server
    expect_preloaded
    # Half a minute is 1.5 s here.
    probe 'within 5000' mark 'open a rcvbuf=4k mss=536' 'in-time 1300' 'clog a' 'rest 600' 'drink a' \
        'half-close a' 'eof a'
    end_server
}

# bats test_tags=exact,promise:nothing-stays,needs:end-of-stream,needs:waits-asleep
@test "nothing stays of clients that have left" {
    about "counted the server's memory, descriptors, threads and child processes after some clients, and after many more that left in every way" \
        "what is taken for a connection is given back when it ends, on every path (free, close, a thread joined or detached, waitpid)" \
        "$HERE, \"Errors end one connection\""
    preload heap
    export PROBE_COUNTS=$COUNT_FILE
    start_server
    local some=('vanish 64 reset' 'vanish 64 close' 'vanish 16 half' 'open p rcvbuf=4k mss=536' 'clog p' 'reset p')
    # 200 at once: whatever is kept for the next clients is there then.
    probe 'open w*200' asleep 'close w' "${some[@]}" 'visit 20 "hello"' mark "${some[@]}" 'vanish 400 reset' 'vanish 400 close' \
        'visit 100 "hello"' 'within 5000' 'grew fds max=0' 'grew threads max=8' 'grew children max=0' \
        'grew blocks max=100' 'grew bytes max=16k' 'grew rss max=3000' 'within 2000' asleep
    end_server
}

# bats test_tags=exact,promise:nothing-stays,needs:any-length
@test "nothing stays of bytes that went through" {
    about "counted the server's memory after 256 KB of one client, and again after 8 MB and 2,000 messages" \
        "an echo needs a buffer, and no more: perhaps what came is collected, or something taken for each message" \
        "$HERE, \"The read loop\""
    preload heap
    export PROBE_COUNTS=$COUNT_FILE
    start_server
    local i script=()
    for ((i = 0; i < 500; i++)); do script+=('echo a "x"'); done
    probe 'open s' 'stream s 256k' 'close s' 'open a' 'echo a random:8k' mark "${script[@]}" 'close a' 'open b' \
        'stream b 4M' 'within 5000' 'grew blocks max=100' 'grew bytes max=64k' 'grew rss max=3000'
    end_server
}

# bats test_tags=exact,promise:waits-asleep,needs:end-of-stream
@test "a server with nothing to do sleeps" {
    about "watched the threads of the server while nobody was connected, while a client was idle, read nothing, had read all, had half-closed, and had left" \
        "a loop turns without anything to do: a timeout of 0, a wait for writable with nothing to write, one for readable while output waits, an end that was seen and is reported again" \
        "$HERE, \"The read loop\""
    start_server
    probe idle 'open a' idle 'echo a "x"' 'urgent a "!"' 'expect a "!"' idle 'close a' \
        'open b rcvbuf=4k mss=536' 'clog b' idle 'half-close b' 'arrived b' idle 'drink b' 'eof b' 'close b' \
        'open c rcvbuf=4k mss=536' 'clog c' 'drink c' 'echo c "x"' idle 'reset c' \
        'vanish 3 reset' 'vanish 3 half' idle
    end_server
}

# ---- half-close -------------------------------------------------------------------

# bats test_tags=promise:end-of-stream,needs:echo
@test "half-close without a byte" {
    about "closed the sending side, with nothing under way, and waited for the end" \
        "recv returns 0: the client has closed its side; close yours" "$HERE, \"Half-close\""
    start_server
    probe 'open a' 'half-close a' 'eof a' 'open b' 'echo b "x"' 'half-close b' 'eof b' 'vanish 20 half'
    end_server
}

# bats test_tags=promise:half-close,needs:any-length,needs:stop-and-continue
@test "half-close right after the data" {
    about "stopped the server, queued data and the end of the stream, let it go on" \
        "the end may be seen together with data (EPOLLRDHUP, EPOLLHUP): first read and echo all of it" \
        "$HERE, \"Half-close\""
    start_server
    probe 'open a' 'echo a "x"' stop 'send a random:50000' 'half-close a' cont \
        'expect a random:50000' 'eof a' 'close a' \
        stop 'open b' 'send b "a whole visit"' 'half-close b' cont 'expect b "a whole visit"' 'eof b'
    end_server
}

# bats test_tags=promise:half-close,needs:late-reader,needs:waits-asleep
@test "half-close while the last answer waits" {
    about "sent without reading, a little at a time, until the server had read all and could not send the end of it; closed the sending side, then read" \
        "the end of the input is there while output is pending, and nothing before it: send what is pending, then close" \
        "$HERE, \"Half-close\""
    start_server
    probe 'within 5000' 'open a rcvbuf=4k mss=536' 'brim a' 'half-close a' 'arrived a' asleep \
        'drink a' 'eof a'
    end_server
}

# bats test_tags=promise:half-close,needs:late-reader
@test "half-close with 10 MB under way" {
    about "sent up to 10 MB without reading, closed the sending side, then read" \
        "the client still reads after a half-close: send all that is pending, then close" \
        "$HERE, \"Half-close\""
    start_server
    probe 'open a' 'pour a max=10M' 'half-close a' 'drink a' 'eof a' 'close a' \
        'open b' 'stream b 10M'
    end_server
}

# ---- clients that leave badly -----------------------------------------------------

# bats test_tags=promise:reset,needs:end-of-stream,needs:one-worker-each
@test "a client that resets while idle" {
    about "connected, then reset the connection (RST); the next client sent a message" \
        "recv fails with ECONNRESET: that ends this connection, not the server" \
        "$HERE, \"Errors end one connection\""
    start_server
    probe 'open a' 'reset a' 'visit 1 "next"' 'open a' 'echo a "x"' 'reset a' 'visit 1 "next"'
    end_server
}

# bats test_tags=promise:reset,needs:end-of-stream,needs:one-worker-each,needs:stop-and-continue
@test "a client that resets in the middle of a message" {
    about "sent a part of a message, then reset; the next client sent a message" \
        "an error of recv or send ends this connection, not the server" \
        "$HERE, \"Errors end one connection\""
    start_server
    probe 'open a' 'send a "half a mess"' 'reset a' 'visit 1 "next"' \
        'open a' 'echo a "x"' stop 'send a "half a mess"' 'reset a' cont 'visit 1 "next"'
    end_server
}

# bats test_tags=promise:reset,needs:end-of-stream,needs:one-worker-each
@test "a client that resets with its echo unread" {
    about "let the echo come without reading it, then reset; the next client sent a message" \
        "an error of recv or send ends this connection, not the server" \
        "$HERE, \"Errors end one connection\""
    start_server
    probe 'open a' 'send a "hello\n"' 'expect a "h"' 'reset a' 'visit 1 "next"' \
        'open a' 'send a "hello\n"' 'expect a "h"' 'close a' 'visit 1 "next"'
    end_server
}

# bats test_tags=promise:gone-before-served,needs:end-of-stream,needs:one-worker-each,needs:stop-and-continue
@test "a client that resets in the accept queue" {
    about "stopped the server, connected and reset, let it go on; the next client sent a message" \
        "accept may fail with ECONNABORTED, or hand out a dead socket: neither ends the server" \
        "$HERE, \"Errors end one connection\""
    start_server
    probe stop 'open a*3' 'reset a' 'open b' 'send b "x"' 'reset b' 'open c' 'close c' cont \
        'visit 1 "next"'
    end_server
}

# bats test_tags=promise:gone-before-served,needs:end-of-stream,needs:one-worker-each,needs:stop-and-continue
@test "a client that resets after a half-close" {
    about "stopped the server, queued data, half-close and reset; let it go on; the next client sent a message" \
        "sending to a client that is gone raises SIGPIPE: ignore it, and take EPIPE for the end of this connection" \
        "$HERE, \"Signals\""
    start_server
    probe 'open a' 'echo a "x"' stop 'send a "hello\n"' 'half-close a' 'reset a' cont \
        'visit 1 "next"' stop 'open b' 'send b random:60000' 'half-close b' 'reset b' cont \
        'visit 1 "next"'
    end_server
}

# bats test_tags=promise:reset,needs:end-of-stream,needs:one-worker-each
@test "a client that never reads, then resets" {
    about "sent until the server took no more, then reset; the next client sent a message" \
        "a send that fails (ECONNRESET, EPIPE) ends this connection, not the server" \
        "$HERE, \"Partial sends\""
    start_server
    probe 'open a' 'pour a' 'reset a' 'visit 1 "next"'
    end_server
}

# bats test_tags=promise:crowd,needs:end-of-stream,needs:stop-and-continue
@test "a hundred clients wait until it is their turn" {
    about "stopped the server, let 100 clients connect and send a message, let it go on" \
        "who comes meanwhile waits in the accept queue: a backlog such as 4096 makes it long" \
        "$HERE, \"The socket\""
    start_server
    probe stop 'open x*100' 'send x "hello\n"' 'half-close x' cont 'within 5000' 'expect x "hello\n"' 'eof x'
    end_server
}

# bats test_tags=promise:crowd,needs:reset
@test "5,000 clients that reset at once" {
    about "5,000 clients connected and reset at once, with one among 64 that wants an echo" \
        "no client, whatever it does, ends the process; or the accept queue is too short: listen(fd, SOMAXCONN)" \
        "$HERE, \"Errors end one connection\""
    start_server
    probe 'vanish 5000 reset' 'visit 1 "next"'
    end_server
}

# bats test_tags=promise:crowd,needs:reset
@test "5,000 clients that close at once" {
    about "5,000 clients connected and closed at once, with one among 64 that wants an echo" \
        "no client, whatever it does, ends the process; or the accept queue is too short: listen(fd, SOMAXCONN)" \
        "$HERE, \"The read loop\""
    start_server
    probe 'vanish 5000 close' 'visit 1 "next"'
    end_server
}

# bats test_tags=promise:descriptors,needs:end-of-stream,needs:one-worker-each
@test "1,000 clients one after the other" {
    about "1,000 clients connected one after the other, each with a message" \
        "perhaps connections are not closed, so that descriptors run out, or an array of clients is full" \
        "$HERE, \"The read loop\""
    start_server
    probe 'visit 1000 "hello\n"'
    end_server
}

# bats test_tags=promise:descriptors,needs:reset
@test "descriptors return to their base line" {
    about "counted the server's descriptors with one client, then after many clients that left in every way" \
        "each accepted socket is closed once, on every path; closing it is also what tells the client" \
        "$HERE, \"Errors end one connection\""
    start_server
    probe 'open a' 'echo a "x"' mark 'close a' \
        'vanish 100 reset' 'vanish 100 close' 'vanish 50 half' 'visit 50 "hello"' \
        'open b' 'pour b max=200k' 'reset b' stop 'open c*3' 'send c "x"' 'reset c' cont \
        'open d' 'echo d "x"' 'within 5000' 'grew fds min=0 max=0'
    end_server
}

# bats test_tags=exact,promise:accept-fails,needs:end-of-stream
@test "out of descriptors for a while" {
    about "lowered the limit of descriptors of the running server so that it got no more (prlimit), let 3 clients come, raised it again, let 3 more come" \
        "accept fails with EMFILE: that says something about the moment; do not exit, do not stop listening, try again" \
        'man 2 accept, "ERRORS"'
    preload count
    export PROBE_COUNTS=$COUNT_FILE
    start_server
    # A server that waits inside accept has a descriptor already, for the first of them. It
    # need not keep those that it could not accept.
    probe 'visit 1 "hello"' no-descriptors 'open a*3' 'half-close a' accepts 'rest 50' descriptors \
        'within 5000' 'closed a' 'visit 3 "hello"'
    end_server
}

# bats test_tags=promise:several-clients,needs:late-reader,needs:waits-asleep
@test "if it serves several clients: one that does not read delays no other" {
    about "sent as one client without reading until the server waited, then a message of each of 3 others, then read" \
        "send waits until the client reads, and everybody waits with it: wait for writable, with the rest kept" \
        "step02_select/README.md, \"Backpressure\""
    start_server
    if serves_several; then
        probe 'within 5000' 'open a rcvbuf=4k mss=536' 'clog a' 'visit 3 "hello"' 'drink a' 'echo a "x"'
    fi
    end_server
}

# bats test_tags=exact,promise:several-clients,needs:end-of-stream
@test "if it serves several clients: 1,200 do it no harm" {
    about "connected 900 clients with a message each, then 300 more, under a limit of 4,096 descriptors" \
        "FD_SET with a descriptor from FD_SETSIZE on writes behind the set, and so does a table of clients that is full: close such a connection, at once" \
        "step02_select/README.md, \"FD_SETSIZE\""
    (($(ulimit -Hn) >= 1300)) || skip "this machine allows $(ulimit -Hn) descriptors (ulimit -Hn)"
    local limit=4096
    ((limit <= $(ulimit -Hn))) || limit=$(ulimit -Hn)
    SERVER_WRAP="prlimit --nofile=$limit: ${SERVER_WRAP-}"
    start_server
    if serves_several; then
        probe 'within 10000' 'open a*900' 'echo a random:100' 'open b*300' \
            'echo-or-end b random:100' 'echo a random:50' 'close b' 'echo a random:60' 'close a' 'visit 3 "hello"'
    fi
    end_server
}

# offers_threads: has it the option -t? Then it is asked for what -t promises.
offers_threads() {
    if step_at_least 04; then return; fi
    try_server -h
    [[ $TRIED_OUT =~ (^|[[:space:][])-t([[:space:],=<[]|$) ]]
}

# bats test_tags=exact,promise:threads-option,needs:stop-and-continue
@test "if it has -t: several requests are processed at once, by so many threads" {
    about "started with -t 3 and -w 30000000, sent a message as each of 40 clients, and counted the process calls at that moment, and the threads" \
        "one worker does it all (it is the only one that was woken; the lock is held during process), or there is a thread for each client" \
        "step04_threadpool/README.md, \"The pool\""
    if ! offers_threads; then return 0; fi
    preload count
    start_server -t 3 -w 30000000
    expect_preloaded
    probe mark 'open x*40' stop 'send x "query\n"' 'arrived x' cont asleep 'grew threads max=8'
    local working
    working=$("$TOOLS/counts" "$COUNT_FILE" sleeping)
    ((working >= 2)) || report "$working process calls at the same time" "3 (or 2 at least)"
    end_server
}

# ---- signals ----------------------------------------------------------------------

# end_by SIGNAL LINE...: a client does LINEs, then the signal comes and the server ends.
end_by() {
    local signal=$1
    shift
    probe "$@" "signal $signal" "within ${LEAVE_MS:-$STOP_LIMIT_MS}" gone
    expect_exit 0
}

# bats test_tags=promise:stop-signals,needs:listening-line
@test "SIGTERM and SIGINT end it with status 0" {
    about "started the server and sent it SIGTERM; then again with SIGINT" \
        "handle both signals and end with status 0; a server that waits must be woken" \
        "$HERE, \"Signals\""
    start_server
    end_by TERM
    start_server
    end_by INT
    expect_stdout 'listening on 127\.0\.0\.1:[1-9][0-9]*' # no farewell there
}

# bats test_tags=promise:stop-signals,needs:echo
@test "a signal while an idle client is connected" {
    about "connected and echoed once; sent the signal while the client was idle" \
        "a signal ends waiting for this client, too (EINTR is not always 'try again')" \
        "$HERE, \"Signals\""
    start_server
    end_by TERM 'open a' 'echo a "x"'
    start_server
    end_by INT 'open a' 'echo a "x"'
}

# bats test_tags=promise:stop-signals,needs:echo
@test "a signal in the middle of a transfer" {
    about "sent without reading until the server took no more; sent SIGTERM" \
        "a client that does not read must not hold up the end" "$HERE, \"Signals\""
    start_server
    end_by TERM 'open a' 'pour a'
    start_server
    end_by INT 'open a' 'pour a max=3M' 'half-close a'
}

# bats test_tags=promise:stop-signals,needs:echo,needs:stop-and-continue
@test "a signal while the server is stopped" {
    about "stopped the server, sent it the signal, let it go on" \
        "perhaps the signal comes between the look at a flag and the wait: block it and make it a descriptor of the loop (signalfd), or leave in the handler (_exit)" \
        "$HERE, \"Signals\""
    start_server
    probe 'open a' 'echo a "x"' stop 'signal TERM' cont "within $STOP_LIMIT_MS" gone
    expect_exit 0
    start_server
    probe stop 'open a' 'send a "x"' 'signal INT' cont "within $STOP_LIMIT_MS" gone
    expect_exit 0
}

# bats test_tags=promise:stop-while-busy,needs:stop-signals,needs:wait-option
@test "a signal while a request is processed" {
    about "started with -w 1000000, sent a message, and SIGTERM while it was processed" \
        "it ends within 2 s and one process call" "$HERE, \"Signals\""
    start_server -w 1000000
    LEAVE_MS=$((STOP_LIMIT_MS + 1000)) end_by TERM 'open a' 'send a "x"' 'silent a 100'
}

# bats test_tags=exact,promise:stop-while-busy,needs:stop-signals,needs:wait-option,needs:stop-and-continue
@test "a signal while several slow requests wait" {
    about "started with -w 1000000, queued one message of each of 8 clients, sent SIGTERM" \
        "requests that wait are not processed any more: it ends within 2 s and one process call" \
        "$HERE, \"Signals\""
    local few=()
    ! step_at_least 04 || few=(-t 1) # or there were as many workers as requests
    start_server -w 1000000 "${few[@]}"
    # The silences: all are accepted before the stop, and queued when the signal comes.
    LEAVE_MS=$((STOP_LIMIT_MS + 1000)) end_by TERM 'open c*8' 'silent c 200' stop 'send c "x"' \
        cont 'silent c 200'
}

# bats test_tags=promise:stop-signals,needs:echo
@test "when it has ended, no thread or child process is left" {
    about "ended the server while a client was connected" \
        "perhaps a child process serves on: its connections end with the server, and nobody listens any more" \
        "$HERE, \"Signals\""
    start_server
    probe 'open a' 'echo a "x"' 'signal TERM' "within $STOP_LIMIT_MS" gone 'closed a' refused
    expect_exit 0
}

# ---- the command line and the system ----------------------------------------------

# expect_refusal STATUS [MENTION]: try_server ended so, with a message on stderr that
# mentions it, and nothing on stdout.
expect_refusal() {
    local mention=${2-}
    if ((TRIED_STATUS != $1)); then
        report "exit status $TRIED_STATUS" "exit status $1"
    elif [[ -n $TRIED_OUT ]]; then
        report "on stdout: $TRIED_OUT" "the message on stderr, nothing on stdout"
    elif [[ -z $TRIED_ERR ]]; then
        report "nothing on stderr" "a message there that tells what is wrong"
    elif [[ ${TRIED_ERR,,} != *"${mention,,}"* ]]; then
        report "a message without \"$mention\"" "\"$mention\" in the message on stderr"
    fi
}

# bats test_tags=promise:restart,needs:stop-signals,needs:end-of-stream
@test "starts again on the same port at once" {
    about "ended the server while a client was connected, started it again on the same port" \
        "the old connection is in TIME_WAIT on this port; SO_REUSEADDR before bind allows it" \
        "$HERE, \"The socket\""
    because ended "$ABOUT_WHY"
    start_server
    # shellcheck disable=SC2153 # start_server sets it
    local same_port=$PORT
    probe 'open a' 'echo a "x"' 'signal TERM' "within $STOP_LIMIT_MS" gone 'closed a' 'close a'
    expect_exit 0
    start_server -p "$same_port"
    expect_stdout "listening on 127\\.0\\.0\\.1:$same_port"
    probe 'visit 1 "hello"'
    end_server
}

# bats test_tags=promise:bad-address,needs:end-of-stream
@test "a port in use" {
    about "started a second server on the port of the first" \
        "check what bind and listen return; say the address and the port, exit with 1; SO_REUSEPORT would hide this" \
        "$HERE, \"The socket\""
    start_server
    try_server -p "$PORT"
    expect_refusal 1 "$PORT"
    expect_refusal 1 127.0.0.1
    probe 'visit 1 "hello"'
    end_server
}

# bats test_tags=promise:bad-address
@test "an address that is none" {
    local address
    for address in localhost 999.1.1.1 127.0.0.1x ::zz '[::1]' ''; do
        about "started the server with -b '$address'" \
            "-b takes a numeric address (inet_pton), no name; the message says which one was bad" \
            "$HERE, \"The command line\""
        try_server -b "$address"
        expect_refusal 1 "$address"
    done
}

# bats test_tags=promise:bad-address
@test "an address of another machine" {
    about "started the server with -b 192.0.2.1" \
        "bind fails (EADDRNOTAVAIL): say so with the address, exit with 1" "$HERE, \"The socket\""
    try_server -b 192.0.2.1
    expect_refusal 1 192.0.2.1
}

# expect_usage ARGUMENT...
expect_usage() {
    about "started the server with $(printf " '%s'" "$@")" \
        "wrong syntax or range: message and usage on stderr, exit status 2; strtol and atoi alone take too much" \
        "$HERE, \"The command line\""
    try_server "$@"
    expect_refusal 2 usage
}

# bats test_tags=promise:usage-errors
@test "wrong options and operands" {
    expect_usage -Z
    expect_usage operand
    expect_usage -w 1 operand
    expect_usage -- operand
    local option options=(-b -p -w -c)
    ! step_at_least 04 || options+=(-t)
    for option in "${options[@]}"; do
        expect_usage "$option"
    done
}

# bats test_tags=promise:usage-errors
@test "wrong numbers" {
    local port time threads
    for port in 65536 -1 80x x '' ' 80' '80 ' 0x50 99999999999999999999 4294967376; do
        expect_usage -p "$port"
    done
    for time in x -1 '' 1.5 99999999999999999999; do
        expect_usage -w "$time"
        expect_usage -c "$time"
    done
    step_at_least 04 || return 0 # where -t begins
    for threads in 0 -1 x '' 2x 99999999999999999999; do
        expect_usage -t "$threads"
    done
}

# bats test_tags=promise:help
@test "-h explains the options" {
    about "started the server with -h" "usage on stdout, exit status 0, nothing on stderr" \
        "$HERE, \"The command line\""
    try_server -h
    ((TRIED_STATUS == 0)) || report "exit status $TRIED_STATUS" "exit status 0"
    [[ -z $TRIED_ERR ]] || report "on stderr: $TRIED_ERR" "nothing on stderr"
    local word options=(usage -b -p -w -c)
    ! step_at_least 04 || options+=(-t)
    for word in "${options[@]}"; do
        [[ ${TRIED_OUT,,} == *"$word"* ]] || report "no \"$word\" in the usage" "\"$word\" on stdout"
    done
}

# bats test_tags=promise:wait-option,needs:echo
@test "-w makes each process call wait" {
    about "started with -w 500000, sent 3 messages one after the other" \
        "each recv is followed by one process call, which waits so long and uses no CPU time" \
        "$HERE, \"The command line\""
    start_server -w 500000
    local light=('grew cpu max=30')
    ((SLOWNESS == PACE)) || light=() # valgrind's own work counts, too
    probe 'open a' mark 'echo a "1"' 'echo a "2"' 'echo a "3"' 'grew clock min=1500' "${light[@]}"
    end_server
}

# bats test_tags=exact,promise:wait-option
@test "-w may be long" {
    about "let the server's clock run 40 times as fast; started with -w 20000000 (20 s), sent a message" \
        "perhaps a number is cut off, or only a part of the time is waited for (the seconds, or what is less than a second)" \
        "$HERE, \"The command line\""
    preload clock CLOCK_FACTOR=40
    start_server -w 20000000
    expect_preloaded
    probe 'within 30000' 'open a' mark 'echo a "x"' 'grew clock min=500'
    end_server
}

# bats test_tags=promise:cpu-option,needs:end-of-stream,needs:none-forgotten
@test "-c makes each process call use CPU time" {
    about "started with -c 200000; 3 clients sent a message each" \
        "measure the time of the thread itself (CLOCK_THREAD_CPUTIME_ID), not of the process" \
        "$HERE, \"The command line\""
    start_server -c 200000
    probe 'open a*3' mark 'send a "x"' 'half-close a' 'within 15000' 'expect a "x"' 'eof a' \
        'grew cpu min=500'
    end_server
}

# bats test_tags=promise:cpu-option,needs:stop-and-continue
@test "-c counts CPU time, not time" {
    about "started with -c 600000, sent a message, kept the server stopped for 800 ms" \
        "while a thread is stopped it works nothing: the wall clock would count it as work" \
        "$HERE, \"The command line\""
    start_server -c 600000
    probe 'open a' 'open b' mark 'send a "x"' 'silent b 60' stop 'silent b 800' cont \
        'within 15000' 'expect a "x"' \
        'grew cpu min=500'
    end_server
}
