# counting.bash - what a server costs, counted, not timed.
# shellcheck shell=bash disable=SC2034 # set for who sources it

# counts NAME: of the server that counted_server started; counts.h lists the names.
counts() { "$TOOLS/counts" "$BATS_TEST_TMPDIR/counts" "$1"; }

# counted_server ARGUMENT...: start_server, with its calls counted by name.
counted_server() {
    SERVER_ENV="LD_PRELOAD=$TOOLS/count.so COUNT_FILE=$BATS_TEST_TMPDIR/counts"
    start_server "$@"
}

# load ARGUMENT...: a load of one message at a time per connection. Sets REPLIES: how many
# messages were answered in all.
count_load() {
    local line
    line=$(timeout 20 "$TOOLS/load" -p "$PORT" -w 0 "$@" 3>&- 4>&-) ||
        report "the load says: $line" "every message echoed" || return 1
    [[ $line =~ \ replies=([0-9]+) ]]
    REPLIES=${BASH_REMATCH[1]}
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
