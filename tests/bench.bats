#!/usr/bin/env bats
# bench.bats - the benchmark's own tools: that the load notices a server that lies, that the
# arithmetic is right, and that what cannot take part is named. No rate is asked for.
#
# bats file_tags=bench

load lib.bash

setup() {
    cd "$COURSE" || return 1
    SCRATCH=$BATS_TEST_TMPDIR
    unset QUICK WITH WITH_HTTP ONLY AMONG BASE FORMAT CSV SVG ROUNDS
}

# ---- the load ---------------------------------------------------------------------

# liar CODE: starts step 03 with this behind its business logic, each process call is counted
# in n.
liar() {
    local directory=$SCRATCH/liar
    mkdir "$directory"
    cp step03_epoll/*.[ch] step03_epoll/Makefile "$directory"
    sed -i "s/^    process(conn->buffer, conn->end);\$/&\n    static int n;\n    n++;\n    $1/" \
        "$directory/conn.c"
    grep -qF "$1" "$directory/conn.c"
    make -s -C "$directory"
    SERVER=$directory/server
    start_server
}

# says STATUS TEXT: the load ends so, and has said that.
says() {
    local status=0
    timeout "$NET_S" "$TOOLS/load" -p "$PORT" -t 0.2 -w 0 -c 4 "${@:3}" >"$SCRATCH/load" 2>&1 \
        3>&- 4>&- || status=$?
    if ((status != $1)) || ! grep -q -- "$2" "$SCRATCH/load"; then
        echo "status $status, wanted $1 and \"$2\":"
        cat "$SCRATCH/load"
        return 1
    fi
}

@test "the load finds nothing wrong with a server that tells the truth" {
    SERVER=step03_epoll/server
    start_server
    says 0 ' served=4 errors=0 '
    says 0 ' depth=16 .* errors=0 ' -d 16
    says 0 ' size=100000 .* errors=0 ' -s 100000
    says 0 ' idle=50 .* errors=0 ' -i 50
}

@test "the load notices a byte that is wrong" {
    liar 'if (n == 100) conn->buffer[0] ^= 1;'
    says 1 'wrong bytes came back'
    says 0 ' errors=0 ' # the lie was told once
}

@test "the load notices a byte that is missing" {
    liar 'if (n == 100) conn->end--;'
    says 1 'did not come back'
}

@test "the load notices a byte that is missing among others" {
    liar 'if (n == 100) conn->end--;'
    says 1 'wrong bytes came back' -d 16
}

@test "the load notices a byte that comes twice" {
    liar 'if (n == 100) { conn->buffer[conn->end] = conn->buffer[conn->end - 1]; conn->end++; }'
    says 1 'more bytes came back than were sent'
}

@test "the load notices a connection that is closed" {
    liar 'if (n == 100) shutdown(conn->fd, SHUT_WR);'
    says 1 'errors=[1-4] '
}

@test "the load notices an idle connection that is spoken to" {
    liar 'if (n == 100) for (int fd = 3; fd < 60; fd++) send(fd, "!", 1, MSG_NOSIGNAL);'
    says 1 'nobody sent\|more bytes\|wrong bytes' -i 20
}

# ---- the arithmetic ---------------------------------------------------------------

# csv LINE...: round,workload,server,rps,p99; the other columns stand still.
csv() {
    local round workload server rps p99
    echo "round,workload,server,connections,idle,size,depth,wait_us,burn_us,threads,seconds,requests,rps,mb_per_s,p50_us,p99_us,p999_us,max_us,server_cpu_s,load_cpu_s,ctx_per_request,rss_kb"
    while IFS=, read -r round workload server rps p99; do
        echo "$round,$workload,$server,64,0,64,1,0,0,,1.0,$rps,$rps,1.0,5,$p99,9,10,0.5,0.4,0.25,2048"
    done < <(printf '%s\n' "$@")
}

@test "medians, spread and paired ratios are right" {
    # The machine slows down from round to round, by a factor of ten; the ratio does not.
    csv 1,w,step03,1000,40 1,w,step05,2000,50 2,w,step03,500,41 2,w,step05,900,20 \
        3,w,step03,100,42 3,w,step05,220,30 >"$SCRATCH/csv"
    tests/bench/table "$SCRATCH/csv" >"$SCRATCH/table"
    cat "$SCRATCH/table"
    # The medians are 500 and 900, and their ratio 1.8; the ratios 2.0, 1.8 and 2.2.
    grep -Eq '^  step03 +500 +100\.\.1000 +1\.00 +1\.00\.\.1\.00 +5 +41 ' "$SCRATCH/table"
    grep -Eq '^  step05 +900 +220\.\.2000 +2\.00 +1\.80\.\.2\.20 +5 +30 ' "$SCRATCH/table"
    BASE=step05 tests/bench/table "$SCRATCH/csv" | grep -Eq '^  step03 .* 0\.50 +0\.45\.\.0\.56 '
    # 0.5 s for 1000, 500 and 100 requests: 500, 1000 and 5000 us each.
    grep -Eq '^  step03 .* 1000 +0\.25 +2\.0$' "$SCRATCH/table"
}

@test "of an even number of rounds the median lies in the middle" {
    csv 1,w,step03,1000,40 2,w,step03,400,10 3,w,step03,200,30 4,w,step03,300,20 >"$SCRATCH/csv"
    tests/bench/table "$SCRATCH/csv" | grep -Eq '^  step03 +350 +200\.\.1000 .* 25 '
}

@test "what a server did not do is a dash, and a round without its partner makes no ratio" {
    csv 1,a,step03,1000,40 1,a,step05,3000,50 1,b,step05,7,9 2,a,step05,9000,50 >"$SCRATCH/csv"
    tests/bench/table "$SCRATCH/csv" >"$SCRATCH/table"
    cat "$SCRATCH/table"
    grep -Eq '^  step05 +6000 +3000\.\.9000 +3\.00 +3\.00\.\.3\.00 ' "$SCRATCH/table"
    (($(grep -Ec '^  step03 +- +- +- +- ' "$SCRATCH/table") == 1))
    FORMAT=md tests/bench/table "$SCRATCH/csv" | grep -Fq '| **3.00** (3.00–3.00) |'
}

@test "the table fits a terminal of 100 columns" {
    csv 1,w,step03,20,99999999 1,w,step05,9000000,88888888 2,w,step03,1000000,5 2,w,step05,9000000,7 >"$SCRATCH/csv"
    says_at_most_100() { awk 'length > 100 { print; wide = 1 } END { exit wide }'; }
    tests/bench/table "$SCRATCH/csv" | says_at_most_100
    tests/bench/table tests/bench/results.csv | says_at_most_100
}

@test "Little's law is applied to one worker" {
    { csv; for t in 1 4; do
        echo "1,wait_$t,step05,256,0,64,1,1000,0,$t,1.0,$((t * 900)),$((t * 900)),1,5,9,9,9,0.5,0.5,1,9"
        echo "1,burn_$t,step05,256,0,64,1,0,50,$t,1.0,$((t * 5000)),$((t * 5000)),1,5,9,9,9,0.5,0.5,1,9"
    done; } | sed '/^,/d' >"$SCRATCH/csv"
    CORES=2 tests/bench/grow show "$SCRATCH/csv" | tee "$SCRATCH/table"
    # Four that wait do four times as much, four that compute on two cores twice as much.
    grep -Eq '^4 +3600 +3600 +1\.00 +1\.0 +10000 +20000 +2\.00 +1\.0$' "$SCRATCH/table"
}

# ---- the rounds -------------------------------------------------------------------

# bench VARIABLE=VALUE...: one short round.
bench() {
    env ROUNDS=1 CSV="$SCRATCH/csv" SECONDS_EACH=0.1 "$@" timeout "$NET_S" tests/bench/run \
        >"$SCRATCH/out" 2>"$SCRATCH/err" 3>&- 4>&-
}

@test "each server and each workload gives a line with all columns" {
    bench ONLY="echo1 pipe16"
    cat "$SCRATCH/csv"
    awk -F, 'NR == 1 { columns = NF } NF != columns || NF != 22 { exit 1 }' "$SCRATCH/csv"
    # Five at one connection; step 01 cannot do 64.
    (($(grep -c '^1,echo1,step0[1-5],1,0,64,1,0,0,,' "$SCRATCH/csv") == 5))
    (($(grep -c '^1,pipe16,step0[2-5],64,0,64,16,0,0,,' "$SCRATCH/csv") == 4))
    # Rates, latencies, CPU times, switches and memory; on a busy machine some may be zero.
    awk -F, 'NR > 1 { for (i = 11; i <= 22; i++) if (i != 21 && $i !~ /^[0-9.]+$/) { print i; exit 1 } }' \
        "$SCRATCH/csv"
    awk -F, 'NR > 1 { n += $12 } END { exit n == 0 }' "$SCRATCH/csv"
    grep -Eq '^  step01 +- ' "$SCRATCH/out"
}

@test "a competitor takes part under its name" {
    bench ONLY=echo64 AMONG=step03 WITH="mine=step05_final/server -p {port}; slow=step03_epoll/server -p {port} -w {wait}"
    grep -q '^1,echo64,mine,' "$SCRATCH/csv"
    grep -q '^1,echo64,slow,' "$SCRATCH/csv"
    bench ONLY=wait1000 AMONG=step03 WITH="mine=step05_final/server -p {port}; slow=step03_epoll/server -p {port} -w {wait}"
    grep -q '^1,wait1000,slow,' "$SCRATCH/csv"
    refute grep -q ',mine,' "$SCRATCH/csv"
}

@test "io_uring takes part where the kernel has it, and is named where not" {
    local why
    bench ONLY=echo64 AMONG="step03 io_uring"
    if why=$("$TOOLS/uring"); then
        grep -q '^1,echo64,io_uring,' "$SCRATCH/csv"
    else
        grep -qF "io_uring: this kernel refuses it: $why; skipped" "$SCRATCH/err"
    fi
    bench ONLY=echo64 AMONG=step03
    refute grep -q io_uring "$SCRATCH/csv" "$SCRATCH/err"
    bench ONLY=echo64 AMONG="step03 io_uring" "$TOOLS/forbid" io_uring_setup
    grep -q '^io_uring: this kernel refuses it: .*; skipped$' "$SCRATCH/err"
    grep -q '^1,echo64,step03,' "$SCRATCH/csv"
    refute grep -q io_uring "$SCRATCH/csv"
}

@test "a competitor that does not come up is named and left out" {
    bench ONLY=echo64 AMONG=step03 WITH="gone=./no-such-server {port}; lame=sleep 1{port}; fine=step05_final/server -p {port}"
    grep -q '^gone: .*no-such-server.*skipped$' "$SCRATCH/err"
    grep -q '^lame: it does not accept .*skipped$' "$SCRATCH/err"
    grep -q '^1,echo64,fine,' "$SCRATCH/csv"
    refute grep -q 'gone\|lame' "$SCRATCH/csv"
}

@test "a competitor that lies is named and left out" {
    liar 'if (n == 100) conn->buffer[0] ^= 1;'
    bench ONLY=echo64 AMONG=step03 WITH="liar=$SERVER -p {port}"
    grep -q '^liar at echo64: .*wrong bytes.*skipped$' "$SCRATCH/err"
    grep -q '^1,echo64,step03,' "$SCRATCH/csv"
    refute grep -q liar "$SCRATCH/csv"
}

@test "nothing that the benchmark started is left" {
    bench ONLY=echo64 AMONG=step03 WITH="mother=bash -c 'sleep 60 & echo \$! >$SCRATCH/child && exec step05_final/server -p {port}'"
    grep -q '^1,echo64,mother,' "$SCRATCH/csv"
    refute is_running "$(<"$SCRATCH/child")"
}

@test "wrong usage is told, and nothing measured is a failure" {
    local status=0
    bench WITH="no port" || status=$?
    ((status == 2))
    grep -q 'not name=command' "$SCRATCH/err"
    status=0
    bench ONLY=nonsense || status=$?
    ((status == 2))
    status=0
    bench ONLY=echo64 AMONG=none WITH="gone=./no-such-server {port}" || status=$?
    ((status == 1))
    grep -q 'nothing could be measured' "$SCRATCH/err"
}

# ---- the counts -------------------------------------------------------------------

count() {
    local status=0
    env TRIES=2 "$@" timeout "$NET_S" tests/bench/count >"$SCRATCH/out" 2>&1 3>&- 4>&- || status=$?
    cat "$SCRATCH/out"
    return $status
}

@test "count: one call too many per request exceeds the budget" {
    # It arms each connection again for each request.
    refute count SERVER=step04_threadpool/server ONLY="calls of libc per request, 64 connections"
    grep -q '^✗ calls of libc per request, 64 connections: 3\.[0-9]*, at most 2.3' "$SCRATCH/out"
    [[ $(tail -n 1 "$SCRATCH/out") == "0 passed, 1 failed" ]]
}

@test "count: a buffer in each connection exceeds the budget" {
    refute count SERVER=step04_threadpool/server ONLY="idle connection, 1000 of them"
    grep -q '^✗ memory per idle connection, 1000 of them: 1[0-9]*, at most 128' "$SCRATCH/out"
    [[ $(tail -n 1 "$SCRATCH/out") == "0 passed, 1 failed" ]]
}

@test "count: a server that cannot be counted fails" {
    refute count SERVER=/bin/true ONLY="pipelined"
    grep -q '^✗ .*not counted' "$SCRATCH/out"
}

@test "count: the final server keeps the budget of its calls by name" {
    # How many calls of epoll_wait a request needs is a matter of how busy the machine is.
    count ONLY="beside epoll_wait"
    [[ $(tail -n 1 "$SCRATCH/out") == "2 passed, 0 failed" ]]
}

# ---- what is shown ----------------------------------------------------------------

@test "each ablation can be built" {
    timeout "$NET_S" tests/bench/ablate build 3>&- 4>&-
}

@test "the tables of the benchmark's page are those of its CSVs" {
    tests/bench/refresh print 3>&- 4>&- | diff tests/bench/README.md -
}

@test "the figure is drawn from its CSV" {
    command -v gnuplot >/dev/null || skip "gnuplot is not installed"
    SVG=$SCRATCH/svg tests/bench/figure
    grep -q '<svg' "$SCRATCH/svg"
    # Another gnuplot draws the same with other words.
    if grep -qF "$(grep -o 'GNUPLOT [0-9].*[0-9]' "$SCRATCH/svg")" tests/bench/figure.svg; then
        cmp "$SCRATCH/svg" tests/bench/figure.svg
    fi
}
