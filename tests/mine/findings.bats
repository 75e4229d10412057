#!/usr/bin/env bats
# findings.bats - what the sanitizers and valgrind found in the server of a student: a test
# for each kind of mistake, however many tests of other suites it may have disturbed. mine.bash
# has the builds made and asked; here the reports are read, and cut to the student's lines.
#
# bats file_tags=mine

load ../lib.bash
load ../http.bash
load ../traffic.bash
load traffic.bash

COLLECTED_MS=600000 # build, suites and traffic of one kind, on a very busy machine
FINDINGS_MAX=2
LEAST_BLOCKS=8 # lost once, or once for each worker, is not lost for each client

# chapter STAGE TITLE OTHER: where it stands: in the chapter of that stage, under the title, for those
# that have come so far; for others in that of step 04.
chapter() {
    local directory
    if [[ $STEP == 05 && ! ${STAGE:-99} < $1 ]]; then
        for directory in "$COURSE/step05_final/stages/$1"_*; do
            echo "${directory#"$COURSE"/}/README.md, \"$2\""
        done
    else
        echo "step04_threadpool/README.md, \"$3\""
    fi
}

# collected KIND: waits until its reports are complete. Skips the test where this machine
# cannot have them, fails it where the build failed.
collected() {
    MINE_KIND=$1 WORK=$MINE_WORK/$1
    wait_until $COLLECTED_MS test -e "$WORK.suites" || {
        finding "not done after $((COLLECTED_MS / 1000)) s" "all of it done sooner" || return 1
    }
    [[ ! -e $WORK.skip ]] || skip "$(<"$WORK.skip")"
    [[ ! -e $WORK.failed ]] ||
        finding "$(<"$WORK.failed"):"$'\n'"$(errors_of "$1")" "a program with $(flags_in_words "$1")"
}

flags_in_words() {
    case $1 in
        valgrind) echo "-g -O1" ;;
        address) echo "-fsanitize=address,undefined" ;;
        *) echo "-fsanitize=$1" ;;
    esac
}

# errors_of KIND: what the compiler said first, with the names of the student's files.
errors_of() {
    sed "s|$MINE_WORK/$1/||g" "$MINE_WORK/$1.build" 2>/dev/null |
        grep -aE -A 2 'error|undefined reference|No rule|\*\*\*|not found' | grep -av '^--' | head -n 12
}

# cut_reports CLASS KIND [REPORTS]: the findings of this class, cut; or with CUT_KEYS=1 a line
# for each. The reports of KIND, unless others are named.
cut_reports() {
    local reports=("$MINE_WORK/${3:-$2}.reports/report"*)
    [[ -e ${reports[0]} ]] || return 0
    MINE_SOURCES=$(cd "$MINE_WORK/$2" && find . -type f -name '*.[ch]' | sed 's|^\./||') \
        awk -v root="$MINE_WORK/$2" -v want="$1" -v most=$FINDINGS_MAX -v keys="${CUT_KEYS-}" \
        -v least="${CUT_LEAST:-1}" -f "$COURSE/tests/mine/cut.awk" "${reports[@]}"
}

# Not as ../traffic.bash says, which is for the course's own servers.
rerun_command() { printf '%s\n' "$CHECK_RERUN FILTER='${BATS_TEST_DESCRIPTION//[][().*+?^\$|\\\{\}\']/.}'"; }

# finding SAW WANTED: as report, but it is not about a server that runs.
finding() {
    echo "✗ ${STEP:+step$STEP: }$BATS_TEST_DESCRIPTION"
    report_line did "$ABOUT_DID"
    report_line saw "$1"
    report_line wanted "$2"
    report_line why "$ABOUT_WHY"
    report_line rerun "$(rerun_command)"
    report_line read "$ABOUT_READ"
    return 1
}

# nothing_of CLASS KIND WANTED
nothing_of() {
    local saw
    saw=$(cut_reports "$1" "$2")
    [[ -z $saw ]] || finding "$saw" "$3"
}

asked_with() {
    echo "asked the contract, the promises and clients of all kinds of your server, built with $1"
}

# ---- it builds --------------------------------------------------------------------

# bats test_tags=kind:build,promise:clean-memory
@test "your directory builds" {
    about "called make in a copy of $MINE" \
        "the directory must hold all that it needs, and make must build the program \`server\` there" \
        "README.md, \"Your own server\""
    [[ ! -e $MINE_WORK/plain.failed ]] ||
        finding "$(<"$MINE_WORK/plain.failed")"$'\n'"$(errors_of plain)" "a program"
}

# ---- ThreadSanitizer --------------------------------------------------------------

# kernel_alone: are the races gone when epoll_ctl and epoll_wait count as an order? Asks once
# more, with other reports.
kernel_alone() {
    local races trusted words
    races=$(CUT_KEYS=1 cut_reports race thread)
    (
        source "$COURSE/tests/mine.bash"
        shared_directory "$MINE_WORK/trust.reports"
        mapfile -t words < <(environment_of thread)
        export "${words[@]}"
        SERVER_ENV="${SERVER_ENV//thread.reports/trust.reports} HANDOVER_TRUST=1" MINE_KIND=trust
        start_for_traffic && mixed 3
        end_clean
        kill_servers
    ) >"$BATS_TEST_TMPDIR/trust" 2>&1 3>&- || true
    trusted=$(CUT_KEYS=1 cut_reports race thread trust)
    [[ -z $trusted ]] || ! grep -qxF -e "$races" <<<"$trusted"
}

# bats test_tags=kind:thread,promise:clean-memory
@test "ThreadSanitizer: no data race" {
    about "$(asked_with ThreadSanitizer)" \
        "two threads use this memory, one writes, and nothing puts the one before the other: neither a lock that both hold, nor an atomic that the first releases and the second acquires" \
        "$(chapter 06 'The idea' 'The owned flag')"
    collected thread
    local saw
    saw=$(cut_reports race thread)
    [[ -n $saw ]] || return 0
    ! kernel_alone || ABOUT_WHY="only the kernel puts the one before the other here: epoll_ctl, and then epoll_wait. C does not know of that order, so neither the compiler nor the next machine is bound by it: let the first thread release an atomic of the connection before it arms it again, and the next one acquire it"
    finding "$saw" "each use of shared memory ordered by a lock, an atomic, or the start or end of a thread"
}

# bats test_tags=kind:thread,promise:clean-memory
@test "ThreadSanitizer: locks and signals are used as they should be" {
    about "$(asked_with ThreadSanitizer)" \
        "pthread_mutex_lock(3p) and signal-safety(7) say what may be done where" \
        "$(chapter 05 'The idea' 'The pool')"
    collected thread
    nothing_of misuse thread "no such thing"
}

# ---- AddressSanitizer, UBSan ------------------------------------------------------

# bats test_tags=kind:address,promise:clean-memory
@test "AddressSanitizer: no memory error" {
    about "$(asked_with AddressSanitizer)" \
        "the memory is not there (any more), or not that large: who frees it, and who may still hold a pointer or an event of it?" \
        "$(chapter 07 'The diff' 'Re-arm last')"
    collected address
    nothing_of memory address "only memory used that was allocated, and not yet freed"
}

# undefined_elsewhere: is there more than in the lines that AddressSanitizer names?
undefined_elsewhere() {
    local places line
    places=" $(CUT_KEYS=1 cut_reports memory address | tr '\n' ' ') "
    line=$(CUT_KEYS=1 cut_reports undefined address)
    [[ -n $line ]] || return 0
    while read -r line; do
        [[ $places == *" ${line##* } "* ]] || return 0
    done <<<"$line"
    return 1
}

# bats test_tags=kind:address,promise:clean-memory
@test "UBSan: no undefined behavior" {
    about "$(asked_with UBSan)" \
        "C says nothing about what this does, so the next compiler may let it do something else"
    collected address
    # An array that is left is undefined behavior and a memory error.
    undefined_elsewhere || skip "first mend what AddressSanitizer has found in the same line"
    nothing_of undefined address "nothing that C leaves undefined"
}

# ---- in each of these builds ------------------------------------------------------

# any_report KIND: is there a finding of another test, which may have disturbed the suites?
any_report() {
    local class
    for class in race misuse memory undefined crash; do
        [[ -z $(cut_reports $class "$1") ]] || return 0
    done
    return 1
}

# no_crash KIND
no_crash() {
    about "$(asked_with "$2")" \
        "an assertion that fails tells of a mistake that was made before" "$(chapter 06 'The diff' 'The owned flag')"
    collected "$1"
    nothing_of crash "$1" "a server that runs until it is told to end"
}

# holds_too KIND NAME: the tests that fail in this build alone, though no tool said a word:
# it is slower, and its calls take longer now and then.
holds_too() {
    local failed=() said
    about "$(asked_with "$2")" \
        "it is as if the machine were slower: what does the server take for granted that is only likely?"
    collected "$1"
    ! any_report "$1" || skip "first mend what $2 has found"
    mapfile -t failed < <(failed_here_alone "$1")
    ((${#failed[@]} == 0)) && return
    said=$(grep -F -A 12 "✗ ${failed[0]}" "$WORK.said" | sed -n '1,/ rerun /s/^ *\(did\|saw\|wanted\) /\1 /p')
    finding "$(printf '%s\n' "${failed[@]}")"$'\n'"$said" "what passes in the plain build"
}

# failed_here_alone KIND: asks the plain build for what failed in this one.
failed_here_alone() {
    local names=() name
    mapfile -t names < <(head -n 10 "$MINE_WORK/$1.suites")
    ((${#names[@]} > 0)) || return 0
    for name in "${names[@]}"; do
        [[ $(failed_plainly) == *"$name"* ]] || echo "$name"
    done
}

failed_plainly() {
    local file=$BATS_TEST_TMPDIR/plainly
    [[ -e $file ]] || (
        # shellcheck disable=SC2030
        source "$COURSE/tests/mine.bash"
        SERVER=$(server_of plain)
        export SERVER FILTER CHECK_SERVER=$SERVER
        FILTER=$(printf '%s\n' "${names[@]}" | sed 's/[][().*+?^$|\\{}]/\\&/g' | paste -sd '|')
        unset "${!BATS_@}"
        if [[ -n $STEP ]]; then "$COURSE/tests/run" step "$STEP"; else "$COURSE/tests/run" contract; fi
    ) >"$file" 2>&1 3>&- 4>&- || true
    sed -n 's/^  ✗ //p' "$file"
}

# bats test_tags=kind:thread,promise:clean-memory
@test "ThreadSanitizer: no crash" { no_crash thread ThreadSanitizer; }

# bats test_tags=kind:address,promise:clean-memory
@test "AddressSanitizer: no crash" { no_crash address AddressSanitizer; }

# bats test_tags=kind:thread,promise:clean-memory
@test "ThreadSanitizer: what passes without it passes with it" { holds_too thread ThreadSanitizer; }

# bats test_tags=kind:address,promise:clean-memory
@test "AddressSanitizer: what passes without it passes with it" { holds_too address AddressSanitizer; }

# ---- valgrind ---------------------------------------------------------------------

with_valgrind="let clients of all kinds come and go, ended the server when all had left, and watched it with valgrind"

# bats test_tags=kind:valgrind,promise:clean-memory
@test "valgrind: no memory error" {
    about "$with_valgrind" \
        "the memory is not there, or nobody has written what is read from it" "$(chapter 04 'The idea' 'Handing over')"
    collected valgrind
    nothing_of memory valgrind "only memory used that is allocated, and only values that were written"
}

# bats test_tags=kind:valgrind,promise:clean-memory
@test "no leak when all clients are gone" {
    about "$with_valgrind" \
        "what is allocated for a client, or for a message, must be freed when it is gone, however it goes" \
        "$(chapter 07 'The diff' 'Handing over')"
    collected valgrind
    CUT_LEAST=$LEAST_BLOCKS nothing_of leak valgrind "all memory of a client freed"
}

# bats test_tags=kind:valgrind,step04,promise:clean-memory
@test "every thread is joined" {
    about "$with_valgrind" \
        "the process ended while this thread still ran, or had ended unjoined: pthread_join each before main returns, so that none is cut off in its work" \
        "$(chapter 10 'The diff' Shutdown)"
    collected valgrind
    nothing_of thread valgrind "each thread that is started is joined"
}
