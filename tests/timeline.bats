#!/usr/bin/env bats
# timeline.bats - the pictures of what happens (tests/timeline/draw): that the record of a known
# run holds what must be there, in its order; that what is no record is refused; and that the
# pictures of the chapters are those of their data. No time is asked for.
#
# bats file_tags=timeline

load lib.bash

setup() {
    cd "$COURSE" || return 1
    RECORD=$BATS_TEST_TMPDIR/record
}

# needs STEP...: a handout does not have the references of all steps.
needs() {
    local step
    for step; do
        compgen -G "step${step}_*/server" >/dev/null || skip "the reference of step $step is not here"
    done
}

# record STEP: what happens there at the wall of the step. A process call takes ten times as long
# as for a picture, so that on a busy machine, too, the others begin while it goes on.
record() {
    local script=$BATS_TEST_TMPDIR/script
    RECORD=$BATS_TEST_TMPDIR/record$1
    sed 's/^options -w 40000 -t/options -w 400000 -t/' "tests/timeline/$1" >"$script"
    DO=$script FORMAT=record OUT=$RECORD SERVER='' timeout "$NET_S" tests/timeline/draw "$1" 3>&- 4>&-
    cat "$RECORD"
}

# calls LANE CALL CLIENT: how many there are in the record; each is a regular expression.
calls() { grep -cE "^($1) ($2) ($3) " "$RECORD" || true; }

THREAD='[0-9]+'

# before FIRST SECOND: one of the calls FIRST, "LANE CALL CLIENT", has ended when the first of the
# calls SECOND begins.
before() {
    awk -v first="^($1) " -v second="^($2) " '
        $0 ~ first && $5 != "-" && (!ended || $5 + 0 < ended) { ended = $5 + 0 }
        $0 ~ second && (!begun || $4 + 0 < begun) { begun = $4 + 0 }
        END { exit !(ended && begun && begun >= ended) }' "$RECORD"
}

# most_at_once CALL: how many such calls were going on at the same time.
most_at_once() {
    awk -v call="$1" '
        $2 == call { print $4, 1; if ($5 != "-") print $5, -1 }' "$RECORD" | sort -n -k 1,1 -k 2,2 |
        awk '{ now += $2; if (now > most) most = now } END { print most + 0 }'
}

# ---- what is recorded -------------------------------------------------------------

# served_after_silence: the server began with the second client when the first had gone.
served_after_silence() { before "$THREAD recv a" "$THREAD accept b" && before 'a close a' 'b receive b'; }

@test "timeline: step 01 takes the second client when the silent one has gone, step 02 before" {
    needs 01 02
    record 01
    served_after_silence
    (($(calls "$THREAD" accept '[abc]') == 3 && $(calls '[abc]' connect '[abc]') == 3))
    (($(calls "$THREAD" send b) == 1 && $(calls b receive b) == 1 && $(calls "$THREAD" recv a) == 1))
    record 02
    refute served_after_silence
    before 'b receive b' 'a close a'
    (($(calls "$THREAD" accept '[abc]') == 3 && $(calls "$THREAD" select -) > 0))
}

@test "timeline: of step 03 one process call runs at a time, of step 04 three, and the fourth is queued" {
    needs 03 04
    record 03
    (($(calls 1 sleep '[abcd]') == 4 && $(calls "$THREAD" sleep '.') == 4))
    (($(most_at_once sleep) == 1))
    before '1 sleep a' '1 recv b'
    before '1 send c' '1 recv d'
    record 04
    (($(calls 1 sleep '.') == 0 && $(calls "$THREAD" sleep '[abcd]') == 4))
    (($(most_at_once sleep) == 3))
    # One signal for each request; the main thread touches no bytes.
    (($(calls 1 signal -) == 4 && $(calls 1 'recv|send' '.') == 0))
    before "1 ready d" "$THREAD recv d"
    before "$THREAD sleep [abc]" "$THREAD recv d"
    "$TOOLS/timeline" text <"$RECORD" | grep -E ' (queued d|Qd)'
}

@test "timeline: step 04 arms a connection again for each request, step 05 registers it once" {
    needs 04 05
    record 04
    (($(calls 1 epoll_ctl '[abcd]') == 4 && $(calls '[2-9]' epoll_ctl '[abcd]') == 4))
    record 05
    (($(calls 1 epoll_ctl '[abcd]') == 4 && $(calls '[2-9]' epoll_ctl '[abcd]') == 0))
    (($(calls "$THREAD" recv '[abcd]') >= 4 && $(most_at_once sleep) == 3))
}

# mutant NAME: builds the wrong server of that patch.
mutant() {
    local directory=$BATS_TEST_TMPDIR/$1
    mkdir "$directory"
    cp step"${1%%_*}"_*/{*.[ch],Makefile} "$directory"
    patch -s -d "$directory" -p1 <"tests/mutants/$1.patch"
    # A nap makes room for the other thread where nothing else does. Here a process call does, and a
    # nap would be recorded as one.
    sed -i '/^ *usleep([0-9]*);$/d' "$directory"/*.c
    make -s -C "$directory"
}

# play NAME STEP [SERVER]: what happens when the clients of tests/timeline/NAME come; how it ended
# becomes PLAYED.
play() {
    local script=$BATS_TEST_TMPDIR/script
    PLAYED=0
    # On a busy machine the others come later in a process call, and a socket takes more before it is full.
    sed 's/^options -w 40000 /options -w 400000 /; s/ 120000$/ 300000/; s/^wait-for send a 5 .*/wait-for quiet/' \
        "tests/timeline/$1" >"$script"
    DO=$script FORMAT=record OUT=$RECORD SERVER=${3-} timeout "$NET_S" tests/timeline/draw "$2" 3>&- 4>&- ||
        PLAYED=$?
    cat "$RECORD"
}

# intrusions: how many calls for client a began in one thread while another one slept for a.
intrusions() {
    awk '
        $1 ~ /^[0-9]/ && $3 == "a" && $2 ~ /^(recv|send|sleep)$/ {
            thread[++count] = $1; start[count] = $4; sleeps[count] = $2 == "sleep"
            end[count] = $5 == "-" ? 1e18 : $5
        }
        END {
            for (i = 1; i <= count; i++)
                for (j = 1; j <= count; j++)
                    found += sleeps[j] && thread[i] != thread[j] && start[i] + 0 > start[j] + 0 &&
                        start[i] + 0 < end[j] + 0
            print found + 0
        }' "$RECORD"
}

@test "timeline: of two workers at one connection the record shows both, and of step 04 one" {
    needs 04
    mutant 04_no_oneshot
    play two-workers 04
    ((PLAYED == 0 && $(intrusions) == 0 && $(calls "$THREAD" recv a) == 2))
    before "$THREAD sleep a" 'a receive a'
    play two-workers 04 "$BATS_TEST_TMPDIR/04_no_oneshot/server"
    (($(intrusions) > 0))
    # The answer to what is still in process.
    refute before "$THREAD sleep a" 'a receive a'
}

# bytes_read: how many the server has taken from client a.
bytes_read() { awk '$1 ~ /^[0-9]/ && $2 == "recv" && $3 == "a" { sum += $6 } END { print sum + 0 }' "$RECORD"; }

@test "timeline: of an edge that is lost the record shows the wait, and of step 03 every recv" {
    needs 03
    mutant 03_edge_triggered
    play lost-edge 03
    ((PLAYED == 0 && $(bytes_read) == 40000))
    play lost-edge 03 "$BATS_TEST_TMPDIR/03_edge_triggered/server"
    # It comes in one portion or two, and so with as many edges; three are needed.
    ((PLAYED == 0 && $(bytes_read) < 40000))
    # It waits to the end.
    [[ $(grep '^1 ' "$RECORD" | tail -n 1) == '1 epoll_wait - '*' - -' ]]
}

@test "timeline: where a wake-up is lost a worker sleeps and a task waits, and step 04 wakes one for each" {
    needs 04
    mutant 04_signal_only_if_empty
    play lost-wakeup 04
    ((PLAYED == 0 && $(calls 1 signal -) == 4))
    play lost-wakeup 04 "$BATS_TEST_TMPDIR/04_signal_only_if_empty/server"
    ((PLAYED == 0 && $(calls 1 signal -) < 4))
}

# stage NN: builds the server of that stage, and prints its path.
stage() { (cd "$COURSE" && source tests/stages/stages.bash && stage_server "$1"); }

@test "timeline: of three requests in one packet the record shows three sends, and of stage 16 one" {
    local server tries=0
    needs 04 05
    server=$(stage 15)
    play pipelined 05 "$server"
    ((PLAYED == 0 && $(calls 2 recv a) >= 1 && $(calls 2 send a) == 3))
    server=$(stage 16)
    # What is answered leaves at the next tick of the clock at the latest, now and then in two sends.
    until play pipelined 05 "$server" && ((PLAYED == 0 && $(calls 2 send a) == 1)); do
        ((++tries < 10))
    done
}

# held_back: while something of a's is not sent, nothing is read from a, and b is answered; then comes
# the rest.
held_back() {
    awk '
        $1 != "1" { next }
        $2 == "recv" && $3 == "a" { if (left > 0) exit 1; left += $6 }
        $2 == "send" && $3 == "b" && left > 0 { answered = 1 }
        $2 == "send" && $3 == "a" { if (answered) seen = 1; if ($6 > 0) left -= $6 }
        END { exit !(seen && answered) }' "$RECORD"
}

@test "timeline: a client that does not read is not read from, and step 02 answers another meanwhile" {
    needs 02
    mutant 02_no_backpressure
    play backpressure 02
    ((PLAYED == 0))
    held_back
    (($(awk '$1 == "a" && $2 == "receive" { sum += $6 } END { print sum + 0 }' "$RECORD") == 300000))
    # A server that reads on, whatever it has not sent yet.
    play backpressure 02 "$BATS_TEST_TMPDIR/02_no_backpressure/server"
    refute held_back
}

@test "timeline: in a drain what has come is answered, and every client is told the end" {
    needs 05
    local client
    play drain 05
    ((PLAYED == 0 && $(calls 1 SIGTERM -) == 1))
    for client in a b c; do
        before '1 SIGTERM -' "$client receive $client"
        before "$client receive $client" "$client end $client"
    done
    [[ $(grep '^d end ' "$RECORD") == *' 0' ]]
}

# waiter: a program in which one thread holds a mutex that another one wants, until it waits.
waiter() {
    cat >"$BATS_TEST_TMPDIR/waiter.c" <<'PROGRAM'
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pid_t waiter;

static void *want(void *unused)
{
    __atomic_store_n(&waiter, gettid(), __ATOMIC_SEQ_CST);
    pthread_mutex_lock(&lock);
    pthread_mutex_unlock(&lock);
    return unused;
}

/* In the kernel it waits in futex, and nowhere else does it sleep. */
static int sleeps(pid_t thread)
{
    char path[64], text[256] = "", *state;
    snprintf(path, sizeof path, "/proc/self/task/%d/stat", thread);
    FILE *file = fopen(path, "r");
    if (file != NULL) {
        fread(text, 1, sizeof text - 1, file);
        fclose(file);
    }
    state = strrchr(text, ')');
    return state != NULL && state[2] == 'S';
}

int main(void)
{
    pthread_t thread;
    pthread_mutex_lock(&lock);
    pthread_create(&thread, NULL, want, NULL);
    while (!__atomic_load_n(&waiter, __ATOMIC_SEQ_CST) || !sleeps(waiter))
        ;
    pthread_mutex_unlock(&lock);
    pthread_join(thread, NULL);
    return 0;
}
PROGRAM
    ${CC:-cc} -D_GNU_SOURCE -o "$BATS_TEST_TMPDIR/waiter" "$BATS_TEST_TMPDIR/waiter.c" -pthread
}

@test "timeline: a mutex is recorded if it had to be waited for, and only then" {
    local taken
    waiter
    RECORD_FILE=$RECORD LD_PRELOAD=$TOOLS/record.so timeout "$NET_S" "$BATS_TEST_TMPDIR/waiter"
    taken=$(od -An -tu8 -j 8 -N 8 "$RECORD" | tr -d ' ')
    # Kind and thread of each slot; that of a mutex is the 13th.
    od -An -v -w48 -td4 -j 16 -N $((taken * 48)) "$RECORD" | awk '{ print $8, $9 }' >"$BATS_TEST_TMPDIR/kinds"
    cat "$BATS_TEST_TMPDIR/kinds"
    [[ $(grep -c '^12 ' "$BATS_TEST_TMPDIR/kinds") == 1 ]]
    [[ $(sed -n 's/^12 //p' "$BATS_TEST_TMPDIR/kinds") == 2 ]]
}

# ---- what clients do --------------------------------------------------------------

# wrong STATUS TEXT STEP [WORD=VALUE...]: the command says that, and ends so.
wrong() {
    local status=0
    env DO=wall FORMAT=text SERVER= OUT= "${@:4}" timeout "$NET_S" tests/timeline/draw "$3" \
        >"$BATS_TEST_TMPDIR/said" 2>&1 3>&- 4>&- || status=$?
    cat "$BATS_TEST_TMPDIR/said"
    ((status == $1)) && grep -qF "$2" "$BATS_TEST_TMPDIR/said"
}

# plays_not STATUS TEXT LINE...: these lines of a script are refused so.
plays_not() {
    printf '%s\n' "${@:3}" >"$BATS_TEST_TMPDIR/script"
    wrong "$1" "$2" 02 DO="$BATS_TEST_TMPDIR/script"
}

@test "timeline: a script that makes no sense is refused, with its line" {
    needs 02
    plays_not 2 'line 1: that client is not connected' 'a send 6'
    plays_not 2 'line 2: a client connects once' 'a connect' 'a connect'
    plays_not 2 'line 2: a number is wanted' 'a connect' 'a send six'
    plays_not 2 'line 2: connect, send, ask, ignore, receive, end, think or close is wanted' 'a connect' 'a dance'
    plays_not 2 'line 1: there is no port for HTTP: options --http 0' 'a connect http'
    plays_not 2 'line 1: a client, a to h, wait-for or terminate is wanted' 'z connect'
    plays_not 2 'line 1: wait-for is followed by the name of a call' 'wait-for christmas'
    plays_not 0 '' '# a comment' '' 'a connect' 'a send 3' 'a receive 2' 'a receive 1'
}

@test "timeline: where an answer does not come, what happened until then is drawn" {
    needs 01
    # The server of step 01 serves b when a has gone.
    local status=0
    printf '%s\n' 'a connect' 'wait-for recv a' 'b connect' 'b send 6' 'b receive 6' >"$BATS_TEST_TMPDIR/script"
    DO=$BATS_TEST_TMPDIR/script FORMAT=text SERVER='' timeout "$NET_S" tests/timeline/draw 01 \
        >"$BATS_TEST_TMPDIR/text" 2>"$BATS_TEST_TMPDIR/said" 3>&- 4>&- || status=$?
    cat "$BATS_TEST_TMPDIR"/{text,said}
    ((status == 1))
    grep -q 'line 5: this was waited for, and did not come' "$BATS_TEST_TMPDIR/said"
    grep -q '^thread 1 .*recv a' "$BATS_TEST_TMPDIR/text"
    grep -q '^client b .*waits' "$BATS_TEST_TMPDIR/text"
}

# ---- what is drawn ----------------------------------------------------------------

@test "timeline: the picture of each chapter is drawn from the data beside it" {
    local data seen=0
    for data in tests/timeline/pictures/*.txt; do
        "$TOOLS/timeline" svg <"$data" | cmp - "${data%.txt}.svg" || {
            echo "draw it anew: tests/bin/timeline svg <$data >${data%.txt}.svg"
            return 1
        }
        # Another time, another picture.
        refute cmp -s <(sed '3s/ [0-9]* \([^ ]*\)$/ 999999 \1/' "$data" | "$TOOLS/timeline" svg) "${data%.txt}.svg"
        grep -qF "../${data%.txt}.svg)" step0*/README.md step05_final/stages/*/README.md tests/*/README.md || {
            echo "no chapter shows ${data%.txt}.svg"
            return 1
        }
        seen=$((seen + 1))
    done
    ((seen >= 1))
}

@test "timeline: a picture is well-formed, has a lane for each client and thread, and two color schemes" {
    local data=tests/timeline/pictures/04.txt lane
    "$TOOLS/timeline" svg <$data >"$BATS_TEST_TMPDIR/svg"
    "$TOOLS/xml" <"$BATS_TEST_TMPDIR/svg" >"$BATS_TEST_TMPDIR/values"
    for lane in 'client '{a,b,c,d} queue 'thread '{1,2,3,4}; do
        [[ $(grep -cx "svg.text $lane" "$BATS_TEST_TMPDIR/values") == 1 ]] || { echo "$lane" && return 1; }
    done
    grep -q 'prefers-color-scheme:dark' "$BATS_TEST_TMPDIR/svg"
    # Each bar that has room for it says whose it is, in letters.
    grep -qx 'svg.text process a [0-9]* ms' "$BATS_TEST_TMPDIR/values"
    # The words of a title are text.
    sed '2s/.*/title a <b> \& c/' $data | "$TOOLS/timeline" svg | "$TOOLS/xml" | grep -qx 'svg.title a <b> & c'
}

@test "timeline: the text fits into 100 columns and has a line for each lane" {
    local data
    for data in tests/timeline/pictures/*.txt; do
        "$TOOLS/timeline" text <"$data" >"$BATS_TEST_TMPDIR/text"
        refute grep -nE '^.{101}' "$BATS_TEST_TMPDIR/text"
        diff <(grep -oE '^(client [a-h]|thread [0-9]+)' "$BATS_TEST_TMPDIR/text") \
            <(awk '/^[a-h] / { print "client", $1 } /^[0-9]/ { print "thread", $1 }' "$data" | sort -V -u)
    done
}

# A record of one request, whose trace is known.
small() {
    printf '%s\n' '# timeline 1:' 'title small' 'a connect a 0 2000 0' 'a send a 2000 3000 6' \
        'a receive a 9000 9500 6' '1 accept a 1000 2500 4' '1 recv a 3100 4000 6' '1 send a 8000 9100 6' \
        '1 epoll_wait - 9200 - -' 'until 10500'
}

@test "timeline: a trace has the shape that Perfetto and Chrome read" {
    local values=$BATS_TEST_TMPDIR/values
    small | "$TOOLS/timeline" trace | "$TOOLS/json" >"$values"
    cat "$values"
    # Every event has a phase, a process and a thread; a call also a time and a duration.
    [[ $(grep -c '\.ph ' "$values") == $(grep -c '\.pid ' "$values") ]]
    [[ $(grep -c '\.ph ' "$values") == $(grep -c '\.tid ' "$values") ]]
    refute grep -vE '\.ph "[MXsf]"$' <(grep '\.ph ' "$values")
    [[ $(grep -c '\.ph "X"' "$values") == 8 && $(grep -c '\.dur ' "$values") == 8 ]]
    grep -A 8 '\.name "recv a"' "$values" | grep -q '\.ts 3\.100$'
    grep -A 8 '\.name "recv a"' "$values" | grep -q '\.dur 0\.900$'
    # Three arrows: connect to accept, send to recv, and the answer. Each begins and ends.
    [[ $(grep -c '\.ph "s"' "$values") == 3 && $(grep -c '\.ph "f"' "$values") == 3 ]]
    diff <(sed -n 's/.*\.id //p' "$values" | sort | uniq -c | awk '{ print $1 }') <(printf '2\n2\n2\n')
}

# refuses TEXT: what comes on stdin is no record, and that is why.
refuses() {
    local status=0 form
    cat >"$RECORD"
    for form in svg text trace; do
        status=0
        "$TOOLS/timeline" $form <"$RECORD" >"$BATS_TEST_TMPDIR/drawn" 2>"$BATS_TEST_TMPDIR/said" || status=$?
        cat "$BATS_TEST_TMPDIR/said"
        ((status == 1)) && grep -qF "$1" "$BATS_TEST_TMPDIR/said" && [[ ! -s $BATS_TEST_TMPDIR/drawn ]] || return 1
    done
}

@test "timeline: what is no record is refused, with its line" {
    refuses 'the record is empty' </dev/null
    refuses 'line 1: this is no record' < <(echo '<svg>')
    refuses 'the record has no end' < <(small | sed '/^until/d')
    refuses 'no call is in the record' < <(small | grep -E '^(#|title|until)')
    refuses 'line 4: LANE CALL CLIENT' < <(small | sed '4s/ 6$//')
    refuses 'line 4: there is no such call' < <(small | sed '4s/send/sing/')
    refuses 'line 4: a client is wanted' < <(small | sed '4s/send a/send z/')
    refuses 'line 4: a lane is wanted' < <(small | sed '4s/^a/0/')
    refuses 'line 4: a time in nanoseconds' < <(small | sed '4s/2000/soon/')
    refuses 'line 4: a call ends after it has begun' < <(small | sed '4s/3000/1999/')
    refuses 'a call goes on after the end' < <(small | sed '4s/3000/30000/')
    refute refuses '' < <(small)
}

# ---- the command ------------------------------------------------------------------

@test "timeline: a wrong word is refused, with those that are valid" {
    needs 01
    wrong 2 'STEP=01, 02, 03, 04 or 05' ''
    wrong 2 'STEP=01, 02, 03, 04 or 05' 06
    wrong 2 'FORMAT=text, svg, trace or record' 01 FORMAT=png
    wrong 2 "there is no file 'dance' with what clients do: DO=wall, or DO=file" 01 DO=dance
    wrong 2 "there is no program 'nowhere'" 01 SERVER=nowhere
    wrong 1 'does not say where it listens' 01 SERVER=/bin/true
    refute make -s timeline STEP=01 FORMAT=png 2>"$BATS_TEST_TMPDIR/said"
    grep -q 'FORMAT=text, svg, trace or record' "$BATS_TEST_TMPDIR/said"
    # A shell's own words are not ours.
    FORMAT=png DO=dance make -s timeline STEP=01 | grep -q '^client a'
}

@test "timeline: OUT and SERVER may have a space, and .svg is a picture" {
    needs 01
    cp step01_blocking/server "$BATS_TEST_TMPDIR/my server"
    make -s timeline STEP=01 SERVER="$BATS_TEST_TMPDIR/my server" OUT="$BATS_TEST_TMPDIR/a picture.svg"
    "$TOOLS/xml" <"$BATS_TEST_TMPDIR/a picture.svg" | grep -qx 'svg.text client a'
}

@test "timeline: a send that nobody takes ends the play, and is drawn" {
    needs 01
    # Sixteen times a megabyte: more than sockets hold. The server of step 01 waits for a.
    local lines=('a connect' 'wait-for recv a' 'b connect') status=0 i
    for i in {1..16}; do lines+=('b send 1048576'); done
    printf '%s\n' "${lines[@]}" >"$BATS_TEST_TMPDIR/script"
    DO=$BATS_TEST_TMPDIR/script FORMAT=text SERVER='' timeout 60 tests/timeline/draw 01 \
        >"$BATS_TEST_TMPDIR/text" 2>"$BATS_TEST_TMPDIR/said" 3>&- 4>&- || status=$?
    cat "$BATS_TEST_TMPDIR"/{text,said}
    ((status == 1))
    grep -q 'not all of this was taken' "$BATS_TEST_TMPDIR/said"
    grep -q '^client b .*S' "$BATS_TEST_TMPDIR/text"
}

@test "timeline: the course may lie in a directory whose name has a space" {
    needs 01
    local place="$BATS_TEST_TMPDIR/my course"
    mkdir -p "$place"/{tests,step01_blocking}
    cp -R tests/{bin,timeline,machine.bash} "$place/tests"
    cp step01_blocking/server "$place/step01_blocking"
    env DO=wall FORMAT=text SERVER= OUT= "$place/tests/timeline/draw" 01 | grep -q '^client a'
}
