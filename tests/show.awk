# show.awk - what a suite said, in the order of its tests (see suites.bash).
#
#   awk -v suite=NAME -v counts=FILE [-v brief=FILE] ... -f show.awk LIST TAP...
#
# LIST has a line a test: its name and, after a tab, the test that it waits for, if it does.
# TAP is what bats prints with --timing.

function take(line,    rest) {
    # "ok 7 a name in 12ms # skip reason"
    name = line
    sub(/^(not )?ok [0-9]+ /, "", name)
    reason = ""
    if (match(name, / in [0-9]+ms # skip/)) {
        reason = substr(name, RSTART + RLENGTH + 1)
        rest = substr(name, RSTART)
        name = substr(name, 1, RSTART - 1)
        kind[name] = "skipped"
    } else {
        match(name, / in [0-9]+ms$/)
        rest = substr(name, RSTART)
        name = substr(name, 1, RSTART - 1)
        kind[name] = line ~ /^not/ ? "failed" : "passed"
    }
    why[name] = reason
    text[name] = ""
    sub(/^ in /, "", rest)
    if (times != "") print (rest + 0) "\t" name >> times
}

function is_wall(name) { return walls != "judged" && name ~ /^wall: / }

function show_wall(name) {
    seen++
    if (kind[name] == "passed")
        print "  = " name " (it stands; this step need not remove it)"
    else
        print "  = " name " (" (why[name] != "" ? why[name] : "neither the wall nor what lies beyond it was seen") ")"
}

function show_test(name, cause) {
    if (cause != "") {
        waiting++
        if (!waiters[cause]++) causes[++cause_count] = cause
    } else if (is_wall(name)) {
        show_wall(name)
    } else if (kind[name] == "passed") {
        passed++
        print green "  ✓ " plain name
    } else if (kind[name] == "skipped") {
        skipped++
        print yellow "  - " name " # skip " why[name] plain
    } else {
        failed++
        print red "  ✗ " name plain
        if (in_one_line()) return
        if (kind[name] != "failed")
            printf "    it was not run:\n%s", stray
        else
            printf "%s%s", reported[name] ? "" : where[name], text[name]
    }
}

# in_one_line: where `brief` names a file, only the first failure of a run is told in full; the
# file exists from then on.
function in_one_line(    line, shown) {
    if (brief == "") return 0
    shown = (getline line <brief) > 0
    close(brief)
    if (!shown) { print "shown" >brief; close(brief) }
    return shown
}

# note_verdict: for a program that counts points. A test that was not run has not passed.
function note_verdict(name, cause, promise,    verdict, said) {
    verdict = cause != "" ? "waiting" : is_wall(name) ? "wall" : kind[name] == "" ? "failed" : kind[name]
    said = cause != "" ? cause : verdict == "failed" ? (kind[name] == "" ? "it was not run\n" stray : text[name]) : why[name]
    gsub(/\\/, "&&", said)
    gsub(/\n/, "\\n", said)
    gsub(/\t/, " ", said)
    print verdict "\t" promise "\t" suite "\t" name "\t" said >>verdicts
}

BEGIN { FS = "\t" }
FILENAME == ARGV[1] { order[++count] = $1; cause[count] = $2; promise[count] = $3; next }
/^(not )?ok [0-9]+ .* in [0-9]+ms($| # skip)/ { take($0); current = name; next }
/^1\.\./ { next }
/^# bats ended/ { stray = stray "    " substr($0, 3) "\n"; next }
# Where in a test file it failed is of no use to who reads a report of the test itself.
/^# (\(| )(from function|in test file)|^#   `.* failed/ && current != "" {
    where[current] = where[current] "    " substr($0, 3) "\n"
    next
}
/^# ✗ / && current != "" { reported[current] = 1 }
/^# / && current != "" { text[current] = text[current] "    " substr($0, 3) "\n"; next }
{ stray = stray "    " $0 "\n" }

END {
    if (count) print suite
    for (i = 1; i <= count; i++) {
        show_test(order[i], cause[i])
        if (verdicts != "") note_verdict(order[i], cause[i], promise[i])
    }
    # One line: fifty would hide the failure that they wait for.
    for (i = 1; i <= cause_count; i++)
        printf "%s  … %s%d %s for \"%s\"\n", yellow, plain, waiters[causes[i]],
            (waiters[causes[i]] == 1 ? "test waits" : "tests wait"), causes[i]
    print passed + 0, failed + 0, skipped + 0, waiting + 0, seen + 0 > counts
}
