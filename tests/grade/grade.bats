#!/usr/bin/env bats
# grade.bats - the grader: right points for right and wrong work, a grade and a reason for hostile
# work, and nothing of it is left behind.
#
# Most of it is asked with FILTER, so that a grade takes seconds: what was not asked counts as not
# run.

load ../lib.bash

setup() {
    GRADE=$COURSE/tests/grade/grade GRADES=$TOOLS/grades
    SUB=$BATS_TEST_TMPDIR/sub
    mkdir -p "$SUB"
    export FILTER='^echoes one message$|^several messages on one|^a shorter message after|^prints one line on stdout'
    # Users of our own: other tests grade at the same time.
    export GRADE_USERS=$((1000000 + $$ * 5000))
    unset OUT PARTS SUBMISSION SUBMISSIONS SEED ISOLATION GRADEBOOK CHECK_RERUN SERVER STEP EX EXERCISE
}

needs_isolation() {
    unshare --mount --net --ipc --uts --pid --fork true 2>/dev/null || skip "no namespaces are allowed here"
}

# step_in PLACE STEP: a copy of a step's sources.
step_in() {
    mkdir -p "$1"
    cp "$COURSE"/step"$2"_*/*.[ch] "$COURSE"/step"$2"_*/Makefile "$1"
}

# does PLACE: what stands on stdin is done by the server in PLACE before main.
does() {
    {
        printf '#include <%s>\n' stdio.h stdlib.h string.h signal.h unistd.h sys/socket.h arpa/inet.h
        printf '__attribute__((constructor)) static void harm(void)\n{\n'
        cat
        printf '}\n'
    } >"$1/harm.c"
}

# Without what bats puts before PATH for itself: the bats of the grader must not find its parts there.
grade() { run env PATH="${PATH#"$BATS_LIBEXEC":}" SUBMISSION="$SUB" "$@" "$GRADE"; }

# item NAME STATE: the grade that `run` kept, as CSV, says so.
item() {
    grep -q ",$1,$2," <<<"$output" || {
        echo "wanted $1: $2"
        echo "$output"
        return 1
    }
}

# leaves_nothing: no process of a student's user, and the tests are what they were.
leaves_nothing() {
    [[ -z $(ps -e -o uid= -o stat= | awk -v from="$GRADE_USERS" '$1 >= from && $1 < from + 5000 && $2 !~ /^Z/') ]]
    [[ $(cksum "$COURSE"/tests/bin/probe "$COURSE"/tests/lib.bash "$COURSE"/tests/run) == "$TESTS_WERE" ]]
}

tests_now() { TESTS_WERE=$(cksum "$COURSE"/tests/bin/probe "$COURSE"/tests/lib.bash "$COURSE"/tests/run); }

# ---- points ------------------------------------------------------------------------

# points EXPECTED VERDICTS [PART]: lines with tabs between the fields, written as commas.
points() {
    printf '%s\n' "$1" | tr ',' '\t' >"$BATS_TEST_TMPDIR/expected"
    printf '%s\n' "$2" | tr ',' '\t' >"$BATS_TEST_TMPDIR/verdicts"
    : >"$BATS_TEST_TMPDIR/rest"
    run env PART_DIRECTORY=d PART_WHY= awk -v part="${3:-03}" -v rest_suite=none -f "$COURSE/tests/grade/points.awk" \
        "$COURSE/tests/points" "$BATS_TEST_TMPDIR/expected" "$BATS_TEST_TMPDIR/verdicts" "$BATS_TEST_TMPDIR/rest"
}

says() {
    [[ $output == *"$(tr ',' '\t' <<<"$1")"* ]] || {
        echo "wanted: $1"
        echo "$output"
        return 1
    }
}

ASKED='contract,line,listening-line
contract,echo one,echo
contract,a,reset
contract,b,reset
contract,c,reset
own,x,port'
GOOD='passed,listening-line,contract,line,
passed,echo,contract,echo one,'

@test "a promise costs once, however many of its tests fail" {
    points "$ASKED" "$GOOD
failed,reset,contract,a,why
failed,reset,contract,b,why
passed,reset,contract,c,
passed,port,own,x,"
    says 'item,03,reset,broken,0,3'
    says 'part,03,d,3,6,'
}

@test "what was not run, or waits, earns nothing" {
    points "$ASKED" "$GOOD
waiting,reset,contract,a,echo one
passed,reset,contract,b,"
    says 'item,03,reset,waiting,0,3'
    says 'item,03,port,not-run,0,1'
}

@test "what cannot be judged here is taken out of the maximum" {
    points "$ASKED" "$GOOD
skipped,reset,contract,a,no such calls
skipped,reset,contract,b,no such calls
skipped,reset,contract,c,no such calls
passed,port,own,x,"
    says 'item,03,reset,not-judged,0,0,no such calls'
    says 'part,03,d,3,3,'
}

@test "a silent server keeps no promise" {
    points "$ASKED" "passed,listening-line,contract,line,
failed,echo,contract,echo one,silence
passed,reset,contract,a,
passed,reset,contract,b,
passed,reset,contract,c,
passed,port,own,x,"
    says 'part,03,d,0,6,the promise echo is not kept'
    says 'item,03,reset,kept,0,3'
}

@test "tests of a student earn a share for each wrong server, and nothing if they reject a correct one" {
    local asked='exercise,correct servers are accepted,.
exercise,the wrong servers are rejected,.'
    points "$asked" 'passed,.,exercise 05,correct servers are accepted,
failed,.,exercise 05,the wrong servers are rejected,4 of 8 wrong servers rejected; accepted: number 1 2 3 4' ex05
    says 'part,ex05,d,5,8,'
    points "$asked" 'failed,.,exercise 05,correct servers are accepted,no
failed,.,exercise 05,the wrong servers are rejected,4 of 8 wrong servers rejected' ex05
    says 'part,ex05,d,0,8,'
    points "$asked" 'failed,.,exercise 05,correct servers are accepted,no
passed,.,exercise 05,the wrong servers are rejected,' ex05
    says 'part,ex05,d,0,8,'
}

# ---- forms -------------------------------------------------------------------------

# A grade with all that could disturb a form of it.
awkward() {
    printf 'submission\ta <b> & "c"\t12\tfull\t7\n'
    printf 'note\t03: x\\ny\n'
    printf 'part\t03\tdir, with "quotes"\t3.5\t9\twhy\\\\not\n'
    printf 'item\t03\techo\tkept\t1\t1\t\n'
    printf 'item\t03\t=cmd()\tbroken\t0\t3\tsaw \001\033[31m \377\303( <&>"]]> \\n\303\251\n'
    printf 'item\t03\tport\tnot-judged\t0\t0\tno such call\n'
    printf 'part\tex05\td\t2\t4\t\nitem\tex05\ta, b\twaiting\t2\t4\trests on x\n'
}

# json FORMAT: each value behind its path.
json() { awkward | "$GRADES" "$1" | "$TOOLS/json"; }

has() {
    local line
    for line; do
        grep -qxF -e "$line" <<<"$output" || {
            echo "no line: $line"
            echo "$output"
            return 1
        }
    done
}

@test "json holds all of it" {
    run json json
    has 'points 5.5' 'maximum 13' 'parts.0.items.1.state "broken"' 'parts.0.why "why\\not"' 'notes.0 "03: x\ny"' \
        'parts.0.items.1.text "saw ??[31m ??( <&>\"]]> \né"' 'parts.1.items.0.name "a, b"'
}

@test "gradescope: score, and of each test its score, maximum, status and output" {
    run json gradescope
    has 'score 5.5' 'tests.0.score 1' 'tests.0.max_score 1' 'tests.0.status "passed"' 'tests.1.status "failed"' \
        'tests.1.name "03: =cmd()"' 'stdout_visibility "hidden"' 'execution_time 12'
}

@test "prairielearn: a score from 0 to 1, and points of each test" {
    run json prairielearn
    has 'gradable true' 'score 0.423077' 'tests.1.points 0' 'tests.1.max_points 3' 'tests.3.name "ex05: a, b"'
}

@test "github: version 1, status, max_score, and each test with its score" {
    run json github
    has 'version 1' 'status "fail"' 'max_score 13' 'tests.0.status "pass"' 'tests.1.status "fail"' 'tests.3.score 2' \
        'tests.0.line_no 0'
}

@test "autolab: the last line holds the scores by part" {
    run bash -c "$(declare -f awkward); awkward | '$GRADES' autolab | tail -n 1 | '$TOOLS/json'"
    has 'scores.03 3.5' 'scores.ex05 2'
}

@test "csv: quotes, and no formula" {
    run bash -c "$(declare -f awkward); awkward | '$GRADES' csv | tr -d '\r'"
    has 'submission,part,promise,state,points,maximum' "\"a <b> & \"\"c\"\"\",03,\"'=cmd()\",broken,0,3" \
        '"a <b> & ""c""",ex05,"a, b",waiting,2,4'
}

@test "junit: well-formed, counted, and with no character that XML cannot hold" {
    awkward | "$GRADES" junit >"$BATS_TEST_TMPDIR/x.xml"
    run "$TOOLS/xml" <"$BATS_TEST_TMPDIR/x.xml"
    has 'testsuites.testsuite.tests 3' 'testsuites.testsuite.failures 1' 'testsuites.testsuite.skipped 1' \
        'testsuites.testsuite.testcase.failure.type broken' 'testsuites.testsuite.testcase.skipped.message no such call' \
        'testsuites.name a <b> & "c"'
}

@test "a long text is cut between two characters, in every form" {
    local form text shift
    printf -v text 'é%.0s' {1..3000}
    for shift in '' x xx; do
        for form in text json junit csv gradescope autolab prairielearn github; do
            printf 'submission\ta\t12\tfull\t7\npart\t03\td\t0\t3\t%s\nitem\t03\techo\tbroken\t0\t3\t%s\n' \
                "$shift$text" "$shift€$text" | "$GRADES" "$form" >"$BATS_TEST_TMPDIR/form"
            iconv -f UTF-8 -t UTF-8 "$BATS_TEST_TMPDIR/form" >/dev/null || {
                echo "$form is no UTF-8"
                return 1
            }
        done
    done
    [[ $(wc -c <"$BATS_TEST_TMPDIR/form") -lt 12000 ]]
}

# ---- submissions -------------------------------------------------------------------

@test "a correct step is graded in full, with other bytes in each run" {
    step_in "$SUB/01" 01
    grade OUT=csv PARTS=01
    [[ $status == 0 ]]
    item listening-line kept
    item echo kept
    item port not-run
    grade OUT=text SEED=5
    [[ $output == *'SEED=5'* ]]
}

@test "an exercise is graded: as it was handed out, and solved" {
    FILTER=''
    mkdir -p "$SUB/work"
    cp -R "$COURSE/exercises/18_if_around_the_wait/starter" "$SUB/work/18_if_around_the_wait"
    grade OUT=csv
    item 'the schedule ends in a failure' broken
    patch -s -p1 -d "$SUB/work/18_if_around_the_wait" <"$COURSE/exercises/.solutions/18_if_around_the_wait/solution.patch"
    grade OUT=json
    run "$TOOLS/json" <<<"$output"
    # Two for each of its tests.
    local all=$((2 * $(grep -c '^@test' "$COURSE/exercises/18_if_around_the_wait/test.bats")))
    has "points $all" "maximum $all"
}

@test "what does not compile, or is empty, or is nothing: 0 points and a word" {
    step_in "$SUB/01" 01
    echo 'int x = ;' >>"$SUB/01/main.c"
    grade OUT=text PARTS='01 02'
    [[ $status == 0 && $output == *'0 of '*'it does not build'*'main.c'*'02 (-): 0 of '*'it was not handed in'* ]]
    rm -r "$SUB"
    mkdir "$SUB"
    grade OUT=text
    [[ $status == 0 && $output == *'0 of 0 points'*'the directory is empty'* ]]
    mkdir "$SUB/notes"
    grade OUT=text
    [[ $status == 0 && $output == *'no step, stage or exercise is in it'* ]]
}

@test "wrong words are told the right ones, with status 2" {
    step_in "$SUB/01" 01
    grade OUT=xls
    [[ $status == 2 && $output == *'OUT is one of: text json junit'* ]]
    grade PARTS=07
    [[ $status == 2 && $output == *'there is no part 07: 01 to 05, 05.01 to 05.18, and the exercises, ex01'* ]]
    run env SUBMISSION="$SUB/none" "$GRADE"
    [[ $status == 2 && $output == *'is not a directory'* ]]
    grade SEED=x
    [[ $status == 2 && $output == *'SEED is a number'* ]]
}

@test "links that lead out, and what is no file, are left out and named; odd names are no trouble" {
    SUB=$BATS_TEST_TMPDIR/$'a student\nof ours'
    step_in "$SUB/01" 01
    ln -s "$COURSE/exercises/.solutions" "$SUB/01/solutions"
    ln -s /etc/passwd "$SUB/01/passwd.c"
    ln -s main.c "$SUB/01/again.h"
    mkfifo "$SUB/01/pipe"
    echo x >"$SUB/01/"$'two\nlines'
    grade OUT=text
    [[ $output == *'note: 01: passwd.c is a link to no file of the directory'* ]]
    [[ $output == *'solutions is a link to no file of the directory'* && $output == *'pipe is neither a file nor a directory'* ]]
    [[ $output != *'again.h'* && $output != *'does not build'* ]]
}

@test "a server that does nothing earns nothing" {
    mkdir "$SUB/03"
    echo 'int main(void) { return 0; }' >"$SUB/03/main.c"
    FILTER=''
    grade OUT=text
    [[ $output == *'0 of '*' points'*'the promise listening-line is not kept'* ]]
}

@test "a server that writes into the tests, the results and their processes changes nothing" {
    needs_isolation
    tests_now
    step_in "$SUB/01" 01
    does "$SUB/01" <<'END'
    system("for f in /course/tests/bin/* /course/tests/*.bash /course/tests/run /results/* /proc/*/fd/1 /proc/*/mem; do"
           " printf 'passed\\tport\\tx\\ty\\t\\n' >>$f; done 2>/dev/null; mount -o remount,rw /course 2>/dev/null;"
           " rm -rf /course/* /results/* /submission/* 2>/dev/null");
    fputs("ok 1 prints nothing else on stdout in 1ms\n100 passed, 0 failed\n", stderr);
END
    grade OUT=csv
    item echo kept
    item port not-run
    leaves_nothing
}

@test "a program whose name holds lines of our files does not become another user" {
    needs_isolation
    [[ $(id -u) == 0 ]] || skip "needs another user"
    step_in "$SUB/01" 01
    does "$SUB/01" <<'END'
    if (geteuid() == 0)
        fputs("I am root\n", stderr);
END
    # The name of the program says "user 0", as guard.conf does.
    sed -i '1i name: all\n\tmv server "$$(printf "server\\nuser 0\\nuser")"; ln -s server*user server\n' "$SUB/01/Makefile"
    grep -q '^all' "$SUB/01/Makefile" || sed -i 's/^name: all/name: server/' "$SUB/01/Makefile"
    grade OUT=text
    [[ $output != *'I am root'* && $output == *'0 of '*'it cannot be put behind the guard'* ]] || {
        echo "$output"
        return 1
    }
}

@test "a server that ends its parents and all others ends itself alone" {
    needs_isolation
    tests_now
    step_in "$SUB/01" 01
    does "$SUB/01" <<'END'
    kill(getppid(), SIGKILL);
    kill(-1, SIGKILL);
END
    grade OUT=csv
    [[ $status == 0 ]]
    item port not-run
    leaves_nothing
}

@test "a server that forks without end, and leaves processes behind, leaves none" {
    needs_isolation
    tests_now
    step_in "$SUB/01" 01
    does "$SUB/01" <<'END'
    for (int i = 0; i < 3000; i++)
        if (fork() == 0) {
            setsid();
            for (;;)
                pause();
        }
END
    grade OUT=csv
    [[ $status == 0 ]]
    leaves_nothing
}

@test "a Makefile reads no solution, no reference, no other student, and no secret" {
    needs_isolation
    tests_now
    step_in "$SUB/01" 01
    cat >"$SUB/01/look.sh" <<END
find /course /results /submission /tmp -name '*.patch' -o -name hints
cat /course/step04*/pool.c /course/README.md /etc/shadow /proc/1/environ
ls /course /course/exercises /course/exercises/.solutions /results /home /root $COURSE $SUB
END
    printf 'first: looked server\n\nlooked:\n\t-sh look.sh >$@ 2>/dev/null\n\t! test -s $@\n\ninclude Makefile\n' >"$SUB/01/GNUmakefile"
    grade OUT=csv
    item echo kept
    leaves_nothing
    # In a user namespace it is the same user as the tests; there is nothing to copy all the same.
    printf 'cat /course/step0[1-5]*/*.c /course/tests/mutants/* /course/tests/wheats/*\n' >"$SUB/01/look.sh"
    grade OUT=csv ISOLATION=user
    item echo kept
}

@test "nothing of the grader's environment is told to a submission" {
    local isolation
    step_in "$SUB/01" 01
    printf 'first: looked server\n\nlooked:\n\t! env | grep SECRET\n\ninclude Makefile\n' >"$SUB/01/GNUmakefile"
    for isolation in '' none account; do
        [[ $isolation != account || $(id -u) == 0 ]] || continue
        grade OUT=csv A_SECRET=token ISOLATION=$isolation
        item echo kept
    done
}

@test "a server that fills the disk, prints without end, or eats memory is stopped by limits" {
    needs_isolation
    tests_now
    local before after
    before=$(df --output=used / | tail -n 1)
    step_in "$SUB/01" 01
    does "$SUB/01" <<'END'
    char block[65536];
    memset(block, 'x', sizeof block);
    signal(SIGXFSZ, SIG_IGN);
    for (int i = 0; i < 4; i++) {
        char name[] = "/dev/shm/a";
        name[9] = (char)('a' + i);
        FILE *file = fopen(name, "w");
        while (file && fwrite(block, 1, sizeof block, file) == sizeof block)
            ;
    }
    while (fwrite(block, 1, sizeof block, stderr) == sizeof block)
        ;
    for (size_t got = 0; malloc(1 << 20) != NULL && got < 100000; got++)
        ;
END
    grade OUT=csv
    [[ $status == 0 ]]
    after=$(df --output=used / | tail -n 1)
    ((after - before < 500000))
    leaves_nothing
}

@test "a server finds no network but its own loopback" {
    needs_isolation
    step_in "$SUB/01" 01
    does "$SUB/01" <<'END'
    /* To any other network there is not even a route. */
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(9), .sin_addr = {htonl(0xc0000201)}};
    int fd = socket(AF_INET, SOCK_DGRAM, 0);
    if (connect(fd, (struct sockaddr *)&to, sizeof to) == 0)
        abort();
    close(fd);
END
    grade OUT=csv
    item echo kept
}

@test "where the compiler is ccache, nothing is cached for a submission" {
    local compilers
    for compilers in /usr/lib64/ccache /usr/lib/ccache ''; do [[ ! -d $compilers ]] || break; done
    [[ -n $compilers ]] || skip "ccache is not installed"
    step_in "$SUB/01" 01
    PATH=$compilers:${PATH#"$BATS_LIBEXEC":}
    if (($(id -u) == 0)); then grade OUT=csv ISOLATION=account; else grade OUT=csv ISOLATION=none; fi
    item echo kept
}

@test "without another user, and without namespaces, the grade says so" {
    needs_isolation
    step_in "$SUB/01" 01
    grade OUT=text ISOLATION=user
    [[ $output == *'isolation: a user namespace'* ]]
    grade OUT=csv ISOLATION=user
    item echo kept
    grade OUT=text ISOLATION=none
    [[ $output == *'isolation: NONE is allowed here'* ]]
    [[ $(id -u) == 0 ]] || return 0
    tests_now
    does "$SUB/01" <<'END'
    if (fork() == 0) {
        setsid();
        for (;;)
            pause();
    }
END
    grade OUT=csv ISOLATION=account
    item echo kept
    leaves_nothing
}

# ---- a class -----------------------------------------------------------------------

class() { run env SUBMISSIONS="$SUB" GRADEBOOK="$BATS_TEST_TMPDIR/book" PARTS=01 "$COURSE/tests/grade/gradebook"; }

@test "a class: one table, a report each, who handed in the same; and who was graded is not again" {
    local name
    for name in anna $'bo\nb "b"' carl; do step_in "$SUB/$name/01" 01; done
    sed -i '1s/^/\n/' "$SUB/carl/01/main.c"
    mkdir "$SUB/empty"
    class
    [[ $status == 0 ]]
    run cat "$BATS_TEST_TMPDIR/book/gradebook.csv"
    [[ $output == $'student,points,maximum,01,notes\r'* && $output == *$'\nanna,2,'* ]]
    [[ $output == *$'"bo\nb ""b""",2,'* && $output == *$'\nempty,0,'*'it was not handed in'* ]]
    grep -qF "\$'bo\\nb \"b\"', anna" "$BATS_TEST_TMPDIR/book/summary.txt"
    refute grep -q 'carl,' "$BATS_TEST_TMPDIR/book/summary.txt"
    grep -q '^01 (01): 2 of ' "$BATS_TEST_TMPDIR/book/students/anna/report.txt"
    echo >>"$SUB/carl/01/main.c"
    class
    [[ $output == *'3 of 4 were graded before; 1 are left'* ]]
}

@test "a class that is interrupted goes on, with nothing half-written; a second grader is refused" {
    local name pid
    for name in a b; do step_in "$SUB/$name/01" 01; done
    # Its build waits: what is interrupted is in the middle.
    printf 'all:\n\ttouch here; sleep 61.7\n' >"$SUB/a/01/Makefile"
    SUBMISSIONS=$SUB GRADEBOOK=$BATS_TEST_TMPDIR/book PARTS=01 CLASS_JOBS=1 \
        "$TOOLS/launch" "$COURSE/tests/grade/gradebook" >"$BATS_TEST_TMPDIR/said" 2>&1 3>&- &
    pid=$!
    wait_until 60000 eval 'pgrep -f "^sleep 61.7$" >/dev/null'
    class
    [[ $status == 2 && $output == *'another gradebook writes into'* ]]
    kill -INT "$pid"
    wait "$pid" || true
    wait_until 10000 eval '! pgrep -f "^sleep 61.7$" >/dev/null'
    [[ ! -e $BATS_TEST_TMPDIR/book/students/a/grade.tsv && ! -e $BATS_TEST_TMPDIR/book/gradebook.csv ]]
    step_in "$SUB/a/01" 01
    class
    [[ $status == 0 && $(grep -c '^[ab],2,' "$BATS_TEST_TMPDIR/book/gradebook.csv") == 2 ]]
}
