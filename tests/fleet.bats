#!/usr/bin/env bats
# fleet.bats - three servers behind HAProxy: each can be ended and started again, and no client
# notices.
#
# bats file_tags=step05

load lib.bash
load http.bash
load traffic.bash

HERE=step05_final/README.md
FLEET=3

# HAProxy asks so often, and so many times it takes to notice; the delay is much longer.
CHECK_MS=100
FALL=2
DELAY_MS=2000

setup() {
    STEP=05
    SERVER=$COURSE/step05_final/server
    command -v haproxy >/dev/null || PATH=$PATH:/usr/sbin
    command -v haproxy >/dev/null || skip "haproxy is not installed"
}

# Nothing is repeated, and nobody is sent elsewhere after the first try, not even when only the
# connection failed, which would be harmless: so it is the servers that must do it right.
write_configuration() {
    local i
    cat <<END
global
    maxconn 1000
defaults
    mode http
    timeout connect 2s
    timeout client 30s
    timeout server 30s
    retries 0
frontend clients
    bind fd@3
    default_backend fleet
backend fleet
    balance roundrobin
    option httpchk GET /healthz
    default-server check inter ${CHECK_MS}ms fall $FALL rise 1
END
    for ((i = 0; i < FLEET; i++)); do
        echo "    server s$i 127.0.0.1:${FLEET_HTTP[i]}"
    done
}

# start_instance I [PORTS]: number I of the fleet; its log of this life is kept.
start_instance() {
    local i=$1
    shift
    start_http --drain-delay "$DELAY_MS" --access-log "$@" || return 1
    FLEET_PID[i]=$SERVER_PID FLEET_PORT[i]=$PORT FLEET_HTTP[i]=$HTTP_PORT
    FLEET_LOG[i]=$SERVER_ERR
    FLEET_LOGS+=("$SERVER_ERR")
}

# HAProxy cannot ask for a port that the kernel picks, but take a socket that has one.
start_proxy() {
    local port_file=$BATS_TEST_TMPDIR/proxy.port
    write_configuration >"$BATS_TEST_TMPDIR/haproxy.cfg"
    "$TOOLS/launch" -l "$port_file" haproxy -db -f "$BATS_TEST_TMPDIR/haproxy.cfg" \
        </dev/null >"$BATS_TEST_TMPDIR/haproxy.out" 2>&1 3>&- 4>&- &
    PROXY_PID=$!
    STARTED_PIDS+=("$PROXY_PID")
    wait_until 5000 test -s "$port_file"
    read -r PROXY_PORT <"$port_file"
}

# has_served I: 20 requests in this life.
has_served() { (($(grep -c -m 20 'what=request .*target="/echo' "${FLEET_LOG[$1]}") == 20)); }

# has_noticed I: HAProxy has seen its /healthz say 503 (the log has the checks) FALL times.
has_noticed() { (($(grep -c 'target="\?/healthz"\? status=503' "${FLEET_LOG[$1]}") >= FALL)); }

# bats test_tags=promise:fleet
@test "one server after the other is started again, and no client notices" {
    about "started $FLEET servers behind HAProxy, and under load ended each with SIGTERM and started it again" \
        "for --drain-delay, /healthz says 503 while all is served; so HAProxy sends nobody there any more when the listener closes" \
        "$HERE, \"Where one machine is not enough\""
    local i pid answers ids
    FLEET_LOGS=()
    for ((i = 0; i < FLEET; i++)); do start_instance "$i"; done
    start_proxy
    PORT='' HTTP_PORT=$PROXY_PORT
    steady -m fleet -c 16 -t 90
    for ((i = 0; i < FLEET; i++)); do
        wait_until 10000 has_served "$i" ||
            report "server $i has answered fewer than 20 requests" "each has its share"
    done
    for ((i = 0; i < FLEET; i++)); do
        pid=${FLEET_PID[i]} SERVER_PID=${FLEET_PID[i]} SERVER_ERR=${FLEET_LOG[i]}
        kill -TERM "$SERVER_PID"
        expect_exit 0 $((DELAY_MS + 4000))
        has_noticed "$i" || report "it said 503 to $(grep -c 'target="\?/healthz"\? status=503' "${FLEET_LOG[i]}") checks" \
            "$FALL or more before it ended"
        start_instance "$i" -p "${FLEET_PORT[i]}" --http "${FLEET_HTTP[i]}"
        [[ ${FLEET_PID[i]} != "$pid" ]] || report "the same process" "another one"
        wait_until 10000 has_served "$i" ||
            report "started again, server $i has answered fewer than 20 requests" "it has its share again"
    done
    kill -TERM "$STEADY_PID"
    steady_ends 20000
    # Each request once: the ids that all of them logged, in all of their lives.
    answers=$(steady_count answers)
    ids=$(cat "${FLEET_LOGS[@]}" | sed -n 's/.*what=request .*target="\/echo?id=\([0-9]*\)" status=200 .*/\1/p' | sort -n)
    (($(wc -l <<<"$ids") == answers && $(uniq <<<"$ids" | wc -l) == answers)) ||
        report "$(wc -l <<<"$ids") requests served, $(uniq <<<"$ids" | wc -l) different ones, for $answers answers" \
            "each request served once"
    kill -TERM "${FLEET_PID[@]}"
    for ((i = 0; i < FLEET; i++)); do
        SERVER_PID=${FLEET_PID[i]} SERVER_ERR=${FLEET_LOG[i]}
        expect_exit 0 $((DELAY_MS + 4000))
    done
}
