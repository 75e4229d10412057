#!/usr/bin/env bats
# http.bats - that the final server speaks HTTP/1.1, to friends and to others, and that what
# it says of itself is true.
#
# bats file_tags=step05

load lib.bash
load http.bash
load counting.bash

HERE=step05_final/README.md

expect_log() {
    grep -q -- "$1" "$SERVER_ERR" || report "no line with $1 on stderr" "one"
}

# wait_for_log REGEX
wait_for_log() {
    wait_until 20000 grep -q -- "$1" "$SERVER_ERR" || report "no line with $1 on stderr" "one"
}

# ---- by the letter of the RFCs ----------------------------------------------------

# Each case is sent whole, split at every place, and byte by byte.
# about_cases GROUP [ARGUMENT...]: of the server.
about_cases() {
    about "sent each case of the group \"$1\" in tests/http_cases.txt, whole and in pieces" \
        "the RFC named there decides, or the tables in step05_final/http_head.h and http_chunks.h" \
        "$HERE, \"Reading HTTP strictly\""
    if [[ $1 == routes || $1 == methods ]]; then
        ABOUT_WHY='the table of routes says what is there and what it allows: step05_final/routes.c'
        ABOUT_READ="step05_final/stages/11_handlers/README.md, \"The idea\""
    fi
    start_http "${@:2}"
    group "$1"
    end_server
}

# bats test_tags=promise:http-routes,needs:one-worker-each,needs:end-of-stream,stage:18
@test "HTTP: routes" { about_cases "routes"; }
# bats test_tags=promise:http-routes,needs:one-worker-each,needs:end-of-stream,stage:18
@test "HTTP: methods" { about_cases "methods"; }
# bats test_tags=promise:http-request-line,needs:http-routes,stage:15
@test "HTTP: versions" { about_cases "versions"; }
# bats test_tags=promise:http-request-line,needs:http-routes,stage:14
@test "HTTP: the request line" { about_cases "request line"; }
# bats test_tags=promise:http-request-line,needs:http-routes,stage:13
@test "HTTP: targets" { about_cases "targets"; }
# bats test_tags=promise:http-request-line,needs:http-routes,stage:13
@test "HTTP: absolute targets" { about_cases "absolute targets"; }
# bats test_tags=promise:http-fields,needs:http-routes,stage:13
@test "HTTP: Host" { about_cases "Host"; }
# bats test_tags=promise:http-fields,needs:http-routes,stage:13
@test "HTTP: fields" { about_cases "fields"; }
# bats test_tags=promise:http-framing,needs:http-routes,stage:14
@test "HTTP: Content-Length" { about_cases "Content-Length"; }
# bats test_tags=promise:http-framing,needs:http-routes,stage:15
@test "HTTP: Transfer-Encoding" { about_cases "Transfer-Encoding"; }
# bats test_tags=promise:http-framing,needs:http-routes,stage:15
@test "HTTP: chunks" { about_cases "chunks"; }
# bats test_tags=promise:http-fields,needs:http-routes,stage:15
@test "HTTP: Expect" { about_cases "Expect"; }
# bats test_tags=promise:http-connection,needs:http-routes,stage:15
@test "HTTP: the end of a connection" { about_cases "the end of a connection"; }
# bats test_tags=promise:http-pipelining,needs:http-routes,stage:15
@test "HTTP: pipelining" { about_cases "pipelining"; }
# bats test_tags=promise:http-connection,needs:http-routes,stage:15
@test "HTTP: an incomplete request waits" { about_cases "waiting"; }
# bats test_tags=promise:http-hopeless,needs:http-routes,stage:16
@test "HTTP: what cannot become a request is refused at once" {
    about_cases "refused at once" --header-timeout 0 --body-timeout 0
}
# bats test_tags=promise:http-limits,needs:http-routes,stage:15
@test "HTTP: limits" { about_cases "limits"; }
# bats test_tags=promise:http-connection,needs:http-routes,stage:15
@test "HTTP: an answer while the client still sends" {
    about_cases "an answer while the client still sends"
}

# bats test_tags=promise:http-pipelining,needs:http-routes,stage:14
@test "HTTP: a thousand numbered requests in one go" {
    about "pipelined 1,000 requests, each with its number as the body" \
        "one connection is served by one worker at a time, and answers leave in order" \
        "step05_final/stages/14_bodies/README.md, \"The idea\""
    local i
    start_http
    {
        printf 'numbered | 9112 9.3.2 |'
        for i in {1000..1999}; do
            printf ' "POST /echo HTTP/1.1\\r\\nHost: a\\r\\nContent-Length: 4\\r\\n\\r\\n%d"' "$i"
        done
        printf ' => 200 body "%d"' {1000..1999}
        echo ' open'
    } | cases
    end_server
}

# bats test_tags=exact,promise:http-one-send,needs:http-pipelining,stage:16
@test "HTTP: pipelined answers leave in one go" {
    about "pipelined 200 requests in one go and counted the calls of send and sendmsg" \
        "put the answers to all that is here into one output, and send that" \
        "step05_final/stages/16_pipelining/README.md, \"The idea\""
    SERVER_ENV="LD_PRELOAD=$TOOLS/count.so COUNT_FILE=$BATS_TEST_TMPDIR/counts"
    start_http
    cases -w whole <<<'a row | 9112 9.3.2 | "GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n"*200 => 200*200 body "ok" open'
    # An output holds many answers, but not all of them.
    local sends
    sends=$(count_all send sendto sendmsg write writev)
    ((sends <= 50)) || report "$sends calls of send, sendmsg or write" "far fewer than answers"
    end_server
}

# The first answer to `b` comes when the head of `a` has been read, and stands where that
# stood. The body is longer than the memory that is taken for its beginning.
# bats test_tags=promise:http-long-body,needs:http-fields,needs:http-framing,stage:14
@test "HTTP: the head is still right when the body has come" {
    about "sent a header, a request by another client, then the body of the first" \
        "what a parser found points into memory that may have moved or been lent to others since" \
        "step05_final/stages/14_bodies/README.md, \"The idea\""
    start_http -t 1
    local part='Expect: 100-continue\r\nContent-Length: '
    http_probe 'open a' 'open b' \
        "send a \"POST /echo HTTP/1.1\\r\\nHost: a\\r\\nContent-Type: text/x-first\\r\\n${part}300000\\r\\n\\r\\n\"" \
        'find a "HTTP/1.1 100 "' \
        "send b \"POST /echo HTTP/1.1\\r\\nHost: b\\r\\nContent-Type: text/x-other\\r\\n${part}000005\\r\\n\\r\\nhello\"" \
        'find b "text/x-other"' 'find b "hello"' \
        'send a "x"*300000' 'find a "\r\nContent-Type: text/x-first\r\nContent-Length: 300000\r\n\r\n"'
    end_server
}

# date_seconds: the Date of an answer, in seconds since 1970.
date_seconds() {
    fetch /healthz "$BATS_TEST_TMPDIR/page" || return 1
    date -u -d "$(sed -n $'s/^Date: \\(.*\\)\r$/\\1/p' "$BATS_TEST_TMPDIR/page.whole")" +%s
}

date_goes_on() {
    local date
    date=$(date_seconds) && ((date > FIRST_DATE))
}

# bats test_tags=promise:http-date,needs:http-routes,stage:12
@test "HTTP: the Date goes on" {
    about "asked a server in another time zone for the same page until its Date was another" \
        "the time when the answer was made, in GMT; whoever keeps it must look whether it is still that second" \
        "step05_final/stages/12_http/README.md, \"The idea\""
    local earliest latest
    SERVER_ENV="TZ=XXX-7"
    start_http -t 1
    earliest=$EPOCHSECONDS
    FIRST_DATE=$(date_seconds)
    latest=$EPOCHSECONDS
    # time(2) may be a tick behind.
    ((FIRST_DATE >= earliest - 1 && FIRST_DATE <= latest)) ||
        report "the Date of $FIRST_DATE" "$earliest to $latest"
    wait_until 5000 date_goes_on >/dev/null || report "the same Date after 5 s" "a later one"
    end_server
}

# ---- the command line -------------------------------------------------------------

# bats test_tags=promise:http-listener,needs:http-routes,stage:11
@test "HTTP: an IPv6 address" {
    about "started the server with -b ::1" "the HTTP listener has the same address" \
        "step05_final/stages/11_handlers/README.md, \"The idea\""
    [[ -e /proc/net/if_inet6 ]] && grep -q ' lo$' /proc/net/if_inet6 || skip "there is no ::1 here"
    start_http -b ::1
    [[ $(sed -n 2p "$SERVER_OUT") == "http on [::1]:$HTTP_PORT" ]] ||
        report "$(sed -n 2p "$SERVER_OUT")" "http on [::1]:$HTTP_PORT"
    http_probe 'open a' 'send a "GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n"' 'find a "\r\n\r\nok"'
    end_server
}

# bats test_tags=promise:http-listener,needs:http-routes,stage:11
@test "HTTP: without --http nothing listens for it" {
    about "started the server without --http" "no --http, no second line and no second socket" \
        "step05_final/stages/11_handlers/README.md, \"The idea\""
    start_server
    probe 'visit 3 "hello"'
    [[ $(wc -l <"$SERVER_OUT") == 1 ]] || report "stdout: $(<"$SERVER_OUT")" "one line"
    end_server
}

# bats test_tags=promise:http-listener,needs:http-routes,stage:11
@test "HTTP: the port is in use" {
    about "started the server with the HTTP port of another one" \
        "status 1, and which port it is" "step05_final/stages/11_handlers/README.md, \"The idea\""
    start_http
    try_server --http "$HTTP_PORT"
    ((TRIED_STATUS == 1)) || report "status $TRIED_STATUS" "status 1"
    [[ $TRIED_ERR == *"$HTTP_PORT"* ]] || report "stderr: $TRIED_ERR" "the port $HTTP_PORT in it"
    end_server
}

# bats test_tags=promise:http-options,needs:http-routes,stage:18
@test "HTTP: its options are known" {
    about "started the server with every option of HTTP" \
        "getopt_long(3): each has a name, a value and an effect" "step05_final/stages/18_fleet/README.md, \"The idea\""
    start_http --max-line 8000 --max-header 8000 --max-fields 50 --max-body 1000 --max-requests 100 \
        --header-timeout 0 --body-timeout 0 --drain-delay 0 --access-log
    fetch /healthz "$BATS_TEST_TMPDIR/page"
    end_server
}

# bats test_tags=promise:http-options,stage:18
@test "HTTP: wrong values of its options" {
    about "started the server with values that are none" \
        "digits only, and in range: status 2, the option's name and the usage" "step05_final/stages/18_fleet/README.md, \"The idea\""
    local wrong
    for wrong in '--http x' '--http 65536' '--http -1' '--http' '--max-line x' '--max-line -1' \
        '--max-header 1k' '--max-fields 1.5' '--max-body 99999999999999999999' '--max-body 0x10' \
        '--max-requests -1' '--max-requests' '--header-timeout 1s' '--body-timeout -1' \
        '--drain-delay x' '--access-log=1'; do
        # shellcheck disable=SC2086 # two words
        try_server $wrong
        ((TRIED_STATUS == 2)) || report "$wrong: status $TRIED_STATUS" "status 2"
        [[ $TRIED_ERR == *"${wrong%%[ =]*}"* && $TRIED_ERR == *usage:* ]] ||
            report "$wrong: $TRIED_ERR" "stderr with the option's name and the usage"
        [[ -z $TRIED_OUT ]] || report "$wrong: stdout $TRIED_OUT" "nothing on stdout"
    done
}

# bats test_tags=promise:http-listener,needs:http-routes,stage:12
@test "HTTP: echo beside it is what it was" {
    about "talked to both listeners of one server" "two services, one pool" "step05_final/stages/12_http/README.md, \"The idea\""
    start_http
    probe 'open a*20' 'echo a "GET / HTTP/1.1\r\n\r\n"' 'stream a 50k' 'visit 5 "hello"'
    cases -w whole <<<'both | 9110 9.3.1 | HEALTH HOST END => 200 body "ok" open'
    probe 'open b' 'echo b "\0\r\n"' 'half-close b' 'eof b'
    end_server
}

# bats test_tags=promise:http-limits,needs:http-options,stage:15
@test "HTTP: the limits are options" {
    about "sent requests that are at a limit, and one beyond, to a server with small limits" \
        "count what the option says it counts" "step05_final/stages/15_chunks/README.md, \"The idea\""
    start_http --max-line 40 --max-header 60 --max-fields 4 --max-body 10
    cases <<'EOT'
line at its limit | 9112 3 | "GET /healthz?aaaaaaaaaaaaaaaaaa HTTP/1.1\r\n" HOST END => 200 body "ok" open
line over it | 9110 15.5.15 | "GET /healthz?aaaaaaaaaaaaaaaaaaa HTTP/1.1\r\n" HOST END => 414 closed
fields at their limit | RFC 6585 5 | HEALTH HOST "X: " "a"*46 "\r\n" END => 200 body "ok" open
fields over it | RFC 6585 5 | HEALTH HOST "X: " "a"*47 "\r\n" END => 431 closed
number at its limit | RFC 6585 5 | HEALTH HOST "X:\r\n"*3 END => 200 body "ok" open
number over it | RFC 6585 5 | HEALTH HOST "X:\r\n"*4 END => 431 closed
body at its limit | 9110 15.5.14 | POST HOST "Content-Length: 10\r\n" END "0123456789" => 200 body "0123456789" open
body over it | 9110 15.5.14 | POST HOST "Content-Length: 11\r\n" END "0123456789a" => 413 closed
chunks at the limit | 9110 15.5.14 | POST HOST CHUNKED END "5\r\nhello\r\n"*2 "0\r\n\r\n" => 200 body "hellohello" open
chunks over it | 9110 15.5.14 | POST HOST CHUNKED END "5\r\nhello\r\n"*2 "1\r\na\r\n0\r\n\r\n" => 413 closed
EOT
    end_server
}

# bats test_tags=promise:http-limits,needs:http-options,stage:16
@test "HTTP: --max-requests" {
    about "sent more requests on one connection than --max-requests allows" \
        "the last answer that there will be says close" "step05_final/stages/16_pipelining/README.md, \"The idea\""
    start_http --max-requests 3
    cases <<'EOT'
three | 9112 9.6 | HEALTH HOST END HEALTH HOST END HEALTH HOST END HIDDEN => 200*2 body "ok" => 200 body "ok" closed
each waits for its answer | 9112 9.6 | HEALTH HOST END => 200 HEALTH HOST END => 200 POST HOST LEN5 END "hello" => 200 body "hello" closed
errors count | 9112 9.6 | "GET /nothing HTTP/1.1\r\n" HOST END HEALTH HOST END "PUT / HTTP/1.1\r\n" HOST END => 404 => 200 => 405 closed
EOT
    start_http --max-requests 0
    cases -w whole <<'EOT'
no limit | 9112 9.3 | "GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n"*10050 => 200*10050 body "ok" open
EOT
    end_server
}

# bats test_tags=promise:http-process,needs:http-routes,needs:wait-option,stage:14
@test "HTTP: process is called once for a request" {
    about "sent a body in 40 pieces, and requests for /healthz, to a server whose process call takes 0.3 s" \
        "business logic sees whole requests: GET / and POST /echo; the others are about the server itself" \
        "step05_final/stages/14_bodies/README.md, \"The idea\""
    start_http -t 1 -w 300000
    cases -w bytes <<'EOT'
once | 9110 9.3.3 | POST HOST "Content-Length: 40\r\n" END "0123456789"*4 => 200 body "0123456789"*4 after 300 before 4000 open
EOT
    cases -w whole -j 1 <<'EOT'
never for the server itself | 9110 9.3.1 | "GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n"*40 => 200*40 before 4000 open
nor for what is refused | 9110 15.5.5 | "GET /nothing HTTP/1.1\r\nHost: a\r\n\r\n"*40 => 404*40 before 4000 open
EOT
    cases -w whole <<<'for GET / | 9110 9.3.1 | ROOT HOST END => 200 after 300 open'
    end_server
}

# ---- deadlines --------------------------------------------------------------------

# bats test_tags=promise:request-timeouts,needs:http-options,needs:log-lines,stage:16
@test "HTTP: --header-timeout, which no byte moves" {
    about "sent a header a byte each 0.1 s, to a server with a header timeout of 0.5 s" \
        "from the first byte of the request to the end of its header: 408, readable, and close" \
        "step05_final/stages/16_pipelining/README.md, \"The idea\""
    start_http --header-timeout 500 --body-timeout 0 --idle-timeout 0 --log-level debug
    cases -w whole -i 100 <<'EOT'
a slow line | 9110 15.5.9 | slowly "GET /healthz?" "a"*200 => 408 after 500 before 10000 closed
a slow field | 9110 15.5.9 | HEALTH HOST "X: " slowly "a"*200 => 408 after 500 before 10000 closed
then nothing | 9110 15.5.9 | "GET /hea" => 408 after 500 before 10000 closed
as the second request | 9110 15.5.9 | HEALTH HOST END "GET /hea" => 200 body "ok" => 408 after 500 before 10000 closed
EOT
    wait_for_log 'what=timeout .*kind=header'
    # It begins with the first byte, not with the connect or the answer before.
    http_probe 'open a' 'silent a 1200' 'send a "GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n"' \
        'find a "\r\n\r\nok"' 'silent a 1200' 'send a "GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n"' \
        'find a "\r\n\r\nok"'
    end_server
}

# bats test_tags=promise:request-timeouts,needs:http-options,needs:log-lines,stage:16
@test "HTTP: --body-timeout, which no byte moves" {
    about "sent a body a byte each 0.1 s, to a server with a body timeout of 0.5 s" \
        "from the end of the header to the end of the body: 408, readable, and close" \
        "step05_final/stages/16_pipelining/README.md, \"The idea\""
    start_http --body-timeout 500 --header-timeout 0 --idle-timeout 0 --log-level debug
    cases -w whole -i 100 <<'EOT'
a slow body | 9110 15.5.9 | POST HOST "Content-Length: 300\r\n" END slowly "x"*200 => 408 after 500 before 10000 closed
a slow chunk | 9110 15.5.9 | POST HOST CHUNKED END slowly "100\r\n" "x"*200 => 408 after 500 before 10000 closed
slow chunks | 9110 15.5.9 | POST HOST CHUNKED END slowly "1\r\nx\r\n"*40 => 408 after 500 before 10000 closed
then nothing | 9110 15.5.9 | POST HOST LEN5 END "hell" => 408 after 500 before 10000 closed
after a 100 | 9110 15.5.9 | POST HOST LEN5 EXPECT END => 100 "hell" => 408 after 500 before 10000 closed
no last chunk | 9110 15.5.9 | POST HOST CHUNKED END "5\r\nhello\r\n" => 408 after 500 before 10000 closed
EOT
    wait_for_log 'what=timeout .*kind=body'
    end_server
}

# bats test_tags=promise:http-idle-timeout,needs:http-routes,needs:idle-timeout,stage:12
@test "HTTP: an idle connection is closed without a word" {
    about "said nothing more, or nothing at all, to a server with an idle timeout of 0.8 s" \
        "between two requests there is nothing to answer" "step05_final/stages/12_http/README.md, \"The idea\""
    start_http --idle-timeout 800 --log-level debug
    cases -w whole <<'EOT'
after an answer | 9112 9.5 | HEALTH HOST END => 200 body "ok" ends
from the start | 9112 9.5 | ends
EOT
    wait_for_log 'what=timeout .*kind=idle'
    # Each request moves it.
    local i lines=()
    for i in {1..10}; do
        lines+=(mark 'send a "GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n"' 'find a "\r\n\r\nok"' 'in-time 750'
            'silent a 200')
    done
    http_probe mark 'open a' 'in-time 750' "${lines[@]}"
    end_server
}

# bats test_tags=promise:timeouts-off,needs:request-timeouts,needs:http-idle-timeout,stage:16
@test "HTTP: without timeouts it waits" {
    about "paused for a second in a header and in a body, with all timeouts 0" \
        "0 means no limit" "step05_final/stages/16_pipelining/README.md, \"The idea\""
    start_http --header-timeout 0 --body-timeout 0 --idle-timeout 0 --write-timeout 0
    http_probe 'open a' 'send a "POST /echo HTTP/1.1\r\nHost: a\r\nContent-"' 'silent a 1000' \
        'send a "Length: 5\r\n\r\nhe"' 'silent a 1000' 'send a "llo"' 'find a "\r\n\r\nhello"'
    end_server
}

# bats test_tags=promise:process-is-not-late,needs:request-timeouts,needs:http-idle-timeout,needs:wait-option,stage:16
@test "HTTP: a long process call is no timeout" {
    about "asked for / where that takes 1.2 s and all timeouts are 0.4 s" \
        "deadlines are for the client's part" "step05_final/stages/16_pipelining/README.md, \"The idea\""
    start_http -w 1200000 --header-timeout 400 --body-timeout 400 --idle-timeout 400 --write-timeout 400
    cases -w whole <<'EOT'
GET / | 9110 9.3.1 | ROOT HOST END => 200 after 1200 ends
POST /echo | 9110 9.3.3 | POST HOST LEN5 END "hello" => 200 body "hello" after 1200 ends
EOT
    end_server
}

# bats test_tags=promise:write-timeout,needs:http-routes,needs:long-options,needs:log-lines,stage:14
@test "HTTP: --write-timeout closes a client that does not take its answers" {
    about "sent requests without reading to a server with a write timeout of 2 s" \
        "from the moment the socket takes no more, the client has that long" \
        "step05_final/stages/14_bodies/README.md, \"The idea\""
    start_http --write-timeout 2000 --idle-timeout 0 --log-level debug
    local base
    base=$(fd_count)
    http_probe 'within 20000' 'open p rcvbuf=4096 sndbuf=16384' \
        'flood p "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 16384\r\n\r\n" "x"*16384' gone &
    local probe_pid=$!
    wait_for_log 'what=timeout .*kind=write'
    expect_fds "$base"
    stop_server
    wait "$probe_pid" || true # it may still have been sending
}

# bats test_tags=promise:linger,needs:http-routes,needs:log-lines,stage:17
@test "HTTP: a client that stays after an error is closed all the same" {
    about "sent an error, read the answer and its end, and neither left nor fell silent" \
        "what comes after the answer is thrown away, but not forever: 5 s, and no byte moves them" \
        "step05_final/stages/17_metrics/README.md, \"The idea\""
    start_http
    local i lines=()
    for i in {1..150}; do lines+=('send a "x"' 'silent b 100'); done
    http_probe 'open b' 'open a' 'send a "x\r\n"' 'find a "HTTP/1.1 400 "' "${lines[@]}" gone 2>/dev/null &
    local probe_pid=$!
    wait_until 20000 grep -q 'what=timeout .*kind=linger' "$SERVER_ERR" ||
        report "no line with kind=linger on stderr" "one within 20 s"
    fetch /metrics "$BATS_TEST_TMPDIR/metrics"
    (($(metric 'server_timeouts_total{kind="linger"}' "$BATS_TEST_TMPDIR/metrics") == 1)) ||
        report "$(grep linger "$BATS_TEST_TMPDIR/metrics")" "1"
    stop_server
    wait "$probe_pid" || true # its send fails when the server has closed
}

# bats test_tags=promise:linger,needs:http-routes,needs:log-lines,needs:wait-option,stage:14
@test "HTTP: a client that never pauses does not stay, however busy the server is" {
    about "sent an error and went on sending without a pause, to a server with 1 worker that others keep busy" \
        "the main thread cannot judge a connection that is in the queue whenever it looks: who serves it must look at its deadline, too" \
        "step05_final/stages/14_bodies/README.md, \"The idea\""
    needs_dev_tcp
    start_http -t 1 -w 100000
    local status=0 socket
    timeout 70 "$TOOLS/load" -p "$PORT" -c 8 -d 16 -t 60 -w 0 >/dev/null 2>&1 3>&- 4>&- &
    STARTED_PIDS+=($!)
    exec {socket}<>"/dev/tcp/127.0.0.1/$HTTP_PORT"
    printf 'x\r\n' >&"$socket"
    # It ends when the server closes: 5 s, and a turn in the queue.
    timeout $((50 * SLOWNESS)) cat /dev/zero 1>&"$socket" 2>/dev/null || status=$?
    exec {socket}>&-
    ((status != 124)) || report "the connection was still there after 50 s" "its end after 5 s"
    expect_log 'what=timeout .*kind=linger'
    end_server
}

# ---- too many, too much -----------------------------------------------------------

# hold COUNT: so many connections that the server has accepted; HELD are their descriptors.
hold() {
    local fd line
    needs_dev_tcp
    HELD=()
    while ((${#HELD[@]} < $1)); do
        exec {fd}<>"/dev/tcp/127.0.0.1/$HTTP_PORT"
        printf 'HEAD /healthz HTTP/1.1\r\nHost: a\r\n\r\n' >&"$fd"
        read -r -t "$ANSWER_S" -u "$fd" line
        HELD+=("$fd")
    done
}

let_go() {
    local fd
    for fd in "${HELD[@]}"; do exec {fd}>&-; done
}

# bats test_tags=promise:rejected-softly,needs:http-routes,needs:max-connections,stage:12
@test "HTTP: one connection too many hears 503" {
    about "connected more clients than --max-connections allows" \
        "accepted from a small reserve, told in constant bytes, closed; its request is not read" \
        "step05_final/stages/12_http/README.md, \"The idea\""
    start_http --max-connections 3
    local base
    base=$(fd_count)
    hold 3
    cases -w whole <<'EOT'
who says nothing | 9110 15.6.4 | => 503 has "Content-Length: 0" closed
who asks | 9110 15.6.4 | HEALTH HOST END => 503 has "Content-Length: 0" closed
who sends much | 9110 15.6.4 | POST HOST "Content-Length: 500000\r\n" END "x"*500000 late => 503 has "Content-Length: 0" closed
EOT
    let_go
    expect_fds "$base"
    cases -w whole -j 1 <<<'and now | 9110 9.3.1 | HEALTH HOST END => 200 body "ok" open'
    end_server
}

# As in step05_final/test.bats. Who sends after the end sees whether that was all.
# bats test_tags=promise:rejected-softly,needs:http-routes,needs:max-connections,stage:12
@test "HTTP: one connection too many hears an end, not a reset" {
    about "connected 10 clients that asked to a server that takes 3, and sent on after the end" \
        "a close with unread input is a reset, and so is what comes later: shutdown(SHUT_WR), and throw away what comes until the client leaves" \
        "step05_final/stages/12_http/README.md, \"The idea\""
    start_http --max-connections 3
    local i lines=('open a*3' 'send a "GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n"' 'expect a "HTTP/1.1 200 OK\r\n"')
    for i in {1..10}; do
        # The server lingers for a second.
        lines+=(mark "open b$i" 'in-time 900' "send b$i \"GET /healthz HTTP/1.1\\r\\nHost: a\\r\\n\\r\\n\"" "find b$i \"Content-Length: 0\\r\\n\\r\\n\""
            "eof b$i" "send b$i \"still talking\"" "send b$i \"and talking\"")
    done
    http_probe "${lines[@]}"
    end_server
}

FLOOD='"POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 16384\r\n\r\n" "x"*16384'

# bats test_tags=exact,promise:http-bounded-output,needs:http-pipelining,stage:14
@test "HTTP: a client that sends requests and does not read is not read from" {
    about "pipelined POST /echo of 16 KiB without end on 20 connections and read nothing" \
        "while answers wait, nothing is read: memory stays where it was, and others are served" \
        "step05_final/stages/14_bodies/README.md, \"The idea\""
    start_http
    # A connection may keep a request and some answers, together 256 KiB.
    http_probe 'within 10000' 'open w' 'send w "GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n"' \
        'find w "\r\n\r\nok"' mark 'open p*20 rcvbuf=4096 sndbuf=16384' "flood p $FLOOD" \
        'grew rss max=5120' 'send w "GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n"' \
        'within 2000' 'find w "\r\n\r\nok"'
    probe 'visit 3 "and echo"'
    end_server
}

# bats test_tags=promise:http-late-reader,needs:http-pipelining,stage:14
@test "HTTP: a client that reads late gets all of it" {
    about "pipelined 300 POST /echo of 16 KiB, read nothing before all was sent, then all" \
        "reading resumes when what was pending has left" "step05_final/stages/14_bodies/README.md, \"The idea\""
    start_http
    # Sent only as fast as answers are taken: so the client must read, and begins late.
    local i
    {
        printf 'late | 9112 9.3.2 |'
        for i in {1..300}; do printf ' POST HOST "Content-Length: 16384\\r\\n" END "%c"*16384' "$((i % 10))"; done
        for i in {1..300}; do printf ' => 200 body "%c"*16384' "$((i % 10))"; done
        echo ' open'
    } | cases -w whole
    end_server
}

# bats test_tags=promise:http-late-reader,needs:http-options,stage:14
@test "HTTP: a large answer is taken in small pieces" {
    about "sent a body of 8 MB, more than a socket takes, and read the answer only then" \
        "what the socket does not take is kept, from the byte on that comes next" "step05_final/stages/14_bodies/README.md, \"The idea\""
    start_http --max-body 8000000
    http_probe 'within 10000' 'open a rcvbuf=4096' \
        'send a "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 8000000\r\n\r\n"' 'send a random:8000000' \
        'arrived a' asleep 'find a "\r\n\r\n"' 'expect a random:8000000'
    end_server
}

# bats test_tags=exact,promise:http-bounded-output,needs:http-pipelining,stage:18
@test "HTTP: small requests for large answers wait, too" {
    about "pipelined GET / without end on 20 connections and read nothing" \
        "at the high-water mark of unsent answers no other request is answered, also if it is here" \
        "step05_final/stages/18_fleet/README.md, \"The idea\""
    # A page may be so small that 10,000 of them fit on their way.
    local unlimited=()
    ! has_option --max-requests || unlimited=(--max-requests 0)
    start_http "${unlimited[@]}"
    # A recv holds 900 such requests, and they would become 2 MB of pages.
    http_probe 'within 10000' 'open w' 'send w "GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n"' \
        'find w "\r\n\r\nok"' mark 'open p*20 rcvbuf=4096 sndbuf=16384' \
        'flood p "GET / HTTP/1.1\r\nHost: a\r\n\r\n"*100' 'grew rss max=5120'
    end_server
}

# bats test_tags=exact,promise:http-leaves-nothing,needs:http-fields,stage:14
@test "HTTP: a client that leaves in the middle leaves nothing behind" {
    about "let 18,000 clients leave in the middle of a body" \
        "the connection gives back what it keeps, and the handler what it keeps for it" \
        "step05_final/stages/14_bodies/README.md, \"The idea\""
    start_http -t 1
    local i lines=()
    for i in {1..12}; do
        lines+=('open x*2000' 'send x "POST /echo HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 9\r\n\r\n"'
            'expect x "HTTP/1.1 100 Continue\r\n\r\n"')
        # Compared while as many are open: what is freed goes back to the system or not, as it
        # comes. In the first rounds memory still grows.
        ((i != 3)) || lines+=(mark)
        ((i != 12)) || lines+=('grew fds max=0' 'grew rss max=500')
        # The one worker serves in turn: when it answers, those before have been closed.
        lines+=('close x' 'open y' 'send y "GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n"'
            'expect y "HTTP/1.1 200 OK\r\n"' 'close y')
    done
    http_probe 'within 5000' "${lines[@]}"
    end_server
}

# As in step05_final/test.bats, for the other listener.
# bats test_tags=exact,promise:accept-pauses,needs:http-routes,needs:log-lines,stage:11
@test "HTTP: out of descriptors, no listener spins" {
    about "let more HTTP clients wait than a server with 32 descriptors can take, and counted its calls" \
        "the descriptors are short for every listener: disarm them all" "step05_final/stages/11_handlers/README.md, \"The idea\""
    SERVER_ENV="LD_PRELOAD=$TOOLS/count.so COUNT_FILE=$BATS_TEST_TMPDIR/counts"
    SERVER_WRAP="prlimit --nofile=32:32"
    start_http
    local begin
    begin=$(now_ms)
    http_probe 'open a*60' 'open w' 'silent w 300' &
    local probe_pid=$!
    wait_for_log 'what=accept_paused'
    wait "$probe_pid"
    # It looks again ten times a second.
    local more=$(($(elapsed_ms "$begin") / 25))
    (($(count_accepts) <= 200 + more && $(count_waits) <= 300 + more)) ||
        report "$(count_accepts) calls of accept and $(count_waits) of epoll_wait" "some dozens"
    end_server
}

# bats test_tags=promise:accept-resumes,needs:http-routes,needs:accept-pauses,stage:11
@test "HTTP: out of descriptors, and served when others leave" {
    about "let 20 HTTP clients wait for a server with 32 descriptors, and let the served ones leave" \
        "when accepting begins again, every listener is listened to" "step05_final/stages/11_handlers/README.md, \"The idea\""
    SERVER_WRAP="prlimit --nofile=32:32"
    start_http
    # When it sleeps it has met the shortage: only then others leave.
    http_probe 'within 8000' 'open a*15' 'send a "GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n"' \
        'expect a "HTTP/1.1 200 OK\r\n"' 'open b*20' 'send b "GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n"' asleep 'close a' \
        'expect b "HTTP/1.1 200 OK\r\n"' 'close b' 'open c' 'send c "GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n"' \
        'find c "\r\n\r\nok"'
    # And the pause has happened.
    expect_log 'what=accept_paused'
    end_server
}

# bats test_tags=exact,promise:http-bounded-output,needs:http-options,needs:http-pipelining,stage:16
@test "HTTP: 600 hostile clients cost no more than the limits say" {
    about "connected 200 clients that never end their header, 200 that never read and 200 that say nothing, and asked for /healthz" \
        "each is kept within its limits, and none holds a worker" "step05_final/stages/16_pipelining/README.md, \"The idea\""
    # No deadline may help, or end a client because the machine is slow.
    start_http --max-body 16384 --idle-timeout 0 --header-timeout 0 --write-timeout 0
    # KiB: 200 lines and headers; 200 that do not read; 600 connections.
    local bound=$((200 * (8 + 16) + 200 * 256 + 600 * 2))
    PROBE_TIMEOUT=60
    http_probe 'within 20000' 'open w' 'send w "GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n"' \
        'find w "\r\n\r\nok"' mark 'open s*200' \
        'send s "GET /healthz?" "a"*8000 " HTTP/1.1\r\nHost: a\r\nX: " "x"*16000' \
        'open n*200 rcvbuf=4096 sndbuf=16384' "flood n $FLOOD" 'open i*200' \
        'within 2000' 'send w "GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n"' 'find w "\r\n\r\nok"' \
        'open h' 'send h "GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n"' 'find h "\r\n\r\nok"' \
        "grew rss max=$bound" 'send s "\r\n\r\n"' 'expect s "HTTP/1.1 200 OK\r\n"'
    end_server
}

# ---- the end ----------------------------------------------------------------------

# bats test_tags=promise:http-drain-answers,needs:http-pipelining,needs:drain-answers,stage:15
@test "HTTP: SIGTERM, and what has come is answered" {
    about "sent requests while the server was stopped, SIGTERM, and let it go on" \
        "who was heard completely is answered completely; then, and for the others at once, the end" \
        "step05_final/stages/15_chunks/README.md, \"The idea\""
    start_http -t 2 -w 20000 --drain-timeout 60000
    {
        local i
        for i in {1..40}; do
            printf '%s\n' "body $i | 9112 9.6 | POST HOST LEN16K END \"x\"*16384 => 200 body \"x\"*16384 ends"
        done
        cat <<'EOT'
GET / | 9112 9.6 | ROOT HOST END => 200 ends
chunks | 9112 9.6 | POST HOST CHUNKED END HELLO => 200 body "hello" ends
1.0 | 9112 9.6 | OLDPOST LEN5 END "hello" => 200 body "hello" ends
several | 9112 9.3.2 | POST HOST LEN5 END "one.." POST HOST LEN5 END "two.." HEALTH HOST END => 200 body "one.." => 200 body "two.." => 200/503 ends
an error | 9112 9.6 | HEALTH END => 400 closed
half a header | 9112 8 | HEALTH "Ho" ends
half a body | 9112 8 | POST HOST LEN5 END "hell" ends
one, and half of another | 9112 8 | POST HOST LEN5 END "hello" "GET /hea" => 200 body "hello" ends
nothing | 9112 9.6 | ends
EOT
    } | cases -w whole -t "$SERVER_PID"
    expect_exit 0
}

# bats test_tags=promise:http-drain-answers,needs:http-pipelining,needs:drain-answers,stage:14
@test "HTTP: SIGTERM while answers wait to be read" {
    about "pipelined 800 POST /echo to a stopped server, sent SIGTERM, and let it go on" \
        "all requests that are here are answered, also those of which a turn has no room" \
        "step05_final/stages/14_bodies/README.md, \"The idea\""
    start_http --drain-timeout 60000
    cases -w whole -t "$SERVER_PID" <<'EOT'
many | 9112 9.3.2 | "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc"*800 => 200*800 body "abc" ends
EOT
    expect_exit 0
}

# bats test_tags=promise:http-drain-idle,needs:http-routes,needs:drain-softly,stage:14
@test "HTTP: SIGTERM, and idle clients see the end" {
    about "sent SIGTERM with idle clients, one in a header and one in a body" \
        "nothing to answer: FIN at once" "step05_final/stages/14_bodies/README.md, \"The idea\""
    start_http --drain-timeout 60000
    http_probe 'open a*10' 'open k' 'send k "GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n"' 'find k "\r\n\r\nok"' \
        'open h' 'send h "GET /hea"' 'open b' 'send b "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhell"' \
        stop cont 'signal TERM' 'within 5000' 'eof a' 'eof k' 'eof h' 'eof b' 'close a' 'close k' 'close h' \
        'close b' gone
    expect_exit 0
}

# bats test_tags=promise:drain-refuses,needs:http-routes,needs:drain-answers,needs:log-lines,stage:11
@test "HTTP: SIGTERM, and no new client is accepted" {
    about "connected to both ports after SIGTERM, while a client that had not taken its answer kept the server draining" \
        "close every listener first" "step05_final/stages/11_handlers/README.md, \"The idea\""
    start_http --drain-timeout 60000
    probe 'within 60000' 'open p' 'pour p blocks' 'signal TERM' gone &
    local probe_pid=$!
    wait_for_log 'what=drain '
    # The line may come just before the listeners are closed.
    probe 'refused soon'
    http_probe 'refused soon'
    # It runs still: so this was the drain, and not the end.
    end_server
    wait "$probe_pid" || true # it expects more patience of the server than we have
}

# More than are accepted in one go.
# bats test_tags=promise:http-drain-answers,needs:http-pipelining,needs:drain-answers,stage:14
@test "HTTP: SIGTERM, and clients in the accept queue are answered" {
    about "let 300 clients connect and ask while the server was stopped, sent SIGTERM, let it go on" \
        "accept until EAGAIN before closing a listener, each of them" "step05_final/stages/14_bodies/README.md, \"The idea\""
    start_http --drain-timeout 60000
    local i
    for i in {1..300}; do
        echo "waits $i | 9112 9.6 | POST HOST LEN5 END \"hello\" => 200 body \"hello\" ends"
    done | cases -w whole -j 400 -t "$SERVER_PID"
    expect_exit 0
}

says_draining() { "$TOOLS/http_client" -G /healthz "$HTTP_PORT" 2>&1 >/dev/null | grep -q 'status 503'; }

# bats test_tags=promise:drain-delay,needs:http-options,needs:drain-answers,stage:18
@test "HTTP: --drain-delay tells the load balancer first" {
    about "sent SIGTERM to a server with a drain delay of a minute, went on asking, then sent SIGINT" \
        "first /healthz says 503 and answers say close, while all is still accepted and answered; who asks twice means now" \
        "step05_final/stages/18_fleet/README.md, \"The idea\""
    start_http --drain-delay 60000
    hold 1
    kill -TERM "$SERVER_PID"
    wait_until 5000 says_draining >/dev/null || report "/healthz does not say 503" "503 within 5 s of SIGTERM"
    cases -w whole <<'EOT'
/healthz | 9110 15.6.4 | HEALTH HOST END => 503 closed
HEAD /healthz | 9110 15.6.4 | "HEAD /healthz HTTP/1.1\r\n" HOST END => 503 head closed
the others | 9112 9.6 | ROOT HOST END => 200 closed
with a body | 9112 9.6 | POST HOST LEN5 END "hello" => 200 body "hello" closed
not found | 9112 9.6 | "GET /nothing HTTP/1.1\r\n" HOST END => 404 closed
1.0 | 9112 9.6 | OLDPOST KEEP LEN5 END "hello" => 200 body "hello" ends
EOT
    probe 'visit 2 "echo as well"'
    # Who was connected before is answered, too.
    printf 'GET /stats HTTP/1.1\r\nHost: a\r\n\r\n' >&"${HELD[0]}"
    timeout "$ANSWER_S" cat <&"${HELD[0]}" >"$BATS_TEST_TMPDIR/held" ||
        report "a connection from before stays open after its answer" "close"
    grep -q '^HTTP/1.1 200 OK' "$BATS_TEST_TMPDIR/held" &&
        grep -qi $'^Connection: close\r$' "$BATS_TEST_TMPDIR/held" ||
        report "$(head -c 300 "$BATS_TEST_TMPDIR/held")" "200 and Connection: close"
    let_go
    kill -INT "$SERVER_PID"
    expect_exit 0
}

# bats test_tags=promise:drain-delay,needs:http-options,needs:drain-answers,stage:18
@test "HTTP: --drain-delay says how long" {
    about "sent SIGTERM to a server with a drain delay of 1.5 s" \
        "then the drain begins, and with nobody there it ends" "step05_final/stages/18_fleet/README.md, \"The idea\""
    local begin
    start_http --drain-delay 1500
    begin=$(now_ms)
    kill -TERM "$SERVER_PID"
    expect_exit 0 8000
    (($(elapsed_ms "$begin") >= 1500)) ||
        report "it ended after $(elapsed_ms "$begin") ms" "not before its delay of 1500 ms"
}

# ---- what it says of itself -------------------------------------------------------

# bats test_tags=promise:metrics-format,needs:http-routes,stage:18
@test "HTTP: promtool accepts the metrics" {
    command -v promtool >/dev/null || skip "promtool is not installed"
    about "gave GET /metrics to promtool check metrics" \
        "HELP and TYPE before the samples, names with units, counters that end in _total" \
        "step05_final/stages/18_fleet/README.md, \"The idea\""
    start_http
    group routes
    fetch /metrics "$BATS_TEST_TMPDIR/metrics"
    [[ -n $(metric server_connections_accepted_total "$BATS_TEST_TMPDIR/metrics") ]] ||
        report "$(head -c 300 "$BATS_TEST_TMPDIR/metrics")" "server_connections_accepted_total"
    promtool check metrics <"$BATS_TEST_TMPDIR/metrics" >"$BATS_TEST_TMPDIR/said" 2>&1 ||
        report "$(head -n 20 "$BATS_TEST_TMPDIR/said")" "nothing to complain about"
    [[ ! -s $BATS_TEST_TMPDIR/said ]] || report "$(<"$BATS_TEST_TMPDIR/said")" "no word"
    end_server
}

CAUSES='client done error timeout refused drain'

# at_rest FILE: fetches /metrics; all that ended is accounted for, and only we are here.
at_rest() {
    local cause closed=0
    fetch /metrics "$1" || return 1
    SPENT=$((SPENT + FETCHED)) FETCHES=$((FETCHES + 1))
    for cause in $CAUSES; do
        closed=$((closed + $(metric "server_connections_closed_total{cause=\"$cause\"}" "$1")))
    done
    (($(metric server_connections_open "$1") == 1 &&
        $(metric server_connections_accepted_total "$1") - closed == 1))
}

# snapshot FILE: metrics at rest. FETCHES counts the requests for them, SPENT the bytes of
# the answers.
snapshot() {
    wait_until 5000 at_rest "$1" >/dev/null ||
        report "$(grep -E '^server_connections' "$1")" "accepted - closed = open = 1, ours, within 5 s"
}

# grown NAME: by how much it has grown between the two snapshots. A code that was not yet
# there was 0.
grown() {
    local before after
    before=$(metric "$1" "$BATS_TEST_TMPDIR/before") after=$(metric "$1" "$BATS_TEST_TMPDIR/after")
    echo $((${after:-0} - ${before:-0}))
}

# expect_grown NAME COUNT
expect_grown() {
    (($(grown "$1") == $2)) || report "$1 grew by $(grown "$1")" "$2"
}

# bats test_tags=promise:metrics-bytes,needs:metrics-format,needs:request-timeouts,stage:17
@test "HTTP: every connection and every byte is counted, once" {
    about "talked to both listeners, and compared /metrics before and after" \
        "counters of each worker, summed when asked; open is counted by the main thread" \
        "step05_final/stages/17_metrics/README.md, \"The idea\""
    local request=$'GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n' received fetches
    SPENT=0 FETCHES=0
    start_http --idle-timeout 3000 --header-timeout 300
    snapshot "$BATS_TEST_TMPDIR/before"
    FETCHES=0

    # By the client: 3 of echo, 2 that half-close. By us: one that said close, one in error.
    probe 'visit 3 "hello"'
    cases -w whole <<'EOT'
client | 9112 9.6 | HEALTH HOST END fin => 200 ends
client, 404 | 9112 9.6 | "GET /nothing HTTP/1.1\r\n" HOST END fin => 404 ends
done | 9112 9.6 | POST HOST CLOSE LEN5 END "hello" => 200 body "hello" closed
refused | 9112 2.2 | HEALTH END => 400 closed
EOT
    received=$((3 * 5 + SENT))
    # One that resets, once it is served.
    http_probe 'open r' 'send r "GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n"' 'find r "\r\n\r\nok"' 'reset r'
    received=$((received + ${#request}))
    # One that is idle, one that does not end its header.
    cases -w whole <<'EOT'
idle | 9112 9.5 | HEALTH HOST END => 200 ends
header | 9110 15.5.9 | "GET /hea" => 408 closed
EOT
    received=$((received + SENT))
    snapshot "$BATS_TEST_TMPDIR/after"

    fetches=$FETCHES
    expect_grown server_connections_accepted_total $((10 + fetches))
    expect_grown 'server_connections_closed_total{cause="client"}' 5
    expect_grown 'server_timeouts_total{kind="idle"}' 1
    expect_grown 'server_timeouts_total{kind="header"}' 1
    expect_grown 'server_timeouts_total{kind="body"}' 0
    expect_grown 'server_timeouts_total{kind="write"}' 0
    expect_grown 'server_connections_closed_total{cause="error"}' 1
    expect_grown server_received_bytes_total $((received + fetches * SENT))
    expect_grown 'server_http_requests_total{code="404"}' 1
    expect_grown 'server_http_requests_total{code="400"}' 1
    expect_grown 'server_http_requests_total{code="408"}' 1
    expect_grown 'server_http_requests_total{code="200"}' $((4 + fetches))
    expect_grown server_queue_depth 0
    end_server
}

# bats test_tags=promise:metrics-bytes,needs:metrics-format,stage:17
@test "HTTP: no count is lost when many count" {
    about "let 500 clients send 20 messages of 6 bytes each, all at once, and compared /metrics before and after" \
        "one writer for each counter, or an atomic addition" "step05_final/stages/17_metrics/README.md, \"The idea\""
    local i lines=('open x*500')
    for i in {1..20}; do lines+=('echo x "hello\n"'); done
    SPENT=0 FETCHES=0
    start_http -t 8
    snapshot "$BATS_TEST_TMPDIR/before"
    FETCHES=0
    probe 'within 10000' "${lines[@]}"
    snapshot "$BATS_TEST_TMPDIR/after"
    expect_grown server_received_bytes_total $((500 * 20 * 6 + FETCHES * SENT))
    expect_grown server_connections_accepted_total $((500 + FETCHES))
    expect_grown 'server_connections_closed_total{cause="client"}' 500
    end_server
}

# says_one_open: on the connection WATCHER, which makes no new one.
says_one_open() {
    local line
    printf 'GET /metrics HTTP/1.1\r\nHost: a\r\n\r\n' >&"$WATCHER"
    while read -r -t 5 -u "$WATCHER" line; do
        [[ $line != 'server_connections_open '* ]] || break
    done
    [[ $line == 'server_connections_open 1' ]]
}

# bats test_tags=promise:metrics-connections,needs:metrics-format,stage:17
@test "HTTP: a client that has left is not counted as open" {
    about "let 20 clients leave, then asked for /metrics on a connection from before" \
        "count again when a connection is freed, not only when one is accepted" "step05_final/stages/17_metrics/README.md, \"The idea\""
    needs_dev_tcp
    start_http
    exec {WATCHER}<>"/dev/tcp/127.0.0.1/$HTTP_PORT"
    says_one_open || report "no line \"server_connections_open 1\" for one connection" "it"
    http_probe 'open x*20' 'send x "GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n"' \
        'expect x "HTTP/1.1 200 OK\r\n"' 'close x'
    wait_until 5000 says_one_open || report "not \"server_connections_open 1\" after 5 s" "it"
    exec {WATCHER}>&-
    end_server
}

PHASES='idle header body write linger'

# clients COUNT TEXT: opens so many, each of which sends TEXT and stays; adds them to HELD.
clients() {
    local i fd
    for ((i = 0; i < $1; i++)); do
        exec {fd}<>"/dev/tcp/127.0.0.1/$HTTP_PORT"
        [[ -z $2 ]] || printf '%b' "$2" >&"$fd"
        HELD+=("$fd")
    done
}

# phases_are COUNT...: fetches /metrics; so many are in each phase, and no more are open.
phases_are() {
    local file=$BATS_TEST_TMPDIR/phases phase seen=() sum=0
    fetch /metrics "$file" || return 1
    for phase in $PHASES; do
        seen+=("$(metric "server_connections_by_phase{phase=\"$phase\"}" "$file")")
        sum=$((sum + ${seen[-1]:-0}))
    done
    SEEN="${seen[*]}, in all $sum of $(metric server_connections_open "$file")"
    [[ "${seen[*]}" == "$*" && $sum == "$(metric server_connections_open "$file")" ]]
}

# with_one_leaving COUNT...: the same, with a client that has its last answer and does not go. It is
# given up after some seconds, so each try has one of its own.
with_one_leaving() {
    local fd status=0
    exec {fd}<>"/dev/tcp/127.0.0.1/$HTTP_PORT"
    printf 'GET /healthz HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n' >&"$fd"
    timeout "$ANSWER_S" cat <&"$fd" >"$BATS_TEST_TMPDIR/last" || return 1
    phases_are "$@" || status=$?
    exec {fd}>&-
    return $status
}

# bats test_tags=promise:metrics-phases,needs:metrics-connections,stage:17
@test "HTTP: each connection is counted in the phase that it is in" {
    about "held 5 idle clients, 3 with half a head, 4 with half a body, 2 that read nothing and one that stays \
after its last answer, and asked for /metrics" \
        "whatever changes the phase of a connection counts it there, also where it fails or ends" \
        "step05_final/stages/17_metrics/README.md, \"The diff\""
    local many
    needs_dev_tcp
    start_http --idle-timeout 0 --header-timeout 0 --body-timeout 0 --write-timeout 0
    HELD=()
    clients 5 ''
    clients 3 'GET /healthz HTTP/1.1\r\nHos'
    clients 4 'POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nhello'
    printf -v many 'GET /metrics HTTP/1.1\\r\\nHost: a\\r\\n\\r\\n%.0s' {1..2000}
    clients 2 "$many"
    # The one that asks is counted as idle until it has its answer.
    wait_until 20000 with_one_leaving 6 3 4 2 1 >/dev/null ||
        report "$PHASES: $SEEN" "6 3 4 2 1, and in all as many as are open"
    let_go
    wait_until 10000 phases_are 1 0 0 0 0 >/dev/null ||
        report "after all have left: $SEEN" "1 0 0 0 0, which is the one that asks"
    end_server
}

# bats test_tags=promise:metrics-phases,needs:metrics-connections,needs:request-timeouts,stage:17
@test "HTTP: who is rejected or given up is counted in one phase, and then in none" {
    about "let clients miss each deadline, rejected others, and asked for /metrics" \
        "whatever changes the phase counts it, also where the main thread does it" \
        "step05_final/stages/17_metrics/README.md, \"The diff\""
    start_http --idle-timeout 2000 --header-timeout 300 --body-timeout 300
    cases -w whole <<'EOT'
idle | 9112 9.5 | HEALTH HOST END => 200 ends
header | 9110 15.5.9 | "GET /hea" => 408 closed
body | 9110 15.5.9 | POST HOST LEN5 END "he" => 408 closed
wrong | 9112 2.2 | HEALTH END => 400 closed
EOT
    http_probe 'open r' 'send r "GET /hea"' 'arrived r' 'reset r'
    wait_until 10000 phases_are 1 0 0 0 0 >/dev/null ||
        report "after all were given up: $PHASES: $SEEN" "1 0 0 0 0, which is the one that asks"
    end_server
    start_http --max-connections 3
    hold 3
    cases -w whole -j 1 <<'EOT'
one too many | 9110 15.6.4 | => 503 closed
another | 9110 15.6.4 | => 503 closed
EOT
    let_go
    wait_until 10000 phases_are 1 0 0 0 0 >/dev/null ||
        report "after all have left: $PHASES: $SEEN" "1 0 0 0 0, which is the one that asks"
    end_server
}

# workers_at_task COUNT: fetches /metrics; so many are, with the one that answers.
workers_at_task() {
    fetch /metrics "$BATS_TEST_TMPDIR/metrics" || return 1
    SEEN=$(grep '^server_worker_at_task{' "$BATS_TEST_TMPDIR/metrics" | paste -sd ' ')
    (($(grep -c '^server_worker_at_task{worker="[1-4]"} [01]$' "$BATS_TEST_TMPDIR/metrics") == 4 &&
        $(grep -c '^server_worker_at_task{.*} 1$' "$BATS_TEST_TMPDIR/metrics") == $1))
}

# bats test_tags=promise:metrics-workers,needs:metrics-format,needs:wait-option,stage:17
@test "HTTP: /metrics says which workers are at a task" {
    about "sent two requests of 4 s to 4 workers, and asked for /metrics meanwhile" \
        "a worker is at a task if it has taken one more than it has ended" \
        "step05_final/stages/17_metrics/README.md, \"The diff\""
    needs_dev_tcp
    start_http -t 4 -w 4000000
    wait_until 5000 workers_at_task 1 >/dev/null || report "before: $SEEN" "1 of 4, the one that answers"
    HELD=()
    clients 2 'POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello'
    wait_until 5000 workers_at_task 3 >/dev/null || report "meanwhile: $SEEN" "3 of 4"
    let_go
    wait_until 10000 workers_at_task 1 >/dev/null || report "afterwards: $SEEN" "1 of 4"
    end_server 8000
}

# bats test_tags=promise:metrics-bytes,needs:metrics-format,stage:18
@test "HTTP: bytes sent are counted, once" {
    about "fetched pages, counted their bytes, and compared /metrics before and after" \
        "what send took, no more" "step05_final/stages/18_fleet/README.md, \"The idea\""
    local path sent asked=0 echoed
    SPENT=0 FETCHES=0
    start_http
    snapshot "$BATS_TEST_TMPDIR/before"
    SPENT=$FETCHED # it was not yet sent when it was counted
    for path in / /healthz /stats /metrics; do
        fetch "$path" "$BATS_TEST_TMPDIR/page"
        SPENT=$((SPENT + FETCHED)) asked=$((asked + SENT))
    done
    probe 'visit 1 "hello"'
    # Much of this has to wait until it can be sent.
    probe 'within 10000' 'open a rcvbuf=4096' 'echo a "0123456789"' 'pour a blocks' 'drink a'
    FETCHES=0
    snapshot "$BATS_TEST_TMPDIR/after"
    # Echo has sent what it has received, which is all but the requests.
    echoed=$(($(grown server_received_bytes_total) - asked - FETCHES * SENT))
    ((echoed > 100000)) || report "$echoed bytes received for echo" "more than 100,000"
    sent=$((SPENT + echoed - FETCHED)) # the last answer left after it was made
    expect_grown server_sent_bytes_total "$sent"
    end_server
}

# bats test_tags=promise:metrics-connections,needs:metrics-format,needs:rejected-softly,stage:17
@test "HTTP: a connection too many is counted as refused" {
    about "connected 5 clients more than --max-connections allows, and asked for /metrics" \
        "accepted, and closed as refused" "step05_final/stages/17_metrics/README.md, \"The idea\""
    start_http --max-connections 3
    SPENT=0 FETCHES=0
    snapshot "$BATS_TEST_TMPDIR/before"
    FETCHES=0
    local base
    base=$(fd_count)
    hold 3
    cases -w whole -j 1 < <(for i in {1..5}; do
        echo "refused $i | 9110 15.6.4 | => 503 closed"
    done)
    let_go
    expect_fds "$base"
    snapshot "$BATS_TEST_TMPDIR/after"
    expect_grown 'server_connections_closed_total{cause="refused"}' 5
    expect_grown server_connections_accepted_total $((8 + FETCHES))
    end_server
}

# bats test_tags=promise:metrics-format,needs:http-routes,needs:cpu-option,stage:17
@test "HTTP: what the metrics say of the workers" {
    about "asked for / three times where that takes 0.05 s of CPU time, with 3 workers" \
        "a histogram is cumulative and ends with +Inf; busy time is the worker's own" \
        "step05_final/stages/17_metrics/README.md, \"The idea\""
    local file=$BATS_TEST_TMPDIR/metrics
    start_http -t 3 -c 50000
    cases -w whole < <(for i in {1..3}; do
        echo "busy $i | 9110 9.3.1 | ROOT HOST END => 200 open"
    done)
    fetch /metrics "$file"
    (($(metric server_workers "$file") == 3)) ||
        report "server_workers $(metric server_workers "$file")" "3"
    awk '/^server_worker_busy_seconds_total\{worker="[0-9]+"\} / { n++; sum += $2 }
        END { if (n != 3 || sum < 0.15) { print n " workers, busy for " sum " s"; exit 1 } }' "$file" ||
        report "$(grep '^server_worker_busy' "$file")" "3 workers that were busy for 0.15 s in all"
    awk '/^server_dispatch_seconds_bucket/ {
            if ($2 + 0 < last) wrong = "a bucket less than the one before it"
            last = $2 + 0; infinite = /le="\+Inf"/
        }
        /^server_dispatch_seconds_count/ { count = $2 }
        /^server_dispatch_seconds_sum/ { sum = $2 }
        END {
            if (!infinite || last != count || count < 3 || sum <= 0)
                wrong = "last bucket " last ", count " count ", sum " sum
            if (wrong) { print wrong; exit 1 }
        }' "$file" || report "$(grep '^server_dispatch' "$file")" "cumulative buckets, the last +Inf and equal to the count"
    (($(metric server_tasks_total "$file") >= 3 && $(metric server_poll_wakeups_total "$file") >= 3)) ||
        report "$(grep -E '^server_(tasks|poll)' "$file")" "at least 3 tasks and wake-ups"
    awk -v now="$EPOCHSECONDS" '/^server_start_time_seconds / { found = $2 > now - 3600 && $2 <= now + 1 }
        END { exit !found }' "$file" || report "$(grep '^server_start' "$file")" "about $EPOCHSECONDS"
    end_server
}

# bats test_tags=promise:log-never-blocks,needs:access-log,needs:metrics-format,stage:18
@test "HTTP: lost log lines are counted" {
    about "started the server with stderr on a full pipe and --access-log, and sent 3,000 requests" \
        "what does not fit is lost, and counted" "step05_final/stages/18_fleet/README.md, \"The idea\""
    mkfifo "$BATS_TEST_TMPDIR/pipe"
    printf '#!/bin/bash\nexec "$@" 2<>%q\n' "$BATS_TEST_TMPDIR/pipe" >"$BATS_TEST_TMPDIR/redirected"
    chmod +x "$BATS_TEST_TMPDIR/redirected"
    SERVER_WRAP="$BATS_TEST_TMPDIR/redirected"
    start_http --access-log
    cases -w whole <<<'many | 9112 9.3.2 | "GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n"*3000 => 200*3000 body "ok" open'
    fetch /metrics "$BATS_TEST_TMPDIR/metrics"
    (($(metric server_log_lines_lost_total "$BATS_TEST_TMPDIR/metrics") > 0)) ||
        report "$(grep lost "$BATS_TEST_TMPDIR/metrics")" "more than 0"
    kill_servers
}

# bats test_tags=promise:stats,needs:metrics-format,stage:18
@test "HTTP: /stats is JSON, and says what /metrics says" {
    about "asked for /stats and /metrics at rest" "two forms of the same numbers" \
        "step05_final/stages/18_fleet/README.md, \"The idea\""
    local stats=$BATS_TEST_TMPDIR/stats path sum
    SPENT=0 FETCHES=0
    start_http -t 3
    group routes
    probe 'visit 5 "hello"'
    snapshot "$BATS_TEST_TMPDIR/before"
    fetch /stats "$stats"
    "$TOOLS/json" <"$stats" >"$BATS_TEST_TMPDIR/flat" 2>"$BATS_TEST_TMPDIR/wrong" ||
        report "$(<"$BATS_TEST_TMPDIR/wrong")" "JSON by RFC 8259"
    for path in connections.accepted connections.open connections.closed.client connections.closed.error \
        bytes.received bytes.sent requests.200 requests.404 queue.depth tasks dispatch.count \
        dispatch.sum_seconds poll.wakeups poll.events accept_pauses timeouts.idle timeouts.header \
        timeouts.body timeouts.write timeouts.linger log_lines_lost workers.0.tasks \
        connections.phases.idle connections.phases.header connections.phases.body connections.phases.write \
        connections.phases.linger dispatch.bounds_seconds.0 dispatch.counts.0 answered_by \
        workers.0.busy_seconds workers.2.received workers.2.sent; do
        [[ $(value "$path" "$stats") =~ ^[0-9.e-]+$ ]] ||
            report "$path: $(value "$path" "$stats")" "a number"
    done
    [[ -z $(value workers.3.tasks "$stats") ]] || report "a fourth worker" "three"
    (($(value connections.accepted "$stats") ==
        $(metric server_connections_accepted_total "$BATS_TEST_TMPDIR/before") + 1)) ||
        report "connections.accepted $(value connections.accepted "$stats")" \
            "one more than $(metric server_connections_accepted_total "$BATS_TEST_TMPDIR/before")"
    (($(value requests.404 "$stats") ==
        $(metric 'server_http_requests_total{code="404"}' "$BATS_TEST_TMPDIR/before"))) ||
        report "requests.404 $(value requests.404 "$stats")" "what /metrics says"
    sum=$(awk '/^connections\.phases\./ { sum += $2 } END { print sum }' "$BATS_TEST_TMPDIR/flat")
    ((sum == $(value connections.open "$stats"))) ||
        report "$sum in all phases" "connections.open, $(value connections.open "$stats")"
    sum=$(awk '/^dispatch\.counts\./ { sum += $2 } END { print sum }' "$BATS_TEST_TMPDIR/flat")
    ((sum == $(value dispatch.count "$stats"))) ||
        report "$sum in all of dispatch.counts" "dispatch.count, $(value dispatch.count "$stats")"
    [[ $(grep -c '^dispatch\.counts\.' "$BATS_TEST_TMPDIR/flat") == \
        $(($(grep -c '^dispatch\.bounds_seconds\.' "$BATS_TEST_TMPDIR/flat") + 1)) ]] ||
        report "$(grep '^dispatch' "$BATS_TEST_TMPDIR/flat")" "one count more than bounds"
    # After the answer nothing moves but this.
    sum=$(awk '/^workers\.[0-9]+\.received / { sum += $2 } END { print sum }' "$BATS_TEST_TMPDIR/flat")
    ((sum == $(value bytes.received "$stats"))) ||
        report "the workers received $sum" "bytes.received, $(value bytes.received "$stats")"
    end_server
}

# bats test_tags=promise:stats,needs:metrics-workers,stage:18
@test "HTTP: /stats says which worker has answered" {
    about "asked a server with 4 workers for /stats, 20 times" \
        "it is the number of the thread that writes the answer, from 1; and that worker is at a task" \
        "step05_final/stages/18_fleet/README.md, \"The live page\""
    local stats=$BATS_TEST_TMPDIR/stats i
    start_http -t 4
    for ((i = 0; i < 20; i++)); do
        fetch /stats "$stats"
        [[ $(value "workers.$(($(value answered_by "$stats") - 1)).at_task" "$stats") == true ]] ||
            report "answered_by $(value answered_by "$stats"), and $("$TOOLS/json" <"$stats" | grep at_task)" \
                "the worker that answers is at a task"
    done
    end_server
}

# ---- the access log ---------------------------------------------------------------

# Only printable ASCII, and in each line key=value, the value in quotes where it needs them.
expect_logfmt() {
    local line='^[a-z_]+=([^" ]+|"([^"\\]|\\.)*")( [a-z_]+=([^" ]*|"([^"\\]|\\.)*"))*$'
    if LC_ALL=C grep -nq '[^ -~]' "$SERVER_ERR"; then
        report "$(LC_ALL=C grep -n '[^ -~]' "$SERVER_ERR" | head -n 3 | cat -v)" "printable ASCII only"
    fi
    if LC_ALL=C grep -Evq "$line" "$SERVER_ERR"; then
        report "$(LC_ALL=C grep -Ev "$line" "$SERVER_ERR" | head -n 3)" "key=value pairs"
    fi
}

# expect_pairs REGEX...: one line about a request has all these pairs, in any order.
expect_pairs() {
    local lines pair
    lines=$(grep what=request "$SERVER_ERR")
    for pair in $1; do
        lines=$(grep -- " $pair" <<<"$lines") ||
            report "no line about a request with $pair, and with what stands before it in: $1" "one"
    done
}

# bats test_tags=promise:access-log,needs:http-options,needs:log-lines,stage:18
@test "HTTP: --access-log has a line for each request" {
    about "sent requests to a server with --access-log" \
        "method, target, status, bytes of the body and microseconds" "step05_final/stages/18_fleet/README.md, \"The idea\""
    start_http --access-log -w 20000
    cases -w whole -j 1 <<'EOT'
GET | 9110 9.3.1 | "GET /healthz?a=b HTTP/1.1\r\n" HOST END => 200 open
POST | 9110 9.3.3 | POST HOST LEN5 END "hello" => 200 open
404 | 9110 15.5.5 | "GET /nothing HTTP/1.1\r\n" HOST END => 404 open
EOT
    expect_pairs 'method=GET target="\?/healthz?a=b"\? status=200 bytes=2 us=[0-9]'
    expect_pairs 'method=POST target="\?/echo"\? status=200 bytes=5 us=[1-9][0-9]\{4\}'
    expect_pairs 'method=GET target="\?/nothing"\? status=404'
    # Three cases, and the question at the end of each.
    (($(grep -c what=request "$SERVER_ERR") == 6)) ||
        report "$(grep -c what=request "$SERVER_ERR") lines" "6, one for each request"
    expect_logfmt
    end_server
}

# bats test_tags=promise:access-log,needs:http-options,needs:log-lines,stage:18
@test "HTTP: without --access-log requests are not logged" {
    about "sent requests to a server with --access-log, then to one without" \
        "a line per request is for who asks" "step05_final/stages/18_fleet/README.md, \"The idea\""
    start_http --access-log
    fetch /healthz "$BATS_TEST_TMPDIR/page"
    wait_for_log what=request
    kill_servers
    start_http
    group routes
    if grep -q what=request "$SERVER_ERR"; then
        report "$(grep -m1 what=request "$SERVER_ERR")" "no such line"
    fi
    end_server
}

# bats test_tags=promise:log-escapes,needs:access-log,stage:18
@test "HTTP: no byte of a client reaches the terminal as it is" {
    about "sent CR, LF, ESC, NUL, quotes, blanks and 8 bits in the places that are logged" \
        "escape what is not printable, and quote what has blanks or quotes" "step05_final/stages/18_fleet/README.md, \"The idea\""
    start_http --access-log --log-level debug
    cases -w whole -j 1 <<'EOT'
ESC | 9112 3.2 | "GET /\x1b[2J\x1b]0;owned\x07 HTTP/1.1\r\n" HOST END => 400 closed
CR | 9112 2.2 | "GET /a\rtime=2000 level=error what=forged HTTP/1.1\r\n" HOST END => 400 closed
LF | 9112 2.2 | "GET /a\ntime=2000 level=error what=forged HTTP/1.1\r\n" HOST END => 400 closed
NUL | 9112 3.2 | "GET /\0 HTTP/1.1\r\n" HOST END => 400 closed
a quote | RFC 3986 2 | "GET /\" status=200 x=\" HTTP/1.1\r\n" HOST END => 400 closed
a backslash | RFC 3986 2 | "GET /\\ HTTP/1.1\r\n" HOST END => 400 closed
8 bits | 9112 3.2 | "GET /\xff\xc2\x9b HTTP/1.1\r\n" HOST END => 400 closed
a blank | 9112 3 | "GET /a status=200 HTTP/1.1\r\n" HOST END => 400 closed
= and , | RFC 3986 3.3 | "GET /a=b,c='d' HTTP/1.1\r\n" HOST END => 404 open
long | 9112 3 | "GET /" "a"*8000 " HTTP/1.1\r\n" HOST END => 404 open
a method | 9110 9.1 | "\x1b[2J / HTTP/1.1\r\n" HOST END => 400 closed
only bytes | 9112 3 | "\xff\x80\x1b\x07\n" => 400 closed
EOT
    # 12 cases, and the question after 2 of them.
    wait_until 10000 eval '(($(grep -c what=request "$SERVER_ERR") >= 14))' ||
        report "$(grep -c what=request "$SERVER_ERR") lines" "14, also for what is refused"
    expect_logfmt
    expect_log '\\x1[bB]'
    if grep -Eq '^[^"]*what=forged|^time=2000' "$SERVER_ERR"; then
        report "$(grep -E 'what=forged' "$SERVER_ERR" | head -n 3)" "no line that a client wrote"
    fi
    # Outside of quotes there is one status in each line, the server's.
    awk '/what=request/ { gsub(/"([^"\\]|\\.)*"/, "\"\""); if (gsub(/ status=/, "") != 1) exit 1 }' "$SERVER_ERR" ||
        report "$(grep what=request "$SERVER_ERR" | grep 'status=200')" "one status in each line"
    awk 'length > 4095 { exit 1 }' "$SERVER_ERR" || report "a line over PIPE_BUF" "at most 4096 bytes"
    end_server
}

# bats test_tags=promise:log-causes,needs:http-routes,needs:log-lines,stage:17
@test "HTTP: the log says why each connection ended" {
    about "ended connections in several ways, at the level debug" \
        "cause= on the line what=closed, and err= where the system said why" "step05_final/stages/17_metrics/README.md, \"The idea\""
    start_http --log-level debug --idle-timeout 1000
    http_probe 'open r' 'send r "GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n"' 'find r "\r\n\r\nok"' 'reset r'
    cases -w whole <<'EOT'
client | 9112 9.6 | HEALTH HOST END fin => 200 ends
done | 9112 9.6 | HEALTH HOST CLOSE END => 200 closed
timeout | 9112 9.5 | HEALTH HOST END => 200 ends
EOT
    wait_for_log 'what=closed .*cause=client'
    wait_for_log 'what=closed .*cause=done'
    wait_for_log 'what=closed .*cause=timeout'
    wait_for_log 'what=closed .*cause=error .*err=ECONNRESET'
    wait_for_log 'what=accepted .*peer=127.0.0.1:[0-9]'
    wait_for_log 'what=closed .*peer=127.0.0.1:[0-9]'
    end_server
}
