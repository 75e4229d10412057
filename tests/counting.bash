# counting.bash - what a server costs, counted, not timed.
# shellcheck shell=bash disable=SC2034 # set for who sources it

# counts NAME: of the server that counted_server started; counts.h lists the names.
counts() { "$TOOLS/counts" "$BATS_TEST_TMPDIR/counts" "$1"; }

# count_all NAME...: the sum, for calls that serve the same purpose.
count_all() {
    local name sum=0
    for name; do sum=$((sum + $(counts "$name"))); done
    echo $sum
}

count_accepts() { count_all accept accept4; }
count_waits() { count_all epoll_wait epoll_pwait poll ppoll select pselect; }

# counted_server ARGUMENT...: start_server, with its calls counted by name.
counted_server() {
    SERVER_ENV="LD_PRELOAD=$TOOLS/count.so COUNT_FILE=$BATS_TEST_TMPDIR/counts"
    start_server "$@"
}

# count_load ARGUMENT...: a load of one message at a time per connection, and 1,000 replies at
# least, however slow the machine. Sets REPLIES: how many messages were answered in all.
count_load() {
    local line err=$BATS_TEST_TMPDIR/load.err
    if ! line=$(timeout "$NET_S" "$TOOLS/load" -p "$PORT" -P "$SERVER_PID" -w 0 -n 1000 "$@" 2>"$err" 3>&- 4>&-); then
        few_descriptors "$err"
        report "the load says: $line$(<"$err")" "every message echoed" || return 1
    fi
    [[ $line =~ \ replies=([0-9]+) ]]
    REPLIES=${BASH_REMATCH[1]}
}

# busy_threads: of each thread that runs or is ready to run its number, how often it has
# gone to sleep, and how long it has computed, in hundredths of a second.
busy_threads() {
    local task stat sleeps fields
    for task in "/proc/$SERVER_PID/task/"*; do
        read -r stat <"$task/stat" || continue
        read -ra fields <<<"${stat##*) }"
        [[ ${fields[0]} == R ]] || continue
        sleeps=$(sed -n 's/^voluntary_ctxt_switches:\t//p' "$task/status")
        echo "${task##*/} $sleeps $((fields[11] + fields[12]))"
    done 2>/dev/null
}

# computed_together: of the threads that were busy when it was last asked, two still are,
# have not slept in between, and each has computed for 50 ms: so they did it together, and
# not one after the other. To be asked again and again.
BUSY_BEFORE=()
computed_together() {
    local before now busy many=0 number sleeps ticks still=()
    mapfile -t now < <(busy_threads)
    for before in "${BUSY_BEFORE[@]}"; do
        read -r number sleeps ticks <<<"$before"
        for busy in "${now[@]}"; do
            [[ $busy == "$number $sleeps "* ]] || continue
            still+=("$before")
            ((${busy##* } < ticks + 5)) || many=$((many + 1))
        done
    done
    # Fewer than two cannot become two: begin anew.
    if ((${#still[@]} >= 2)); then BUSY_BEFORE=("${still[@]}"); else BUSY_BEFORE=("${now[@]}"); fi
    ((many >= 2))
}

# cores_wanted N: at least N threads of the server run or are ready to run.
cores_wanted() {
    local stat running=0
    for stat in "/proc/$SERVER_PID/task/"*/stat; do
        read -r stat <"$stat" || continue
        [[ ${stat##*) } != R* ]] || running=$((running + 1))
    done
    ((running >= $1))
}
