#!/usr/bin/env bats
# soak.bats - polite and hostile clients together, for long, on servers built with sanitizers:
# the polite get every byte, and when all have left nothing is left of them. tests/soak runs it.
#
# bats file_tags=step05

load lib.bash
load builds.bash
load http.bash
load traffic.bash

HERE=step05_final/README.md

SECONDS_LONG=${SOAK_SECONDS:-60}
# Long enough to have touched all code and filled the caches of the allocator.
WARM_UP_SECONDS=$((SECONDS_LONG >= 40 ? 10 : (SECONDS_LONG + 3) / 4))
SEED=${SOAK_SEED:-$((EPOCHSECONDS % 1000000))}
# What an allocator may keep of what was given back. A leak is larger: thousands of connections
# come and go, and each holds 4 KiB or more for a while.
GROWTH_MAX_KB=16384
CLIENTS=(-c 8 -x 32)

setup() { STEP=05; }

# soak_for SECONDS: with another seed for each call.
soak_for() {
    local said=$BATS_TEST_TMPDIR/soak status=0
    # Hostile clients end within some seconds, polite ones when they are served.
    timeout -k 5 $(($1 + 30 * SLOWNESS)) "$TOOLS/soak" -p "$PORT" -H "$HTTP_PORT" -t "$1" -S "$SEED" \
        -f "$SLOWNESS" "${CLIENTS[@]}" >"$said" 2>&1 3>&- 4>&- || status=$?
    SEED=$((SEED + 1))
    ((status == 0)) || report "$(head -n 12 "$said")"$'\n'"$(tail -n 1 "$said")" \
        "the polite clients get every byte"
}

rss_kb() { awk '/^VmRSS:/ { print $2 }' "/proc/$SERVER_PID/status"; }

# total NAME: the sum of a metric over all of its labels; without any it is 0.
total() {
    awk -v name="$1" 'index($1, name) == 1 && substr($1, length(name) + 1) ~ /^({.*)?$/ { sum += $2 }
        END { print sum + 0 }' "$BATS_TEST_TMPDIR/metrics"
}

# The connection that asks is open, and all others have been counted as closed.
expect_balance() {
    local accepted closed open depth kind
    fetch /metrics "$BATS_TEST_TMPDIR/metrics"
    accepted=$(total server_connections_accepted_total) open=$(total server_connections_open)
    closed=$(total server_connections_closed_total) depth=$(total server_queue_depth)
    ((open == 1 && accepted > 100 && accepted - closed == 1)) ||
        report "accepted $accepted, closed $closed, open $open" "accepted - closed = open = 1" ||
        return 1
    ((depth == 0)) || report "a queue of $depth" "nobody waits" || return 1
    # The hostile were hostile: each kind of deadline has had its turn.
    for kind in idle header body write; do
        (($(total "server_timeouts_total{kind=\"$kind\"}") > 0)) || ((SECONDS_LONG < 30)) ||
            report "no timeout of the kind $kind" "some" || return 1
    done
}

soak() {
    local fds before_kb after_kb
    needs_sanitizer "$1"
    about "let 8 polite and 32 hostile clients loose on the server built with -fsanitize=$1, for $SECONDS_LONG s, with SOAK_SEED=$SEED" \
        "the sanitizer tells on stderr what it saw; or something of a connection stays when it has gone" \
        "step05_final/stages/09_limits/README.md, \"The idea\""
    SERVER=$(sanitized_server "$COURSE/step05_final" "$1") || {
        echo "$SERVER"
        return 1
    }
    use_sanitizer "$SERVER"
    # Freed memory is kept apart for a while, to catch who still uses it: but only a little of it.
    SERVER_ENV=${SERVER_ENV/ASAN_OPTIONS=/ASAN_OPTIONS=quarantine_size_mb=1:thread_local_quarantine_size_kb=64:}
    start_http --idle-timeout 3000 --header-timeout 3000 --body-timeout 3000 --write-timeout 3000
    fds=$(fd_count)
    soak_for "$WARM_UP_SECONDS"
    wait_until 5000 has_fds "$fds" || true
    before_kb=$(rss_kb)
    soak_for $((SECONDS_LONG - WARM_UP_SECONDS))
    expect_alive
    # The last of them are given up by the server's own deadlines.
    wait_until 10000 has_fds "$fds" || report "$(fd_count) descriptors" "$fds, as before"
    expect_balance
    after_kb=$(rss_kb)
    echo "# -fsanitize=$1: $(tail -n 1 "$BATS_TEST_TMPDIR/soak"), resident $before_kb KiB, then $after_kb KiB" >&3
    ((after_kb - before_kb <= GROWTH_MAX_KB)) ||
        report "resident memory grew from $before_kb to $after_kb KiB" "by $GROWTH_MAX_KB KiB at most"
    stop_server
}

@test "a soak under AddressSanitizer and UBSan" { soak address; }
@test "a soak under ThreadSanitizer" { soak thread; }
