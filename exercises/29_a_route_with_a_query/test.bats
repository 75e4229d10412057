#!/usr/bin/env bats
#
# Exercise 29: GET /sum?a=2&b=40 says 42, and everything else is refused.

load ../../tests/lib.bash
load ../../tests/http.bash

HERE=exercises/29_a_route_with_a_query/README.md

QUERY='cut the query at & and = first, then decode each number, and take nothing but what is good'

@test "a sum is answered" {
    about "asked for sums" "$QUERY" "$HERE, \"Done when\""
    start_http
    cases <<'END'
group sums
the sum | | "GET /sum?a=2&b=40 HTTP/1.1\r\n" HOST END => 200 body "42" has "Content-Type: text/plain" open
the other order | | "GET /sum?b=40&a=2 HTTP/1.1\r\n" HOST END => 200 body "42" open
zeros | | "GET /sum?a=0&b=000 HTTP/1.1\r\n" HOST END => 200 body "0" open
HEAD | | "HEAD /sum?a=2&b=40 HTTP/1.1\r\n" HOST END => 200 head has "Content-Length: 2" open
an absolute target | | "GET http://a/sum?a=1&b=1 HTTP/1.1\r\n" HOST END => 200 body "2" open
two in one go | | "GET /sum?a=1&b=2 HTTP/1.1\r\n" HOST END "GET /sum?a=3&b=4 HTTP/1.1\r\n" HOST END => 200 body "3" => 200 body "7" open
END
    end_server
}

@test "digits may be percent-encoded" {
    about "asked for a sum with digits written as %XX" "decode what stands between the separators" "$HERE, \"Done when\""
    start_http
    cases <<'END'
group encoded
two digits | | "GET /sum?a=2&b=%34%30 HTTP/1.1\r\n" HOST END => 200 body "42" open
one of three | | "GET /sum?a=1%300&b=1 HTTP/1.1\r\n" HOST END => 200 body "101" open
END
    end_server
}

@test "the largest sum is answered, and one more is refused" {
    about "asked for sums around 2 to the power of 64" "ask whether it fits before you add: a sum of unsigned numbers wraps without a word" "$HERE, \"What you learn\""
    start_http
    cases <<'END'
group large
the largest | | "GET /sum?a=18446744073709551615&b=0 HTTP/1.1\r\n" HOST END => 200 body "18446744073709551615" open
from two | | "GET /sum?a=9223372036854775807&b=9223372036854775808 HTTP/1.1\r\n" HOST END => 200 body "18446744073709551615" open
one more | | "GET /sum?a=18446744073709551615&b=1 HTTP/1.1\r\n" HOST END => 400 open
a number that is too large | | "GET /sum?a=18446744073709551616&b=0 HTTP/1.1\r\n" HOST END => 400 open
and one of 30 digits | | "GET /sum?a=100000000000000000000000000000&b=0 HTTP/1.1\r\n" HOST END => 400 open
END
    end_server
}

@test "everything else is 400, and the connection stays" {
    about "asked with queries that are not a=NUMBER&b=NUMBER" "$QUERY" "$HERE, \"The task\""
    start_http
    cases <<'END'
group refused
no query | | "GET /sum HTTP/1.1\r\n" HOST END => 400 open
an empty one | | "GET /sum? HTTP/1.1\r\n" HOST END => 400 open
no b | | "GET /sum?a=2 HTTP/1.1\r\n" HOST END => 400 open
no a | | "GET /sum?b=2 HTTP/1.1\r\n" HOST END => 400 open
two b | | "GET /sum?a=2&b=40&b=40 HTTP/1.1\r\n" HOST END => 400 open
two a and no b | | "GET /sum?a=2&a=40 HTTP/1.1\r\n" HOST END => 400 open
another name | | "GET /sum?a=2&b=40&c=1 HTTP/1.1\r\n" HOST END => 400 open
a longer name | | "GET /sum?a=2&bb=40 HTTP/1.1\r\n" HOST END => 400 open
an empty name | | "GET /sum?=2&b=40 HTTP/1.1\r\n" HOST END => 400 open
a large name | | "GET /sum?A=2&B=40 HTTP/1.1\r\n" HOST END => 400 open
an empty number | | "GET /sum?a=2&b= HTTP/1.1\r\n" HOST END => 400 open
a name alone | | "GET /sum?a=2&b HTTP/1.1\r\n" HOST END => 400 open
a sign | | "GET /sum?a=-2&b=40 HTTP/1.1\r\n" HOST END => 400 open
a plus | | "GET /sum?a=+2&b=40 HTTP/1.1\r\n" HOST END => 400 open
a space | | "GET /sum?a=%202&b=40 HTTP/1.1\r\n" HOST END => 400 open
1e9 | | "GET /sum?a=2&b=1e9 HTTP/1.1\r\n" HOST END => 400 open
0x10 | | "GET /sum?a=2&b=0x10 HTTP/1.1\r\n" HOST END => 400 open
an encoded separator | | "GET /sum?a=2%26b=40 HTTP/1.1\r\n" HOST END => 400 open
and one inside | | "GET /sum?a=2&b=4%26&b=0 HTTP/1.1\r\n" HOST END => 400 open
an encoded NUL | | "GET /sum?a=2&b=40%00 HTTP/1.1\r\n" HOST END => 400 open
a separator at the end | | "GET /sum?a=2&b=40& HTTP/1.1\r\n" HOST END => 400 open
END
    end_server
}

@test "other methods are told what is allowed" {
    about "sent POST to /sum" "405 says in Allow what would be good (RFC 9110, section 15.5.6)" "$HERE, \"Done when\""
    start_http
    cases <<'END'
group methods
POST | | "POST /sum?a=2&b=40 HTTP/1.1\r\n" HOST END => 405 has "Allow: GET, HEAD" open
DELETE | | "DELETE /sum?a=2&b=40 HTTP/1.1\r\n" HOST END => 405 has "Allow: GET, HEAD" open
END
    end_server
}
