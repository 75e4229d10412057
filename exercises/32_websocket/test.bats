#!/usr/bin/env bats
#
# Exercise 32: an echo over WebSocket (RFC 6455), asked on the wire only.

load ../../tests/lib.bash
load ../../tests/http.bash

HERE=exercises/32_websocket/README.md

MASK=(0x37 0xfa 0x21 0x3d)
FRAME='' # the last that frame made

# The nonce and the answer are those of RFC 6455, section 1.3.
KEY='"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"'
HEAD='"GET /chat HTTP/1.1\r\nHost: a\r\n"'
UPGRADE='"Upgrade: websocket\r\nConnection: keep-alive, Upgrade\r\n"'
VERSION='"Sec-WebSocket-Version: 13\r\n"'
HELLO="$HEAD $UPGRADE $VERSION $KEY \"\\r\\n\""
ACCEPT='Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo='

# frame FIRST HEX: a client's frame with this first byte and a payload of at most 125 bytes, both
# in hexadecimal, masked, as TEXT of probe.
frame() {
    local hex=$2 i byte
    printf -v FRAME '\\x%s\\x%02x\\x37\\xfa\\x21\\x3d' "$1" $((0x80 | ${#hex} / 2))
    for ((i = 0; i < ${#hex} / 2; i++)); do
        printf -v byte '\\x%02x' $((0x${hex:i * 2:2} ^ MASK[i % 4]))
        FRAME+=$byte
    done
}

# frames FIRST HEX ...: several, in a row.
frames() {
    local all=''
    while (($# > 0)); do
        frame "$1" "$2"
        all+=$FRAME
        shift 2
    done
    FRAME=$all
}

# speak LINE...: as probe, after a handshake on the connection a.
speak() { probe 'open a' "send a $HELLO" 'find a "\r\n\r\n"' "$@"; }

# dies CODE NAME: FRAME closes with CODE (four hexadecimal digits); NAME tells which it was.
dies() {
    echo "the frame: $2"
    speak "send a \"$FRAME\"" "expect a \"\\x88\\x02\\x${1:0:2}\\x${1:2:2}\"" 'eof a' 'close a'
}

# refused STATUS TEXT: a handshake that gets this status, and the end.
refused() {
    echo "the handshake: $2"
    probe 'open a' "send a $2" "expect a \"HTTP/1.1 $1 \"" 'find a "\r\n\r\n"' 'closed a'
}

@test "the handshake is answered" {
    about "sent the handshake of RFC 6455, section 1.3" \
        "answer 101, with SHA-1 of key and GUID in base64: websocket_key.h does that" "$HERE, \"The task\""
    start_server
    probe 'open a' "send a $HELLO" 'expect a "HTTP/1.1 101 "' "find a \"$ACCEPT\"" \
        'find a "\r\n\r\n"' 'silent a 100'
    probe 'open a' "drip a $HELLO" 'expect a "HTTP/1.1 101 "' "find a \"$ACCEPT\""
    end_server
}

@test "a wrong handshake is refused" {
    about "sent handshakes with a fault" \
        "400 for what can never be a handshake, 426 where another version or an Upgrade would do" "$HERE, \"Done when\""
    start_server
    refused 400 "\"POST /chat HTTP/1.1\\r\\nHost: a\\r\\n\" $UPGRADE $VERSION $KEY \"\\r\\n\""
    refused 400 "$HEAD $UPGRADE $VERSION \"\\r\\n\""
    refused 400 "$HEAD $UPGRADE $VERSION \"Sec-WebSocket-Key: dGhlIHNhbXBsZQ==\\r\\n\\r\\n\""
    refused 400 "$HEAD $UPGRADE $VERSION \"Sec-WebSocket-Key: \\r\\n\\r\\n\""
    refused 426 "$HEAD $UPGRADE $KEY \"\\r\\n\""
    refused 426 "$HEAD $VERSION $KEY \"\\r\\n\""
    probe 'open a' "send a $HEAD $UPGRADE $KEY \"Sec-WebSocket-Version: 8\\r\\n\\r\\n\"" \
        'expect a "HTTP/1.1 426 "' 'find a "Sec-WebSocket-Version: 13\r\n"'
    end_server
}

@test "messages of each length come back" {
    about "sent masked messages with lengths of 7, 16 and 64 bits" \
        "125, 126, 65,535 and 65,536 are where the form of the length changes" "$HERE, \"Done when\""
    start_server
    frames 81 48656c6c6f 82 00ff80 81 ''
    speak "send a \"$FRAME\"" 'expect a "\x81\x05Hello\x82\x03\x00\xff\x80\x81\x00"' \
        'send a "\x81\xfd\x01\x02\x03\x04" "`"*125' 'expect a "\x81\x7d" "abcd"*31 "a"' \
        'send a "\x82\xfe\x00\x7e\0\0\0\0" "a"*126' 'expect a "\x82\x7e\x00\x7e" "a"*126' \
        'send a "\x82\xfe\xff\xff\x01\x02\x03\x04" "`"*65535' \
        'expect a "\x82\x7e\xff\xff" "abcd"*16383 "abc"' \
        'send a "\x82\xff\0\0\0\0\0\x01\0\0\0\0\0\0" "a"*65536' 'expect a "\x82\x7f\0\0\0\0\0\x01\0\0" "a"*65536'
    end_server
}

@test "frames may be cut at each byte" {
    about "sent two fragments with a ping between them, byte by byte" \
        "the mask's index counts the payload, not what one recv brought" "$HERE, \"What you learn\""
    local i script=()
    start_server
    frames 01 48656c6cc3 89 70696e67 80 a4216f6f6f
    for ((i = 0; i < ${#FRAME}; i += 4)); do
        script+=("send a \"${FRAME:i:4}\"" 'arrived a' asleep) # the server has taken each alone
    done
    speak "${script[@]}" 'expect a "\x8a\x04ping\x81\x0aHell\xc3\xa4!ooo"'
    end_server
}

@test "many frames may come in one segment" {
    about "sent 500 messages and then 500 pings at once" \
        "go on until nothing is left, and when the output is full, after the send" "$HERE, \"Done when\""
    start_server
    frame 81 4869
    speak "send a \"$FRAME\"*500" 'expect a "\x81\x02Hi"*500'
    frame 89 4869
    speak "send a \"$FRAME\"*500" 'expect a "\x8a\x02Hi"*500'
    frame 81 4869
    probe 'open a' "send a $HELLO \"$FRAME\"" 'find a "\r\n\r\n"' 'expect a "\x81\x02Hi"'
    end_server
}

@test "control frames between fragments leave the message alone" {
    about "sent fragments with pings and a pong between them" \
        "a control frame is no part of the message, and does not end it" "$HERE, \"Done when\""
    start_server
    frames 02 6162 89 70 00 6364 8a 71 89 '' 80 6566
    speak "send a \"$FRAME\"" 'expect a "\x8a\x01p\x8a\x00\x82\x06abcdef"' 'silent a 100' \
        "send a \"$FRAME\"" 'expect a "\x8a\x01p\x8a\x00\x82\x06abcdef"'
    end_server
}

@test "a frame that breaks the protocol closes with 1002" {
    about "sent frames that RFC 6455 forbids" "judge the first two bytes before all else" "$HERE, \"Done when\""
    start_server
    FRAME='\x81\x02Hi' && dies 03ea 'not masked'
    FRAME='\x89\xfe\x00\x7e\0\0\0\0' && dies 03ea 'a ping of 126 bytes'
    for first in c1 a1 91 83 87 8b 8f 09 08 80 00; do
        frame $first 6162
        dies 03ea "first byte 0x$first"
    done
    frames 01 61 81 62 && dies 03ea 'a new message inside a message'
    FRAME='\x82\xfe\x00\x7d\0\0\0\0' && dies 03ea 'not the shortest length, 16 bits'
    FRAME='\x82\xff\0\0\0\0\0\0\xff\xff\0\0\0\0' && dies 03ea 'not the shortest length, 64 bits'
    FRAME='\x82\xff\x80\0\0\0\0\x01\0\0\0\0\0\0' && dies 03ea 'the highest bit of a length'
    end_server
}

@test "the close is answered" {
    about "sent close frames" "echo a good code, say 1002 to one that must not be sent, then end" "$HERE, \"Done when\""
    local code
    start_server
    for code in 03e8 03e9 03eb 03ef 03f3 0bb8 1387; do
        frame 88 $code && dies $code "close with 0x$code"
    done
    for code in 0000 03e7 03ec 03ed 03ee 03f7 0bb7 1388 ffff; do
        frame 88 $code && dies 03ea "close with 0x$code"
    done
    frame 88 03 && dies 03ea 'close with one byte'
    frame 88 03e8ff && dies 03ef 'close with a reason that is not UTF-8'
    frame 88 ''
    speak "send a \"$FRAME\"" 'expect a "\x88\x00"' 'eof a'
    frames 81 61 88 03e8 81 62
    speak "send a \"$FRAME\"" 'expect a "\x81\x01a\x88\x02\x03\xe8"' 'eof a'
    end_server
}

@test "a text must be UTF-8, over its fragments" {
    about "sent texts that are UTF-8 or are not, in one frame and in several" \
        "a character may be cut by a fragment's end; only the message's end may not cut it" "$HERE, \"Done when\""
    local bad
    start_server
    frames 01 f0 00 9f 00 98 80 80 81 c3a4 82 ff
    speak "send a \"$FRAME\"" 'expect a "\x81\x04\xf0\x9f\x98\x80\x81\x02\xc3\xa4\x82\x01\xff"'
    for bad in ff c080 c3 e282 eda080 f4908080 e08080 f0808080 80 6180 f09f98; do
        frame 81 $bad && dies 03ef "the text 0x$bad"
    done
    frames 01 c3 80 61 && dies 03ef 'a character that the next fragment does not go on with'
    frames 01 61 80 c3 && dies 03ef 'a character cut by the end'
    end_server
}

@test "a message that is too long closes with 1009" {
    about "sent messages around 1,048,576 bytes" \
        "a length is the client's word: compare it before you add to it or ask for memory" "$HERE, \"Done when\""
    start_server
    speak 'within 20000' 'send a "\x82\xff\0\0\0\0\0\x10\0\0\0\0\0\0" "a"*1048576' \
        'expect a "\x82\x7f\0\0\0\0\0\x10\0\0" "a"*1048576'
    FRAME='\x82\xff\0\0\0\0\0\x10\0\x01\0\0\0\0' && dies 03f1 'one byte more'
    FRAME='\x82\xff\x7f\xff\xff\xff\xff\xff\xff\xff\0\0\0\0' && dies 03f1 'the largest length'
    frame 02 61
    FRAME+='\x80\xff\x7f\xff\xff\xff\xff\xff\xff\xff\0\0\0\0' && dies 03f1 'the largest length behind another fragment'
    frame 02 61
    FRAME+='\x80\xff\0\0\0\0\0\x10\0\0\0\0\0\0' && dies 03f1 'two fragments that are too long together'
    end_server
}

# bats test_tags=exact
@test "a client that does not read is waited for" {
    about "sent messages on 21 connections without reading the answers until the server took no more, then read one's" \
        "read nothing more while an answer is unsent: memory must not grow with what a client sends" "$HERE, \"Done when\""
    local message='"\x82\xfe\x03\xe8\x01\x02\x03\x04" "`"*1000' answer='"\x82\x7e\x03\xe8" "abcd"*250' all=() i
    for i in {1..500}; do all+=("expect a $answer"); done
    start_server
    # What was begun may be answered: 20 connections may keep 256 KiB each.
    speak 'within 10000' 'open b' "send b $HELLO" 'find b "\r\n\r\n"' 'send b "\x81\x82\0\0\0\0Hi"' \
        'expect b "\x81\x02Hi"' mark 'open p*20 rcvbuf=4096 sndbuf=16384' "send p $HELLO" "flood p $message" \
        "flood a $message" 'grew rss max=5120' 'send b "\x81\x82\0\0\0\0Hi"' 'expect b "\x81\x02Hi"' \
        "${all[@]}" 'close a' 'close b' 'close p'
    end_server
}

# bats test_tags=exact
@test "clients that leave in the middle leave nothing" {
    about "let 400 clients reset their connection inside a message" \
        "what the handler keeps for a connection, it gives back in forget(), also what has come of a message" \
        "$HERE, \"Done when\""
    local begun="$HELLO \"\\x02\\xfe\\x0f\\xa0\\0\\0\\0\\0\" \"x\"*3000" i some=()
    export PROBE_COUNTS=$BATS_TEST_TMPDIR/counts
    SERVER_ENV="LD_PRELOAD=$TOOLS/heap.so COUNT_FILE=$PROBE_COUNTS"
    start_server
    for i in 1 2 3 4; do some+=('open p*100' "send p $begun" 'arrived p' asleep 'reset p' asleep); done
    # The main thread may free what has ended when it is next awake: one more client wakes it.
    probe "${some[@]:0:12}" mark "${some[@]}" 'open q' 'reset q' 'within 5000' 'grew blocks max=100' 'grew bytes max=16k'
    end_server
}

@test "HTTP is still served on its own port" {
    about "asked for a page on the port of --http" "HTTP has a listener of its own, and its handler is what it was" \
        "$HERE, \"The task\""
    start_http
    http_probe 'open a' 'send a "GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n"' 'expect a "HTTP/1.1 200 "' 'find a "\r\n\r\nok"'
    speak 'close a'
    end_server
}
