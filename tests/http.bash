# http.bash - what the tests of the HTTP listener share: start_http, and asking it.
# shellcheck shell=bash

# shellcheck disable=SC2034 # HTTP_PORT, SENT and FETCHED are for the tests, the others for lib.bash
HTTP_PORT='' SENT=0 FETCHED=0

CLIENT_TIMEOUT=100 # seconds for a whole file of cases
# shellcheck disable=SC2034 # ANSWER_S is for the tests
FETCH_S=30 ANSWER_S=30 # for one page, or one answer, in real time: they take 10 ms

# Takes the port from the second line that the server prints. 1: no whole line yet.
read_http_port() {
    local line
    line=$(sed -n 2p "$SERVER_OUT")
    [[ $line =~ ^http\ on\ .+:([0-9]+)$ ]] || return 1
    HTTP_PORT=${BASH_REMATCH[1]}
}

# start_http ARGUMENT...: as start_server, with an HTTP listener; sets HTTP_PORT, too.
start_http() {
    HTTP_PORT=''
    if [[ " $* " == *" --http "* ]]; then
        start_server "$@"
    else
        start_server --http 0 "$@"
    fi || return 1
    wait_until 2000 read_http_port ||
        report "stdout: $(<"$SERVER_OUT")" "a second line \"http on ADDRESS:PORT\" within 2 s"
}

# ask OPTION... FILE: runs http_client; src/http_client.c tells what it can do. SENT is how
# many bytes it sent.
ask() {
    local status=0 out=$BATS_TEST_TMPDIR/client.out err=$BATS_TEST_TMPDIR/client.err
    TRIED_STATUS=''
    "$TOOLS/http_client" -P "$SERVER_PID" -T "$CLIENT_TIMEOUT" -s "$SLOWNESS" "${@:1:$#-1}" \
        "$HTTP_PORT" "${@: -1}" >"$out" 2>"$err" 3>&- 4>&- || status=$?
    case $status in
        0) SENT=$(sed -n 's/.* \([0-9]*\) bytes, all as wanted$/\1/p' "$out") ;;
        1) report "$(head -n 40 "$out")"$'\n'"$(<"$err")" "what each case says" ;;
        *)
            cat "$err"
            echo "The fault lies in the test or the machine, not in the server (status $status)."
            return 1
            ;;
    esac
}

# group NAME: the cases of this group of http_cases.txt.
group() { ask -g "$1" "$COURSE/tests/http_cases.txt"; }

# cases OPTION...: those on stdin, with the words of http_cases.txt.
cases() {
    cat <(grep '^let ' "$COURSE/tests/http_cases.txt") - >"$BATS_TEST_TMPDIR/cases"
    ask "$@" "$BATS_TEST_TMPDIR/cases"
}

# http_probe LINE...: as probe, against the HTTP listener.
http_probe() {
    local PORT=$HTTP_PORT
    probe "$@"
}

# A bash may be built without /dev/tcp, and then looks for a file of that name.
needs_dev_tcp() {
    [[ $({ : <>/dev/tcp/127.0.0.1/0; } 2>&1) != *'No such file'* ]] || skip "this bash has no /dev/tcp"
}

# fetch PATH FILE: the body goes to FILE. SENT and FETCHED are the bytes of the request and of
# the whole answer.
fetch() {
    local socket status=0 request
    needs_dev_tcp
    printf -v request 'GET %s HTTP/1.1\r\nHost: t\r\nConnection: close\r\n\r\n' "$1"
    SENT=${#request}
    exec {socket}<>"/dev/tcp/127.0.0.1/$HTTP_PORT"
    printf '%s' "$request" >&"$socket"
    timeout $((FETCH_S * SLOWNESS)) cat <&"$socket" >"$2.whole" || status=$?
    exec {socket}>&-
    FETCHED=$(wc -c <"$2.whole")
    sed '1,/^\r$/d' "$2.whole" >"$2"
    [[ $status == 0 && $(head -c 13 "$2.whole") == 'HTTP/1.1 200 ' ]] ||
        report "GET $1: $(head -c 200 "$2.whole")" "200, and the end within $FETCH_S s"
}

# metric NAME FILE: its value there, such as `metric 'x_total{code="200"}' file`; nothing if
# there is none.
metric() { awk -v name="$1" '$1 == name { print $2 }' "$2"; }

# value PATH FILE: what stands at this place of the JSON in FILE, as src/json.c prints it.
value() { "$TOOLS/json" <"$2" | sed -n "s/^$1 //p"; }
