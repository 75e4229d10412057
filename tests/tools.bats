#!/usr/bin/env bats
# tools.bats - the course's own servers under the tools that see what clients do not:
# valgrind's memcheck, helgrind and drd, and the compiler's sanitizers.
#
# bats file_tags=tools

load lib.bash
load builds.bash

setup() {
    STEP=${BATS_TEST_DESCRIPTION%%:*}
    STEP=${STEP#step}
    for DIRECTORY in "$COURSE/step${STEP}"_*/; do DIRECTORY=${DIRECTORY%/}; done
    SERVER=$DIRECTORY/server
}

# The ways of a client's life, one after the other, and then together.
scenario() {
    local base
    probe 'visit 3 "warm"'
    base=$(fd_count)
    probe 'within 5000' 'open a' 'echo a "one\n"' 'drip a "byte by byte"' 'urgent a "!"' \
        'expect a "byte by byte!"' 'stream a 300k' 'open b' 'half-close b' 'eof b' 'vanish 60 reset' \
        'vanish 60 half' 'open c' 'send c random:40k' 'reset c' 'open d' 'pour d max=2M' 'reset d' \
        stop 'open e' 'send e "x"' 'reset e' cont 'visit 5 "hello"'
    step_at_least 02 && probe 'within 10000' 'open x*60' 'echo x "hello\n"' 'open p*3' \
        'pour p' 'open r*20' 'send r random:30k' 'reset r' 'stream x 20k' 'drink p' 'close p' \
        'visit 20 "hello"'
    expect_fds "$base"
    expect_alive
    stop_server
}

memcheck() {
    needs_valgrind
    SERVER_WRAP="valgrind -q --error-exitcode=99 --leak-check=full"
    SERVER_WRAP+=" --errors-for-leak-kinds=definite,indirect,possible"
    SLOWNESS=$((10 * PACE))
    about "ran many kinds of clients against the server under valgrind" \
        "valgrind tells on stderr what it saw" "$(basename "$DIRECTORY")/README.md"
    start_server
    scenario
    # The limit of descriptors may be low: that the server may say.
    if grep -q '^==' "$SERVER_ERR"; then
        report "$(grep '^==' "$SERVER_ERR" | head -20)" "no word from valgrind"
    fi
}

@test "step01: memcheck finds no error and no leak" { memcheck; }
@test "step02: memcheck finds no error and no leak" { memcheck; }
@test "step03: memcheck finds no error and no leak" { memcheck; }
@test "step04: memcheck finds no error and no leak" { memcheck; }
@test "step05: memcheck finds no error and no leak" { memcheck; }

@test "step05: memcheck finds no leak when clients stay to the end" {
    needs_valgrind
    SERVER_WRAP="valgrind -q --error-exitcode=99 --leak-check=full"
    SLOWNESS=$((10 * PACE))
    about "left idle, stuck and silent clients connected while the server ended" \
        "the main thread knows all connections, and frees them" \
        "step05_final/README.md, \"Drain\""
    start_server
    probe 'within 20000' 'open a*10' 'echo a "x"' 'open p*2' 'pour p max=4M' 'open s*5' \
        'signal TERM' gone
    expect_exit 0
    refute grep '^==' "$SERVER_ERR"
}

sanitized() {
    needs_sanitizer "$1"
    about "ran many kinds of clients against the server built with -fsanitize=$1" \
        "the sanitizer tells on stderr what it saw" "$(basename "$DIRECTORY")/README.md"
    SERVER=$(sanitized_server "$DIRECTORY" "$1") || {
        echo "$SERVER"
        return 1
    }
    use_sanitizer "$SERVER"
    start_server
    scenario
}

@test "step01: AddressSanitizer and UBSan find nothing" { sanitized address; }
@test "step02: AddressSanitizer and UBSan find nothing" { sanitized address; }
@test "step03: AddressSanitizer and UBSan find nothing" { sanitized address; }
@test "step04: AddressSanitizer and UBSan find nothing" { sanitized address; }
@test "step05: AddressSanitizer and UBSan find nothing" { sanitized address; }
@test "step04: ThreadSanitizer finds nothing, without suppressions" { sanitized thread; }
@test "step05: ThreadSanitizer finds nothing, without suppressions" { sanitized thread; }

# pool_alone TOOL: the pool of the step, without a server. helgrind and drd know POSIX
# locks; of the hand-over of connections by the kernel they do not know. A condition may be
# signalled by a thread that does not hold the lock (pthread_cond_signal(3p)); some versions
# find that dubious, so that word of theirs is not asked for.
pool_alone() {
    local program=$BATS_TEST_TMPDIR/pool_test batch=() kind quiet=--report-signal-unlocked=no
    needs_valgrind
    [[ $STEP != 05 ]] || batch=(-DBATCH)
    if [[ $1 == helgrind ]]; then
        # Newer versions have a kind of error of its own for it, which older ones refuse.
        for kind in Dubious Misc; do
            printf '{\n   signal-without-lock\n   Helgrind:%s\n   obj:*helgrind*\n   ...\n}\n' \
                $kind >"$BATS_TEST_TMPDIR/quiet"
            valgrind -q --tool=helgrind --suppressions="$BATS_TEST_TMPDIR/quiet" true \
                >/dev/null 2>&1 && break
        done
        quiet=--suppressions=$BATS_TEST_TMPDIR/quiet
    fi
    ${CC:-cc} -std=c11 -D_GNU_SOURCE -g -pthread "${batch[@]}" -I"$DIRECTORY" -o "$program" \
        "$COURSE/tests/unit/pool_test.c" "$DIRECTORY/pool.c"
    timeout "$NET_S" valgrind -q --error-exitcode=1 --tool="$1" "$quiet" "$program"
}

@test "step04: helgrind accepts the pool" { pool_alone helgrind; }
@test "step05: helgrind accepts the pool" { pool_alone helgrind; }
@test "step04: drd accepts the pool" { pool_alone drd; }
@test "step05: drd accepts the pool" { pool_alone drd; }

# The state word without a server: many threads, and each event is about something that is
# counted. It takes a fraction of a second; a program that loses an event never ends.
state_word_alone() {
    local program=$BATS_TEST_TMPDIR/state_test flags=() environment
    ! grep -q 'bool busy' "$DIRECTORY/state.h" || flags=(-DBUSY)
    ${CC:-cc} -std=c11 -D_GNU_SOURCE -O1 -g -pthread "$@" "${flags[@]}" -I"$DIRECTORY" -o "$program" \
        "$COURSE/tests/unit/state_test.c" "$DIRECTORY/state.c" "$DIRECTORY/pool.c"
    read -ra environment <<<"${SERVER_ENV-} ${SERVER_WRAP-}"
    timeout $((60 * ${PACE:-1})) env "${environment[@]}" "$program"
}

@test "step05: the state word has one owner at a time and loses no event" { state_word_alone; }

@test "step05: what an owner wrote the next one sees, says ThreadSanitizer" {
    needs_sanitizer thread
    state_word_alone -fsanitize=thread
}

@test "step05: the timer heap agrees with a model" {
    local program=$BATS_TEST_TMPDIR/timer_test
    ${CC:-cc} -std=c11 -D_GNU_SOURCE -g -I"$DIRECTORY" -o "$program" \
        "$COURSE/tests/unit/timer_test.c" "$DIRECTORY/timer.c"
    timeout "$NET_S" "$program"
}

@test "step05: the HTTP parser reads every case as it should" {
    local program=$BATS_TEST_TMPDIR/http_parser_test
    ${CC:-cc} -std=c11 -D_GNU_SOURCE -O1 -g -I"$DIRECTORY" -o "$program" \
        "$COURSE/tests/unit/http_parser_test.c" "$DIRECTORY"/http_{chunks,head,text}.c
    timeout "$NET_S" "$program"
}

@test "step05: what must be true of the HTTP parser is, for the seeds of the fuzzer" {
    local program=$BATS_TEST_TMPDIR/seeds
    ${CC:-cc} -std=c11 -D_GNU_SOURCE -DSTANDALONE -O1 -g -I"$DIRECTORY" -o "$program" \
        "$COURSE/tests/fuzz/http_parser_fuzz.c" "$DIRECTORY"/http_{chunks,head,text}.c
    timeout "$NET_S" "$program" "$COURSE/tests/fuzz/corpus/"*
}

# ---- what the tests say of a server that does wrong -------------------------------

# said KIND: what a failed test says of a server with this fault (src/garble.c).
said() {
    STEP='' SERVER=$TOOLS/garble SERVER_ENV=GARBLE=$1
    about "sent 2,000 bytes" "what this test is about"
    start_server
    run_probe 'open a' 'open b' "echo b \"of another client's message\"" 'echo a random:2000' || true
    kill_servers
}

# expect_said KIND TEXT...
expect_said() {
    local kind=$1 text said
    shift
    # Not in $( ): a subshell would start each server as the first.
    said "$kind" >"$BATS_TEST_TMPDIR/said"
    said=$(<"$BATS_TEST_TMPDIR/said")
    for text; do
        [[ $said == *"$text"* ]] || {
            echo "not in what is said of bytes that are $kind: $text"
            echo "$said"
            return 1
        }
    done
}

@test "a wrong echo: what happened to the bytes is told, and why" {
    expect_said lost 'byte 1001 of 2000 is wrong: 24 bytes are missing there' 'why    : bytes were dropped'
    expect_said repeated 'byte 1001 of 2000 is wrong: bytes 977 to 1000 came once more' 'why    : bytes were sent twice'
    expect_said reordered 'wrong: the bytes from 1025 on overtook those before them' 'why    : what came first'
    expect_said foreign 'wrong: bytes that b sent' 'why    : two connections share'
    expect_said invented 'wrong: zero bytes, which nobody sent' 'why    : more was sent than had come'
    expect_said closed 'the server closed the connection after 1000 of 2000 bytes' 'why    : what this test is about'
}

@test "a server that crashes: where is told" {
    SERVER=$TOOLS/garble SERVER_ENV=''
    notes_crashes || skip "crash.so needs glibc"
    expect_said crash 'ended by SIGSEGV' 'why    : the server crashed' \
        'crash  : crash (garble.c:' 'echo_wrongly (garble.c:' 'serve (garble.c:'
}

# ---- interleave: models of hand-overs ---------------------------------------------

two_steps_each() {
    printf '%s\n' 'var x = 0' 'thread a' 'x = x + 1' 'x = x + 1' 'end' 'thread b' 'x = x + 1' 'x = x + 1' 'end' "$@" \
        >"$BATS_TEST_TMPDIR/model"
}

@test "interleave tries every order, and no state twice" {
    # A state is how far each of the two has come: 3 times 3.
    two_steps_each
    run "$TOOLS/interleave" --all "$BATS_TEST_TMPDIR/model"
    [[ $status == 0 && $output == 'No order of steps fails: 9 states.' ]]
    two_steps_each 'finally x == 3 "three"'
    run "$TOOLS/interleave" --all "$BATS_TEST_TMPDIR/model"
    [[ $status == 1 && $output == 'There is an order of steps in which it fails.' ]]
    run "$TOOLS/interleave" --all --show "$BATS_TEST_TMPDIR/model"
    [[ $status == 1 && $output == *'It fails, line 10: finally x == 3 "three"' ]]
}

@test "interleave runs a schedule, and says which thread cannot run, and why" {
    local model=$BATS_TEST_TMPDIR/model schedule=$BATS_TEST_TMPDIR/schedule
    printf '%s\n' 'mutex m' 'condition c' 'thread a' 'lock m' 'wait c m' 'unlock m' 'end' \
        'thread b' 'lock m' 'unlock m' 'end' >"$model"
    printf '%s\n' a 'b # it is locked' >"$schedule"
    run "$TOOLS/interleave" "$model" "$schedule"
    [[ $status == 1 && $output == *'Line 2 of the schedule: b cannot run: m is held by a' ]]
    printf '%s\n' a a a >"$schedule"
    run "$TOOLS/interleave" "$model" "$schedule"
    [[ $status == 1 && $output == *'a cannot run: it sleeps on c, and nobody has woken it' ]]
    printf '%s\n' a a b >"$schedule"
    run "$TOOLS/interleave" "$model" "$schedule"
    [[ $status == 1 && $output == *'nothing has failed yet.' ]]
    printf '%s\n' a a b b >"$schedule"
    run "$TOOLS/interleave" "$model" "$schedule"
    [[ $status == 0 && $output == *'It fails: a can never run again: it sleeps on c'* ]]
    printf '%s\n' x >"$schedule"
    run "$TOOLS/interleave" "$model" "$schedule"
    [[ $status == 2 && $output == *"schedule:1: there is no thread x"* ]]
    run "$TOOLS/interleave" "$BATS_TEST_TMPDIR/nowhere" "$schedule"
    [[ $status == 2 && $output == *'cannot read'* ]]
}

@test "interleave says what is wrong with a model, and in which line" {
    local line wanted
    while IFS=';' read -r line wanted; do
        printf 'var x = 0\nmutex m\nthread a\n%s\nend\n' "$line" >"$BATS_TEST_TMPDIR/model"
        run "$TOOLS/interleave" --all "$BATS_TEST_TMPDIR/model"
        [[ $status == 2 && $output == "$BATS_TEST_TMPDIR/model:4: $wanted"* ]] || {
            echo "$line: status $status, $output"
            return 1
        }
    done <<'END'
y = 1;there is no variable y, and no such step
x = 1 +;a variable or number is missing
x = (1;a ) is missing
lock x;there is no mutex x
else;an else without an if
assert x;what it means is missing
x = 1 2;this is too much: 2
local z;its first value is missing
x = 9999999;a number is larger than
END
    printf 'thread a\nif 1\nend\n' >"$BATS_TEST_TMPDIR/model"
    run "$TOOLS/interleave" --all "$BATS_TEST_TMPDIR/model"
    [[ $status == 2 && $output == *':3: the thread a has no end' ]]
}

@test "interleave: a wait may end by itself, if the model says so, and a signal may wake any" {
    local model=$BATS_TEST_TMPDIR/model
    printf '%s\n' 'var x = 0' 'mutex m' 'condition c' 'spurious 1' 'thread a daemon' 'lock m' 'wait c m' 'x = 1' \
        'unlock m' 'end' 'finally x == 0 "woken by nobody"' >"$model"
    run "$TOOLS/interleave" --all --show "$model"
    [[ $status == 1 && $output == *'(wakes by itself)'* ]]
    printf '%s\n' 'var x = 0' 'mutex m' 'condition c' 'thread a daemon' 'lock m' 'wait c m' 'x = 1' 'unlock m' 'end' \
        'thread b daemon' 'lock m' 'wait c m' 'x = 2' 'unlock m' 'end' 'thread s' 'signal c' 'end' \
        'finally x != 2 "b was woken"' >"$model"
    run "$TOOLS/interleave" --all "$model"
    [[ $status == 1 ]]
}

@test "interleave: a signal wakes a thread that sleeps on its condition, and no other" {
    local model=$BATS_TEST_TMPDIR/model schedule=$BATS_TEST_TMPDIR/schedule
    printf '%s\n' 'mutex m' 'condition c' 'thread a' 'lock m' 'wait c m' 'unlock m' 'end' \
        'thread b' 'lock m' 'unlock m' 'signal c' 'end' >"$model"
    printf '%s\n' a a b b 'b b' >"$schedule"
    run "$TOOLS/interleave" "$model" "$schedule"
    [[ $status == 1 && $output == *'Line 5 of the schedule: b: it cannot wake b, which does not sleep on c' ]]
    printf '%s\n' 'a b' >"$schedule"
    run "$TOOLS/interleave" "$model" "$schedule"
    [[ $status == 1 && $output == *'Line 1 of the schedule: a: a second name says whom a signal wakes, and this step is: lock m' ]]
    printf '%s\n' a a b b 'b a' a >"$schedule"
    run "$TOOLS/interleave" "$model" "$schedule"
    [[ $status == 1 && $output == *'nothing has failed yet.' ]]
}

@test "interleave names the steps that run in some order, and no other" {
    local model=$BATS_TEST_TMPDIR/model
    printf '%s\n' 'var x = 0' 'thread a' 'x = 1' 'end' 'thread b' 'if x' 'x = 2' 'end' 'if 0' 'assert x "seen"' 'end' 'end' \
        >"$model"
    run "$TOOLS/interleave" --all --reached "$model"
    [[ $status == 0 && $output == $'a: x = 1\nb: if x\nb: x = 2\nb: if 0' ]] || {
        echo "$output"
        return 1
    }
}

@test "launch sets variables for a command, whose path may hold a = as well" {
    local program="$BATS_TEST_TMPDIR/a=b"
    printf '#!/bin/sh\necho "$X,$Y,$1"\n' >"$program" && chmod +x "$program"
    [[ $(X=old "$TOOLS/launch" X=new Y='two words' "$program" Z=1) == 'new,two words,Z=1' ]]
}
