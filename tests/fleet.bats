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

# HAProxy asks so often, and so many times it takes to notice; the delay is much longer. When
# the machine is so busy that HAProxy notices too late all the same, that is no fault of the
# servers, and the test begins anew with a longer delay. The last is judged in any case.
CHECK_MS=100
FALL=2
DELAYS_MS=(2000 6000 18000)
NOTICE_MS=500 # from the last answer that it needs to the end of its conclusions

setup() {
    STEP=05
    [[ -n ${STAGE-} ]] || SERVER=$COURSE/step05_final/server
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
    wait_until 20000 test -s "$port_file"
    read -r PROXY_PORT <"$port_file"
}

# has_served I: 20 requests in this life.
has_served() { (($(grep -c -m 20 'what=request .*target="/echo' "${FLEET_LOG[$1]}") == 20)); }

# has_noticed I: HAProxy has seen its /healthz say 503 (the log has the checks) FALL times.
has_noticed() { (($(grep -c 'target="\?/healthz"\? status=503' "${FLEET_LOG[$1]}") >= FALL)); }

# ms_of REGEX COUNT I: when the line number COUNT with that was written into the log.
ms_of() {
    local time
    time=$(grep "$1" "${FLEET_LOG[$3]}" | sed -n "$2s/^time=\([^ ]*\).*/\1/p")
    date -d "$time" +%s%3N
}

# noticed_too_late I
noticed_too_late() {
    ! has_noticed "$1" || (($(ms_of 'what=drain ' 1 "$1") < NOTICE_MS + \
        $(ms_of 'target="\?/healthz"\? status=503' $FALL "$1")))
}

# shellcheck disable=SC2034 # SERVER_PID and SERVER_ERR are for lib.bash
restart_instance() {
    local i=$1 pid=${FLEET_PID[$1]}
    SERVER_PID=$pid SERVER_ERR=${FLEET_LOG[i]}
    kill -TERM "$SERVER_PID"
    expect_exit 0 $((DELAY_MS + 4000)) || return 1
    ! noticed_too_late "$i" || LATE=1
    has_noticed "$i" || ((DELAY_MS < DELAYS_MS[-1])) ||
        report "it said 503 to fewer than $FALL checks" "$FALL or more before it ended" || return 1
    start_instance "$i" -p "${FLEET_PORT[i]}" --http "${FLEET_HTTP[i]}" || return 1
    [[ ${FLEET_PID[i]} != "$pid" ]] || report "the same process" "another one" || return 1
    wait_until 60000 has_served "$i" ||
        report "started again, server $i has answered fewer than 20 requests" "it has its share again"
}

# start_fleet: the servers, HAProxy and the clients; each server has its share of these.
start_fleet() {
    local i
    FLEET_LOGS=()
    for ((i = 0; i < FLEET; i++)); do start_instance "$i" || return 1; done
    start_proxy || return 1
    PORT='' HTTP_PORT=$PROXY_PORT
    steady -m fleet -c 16 -t 600
    for ((i = 0; i < FLEET; i++)); do
        wait_until 60000 has_served "$i" ||
            report "server $i has answered fewer than 20 requests" "each has its share" || return 1
    done
}

# bats test_tags=promise:fleet,stage:18
@test "one server after the other is started again, and no client notices" {
    about "started $FLEET servers behind HAProxy, and under load ended each with SIGTERM and started it again" \
        "for --drain-delay, /healthz says 503 while all is served; so HAProxy sends nobody there any more when the listener closes" \
        "step05_final/stages/18_fleet/README.md, \"The idea\""
    local i answers ids
    for DELAY_MS in "${DELAYS_MS[@]}"; do
        LATE=0
        start_fleet
        for ((i = 0; i < FLEET; i++)); do
            restart_instance "$i"
        done
        ((LATE == 1 && DELAY_MS < DELAYS_MS[-1])) || break
        kill_servers
    done
    kill -TERM "$STEADY_PID"
    steady_ends 60000
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
