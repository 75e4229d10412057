# points.awk - from what the tests said to points, by promise.
#
#   PART_DIRECTORY=NAME PART_WHY=TEXT awk -v part=03 -v rest_suite=none -f points.awk \
#       POINTS EXPECTED VERDICTS REST
#
# POINTS is tests/points. EXPECTED has a line for each test that is asked: suite, test, promise.
# VERDICTS and REST are what suites.bash wrote: verdict, promise, suite, test, text. Prints the lines
# `part` and `item` of grade.tsv (grade.bash).

BEGIN { FS = "\t"; directory = ENVIRON["PART_DIRECTORY"]; why = ENVIRON["PART_WHY"] }

FILENAME == ARGV[1] {
    sub(/#.*/, "")
    if (split($0, word, " ") < 2) next
    if (word[1] == "gate") gates[++gate_count] = word[2]
    else if (word[1] == "weight") weight[word[2]] = word[3]
    else worth[word[1] " " word[2]] = word[3]
    next
}

FILENAME == ARGV[2] { add_test($1, $2, $3); next }

FILENAME == ARGV[3] {
    if ($1 == "wall") next
    add_test($3, $4, $2)
    suite = is_exercise() && $3 != "build" ? "exercise" : $3
    verdict[suite, $4] = $1
    text[suite, $4] = $5
    next
}

{ rest_seen = 1; if ($1 == "failed" || $1 == "waiting") { rest_failed++; if (rest_text == "") rest_text = $4 "\\n" $5 } }

function is_exercise() { return part ~ /^ex/ }

# tool_of SUITE: of the findings.
function tool_of(suite) {
    if (suite !~ /what .* finds$/) return ""
    sub(/.*what /, "", suite)
    sub(/ finds$/, "", suite)
    return suite
}

# key_of: which item a test belongs to; nothing: it is about no promise.
function key_of(suite, name, promise) {
    if (is_exercise()) return name
    if (tool_of(suite) != "") return "finding: " tool_of(suite)
    return promise == "." ? "" : promise
}

function kind_of(suite) {
    if (tool_of(suite) != "") return "finding *"
    if (suite ~ /its own$|its own promises/) return "promise own"
    if (suite ~ /promises of/) return "promise earlier"
    if (suite ~ /http|ending|fleet/) return "promise http"
    return "promise contract"
}

# In an exercise the suite has one name before it was run and another after.
function add_test(suite, name, promise,    key) {
    key = key_of(suite, name, promise)
    if (key == "" || name == "your directory builds") return
    if (is_exercise()) suite = "exercise"
    if (!(key in tests)) { order[++count] = key; kind[key] = kind_of(suite) }
    if (seen[key, suite, name]++) return
    if (kind_of(suite) == "promise own") kind[key] = "promise own"
    tests[key]++
    test_suite[key, tests[key]] = suite
    test_name[key, tests[key]] = name
}

function points_of(key) {
    if (is_exercise()) return worth["exercise " (key ~ /wrong server/ ? "rejects" : "own")]
    return key in weight ? weight[key] : worth[kind[key]]
}

function get(key, i,    suite, name) {
    suite = test_suite[key, i]; name = test_name[key, i]
    return (suite, name) in verdict ? verdict[suite, name] : "not-run"
}

function said(key, i) { return text[test_suite[key, i], test_name[key, i]] }

# judge KEY: sets state and reason.
function judge(key,    i, each, worst) {
    state[key] = "not-judged"
    for (i = 1; i <= tests[key]; i++) {
        each = get(key, i)
        if (each == "skipped") { if (reason[key] == "") reason[key] = said(key, i); continue }
        if (each == "passed") { if (state[key] == "not-judged") { state[key] = "kept"; reason[key] = "" } continue }
        worst = each == "failed" ? "broken" : each == "waiting" ? "waiting" : "not-run"
        if (state[key] == "broken" || (state[key] == "waiting" && worst == "not-run")) continue
        if (state[key] == worst) continue
        state[key] = worst
        reason[key] = worst == "broken" ? test_name[key, i] "\\n" said(key, i) : \
            worst == "waiting" ? "not run, for this failed: " said(key, i) : "not run: " test_name[key, i]
    }
}

# A student's tests that reject six of eight wrong servers, and no correct one.
function share(key,    words) {
    # Who rejects correct servers, rejects wrong ones for nothing.
    if (is_exercise() && key ~ /wrong server/ && !accepts_all()) return 0
    if (state[key] == "kept") return 1
    if (!is_exercise() || !match(reason[key], /[0-9]+ of [0-9]+ wrong servers rejected/)) return 0
    split(substr(reason[key], RSTART, RLENGTH), words, " ")
    return words[1] / words[3]
}

function accepts_all(    i) {
    for (i = 1; i <= count; i++)
        if (order[i] ~ /correct server/ && state[order[i]] != "kept") return 0
    return 1
}

function is_gate_closed(    i) {
    for (i = 1; i <= gate_count; i++)
        if (!is_exercise() && (gates[i] in tests) && state[gates[i]] != "kept") return gates[i]
    return ""
}

function add_rest() {
    order[++count] = "nothing else broke"
    tests[order[count]] = 1
    rest_points = worth["exercise rest"]
    for (i = 1; i < count; i++) if (state[order[i]] == "broken" || state[order[i]] == "not-run") own_failed = 1
    if (own_failed || !rest_seen) { state[order[count]] = "not-run"; reason[order[count]] = "not run: it comes when the exercise's own tests pass" }
    else if (rest_failed) { state[order[count]] = "broken"; reason[order[count]] = rest_text }
    else state[order[count]] = "kept"
}

END {
    for (i = 1; i <= count; i++) judge(order[i])
    if (is_exercise() && rest_suite != "none") add_rest()
    closed = is_gate_closed()
    if (("build", "your directory builds") in verdict && why == "")
        why = "it does not build: " text["build", "your directory builds"]
    if (closed != "" && why == "") why = "the promise " closed " is not kept, and all others rest on it: no points"
    for (i = 1; i <= count; i++) {
        key = order[i]
        most = key == "nothing else broke" ? rest_points : points_of(key)
        got = closed != "" ? 0 : most * share(key)
        if (state[key] == "not-judged") most = got = 0
        sum += got; all += most
        lines = lines sprintf("item\t%s\t%s\t%s\t%.6g\t%.6g\t%s\n", part, key, state[key], got, most, reason[key])
    }
    printf "part\t%s\t%s\t%.6g\t%.6g\t%s\n%s", part, directory, sum, all, why, lines
}
