# common.bash - runs servers side by side, in rounds, and writes what was seen as CSV.
#
# A server measured alone says little: the machine drifts by half from hour to hour. So all
# servers do a workload in turn, in every round in another order, and only what stands in one
# round is compared.
# shellcheck shell=bash disable=SC2034 # set for who sources it

COURSE=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd -P)
# shellcheck source=tests/machine.bash
source "$COURSE/tests/machine.bash"
settle "$COURSE"
COURSE=$PLAIN_COURSE
BENCH=$COURSE/tests/bench
TOOLS=$COURSE/tests/bin
STEPS=(step01_blocking step02_select step03_epoll step04_threadpool step05_final)

START_LIMIT_MS=5000 # for a server to accept
STOP_LIMIT_MS=3000  # from SIGTERM to SIGKILL
RUN_LIMIT_S=90      # for one load, with its connects
WARM_UP_S=0.2

HEADER=round,workload,server,connections,idle,size,depth,wait_us,burn_us,threads,seconds
HEADER+=,requests,rps,mb_per_s,p50_us,p99_us,p999_us,max_us,server_cpu_s,load_cpu_s
HEADER+=,ctx_per_request,rss_kb

WORK=$SCRATCH
PID='' PORT='' WHY='' NEIGHBOUR=''
SERVERS=() WORKLOADS=()
declare -A COMMAND KIND # of each server: course, peer or http
declare -A WORKLOAD     # "NAME field" -> value
declare -A GIVEN_UP     # "SERVER WORKLOAD" -> why

clean_up() {
    server_stop
    neighbour_stop
    unsettle
}
trap clean_up EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

say() { echo "$*" >&2; }

refuse() {
    say "${0##*/}: $*"
    exit 2
}

now_ms() { echo $((${EPOCHREALTIME/[.,]/} / 1000)); }

# wait_until LIMIT_MS COMMAND...
wait_until() {
    local since limit=$1
    since=$(now_ms)
    shift
    until "$@"; do
        (($(now_ms) - since < limit)) || return 1
        sleep 0.01
    done
}

is_running() {
    local stat
    read -r stat 2>/dev/null <"/proc/$1/stat" || return 1
    [[ ${stat##*) } != [ZX]* ]]
}

has_ended() { ! is_running "$1"; }

needs_tools() {
    [[ -x $TOOLS/load && -x $TOOLS/launch ]] || refuse "the tools are not built: make all tools"
}

# machine: what the numbers were measured on.
machine() {
    local model
    model=$(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | head -n 1)
    echo "$(nproc) cores, ${model:-$(uname -m)}, Linux $(uname -r | cut -d- -f1)," \
        "$(${CC:-cc} --version | head -n 1)"
}

# ---- servers ----------------------------------------------------------------------

# add_server NAME KIND COMMAND. A server of the course (or of a student) gets its port and
# the options of the workload after its command, and says where it listens. A peer has
# {port} in its command, perhaps also {wait}, {burn} and {threads}, and is awaited. "http"
# is a peer that speaks nothing else.
add_server() {
    SERVERS+=("$1")
    KIND[$1]=$2
    COMMAND[$1]=$3
}

add_steps() {
    local step
    for step in "${STEPS[@]}"; do
        add_server "${step%%_*}" course "$COURSE/$step/server"
    done
}

# add_peers KIND TEXT: TEXT has "name=command {port}", split by ";" or newlines.
add_peers() {
    local kind=$1 line
    while read -r line; do
        line=${line#"${line%%[![:space:]]*}"}
        [[ -n $line ]] || continue
        [[ $line =~ ^([A-Za-z0-9._-]+)=(.*\{port\}.*)$ ]] ||
            refuse "\"$line\" is not name=command with {port} in it"
        [[ -z ${KIND[${BASH_REMATCH[1]}]-} ]] || refuse "two servers are called ${BASH_REMATCH[1]}"
        add_server "${BASH_REMATCH[1]}" "$kind" "${BASH_REMATCH[2]}"
    done <<<"${2//;/$'\n'}"
}

# Listens anyone on this port, or did a moment ago?
port_is_used() {
    local hex
    printf -v hex ':%04X' "$1"
    cat /proc/net/tcp /proc/net/tcp6 2>/dev/null | grep -q "^ *[0-9]*: [0-9A-F]*$hex "
}

# Below those that the kernel gives to clients.
free_port() {
    local i port
    for ((i = 0; i < 100; i++)); do
        port=$((20000 + RANDOM % 12000))
        port_is_used $port || break
    done
    echo $port
}

accepts() { (exec 3<>"/dev/tcp/127.0.0.1/$PORT") 2>/dev/null; }

accepts_or_ended() { accepts || has_ended "$PID"; }

# The port that the kernel picked, from the lines that the server printed.
said_where() {
    PORT=$(sed -n 's/^listening on .*:\([0-9]*\)$/\1/p' "$WORK/out")
    HTTP_PORT=$(sed -n 's/^http on .*:\([0-9]*\)$/\1/p' "$WORK/out")
    [[ -n $PORT && ($1 != http || -n $HTTP_PORT) ]]
}

said_where_or_ended() { said_where "$1" || has_ended "$PID"; }

knows_http() {
    [[ ${KIND[$1]} == http ]] ||
        { [[ ${KIND[$1]} == course ]] && ${COMMAND[$1]} -h 2>/dev/null | grep -q -- '--http '; }
}

# In a session of its own: what it starts can be ended with it.
launch() {
    : >"$WORK/out"
    setsid "$TOOLS/launch" bash -c "exec $1" </dev/null >"$WORK/out" 2>"$WORK/err" &
    PID=$!
}

# server_start NAME WORKLOAD: sets PID and PORT. 1: it does not come up; WHY tells.
server_start() {
    local name=$1 workload=$2 command=${COMMAND[$1]} wait burn threads ready
    wait=$(field "$workload" wait) burn=$(field "$workload" burn)
    threads=$(field "$workload" threads)
    if [[ ${KIND[$name]} == course ]]; then
        command+=" -p 0"
        ((wait == 0)) || command+=" -w $wait"
        ((burn == 0)) || command+=" -c $burn"
        # The first three steps have one thread, and no option for it.
        [[ -z $threads || $name == step0[123]* ]] || command+=" -t $threads"
        [[ $(field "$workload" protocol) != http ]] || command+=" --http 0"
        ready="said_where_or_ended $(field "$workload" protocol)"
    else
        PORT=$(free_port)
        command=${command//\{port\}/$PORT} command=${command//\{wait\}/$wait}
        command=${command//\{burn\}/$burn} command=${command//\{threads\}/${threads:-$(nproc)}}
        ready=accepts_or_ended
    fi
    launch "$command"
    # shellcheck disable=SC2086 # a command and its argument
    if ! wait_until $START_LIMIT_MS $ready; then
        WHY="it does not accept within $((START_LIMIT_MS / 1000)) s"
    elif has_ended "$PID"; then
        WHY="it ended at the start: $(head -n 1 "$WORK/err")"
    else
        [[ ${KIND[$name]} != course || $(field "$workload" protocol) != http ]] || PORT=$HTTP_PORT
        return 0
    fi
    server_stop
    return 1
}

server_stop() {
    [[ -n $PID ]] || return 0
    kill -TERM -- "-$PID" 2>/dev/null
    wait_until $STOP_LIMIT_MS has_ended "$PID"
    kill -KILL -- "-$PID" 2>/dev/null
    wait "$PID" 2>/dev/null
    PID=''
}

# ---- workloads --------------------------------------------------------------------

# add_workload NAME KEY=VALUE...: connections, idle, size, depth; wait and burn (in us) with
# threads: what each request does in the server; protocol: echo or http; neighbour=1: beside a
# process that computes all the time.
add_workload() {
    local name=$1 pair
    WORKLOADS+=("$name")
    for pair in connections=64 idle=0 size=64 depth=1 wait=0 burn=0 threads= protocol=echo \
        neighbour=0 "seconds=${SECONDS_EACH:-0.8}" "${@:2}"; do
        WORKLOAD["$name ${pair%%=*}"]=${pair#*=}
    done
}

field() { echo "${WORKLOAD["$1 $2"]}"; }

# can NAME WORKLOAD: what a server cannot do is not asked of it.
can() {
    local name=$1 workload=$2 clients command=${COMMAND[$1]}
    [[ -z ${GIVEN_UP["$name $workload"]-} ]] || return 1
    if [[ $(field "$workload" protocol) == http ]]; then
        command -v wrk >/dev/null && knows_http "$name"
        return
    fi
    clients=$(($(field "$workload" connections) + $(field "$workload" idle)))
    case ${KIND[$name]}/$name in
        http/*) return 1 ;;
        # One client at a time: the others would wait forever.
        course/step01) ((clients == 1)) ;;
        # select knows descriptors below FD_SETSIZE, 1,024.
        course/step02) ((clients <= 1000)) ;;
        course/*) ;;
        # A peer has no business logic unless its command can be told.
        *)
            (($(field "$workload" wait) == 0)) || [[ $command == *'{wait}'* ]] || return 1
            (($(field "$workload" burn) == 0)) || [[ $command == *'{burn}'* ]]
            ;;
    esac
}

# It is nailed to no core, and ends by itself.
neighbour_start() {
    timeout $RUN_LIMIT_S bash -c 'while :; do :; done' &
    NEIGHBOUR=$!
}

neighbour_stop() {
    [[ -n $NEIGHBOUR ]] || return 0
    kill "$NEIGHBOUR" 2>/dev/null
    wait "$NEIGHBOUR" 2>/dev/null
    NEIGHBOUR=''
}

# tree_cpu: CPU time of the server and of the processes that it started, in hundredths of
# a second: for servers such as nginx, of which PID is only the master.
tree_cpu() {
    local pids=("$PID") children stat fields sum=0 i
    for ((i = 0; i < ${#pids[@]} && i < 1000; i++)); do
        read -r stat 2>/dev/null <"/proc/${pids[i]}/stat" || continue
        read -ra fields <<<"${stat##*) }"
        sum=$((sum + fields[11] + fields[12]))
        read -ra children 2>/dev/null <"/proc/${pids[i]}/task/${pids[i]}/children"
        pids+=("${children[@]}")
    done
    echo $sum
}

# with_load NAME WORKLOAD: prints key=value words of tests/bin/load.
with_load() {
    timeout -k 1 $RUN_LIMIT_S "$TOOLS/load" -p "$PORT" -P "$PID" -w $WARM_UP_S \
        -t "$(field "$2" seconds)" -c "$(field "$2" connections)" -i "$(field "$2" idle)" \
        -s "$(field "$2" size)" -d "$(field "$2" depth)" 2>"$WORK/load.err" || {
        WHY="the load says: $(head -n 1 "$WORK/load.err")"
        return 1
    }
}

# wrk measures whole seconds. A request costs it as much as the server, so one thread of it would
# be what is measured.
with_wrk() {
    local before after seconds threads
    threads=$(nproc)
    ((threads <= 4)) || threads=4
    seconds=$(awk -v s="$(field "$2" seconds)" 'BEGIN { print (s > 1 ? int(s + .5) : 1) }')
    before=$(tree_cpu)
    timeout -k 1 $RUN_LIMIT_S wrk -t "$threads" -c "$(field "$2" connections)" -d "${seconds}s" \
        --latency "http://127.0.0.1:$PORT/healthz" >"$WORK/wrk" 2>&1 || {
        WHY="wrk says: $(tail -n 1 "$WORK/wrk")"
        return 1
    }
    after=$(tree_cpu)
    if grep -E 'Socket errors|Non-2xx' "$WORK/wrk" >"$WORK/wrk.err"; then
        WHY="wrk says: $(head -n 1 "$WORK/wrk.err")"
        return 1
    fi
    awk -v ticks=$((after - before)) -v hz="$(getconf CLK_TCK)" '
        function us(text) { return text * (text ~ /us$/ ? 1 : text ~ /ms$/ ? 1e3 : 1e6) }
        $1 == "Latency" && $2 != "Distribution" { max = us($4) }
        $1 == "50%" { p50 = us($2) }
        $1 == "99%" { p99 = us($2) }
        / requests in / { requests = $1; seconds = us($4) / 1e6 }
        $1 == "Requests/sec:" { rps = $2 }
        END { printf "seconds=%.3f requests=%d rps=%.0f p50_us=%.1f p99_us=%.1f max_us=%.1f server_cpu_s=%.2f\n",
            seconds, requests, rps, p50, p99, max, ticks / hz }' "$WORK/wrk"
}

# row ROUND WORKLOAD NAME: key=value words in, a line of CSV out.
row() {
    awk -v first="$1,$2,$3" -v connections="$(field "$2" connections)" \
        -v idle="$(field "$2" idle)" -v size="$(field "$2" size)" -v depth="$(field "$2" depth)" \
        -v wait="$(field "$2" wait)" -v burn="$(field "$2" burn)" \
        -v threads="$(field "$2" threads)" -v http="$(field "$2" protocol)" '
        { for (i = 1; i <= NF; i++) { split($i, pair, "="); v[pair[1]] = pair[2] } }
        END {
            if (http == "http") { size = ""; idle = 0 }
            ctx = "" # a thread that has gone took its count along
            if (v["tasks_gone"] != "" && v["tasks_gone"] == 0 && v["requests"] > 0)
                ctx = sprintf("%.4f", (v["ctx_voluntary"] + v["ctx_involuntary"]) / v["requests"])
            print first "," connections "," idle "," size "," depth "," wait "," burn "," \
                threads "," v["seconds"] "," v["requests"] "," v["rps"] "," v["mb_per_s"] "," \
                v["p50_us"] "," v["p99_us"] "," v["p999_us"] "," v["max_us"] "," \
                v["server_cpu_s"] "," v["load_cpu_s"] "," ctx "," v["rss_end_kb"]
        }'
}

# measure ROUND NAME WORKLOAD: one line of CSV on stdout. 1: nothing; WHY tells.
measure() {
    local how=with_load status=0
    [[ $(field "$3" protocol) != http ]] || how=with_wrk
    [[ $(field "$3" neighbour) == 0 ]] || neighbour_start
    if server_start "$2" "$3"; then
        $how "$2" "$3" >"$WORK/words" || status=1
        server_stop
    else
        status=1
    fi
    neighbour_stop
    ((status == 0)) && row "$1" "$3" "$2" <"$WORK/words"
}

# ---- rounds -----------------------------------------------------------------------

progress() {
    local left=''
    if (($1 > 3)); then
        left=$((($(now_ms) - BEGAN_MS) * ($2 - $1) / $1 / 1000))
        left=", about $((left / 60)):$(printf %02d $((left % 60))) left"
    fi
    if [[ -t 2 ]]; then
        printf '\r\e[K%s of %s: %s%s' "$1" "$2" "$3" "$left" >&2
    elif [[ $4 != "$LAST_ROUND" ]]; then
        say "round $4 of $5$left"
    fi
    LAST_ROUND=$4
}

give_up() {
    [[ ! -t 2 ]] || printf '\r\e[K' >&2
    say "$1 at $2: $WHY; skipped"
    GIVEN_UP["$1 $2"]=$WHY
}

count_pairs() {
    local workload name n=0
    for workload in "${WORKLOADS[@]}"; do
        for name in "${SERVERS[@]}"; do
            ! can "$name" "$workload" || n=$((n + 1))
        done
    done
    echo $n
}

# rounds COUNT: CSV on stdout, a line for each server, workload and round.
rounds() {
    local count=$1 round workload i name n=${#SERVERS[@]} done=0 all
    all=$(($(count_pairs) * count))
    BEGAN_MS=$(now_ms) LAST_ROUND=''
    echo "$HEADER"
    for ((round = 1; round <= count; round++)); do
        for workload in "${WORKLOADS[@]}"; do
            for ((i = 0; i < n; i++)); do
                name=${SERVERS[(i + round - 1) % n]}
                can "$name" "$workload" || continue
                progress $done $all "$workload, $name" $round "$count"
                measure $round "$name" "$workload" || give_up "$name" "$workload"
                done=$((done + 1))
            done
        done
    done
    [[ ! -t 2 ]] || printf '\r\e[K' >&2
}
