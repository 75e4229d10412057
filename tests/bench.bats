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

# liar NAME SED-SCRIPT: step 03, with another process.c, which must be another one.
liar() {
    local directory=$SCRATCH/$1
    mkdir "$directory"
    cp step03_epoll/*.[ch] step03_epoll/Makefile "$directory"
    sed -i "$2" "$directory/conn.c"
    refute cmp -s step03_epoll/conn.c "$directory/conn.c" || return 1
    make -s -C "$directory"
    SERVER=$directory/server
}

# load_against ARGUMENT...: sets status and output.
load_against() {
    run timeout 30 "$TOOLS/load" -p "$PORT" -t 0.2 -w 0 "$@" 3>&- 4>&-
    echo "$output"
}

@test "the load notices a byte that is wrong" {
    liar wrong 's/^    process(.*);/&\n    static int n;\n    if (++n == 500) conn->data[conn->end - 1] ^= 1;/'
    start_server
    load_against -c 4
    ((status == 1))
    [[ $output == *"wrong bytes came back"* && $output == *" errors="[1-4]* ]]
}
