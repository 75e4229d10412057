#!/usr/bin/env bats
#
# Exercise 27: a request with two lengths is no request.

load ../../tests/lib.bash
load ../../tests/http.bash

HERE=exercises/27_the_second_length/README.md

WHY='who else reads these bytes may see another request: refuse what is doubtful, and close, for nobody knows where the next request begins'

@test "two lengths that differ are refused" {
    about "sent requests with two Content-Length fields, and a request hidden behind the shorter body" "$WHY" "$HERE, \"The task\""
    start_http
    cases <<'END'
group two lengths
the first is smaller | 9110 8.6 | POST HOST LEN5 "Content-Length: 40\r\n" END "hello" HIDDEN => 400 closed
the first is larger | 9110 8.6 | POST HOST "Content-Length: 40\r\n" LEN5 END "hello" HIDDEN => 400 closed
the first is 0 | 9110 8.6 | POST HOST "Content-Length: 0\r\n" LEN5 END "hello" => 400 closed
the last is 0 | 9110 8.6 | POST HOST LEN5 "Content-Length: 0\r\n" END "hello" => 400 closed
with fields between | 9110 8.6 | POST HOST LEN5 "X-A: b\r\nX-C: d\r\ncontent-length: 6\r\n" END "hello" HIDDEN => 400 closed
in one field | 9110 8.6 | POST HOST "Content-Length: 5, 40\r\n" END "hello" HIDDEN => 400 closed
END
    end_server
}

@test "a bad length beside a good one is refused" {
    about "sent requests with a Content-Length that is no number behind one that is" "$WHY" "$HERE, \"Done when\""
    start_http
    cases <<'END'
group a bad one
a word | 9110 8.6 | POST HOST LEN5 "Content-Length: x\r\n" END "hello" => 400 closed
a sign | 9110 8.6 | POST HOST LEN5 "Content-Length: +5\r\n" END "hello" => 400 closed
nothing | 9110 8.6 | POST HOST LEN5 "Content-Length: \r\n" END "hello" => 400 closed
END
    end_server
}

@test "one length is taken" {
    about "sent requests with one Content-Length" "what is clear is served as before" "$HERE, \"Done when\""
    start_http
    cases <<'END'
group one length
one | 9112 6.3 | POST HOST LEN5 END "hello" => 200 body "hello" open
none | 9112 6.3 | HEALTH HOST END => 200 body "ok" open
two requests | 9112 9.3.2 | POST HOST LEN5 END "hello" HEALTH HOST END => 200 body "hello" => 200 body "ok" open
END
    end_server
}
