# suites.bash - runs many tests side by side, and shows them in order.
#
# A suite is a file of tests, asked of one server. Tests mostly wait, so they are dealt out in
# portions, each one call of bats, of which several run at a time; what takes long (slow.txt
# lists it) starts first. What is shown does not depend on that order.
#
#   suite NAME FILE [without=TAG]... [only=TAG] [VARIABLE=VALUE]...   declares one, with its
#                                          environment
#   run_suites                                             runs them, and shows them in order
#   summary                                                the last line, and the exit status
#
# Told by the environment:
#   FILTER   a regular expression: only tests with such names
#   JOBS     how many portions at a time
#   TRIES    2: what failed is asked once more, and both answers are shown
#   TIMES    a file, to which a line is added for each test: milliseconds, name
#   VERDICTS a file, to which a line is added for each test: passed, failed, skipped, waiting or
#            wall; promise, suite, name, and what was said (\n for the end of a line)
#   WALLS    judged: a wall is a test like others, as it is for our own servers. Otherwise the
#            server may be better than the step, and a wall counts neither way
#   BRIEF    not empty: the first failure is shown in full, of the others only the names
#   ORDER    needs: where a promise is broken that others need (tag needs:PROMISE), these
#            are not run, and say what they wait for
# shellcheck shell=bash

: "${JOBS:=$((2 * $(nproc)))}"
RESULTS=$SCRATCH/results # machine.bash made SCRATCH, and removes it
mkdir "$RESULTS" || exit 2

SUITE_NAME=() SUITE_FILE=() SUITE_WITHOUT=() SUITE_ONLY=() SUITE_VARIABLES=()
# What is left to be run of each suite, and how many suites have been shown.
LEFT=() SHOWN=0
# The tests of all suites, in order.
TEST_SUITE=() TEST_NAME=() TEST_LEVEL=() TEST_PROMISE=() TEST_NEEDS=() TEST_MS=()

red='' green='' yellow='' plain=''
if [[ -t 1 ]]; then
    red=$'\e[31m' green=$'\e[32m' yellow=$'\e[33m' plain=$'\e[0m'
fi

suite() {
    local without=',' only='' variables='' word
    SUITE_NAME+=("$1") SUITE_FILE+=("$2")
    shift 2
    for word; do
        if [[ $word == without=* ]]; then
            without+="${word#*=},"
        elif [[ $word == only=* ]]; then
            only=${word#*=}
        else
            printf -v word ' %q' "$word"
            variables+=$word
        fi
    done
    SUITE_WITHOUT+=("$without") SUITE_ONLY+=("$only") SUITE_VARIABLES+=("$variables")
    LEFT+=(0)
}

# ---- which tests there are --------------------------------------------------------

# list_tests: a line a test: suite, name, promise, needs (with commas). A test of no promise
# has a point there.
list_tests() {
    local i
    for i in "${!SUITE_FILE[@]}"; do
        [[ -f ${SUITE_FILE[i]} ]] || continue # bats will say so
        awk -v suite="$i" -v without="${SUITE_WITHOUT[i]}" \
            -v only="${SUITE_ONLY[i]}" '
            function tags_of(line) { sub(/^[^=]*=/, "", line); gsub(/ /, "", line); return line }
            /^# bats file_tags=/ { file_tags = file_tags "," tags_of($0) }
            /^# bats test_tags=/ { test_tags = test_tags "," tags_of($0) }
            /^@test "/ {
                count = split(substr(file_tags test_tags, 2), tags, ",")
                test_tags = ""
                promise = needs = "."
                wanted = only == ""
                for (i = 1; i <= count; i++) {
                    if (index(without, "," tags[i] ",")) next
                    if (tags[i] == only) wanted = 1
                    if (tags[i] ~ /^promise:/) promise = substr(tags[i], 9)
                    if (tags[i] ~ /^needs:/) needs = needs "," substr(tags[i], 7)
                }
                if (!wanted) next
                sub(/^@test "/, "")
                sub(/" \{.*$/, "")
                print suite "\t" $0 "\t" promise "\t" needs
            }' "${SUITE_FILE[i]}"
    done
}

USUAL_MS=300 # of a test that slow.txt does not list

find_tests() {
    local -A slow=()
    local ms name i promise needs
    while IFS=$'\t' read -r ms name; do
        [[ $ms == '#'* || -z $name ]] || slow[$name]=$ms
    done <tests/slow.txt
    while IFS=$'\t' read -r i name promise needs; do
        [[ -z ${FILTER-} || $name =~ $FILTER ]] || continue
        LEFT[i]=$((LEFT[i] + 1))
        TEST_SUITE+=("$i") TEST_NAME+=("$name") TEST_PROMISE+=("$promise")
        TEST_NEEDS+=("${needs//,/ }") TEST_LEVEL+=(0) TEST_MS+=("${slow[$name]:-$USUAL_MS}")
    done < <(list_tests)
}

# ---- what waits for what ----------------------------------------------------------

# Where a basic promise is broken, fifty tests fail, and few of them say why. So the tests of
# a promise that others need are run before these; if one fails, the others wait.

LEVELS_MAX=12 # course.bats sees that it is enough

# A test that needs nothing is on level 0, others one above the highest that they need.
find_levels() {
    local -A highest=()
    local test need level promise round
    [[ ${ORDER-} == needs && -z ${FILTER-} ]] || return 0
    for ((round = 0; round < LEVELS_MAX; round++)); do
        for test in "${!TEST_NAME[@]}"; do
            level=0 promise=${TEST_PROMISE[test]}
            for need in ${TEST_NEEDS[test]}; do
                [[ $need != "$promise" && $need != . ]] || continue
                ((${highest[$need]:--1} < level)) || level=$((highest[$need] + 1))
            done
            TEST_LEVEL[test]=$level
            ((${highest[$promise]:--1} >= level)) || highest[$promise]=$level
        done
    done
}

declare -A BROKEN=() # the promises, each with the name of the test that failed
WAITS=()             # of a test that is not run: the name of the one that failed

note_broken() {
    local test
    for test; do
        [[ ${TEST_NAME[test]} != 'wall: '* && ${TEST_PROMISE[test]} != . ]] || continue
        if grep -qxF -e "${TEST_NAME[test]}" "$RESULTS/${TEST_SUITE[test]}.failures"; then
            BROKEN[${TEST_PROMISE[test]}]=${TEST_NAME[test]}
        fi
    done
}

# waits TEST: whether it does. Notes it, if so.
waits() {
    local need
    for need in ${TEST_NEEDS[$1]}; do
        [[ $need != "${TEST_PROMISE[$1]}" && -n ${BROKEN[$need]-} ]] || continue
        WAITS[$1]=${BROKEN[$need]}
        [[ -n ${BROKEN[${TEST_PROMISE[$1]}]-} ]] || BROKEN[${TEST_PROMISE[$1]}]=${WAITS[$1]}
        return 0
    done
    return 1
}

# ---- portions ---------------------------------------------------------------------

# To call bats costs a quarter of a second of CPU time, as much as two or three tests. So portions
# are long, but there are enough of them that no job idles while others have much to do.
PORTION_MIN_MS=2500 PORTION_MAX_MS=8000 PORTIONS_PER_JOB=3

# portion_ms TEST...: how long one should be.
portion_ms() {
    local test all=0 ms
    for test; do all=$((all + TEST_MS[test])); done
    ms=$((all / (JOBS * PORTIONS_PER_JOB)))
    ((ms >= PORTION_MIN_MS)) || ms=$PORTION_MIN_MS
    ((ms <= PORTION_MAX_MS)) || ms=$PORTION_MAX_MS
    echo "$ms"
}

# deal TEST...: into PORTIONS, each "milliseconds suite test test ...", the longest first. A
# portion holds tests of one suite, in their order; what takes long may be one alone.
deal() {
    local test i portion all=() open=() open_ms=()
    portion=$(portion_ms "$@")
    for test; do
        i=${TEST_SUITE[test]}
        if ((TEST_MS[test] > portion / 2)); then
            all+=("${TEST_MS[test]} $i $test")
        else
            open[i]="${open[i]-} $test" open_ms[i]=$((${open_ms[i]:-0} + TEST_MS[test]))
            ((open_ms[i] >= portion)) || continue
            all+=("${open_ms[i]} $i${open[i]}")
            unset "open[i]" "open_ms[i]"
        fi
    done
    for i in "${!open[@]}"; do all+=("${open_ms[i]} $i${open[i]}"); done
    mapfile -t PORTIONS < <(printf '%s\n' "${all[@]}" | sort -srn -k 1,1)
}

# bats_filter NAME...: a regular expression for just these names. In brackets, or one that
# begins with - would be taken for an option.
bats_filter() {
    printf '%s\n' "$@" | sed 's/[][().*+?^$|\\{}]/\\&/g' | paste -sd '|' | sed 's/.*/^(&)$/'
}

# run_portion TAP SUITE TEST...
run_portion() {
    local tap=$1 i=$2 names=() test status=0
    shift 2
    for test; do names+=("${TEST_NAME[test]}"); done
    [[ -z ${SUITE_VARIABLES[i]} ]] || eval "export${SUITE_VARIABLES[i]}"
    # No file of the server or of the shell that called us is open in the tests.
    bats --timing --formatter tap --filter "$(bats_filter "${names[@]}")" "${SUITE_FILE[i]}" \
        >"$tap" 2>&1 </dev/null || status=$?
    # That a test failed is told there. This is for bats itself.
    ((status == 0)) || echo "# bats ended with status $status" >>"$tap"
}

PORTION=0

# run_tests TEST...: shows each suite as soon as it is complete.
run_tests() {
    local PORTIONS portion words
    local -A running=() # by pid: the suite, and how many tests
    (($# > 0)) || return 0
    deal "$@"
    for portion in "${PORTIONS[@]}"; do
        read -ra words <<<"${portion#* }"
        ((${#running[@]} < JOBS)) || await_portion
        PORTION=$((PORTION + 1))
        run_portion "$RESULTS/${words[0]}.$PORTION.tap" "${words[@]}" &
        running[$!]="${words[0]} $((${#words[@]} - 1))"
    done
    while ((${#running[@]} > 0)); do await_portion; done
}

await_portion() {
    local i count pid=''
    wait -n -p pid "${!running[@]}" || true
    read -r i count <<<"${running[$pid]}"
    unset "running[$pid]"
    LEFT[i]=$((LEFT[i] - count)) DONE=$((DONE + count))
    ((LEFT[i] > 0)) || show_complete
    show_progress
}

# Nothing is shown of a suite before it is complete. On a terminal this says that we live.
DONE=0
show_progress() { [[ ! -t 1 ]] || printf '\r%d of %d tests\e[K\r' "$DONE" ${#TEST_NAME[@]}; }

show_complete() {
    while ((SHOWN < ${#SUITE_NAME[@]} && LEFT[SHOWN] == 0)); do
        show "$SHOWN"
        SHOWN=$((SHOWN + 1))
    done
}

run_suites() {
    local level test now
    find_tests
    find_levels
    for ((level = 0; level < LEVELS_MAX; level++)); do
        now=()
        for test in "${!TEST_NAME[@]}"; do
            ((TEST_LEVEL[test] == level)) || continue
            if waits "$test"; then
                LEFT[TEST_SUITE[test]]=$((LEFT[TEST_SUITE[test]] - 1))
            else
                now+=("$test")
            fi
        done
        run_tests "${now[@]}"
        collect_failures
        note_broken "${now[@]}"
    done
    show_complete
}

# ---- what is shown ----------------------------------------------------------------

# collect_failures: of each suite the names of the tests that failed so far.
collect_failures() {
    local i taps
    for i in "${!SUITE_NAME[@]}"; do
        taps=("$RESULTS/$i".*.tap)
        [[ -e ${taps[0]} ]] || taps=(/dev/null)
        sed -n 's/^not ok [0-9]* \(.*\) in [0-9]*ms$/\1/p' "${taps[@]}" >"$RESULTS/$i.failures"
    done
}

# show SUITE [SUFFIX]: its tests in order, and what each that failed said. How many passed,
# failed, were skipped and wait goes to the file SUITE.count.
show() {
    local i=$1 test taps=("$RESULTS/$1".*.tap)
    [[ -e ${taps[0]} ]] || taps=()
    for test in "${!TEST_NAME[@]}"; do
        ((TEST_SUITE[test] != i)) ||
            printf '%s\t%s\t%s\n' "${TEST_NAME[test]}" "${WAITS[test]-}" "${TEST_PROMISE[test]}"
    done >"$RESULTS/$i.list"
    [[ ! -t 1 ]] || printf '\e[K'
    awk -v suite="${SUITE_NAME[i]}${2-}" -v counts="$RESULTS/$i.count" -v walls="${WALLS-}" \
        -v times="${TIMES-}" -v verdicts="${VERDICTS-}" -v red="$red" -v green="$green" -v yellow="$yellow" \
        -v plain="$plain" -v brief="${BRIEF:+$RESULTS/first-failure}" -f tests/show.awk "$RESULTS/$i.list" "${taps[@]}"
}

# ask_again SUITE: the tests of it that failed, once more and alone. A failure counts only if
# it was one twice.
ask_again() {
    local i=$1 test again=() passed_1 failed_1 skipped_1 passed_2 failed_2
    read -r passed_1 failed_1 skipped_1 _ <"$RESULTS/$i.count"
    for test in "${!TEST_NAME[@]}"; do
        ((TEST_SUITE[test] == i)) && grep -qxF -e "${TEST_NAME[test]}" "$RESULTS/$i.failures" &&
            again+=("$test")
    done
    # What cannot be asked again, for whatever reason, stays a failure.
    ((${#again[@]} > 0 && ${#again[@]} == failed_1)) || return 0
    rm "$RESULTS/$i".*.tap
    run_portion "$RESULTS/$i.again.tap" "$i" "${again[@]}"
    TEST_SUITE=("${TEST_SUITE[@]/#$i/-1}")
    for test in "${again[@]}"; do TEST_SUITE[test]=$i; done
    show "$i" ": second try"
    read -r passed_2 failed_2 _ <"$RESULTS/$i.count"
    echo "$((passed_1 + passed_2)) $failed_2 $skipped_1 0 0" >"$RESULTS/$i.count"
}

# The first test that failed, in the order shown: where a student begins.
first_failure() {
    local test
    for test in "${!TEST_NAME[@]}"; do
        if grep -qxF -e "${TEST_NAME[test]}" "$RESULTS/${TEST_SUITE[test]}.failures"; then
            echo "${TEST_NAME[test]}"
            return
        fi
    done
}

summary() {
    local passed=0 failed=0 skipped=0 waiting=0 walls=0 p f s w u i first
    [[ ! -t 1 ]] || printf '\e[K'
    first=$(first_failure)
    for i in "${!SUITE_NAME[@]}"; do
        [[ ! -s $RESULTS/$i.failures || ${TRIES:-1} == 1 ]] || ask_again "$i"
        read -r p f s w u <"$RESULTS/$i.count" || continue
        passed=$((passed + p)) failed=$((failed + f))
        skipped=$((skipped + s)) waiting=$((waiting + w)) walls=$((walls + u))
    done
    ((failed < 2)) || [[ -z ${BRIEF-} ]] || printf '\n%s\n' "Of $failed failures the first is shown in full; ALL=1 shows all so."
    # One mistake may fail many tests.
    if ((failed + waiting > 1)) && [[ -n ${CHECK_RERUN-} && -z ${FILTER-} && -n $first ]]; then
        echo
        echo "Begin with: $CHECK_RERUN FILTER='$(bats_filter "$first" | sed "s/^^(//; s/)\$\$//; s/'/./g")'"
    fi
    echo
    echo "$passed passed, $failed failed$(
        ((skipped == 0)) || printf ', %d skipped' $skipped
        ((waiting == 0)) || printf ', %d waiting' $waiting
    )"
    if ((passed + failed + skipped + waiting + walls == 0)); then
        echo "no test has that name" >&2
        return 1
    fi
    ((failed + waiting == 0))
}
