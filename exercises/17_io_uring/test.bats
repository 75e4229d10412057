#!/usr/bin/env bats
#
# Exercise 17: the server of step 03 with io_uring instead of epoll.

load ../../tests/lib.bash
load ../../tests/counting.bash

HERE=exercises/17_io_uring/README.md
OTHERS=(epoll_wait epoll_pwait epoll_ctl poll ppoll select pselect accept accept4 recv recvfrom recvmsg
    send sendto sendmsg readv writev)

setup() {
    local why
    why=$("$TOOLS/uring") || skip "this kernel refuses io_uring: $why"
}

# calls_of NAME...: of those that were made, how often: "12 calls of recv, 3 calls of send".
calls_of() {
    local name said=''
    for name; do
        (($(counts "$name") == 0)) || said+="${said:+, }$(counts "$name") calls of $name"
    done
    echo "$said"
}

@test "the server asks the ring, and nobody else" {
    about "served 20 clients with 10 messages each, one that sends 1 MB and some that leave badly; counted calls" \
        "whatever waits, accepts, receives or sends is a request in the ring; io_uring_enter is the only wait" \
        "$HERE, \"The task\""
    counted_server
    local i script=()
    for ((i = 0; i < 10; i++)); do script+=('echo a "hello\n"'); done
    probe 'within 5000' 'open a*20' "${script[@]}" 'half-close a' 'eof a' 'open b' 'stream b 1M' 'open c' 'pour c max=3M' 'reset c' \
        'visit 1 "x"'
    [[ -z $(calls_of "${OTHERS[@]}") ]] || report "$(calls_of "${OTHERS[@]}")" "none of these"
    (($(counts syscall) > 0)) ||
        report "not one call of syscall" "io_uring_enter through syscall(2), which the tests count"
    end_server
}

@test "it serves where the kernel refuses every other way" {
    about "forbade the server epoll, poll, select, accept, recv and send (seccomp), and let clients come" \
        "these calls may be hidden from a counter, but not from the kernel" "$HERE, \"The task\""
    local calls=epoll_create1,epoll_pwait,ppoll,pselect6,accept,accept4,recvfrom,recvmsg,sendto,sendmsg
    [[ $(uname -m) != x86_64 ]] || calls+=,epoll_create,epoll_wait,poll,select
    SERVER_WRAP="$TOOLS/forbid $calls ${SERVER_WRAP-}"
    start_server
    probe 'within 5000' 'open a*20' 'echo a "hello\n"' 'half-close a' 'eof a' 'open b' 'stream b 1M' 'half-close b' 'eof b'
    kill -TERM "$SERVER_PID"
    expect_exit 0
}

# Of 200 clients come 200 accepts and as many ends; of the messages come 20 times that.
@test "one call serves many" {
    local calls i script=()
    about "stopped the server, let 200 clients send a message each, let it go on; 20 times; counted system calls" \
        "fill in a request for each completion, and submit all of them with the call that waits for the next" \
        "$HERE, \"The task\""
    for ((i = 0; i < 20; i++)); do script+=(stop 'send a "hello\n"' 'arrived a' cont 'expect a "hello\n"'); done
    counted_server
    probe 'within 10000' 'open a*200' "${script[@]}" 'close a'
    calls=$(count_all syscall read write close "${OTHERS[@]}")
    ((calls <= 1000)) || report "$calls system calls for 4,000 messages" "1,000 or fewer"
    end_server
}

# How many receives the kernel completes at once is its affair: so it is asked several times.
@test "more comes than there are buffers" {
    local i script=()
    about "stopped the server, let 500 clients send 48 KiB each, let it go on; 6 times, and then with a half-close" \
        "with no buffer to take, a receive ends (ENOBUFS): that is no error; it is asked for again when buffers are back" \
        "$HERE, \"The task\""
    for ((i = 0; i < 6; i++)); do
        script+=(stop 'send a random:48k' 'arrived a' cont 'expect a random:48k')
    done
    start_server
    probe 'within 15000' 'open a*500' 'echo a "x"' "${script[@]}" stop 'send a random:48k' 'half-close a' 'arrived a' cont \
        'expect a random:48k' 'eof a' 'visit 3 "hello"'
    expect_fds "$START_FDS"
    end_server
}

@test "after a half-close, all bytes come, and then the end" {
    about "stopped the server, queued 40 KiB and the end of 50 clients, let it go on; half-closed two that had not read" \
        "the receive reports the end while sends are under way: close when the last is done" \
        "$HERE, \"The task\""
    start_server
    probe 'within 10000' 'open a*50' 'echo a "x"' stop 'send a random:40k' 'half-close a' 'arrived a' cont 'expect a random:40k' 'eof a' \
        'open b rcvbuf=4k mss=536' 'clog b' 'half-close b' 'drink b' 'eof b' \
        'open c rcvbuf=4k mss=536' 'brim c' 'send c random:8k' 'half-close c' \
        'arrived c' asleep 'drink c' 'expect c random:8k' 'eof c'
    end_server
}

# bats test_tags=exact
@test "a client that does not read costs little memory" {
    about "sent up to 32 MB as a client that does not read; looked at the server's memory; then read all" \
        "a receive that goes on by itself must be stopped (cancelled) while output is pending, and asked for again when it is sent" \
        "$HERE, \"The task\""
    start_server
    probe 'within 10000' 'open a rcvbuf=4k mss=536' 'echo a random:64k' mark 'pour a max=32M' 'grew rss max=6000' 'visit 3 "hello"' \
        'drink a' 'echo a random:64k' 'half-close a' 'eof a'
    end_server
}

@test "clients that do not read keep no buffer from the others" {
    about "let 24 clients send without reading until the server took no more; then others came; then the 24 read" \
        "a buffer that waits for a slow client is missing for all: give it back, and keep the rest in memory of the connection" \
        "$HERE, \"The task\""
    start_server
    probe 'within 10000' 'open a*24 rcvbuf=4k mss=536' 'clog a' 'open b*100' 'echo b random:8k' 'visit 3 "hello"' \
        'drink a' 'half-close a' 'eof a'
    end_server
}

# A request that was not ended holds the socket, whatever was closed.
@test "a connection ends with its last request" {
    about "let clients reset while output waits for them; counted descriptors" \
        "after an error of one request, cancel the others of this connection, wait for their completions, and close then" \
        "$HERE, \"The task\""
    start_server
    probe 'within 10000' 'open z' 'echo z "x"' mark 'open a*8 rcvbuf=4k mss=536' 'clog a' 'reset a' 'vanish 200 reset' 'vanish 200 close' \
        'grew fds max=0' 'visit 3 "hello"'
    end_server
}
