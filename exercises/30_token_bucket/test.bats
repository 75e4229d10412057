#!/usr/bin/env bats
#
# Exercise 30: a connection has a token bucket; a request over the rate is answered with 429.

load ../../tests/lib.bash
load ../../tests/http.bash

HERE=exercises/30_token_bucket/README.md
REQUEST='"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n"'
# At one token a minute none comes back while a test looks. Where one should, the server's
# clock runs so fast that it has come back after any pause.

# fast_clock FACTOR ARGUMENT...: start_http, and the server's clock is so many times as fast.
fast_clock() {
    local file=$BATS_TEST_TMPDIR/counts
    SERVER_ENV="LD_PRELOAD=$TOOLS/clock.so CLOCK_FACTOR=$1 COUNT_FILE=$file"
    # None of these times is what the test is about.
    start_http --idle-timeout 0 --write-timeout 0 --header-timeout 0 "${@:2}"
    [[ -e $file ]] || skip "a library cannot be preloaded into this server (linked statically?)"
}

@test "wrong rates and sizes are usage errors" {
    usage_error --rate x
    usage_error --rate 60000001
    usage_error --burst 0
    usage_error --burst 1000001
}

@test "what is over the burst is told to come later" {
    about "with --rate 1 --burst 3 sent requests on one connection, at once and in one go" \
        "a full bucket holds as many tokens as --burst says, a request takes one, and 429 says that there is none" \
        "$HERE, \"The task\""
    start_http --rate 1 --burst 3
    cases -w whole <<'END'
group burst
three and two | | HEALTH HOST END HEALTH HOST END HEALTH HOST END HEALTH HOST END HEALTH HOST CLOSE END => 200 body "ok" => 200 body "ok" => 200 body "ok" => 429 has "Retry-After" => 429 has "Retry-After" closed
with bodies | | POST HOST LEN5 END "hello" POST HOST LEN5 END "world" POST HOST CHUNKED END HELLO POST HOST LEN5 END "hello" HEALTH HOST CLOSE END => 200 body "hello" => 200 body "world" => 200 body "hello" => 429 => 429 closed
HEAD | | HEALTH HOST END HEALTH HOST END HEALTH HOST END "HEAD /healthz HTTP/1.1\r\n" HOST END HEALTH HOST CLOSE END => 200 => 200 => 200 => 429 head has "Retry-After" => 429 closed
END
    end_server
}

@test "Retry-After says when the next token comes" {
    about "with --rate 1 --burst 1 asked twice, and read Retry-After" \
        "in whole seconds, rounded up: whoever comes then must find a token (RFC 9110, section 10.2.3)" \
        "$HERE, \"Done when\""
    local said
    start_http --rate 1 --burst 1
    http_probe 'open a' 'send a "GET /healthz HTTP/1.1\r\nHost: a\r\n\r\nGET /healthz HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"' \
        'find a "HTTP/1.1 429 "' 'find a "Retry-After: "' 'print a' >"$BATS_TEST_TMPDIR/said"
    said=$(<"$BATS_TEST_TMPDIR/said")
    # A slow machine may take some seconds of the minute.
    [[ $said =~ (^|[^0-9])([3-5][0-9]|60)\\r ]] || report "Retry-After: $said" "30 to 60"
    end_server
}

@test "each connection has a bucket of its own" {
    local name script=()
    about "with --rate 1 --burst 1 asked on several connections, one after the other" \
        "the bucket is part of the connection, and a new connection has a full one" "$HERE, \"The task\""
    start_http --rate 1 --burst 1
    for name in a b c d e f; do
        script+=("open $name" "send $name $REQUEST" "find $name \"HTTP/1.1 200 \"" "find $name \"ok\""
            "send $name $REQUEST" "find $name \"HTTP/1.1 429 \"")
    done
    http_probe "${script[@]}"
    end_server
}

# bats test_tags=exact
@test "a token comes back" {
    about "emptied a bucket, waited for a minute and a half of the server's clock, and asked again" \
        "count the time that has passed in a unit in which nothing is lost: parts of a token add up" "$HERE, \"What you learn\""
    # A minute is 100 ms here.
    fast_clock 600 --rate 1 --burst 1
    http_probe 'open a' "send a $REQUEST" 'find a "HTTP/1.1 200 "' 'find a "ok"' 'rest 150' "send a $REQUEST" \
        'find a "HTTP/1.1 200 "'
    end_server
}

# bats test_tags=exact
@test "parts of a token add up" {
    local i script=()
    about "emptied a bucket and asked again 15 times, each time after a tenth of a token's time or more" \
        "a request that comes early must not throw away the part of a token that has come back, nor cost one" \
        "$HERE, \"What you learn\""
    # A minute is a second here, so that a pause on a busy machine is no whole token.
    fast_clock 60 --rate 1 --burst 1
    for ((i = 0; i < 15; i++)); do script+=('rest 100' "send a $REQUEST"); done
    # The first takes the one token; among the others there is one that finds the next.
    http_probe 'open a' "send a $REQUEST" 'find a "HTTP/1.1 200 "' 'find a "ok"' "${script[@]}" 'find a "HTTP/1.1 200 "'
    end_server
}

# bats test_tags=exact
@test "a bucket never holds more than its size" {
    about "left a connection idle for 30 minutes of the server's clock with --rate 1 --burst 2, then sent 20 requests in one go" \
        "what comes back to a full bucket is lost, however long nobody asked" "$HERE, \"Done when\""
    fast_clock 600 --rate 1 --burst 2
    # 30 tokens would be there; that a machine stands still for the minutes of 15 is not likely.
    http_probe 'open a' "send a $REQUEST" 'find a "ok"' 'rest 3000' \
        "send a \"GET /healthz HTTP/1.1\\r\\nHost: a\\r\\n\\r\\n\"*20" 'find a "HTTP/1.1 429 "'
    end_server
}
