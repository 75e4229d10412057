#!/usr/bin/env bats
#
# Exercise 31: files below a directory, over HTTP.

load ../../tests/lib.bash
load ../../tests/http.bash

HERE=exercises/31_files/README.md

LONG=8000000 # bytes: more than sockets hold

setup() {
    FILES=$BATS_TEST_TMPDIR/public
    mkdir -p "$FILES/sub"
    printf 'hello' >"$FILES/a.txt"
    printf 'secret' >"$BATS_TEST_TMPDIR/secret"
}

# long_file: its bytes are those of LONG_TEXT. Seventeen is no divisor of what programs like to
# take at once, so a piece from the wrong place shows.
long_file() {
    yes 0123456789abcdefg | tr -d '\n' | head -c $((LONG / 17 * 17)) >"$FILES/long"
    LONG_TEXT="\"0123456789abcdefg\"*$((LONG / 17))"
}

get() { printf '"GET /files/%s HTTP/1.1\\r\\nHost: a\\r\\n\\r\\n"' "$1"; }

# descriptors: how many the server has.
descriptors() { find "/proc/$SERVER_PID/fd" -mindepth 1 | wc -l; }
has_descriptors() { (($(descriptors) <= $1)); }

@test "a file comes byte for byte" {
    about "asked for files of 0, 1, 5 and 200,000 bytes, for one with a space in its name, and for HEAD" \
        "Content-Length is what fstat says, and so many bytes follow" "$HERE, \"Done when\""
    : >"$FILES/empty"
    printf 'x' >"$FILES/with space"
    printf 'in' >"$FILES/sub/in"
    ln -s sub/in "$FILES/link"
    head -c 200000 /dev/urandom >"$FILES/random"
    start_http --files "$FILES"
    cases <<'END'
group files
five bytes | | "GET /files/a.txt HTTP/1.1\r\n" HOST END => 200 body "hello" has "Content-Type: application/octet-stream" open
none | | "GET /files/empty HTTP/1.1\r\n" HOST END => 200 body "" has "Content-Length: 0" open
escaped | | "GET /files/with%20space HTTP/1.1\r\n" HOST END => 200 body "x" open
more escapes | | "GET /files/%61%2E%74x%74 HTTP/1.1\r\n" HOST END => 200 body "hello" open
below | | "GET /files/sub/in HTTP/1.1\r\n" HOST END => 200 body "in" open
a link that stays inside | | "GET /files/link HTTP/1.1\r\n" HOST END => 200 body "in" open
with a query | | "GET /files/a.txt?x=1 HTTP/1.1\r\n" HOST END => 200 body "hello" open
HEAD | | "HEAD /files/a.txt HTTP/1.1\r\n" HOST END => 200 head has "Content-Length: 5" open
POST | | "POST /files/a.txt HTTP/1.1\r\n" HOST "Content-Length: 0\r\n" END => 405 has "Allow: GET, HEAD" open
END
    fetch /files/random "$BATS_TEST_TMPDIR/got"
    cmp "$FILES/random" "$BATS_TEST_TMPDIR/got" || report "other bytes than the file has" "the same"
    end_server
}

@test "no path leads out of the directory" {
    about "asked for a file beside the directory, in eight ways" \
        "openat2 with RESOLVE_BENEATH refuses each step that leads out" "$HERE, \"The task\""
    ln -s ../secret "$FILES/out"
    ln -s "$BATS_TEST_TMPDIR/secret" "$FILES/absolute"
    ln -s .. "$FILES/up"
    start_http --files "$FILES"
    cases <<END
group paths
dots | | "GET /files/../secret HTTP/1.1\\r\\n" HOST END => 404 open
dots behind a directory | | "GET /files/sub/../../secret HTTP/1.1\\r\\n" HOST END => 404 open
escaped dots | | "GET /files/%2e%2E/secret HTTP/1.1\\r\\n" HOST END => 404 open
an escaped slash | | "GET /files/..%2Fsecret HTTP/1.1\\r\\n" HOST END => 404 open
a link | | "GET /files/out HTTP/1.1\\r\\n" HOST END => 404 open
an absolute link | | "GET /files/absolute HTTP/1.1\\r\\n" HOST END => 404 open
a link to the directory above | | "GET /files/up/secret HTTP/1.1\\r\\n" HOST END => 404 open
an absolute path | | "GET /files/$BATS_TEST_TMPDIR/secret HTTP/1.1\\r\\n" HOST END => 404 open
a name that ends early | | "GET /files/a.txt%00.html HTTP/1.1\\r\\n" HOST END => 404 open
END
    end_server
}

@test "what is no file is not found, and keeps nobody" {
    about "asked 8 times for a FIFO, then for a directory, for a file that is not there, and for an echo" \
        "a FIFO is opened without waiting for its other end (O_NONBLOCK), and fstat says that it is none" \
        "$HERE, \"The story\""
    mkfifo "$FILES/fifo"
    start_http -t 2 --files "$FILES"
    http_probe 'open f*8' "send f $(get fifo)" 'expect f "HTTP/1.1 404 "'
    probe 'open a' 'echo a "hello\n"'
    cases <<'END'
group no files
a directory | | "GET /files/sub HTTP/1.1\r\n" HOST END => 404 open
with a slash | | "GET /files/sub/ HTTP/1.1\r\n" HOST END => 404 open
the directory itself | | "GET /files/ HTTP/1.1\r\n" HOST END => 404 open
nothing | | "GET /files/nothing HTTP/1.1\r\n" HOST END => 404 open
a file as a directory | | "GET /files/a.txt/ HTTP/1.1\r\n" HOST END => 404 open
END
    end_server
}

# bats test_tags=exact
@test "a client that reads late gets all of a large file, and memory does not grow" {
    about "asked for 8 MB on 20 connections, read nothing, looked at the server's memory, and read one then" \
        "sendfile a piece at a time; what is kept for a connection is a descriptor, a place and a length" \
        "$HERE, \"The task\""
    local LONG_TEXT
    long_file
    start_http --files "$FILES"
    http_probe 'within 10000' 'open w' "send w $(get a.txt)" 'find w "\r\n\r\nhello"' mark \
        'open a rcvbuf=4096' "send a $(get long)" 'open p*19 rcvbuf=4096' "send p $(get long)" 'arrived p' asleep \
        'grew rss max=5120' "send w $(get a.txt)" 'find w "\r\n\r\nhello"' \
        'find a "\r\n\r\n"' "expect a $LONG_TEXT" 'silent a 100'
    end_server
}

@test "sends that take a part lose nothing and repeat nothing" {
    about "let each send and sendfile take 7,000 bytes at most, and asked for 200,000" \
        "go on from the place where the last piece ended" "$HERE, \"What you learn\""
    head -c 200000 /dev/urandom >"$FILES/random"
    SERVER_ENV="LD_PRELOAD=$TOOLS/fault.so COUNT_FILE=$BATS_TEST_TMPDIR/counts FAULT=short-send FAULT_BYTES=7000"
    start_http --files "$FILES"
    fetch /files/random "$BATS_TEST_TMPDIR/got"
    cmp "$FILES/random" "$BATS_TEST_TMPDIR/got" || report "other bytes than the file has" "the same"
    end_server
}

@test "answers keep their order, files or not" {
    about "sent seven requests at once, for files, for HEAD and for other pages" \
        "behind a file nothing else can be sent in this turn: the rest is answered when it has left" "$HERE, \"Done when\""
    printf 'second' >"$FILES/b.txt"
    : >"$FILES/empty"
    head -c 300000 /dev/zero | tr '\0' z >"$FILES/zzz"
    start_http --files "$FILES"
    cases <<'END'
group order
seven | | "GET /files/a.txt HTTP/1.1\r\n" HOST END "GET /files/zzz HTTP/1.1\r\n" HOST END "GET /healthz HTTP/1.1\r\n" HOST END "HEAD /files/zzz HTTP/1.1\r\n" HOST END "GET /files/empty HTTP/1.1\r\n" HOST END "GET /files/no HTTP/1.1\r\n" HOST END "GET /files/b.txt HTTP/1.1\r\n" HOST END => 200 body "hello" => 200 body "z"*300000 => 200 body "ok" => 200 head has "Content-Length: 300000" => 200 body "" => 404 => 200 body "second" open
END
    end_server
}

@test "a file that becomes shorter while it is sent ends the connection" {
    about "asked for 64 MB, cut the file to nothing, and read then" \
        "Content-Length has been promised: end the connection, for no other byte may stand for those that are gone" \
        "$HERE, \"What you learn\""
    local socket status=0
    needs_dev_tcp
    truncate -s 64M "$FILES/shrinks"
    start_http --files "$FILES"
    exec {socket}<>"/dev/tcp/127.0.0.1/$HTTP_PORT"
    printf 'GET /files/shrinks HTTP/1.1\r\nHost: a\r\n\r\n' >&"$socket"
    probe 'open a' 'echo a "x"' 'within 10000' asleep # it has sent what the sockets hold
    truncate -s 0 "$FILES/shrinks"
    timeout $((ANSWER_S * SLOWNESS)) cat <&"$socket" >"$BATS_TEST_TMPDIR/got" 2>/dev/null || status=$?
    exec {socket}>&-
    ((status != 124)) || report "the connection was still open after $((ANSWER_S * SLOWNESS)) s" "its end"
    (($(wc -c <"$BATS_TEST_TMPDIR/got") < 64 << 20)) ||
        report "all of 64 MB came, though the file had no byte left" "what was sent before, and the end"
    probe 'open a' 'echo a "still here\n"'
    end_server
}

@test "clients that leave in the middle leave nothing" {
    about "let 200 clients ask for a large file, and reset" \
        "whoever has the descriptor closes it, on each way on which a connection ends" "$HERE, \"What you learn\""
    local before LONG_TEXT
    long_file
    start_http --files "$FILES"
    fetch /files/a.txt "$BATS_TEST_TMPDIR/got"
    probe 'open a' 'echo a "x"' 'close a' 'within 10000' asleep
    before=$(descriptors)
    http_probe 'within 10000' 'open r*200 rcvbuf=4096' "send r $(get long)" 'arrived r' asleep 'reset r' \
        'open h*50' "send h \"HEAD /files/long HTTP/1.1\\r\\nHost: a\\r\\n\\r\\n\"" 'expect h "HTTP/1.1 200 "' 'arrived h' asleep 'close h'
    wait_until 10000 has_descriptors "$before" ||
        report "$(descriptors) descriptors, $before before: $(find "/proc/$SERVER_PID/fd" -lname '*/long' | wc -l) of the file" \
            "as many as before"
    end_server
}

@test "--files with what is no directory is said at the start" {
    about "started the server with --files for what is not there, and for a file" \
        "a mistake is told at the start, not to the first client" "$HERE, \"Done when\""
    local wrong
    for wrong in "$FILES/nowhere" "$FILES/a.txt"; do
        try_server -p 0 --http 0 --files "$wrong"
        [[ $TRIED_STATUS == 1 && $TRIED_ERR == *"$wrong"* ]] ||
            report "status $TRIED_STATUS, stderr: $TRIED_ERR" "status 1, and a message that names $wrong"
    done
}
