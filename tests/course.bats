#!/usr/bin/env bats
# course.bats - the course itself: that its steps grow as they say, and that what the
# chapters show is what the code is.
#
# bats file_tags=course

load lib.bash

STEPS=(step01_blocking step02_select step03_epoll step04_threadpool step05_final)

setup() { cd "$COURSE" || return 1; }

# must COMMAND... or the test fails with what it printed.
says_nothing() {
    local said
    said=$("$@" 2>&1) || true
    [[ -z $said ]] || {
        echo "$said"
        return 1
    }
}

TOP_LEVEL=(LICENSE Makefile README.md exercises "${STEPS[@]}" tests)

@test "the top level holds all that the design says" {
    local entry
    for entry in "${TOP_LEVEL[@]}"; do
        [[ -e $entry ]] || {
            echo "$entry is missing: this copy of the course is not whole"
            return 1
        }
    done
}

# What a student makes here is no part of the repository: only git knows what is. Named by
# --git-dir, it also answers when the tree belongs to another user ("dubious ownership").
@test "the repository holds nothing else at its top level" {
    local tracked
    tracked=$(git --git-dir=.git --work-tree=. ls-files 2>/dev/null) && [[ -n $tracked ]] ||
        skip "no git repository here (an archive?)"
    tracked=$(cut -d/ -f1 <<<"$tracked" | grep -v -e '^\.' -e '^my' | sort -u)
    diff <(printf '%s\n' "${TOP_LEVEL[@]}" | sort) - <<<"$tracked" || {
        echo "work of your own may stand in directories that begin with my"
        return 1
    }
}

# Git for Windows ends lines with CR LF unless .gitattributes says otherwise, and then no shell
# script runs in WSL. The tree as it stands is committed to a repository of our own, so that
# this needs no .git here, nor the right to use it.
@test "a checkout by a git that writes CRLF is the same, byte by byte" {
    command -v git >/dev/null || skip "git is not installed"
    local repository=$BATS_TEST_TMPDIR/repository checkout=$BATS_TEST_TMPDIR/checkout file
    export GIT_CONFIG_GLOBAL=/dev/null GIT_CONFIG_NOSYSTEM=1
    git --git-dir="$repository" --work-tree=. init -q
    git --git-dir="$repository" --work-tree=. add -A
    git --git-dir="$repository" --work-tree=. -c user.name=x -c user.email=x -c commit.gpgsign=false \
        commit -qm x
    git clone -q -c core.autocrlf=true "$repository" "$checkout"
    while IFS= read -r -d '' file; do
        cmp "$file" "$checkout/$file" || {
            echo "say in .gitattributes how the lines of $file end"
            return 1
        }
    done < <(git --git-dir="$repository" ls-files -z)
    (cd "$checkout" && sh tests/setup run && make -s -C step01_blocking)
}

# ---- what stays the same ----------------------------------------------------------

# same FILE STEP STEP...: the file is the same, byte by byte, in all these steps.
same() {
    local file=$1 first=$2 step
    shift 2
    for step in "$@"; do
        cmp "$first/$file" "$step/$file" ||
            echo "change $first/$file as well, so that the diff of the steps stays the lesson"
    done
}

@test "what does not change from step to step is identical" {
    local file
    for file in process.c process.h; do says_nothing same $file "${STEPS[@]}"; done
    for file in config.c config.h; do says_nothing same $file "${STEPS[@]:0:3}"; done
    for file in net.c net.h; do says_nothing same $file "${STEPS[@]:1:3}"; done
    says_nothing same conn.c "${STEPS[@]:1:3}"
    for file in conn.h server.c server.h Makefile; do says_nothing same $file "${STEPS[@]:1:2}"; done
    says_nothing same Makefile step01_blocking step02_select
    says_nothing same Makefile step04_threadpool step05_final
}

without_opening() { sed '1,/\*\//d' "$1"; }

@test "from step 02 to step 03 only poller.c differs, beside opening comments" {
    local file
    for file in main.c poller.h; do
        diff <(without_opening step02_select/$file) <(without_opening step03_epoll/$file)
    done
    ! cmp -s step02_select/poller.c step03_epoll/poller.c || {
        echo "poller.c is the same in both"
        return 1
    }
}

# changed_lines FROM TO: how many lines of source the diff removes and adds. The text of a page is
# no source, though it stands in a C file.
changed_lines() {
    diff -rN -x README.md -x test.bats -x stages -x build -x 'build-*' -x server -x '*.o' -x live.c "$1" "$2" |
        grep -c '^[<>]'
}

@test "the diff from each step to the next stays small" {
    # The last one is cut into stages (tests/stages), each of which is small again.
    local ceilings=(0 560 110 400 5800) i changed
    for i in 1 2 3 4; do
        changed=$(changed_lines "${STEPS[i - 1]}" "${STEPS[i]}")
        echo "${STEPS[i - 1]} to ${STEPS[i]}: $changed lines, at most ${ceilings[i]}"
        ((changed <= ceilings[i]))
    done
}

# Without fuzz, as those who use them apply them. A patch that no longer fits would be noticed
# by the long tests alone.
@test "every patch of a step applies to it" {
    local patch step
    for patch in tests/mutants/*.patch tests/wheats/*.patch tests/mine/broken/*.patch; do
        step=${patch##*/} step=${step%%_*}
        patch -d step"$step"_* -p1 --fuzz=0 -N -s -f --dry-run <"$patch" || echo "$patch does not apply"
    done >"$BATS_TEST_TMPDIR/said" 2>&1
    says_nothing cat "$BATS_TEST_TMPDIR/said"
}

# ---- what may include what --------------------------------------------------------

# The dependencies of each module: its own header is understood.
allowed_includes() {
    case $1/$2 in
        step01_blocking/main) echo config net process ;;
        step0[234]*/main) echo config net process server ;;
        step05_final/main) echo config echo http log metrics net process server timer ;;
        step05_final/config) echo log ;;
        step0[23]*/server) echo conn net poller ;;
        step04*/server) echo conn net poller pool ;;
        step05*/server) echo acceptor conn deadlines handler log metrics poller pool state timer wakeup ;;
        */acceptor) echo handler net poller timer ;;
        */deadlines) echo conn state timer ;;
        step0[23]*/conn) echo process ;;
        step04*/conn) echo process task ;;
        step05*/conn) echo buf handler log metrics state task timer ;;
        */pool) echo task ;;
        */log) echo net ;;
        */output) echo buf ;;
        */handler) echo buf output ;;
        */http) echo handler http_chunks http_head http_status log metrics routes ;;
        */http_head) echo http_text ;;
        */http_chunks) echo http_head ;;
        */metrics) echo http_status ;;
        */routes) echo buf http_head pages process ;;
        */pages) echo buf live log metrics ;;
        */echo) echo handler process ;;
        *) echo ;;
    esac
}

@test "dependencies point one way" {
    local step file module included
    for step in "${STEPS[@]}"; do
        for file in "$step"/*.[ch]; do
            module=$(basename "${file%.*}")
            for included in $(sed -n 's/^#include "\(.*\)\.h"$/\1/p' "$file"); do
                [[ " $(allowed_includes "$step" "$module") $module " == *" $included "* ]] || {
                    echo "$file includes $included.h: draw the dependencies anew, or do without"
                    return 1
                }
            done
        done
    done
}

# ---- the code ---------------------------------------------------------------------

@test "each step builds without a warning when it stands alone" {
    local step compiler
    for step in "${STEPS[@]}"; do
        cp -r "$step" "$BATS_TEST_TMPDIR/"
        make -s -C "$BATS_TEST_TMPDIR/$step" clean
        for compiler in gcc clang; do
            command -v $compiler >/dev/null || continue
            make -s -C "$BATS_TEST_TMPDIR/$step" CC=$compiler CFLAGS="-O2 -Werror" \
                BUILD=build-$compiler SERVER=build-$compiler/server
        done
    done
}

@test "no function is longer than 70 lines" {
    says_nothing awk '
        /^{/ { begin = FNR }
        /^}/ && begin { if (FNR - begin > 70) print FILENAME ":" begin; begin = 0 }
    ' step*/*.c tests/src/*.c tests/unit/*.c tests/fuzz/*.c tests/wheats/*.c
}

@test "nothing is left to be done in the sources" {
    says_nothing grep -nE 'TODO|FIXME|XXX' step*/*.[ch] tests/src/*.[ch] tests/unit/*.c tests/fuzz/*.c \
        tests/wheats/*.c
}

@test "the C code is laid out as .clang-format says" {
    command -v clang-format >/dev/null || skip "clang-format is not installed"
    says_nothing clang-format --dry-run step*/*.[ch] tests/src/*.[ch] tests/unit/*.c tests/fuzz/*.c \
        tests/wheats/*.c
}

@test "shellcheck finds nothing in the scripts" {
    command -v shellcheck >/dev/null || skip "shellcheck is not installed"
    local scripts=(tests/setup tests/doctor tests/run tests/diff tests/long tests/repeat tests/soak
        tests/mutants/run tests/wheats/run tests/prose/{names,run} .ci/run .ci/container .ci/machine tests/*.bash tests/bench/*.bash
        tests/prose/*.bash
        tests/bench/ablate tests/bench/count tests/bench/figure tests/bench/grow
        tests/bench/own-cost tests/bench/refresh tests/bench/run tests/bench/table)
    scripts+=(tests/stages/{unfold,fold,run,diff,start,list,matrix,sanitized,stages.bash})
    scripts+=(tests/grade/{disguise,grade,gradebook,handout,judge,package,sandbox,variants} tests/grade/*.bash)
    scripts+=(tests/exercises/{check,hint,hunt,list,mark,next,progress,reset,start,verify,watch} tests/exercises/*.bash)
    says_nothing shellcheck -x "${scripts[@]}"
    says_nothing shellcheck -x -s bats -e SC1091,SC2013,SC2016,SC2030,SC2031,SC2034,SC2153,SC2154,SC2314 \
        tests/*.bats tests/fuzz/*.bats tests/stages/*.bats tests/exercises/*.bats tests/grade/*.bats exercises/*/test.bats step*/test.bats step05_final/stages/*/wall.bats
}

# ---- the promises -----------------------------------------------------------------

# The files whose tests judge a server, and those that list what it promises.
JUDGES=(tests/{contract,faults,http,http_faults,ending,fleet,wrap}.bats step*/test.bats)
LISTS=(README.md step*/README.md step05_final/stages/*/README.md)

# listed promise|wall: FILE, a tab and NAME for each row of these tables; a third column says
# `judged` where only tools judge a promise. What a stage promises, step 05 does.
listed() {
    awk -v head="| $1 | what it says |" '
        $0 == head { inside = 1; next }
        !/^\|/ { inside = 0 }
        inside && match($0, /`[a-z0-9-]+`/) {
            judged = /\(Judged by / ? "\tjudged" : ""
            file = FILENAME
            sub(/stages\/.*\//, "", file)
            print file "\t" substr($0, RSTART + 1, RLENGTH - 2) judged
        }' "${LISTS[@]}"
}

# tagged: FILE, a tab, the tags with a comma before and behind each, a tab and the line of
# each test.
tagged() {
    awk '
        /^# bats test_tags=/ { tags = substr($0, 18); next }
        /^@test / { print FILENAME "\t," tags ",\t" $0 }
        { tags = "" }' "${JUDGES[@]}"
}

# list_of FILE: where the promises of its tests are listed.
list_of() {
    case $1 in
        tests/contract.bats | tests/faults.bats) echo README.md ;;
        step*) echo "${1%/*}/README.md" ;;
        *) echo step05_final/README.md ;;
    esac
}

# misnamed: the tests that do not name just one promise of their list.
misnamed() {
    local file tags name promise kind all
    all=$(listed promise | sed 's/^/promise\t/' && listed wall | sed 's/^/wall\t/')
    while IFS=$'\t' read -r file tags name; do
        [[ $tags != *,course,* ]] || continue # it judges no server
        promise=$(tr , '\n' <<<"$tags" | sed -n 's/^promise://p')
        kind=promise
        [[ $tags != *,wall,* ]] || kind=wall
        promise=${promise//$'\n'/ } # two are none that is listed
        cut -f 1-3 <<<"$all" | grep -qxF "$kind"$'\t'"$(list_of "$file")"$'\t'"$promise" ||
            echo "$file: $name: the line \"# bats test_tags=promise:NAME\" above it must name one" \
                "$kind that $(list_of "$file") lists, not \"$promise\""
    done < <(tagged)
}

@test "every test of a server names the one promise that it is about" {
    says_nothing misnamed
}

untested() {
    local file promise judged
    while IFS=$'\t' read -r file promise judged; do
        [[ $judged == judged ]] || tagged | cut -f 2 | grep -qF ",promise:$promise," ||
            echo "$file promises \`$promise\`, and no test is about it"
    done < <(listed promise && listed wall)
    { listed promise && listed wall; } | cut -f 2 | sort | uniq -d | sed 's/$/: two promises have this name/'
}

@test "every promise has a test, and a name of its own" {
    says_nothing untested
}

# A need that nobody promises would never be waited for; needs in a circle would never end.
misneeded() {
    local levels_max
    levels_max=$(sed -n 's/^LEVELS_MAX=\([0-9]*\).*/\1/p' tests/suites.bash)
    awk -F '\t' -v levels_max="$levels_max" '
        FNR == NR { listed[$2] = 1; next }
        {
            count = split($2, tags, ",")
            promise = ""
            for (i = 1; i <= count; i++)
                if (tags[i] ~ /^promise:/) promise = substr(tags[i], 9)
            for (i = 1; i <= count; i++) {
                if (tags[i] !~ /^needs:/) continue
                need = substr(tags[i], 7)
                if (!(need in listed)) print $1 ": " $3 ": nobody promises \"" need "\""
                if (need != promise) needs[promise] = needs[promise] " " need
            }
        }
        function level(promise, depth,    count, i, list, most, one) {
            if (depth > levels_max) return depth
            most = 0
            count = split(needs[promise], list, " ")
            for (i = 1; i <= count; i++)
                if ((one = level(list[i], depth + 1) + 1) > most) most = one
            return most
        }
        END {
            for (promise in needs)
                if (level(promise, 0) >= levels_max)
                    print promise ": needs others over more than " levels_max " levels, or itself"
        }' <(listed promise) <(tagged)
}

@test "what a test needs is promised by others, and not in a circle" {
    says_nothing misneeded
}

unasked() {
    local name
    while read -r name; do
        grep -qF "about_cases \"$name\"" tests/http.bats ||
            echo "no test asks for the group \"$name\" of tests/http_cases.txt"
    done < <("$TOOLS/http_client" -l tests/http_cases.txt)
}

@test "each group of HTTP cases is asked for" {
    says_nothing unasked
}

# ---- the prose --------------------------------------------------------------------

# A block that opens with ```c file=PATH shows lines that stand there, as they stand there.
@test "every excerpt in a chapter stands in the code" {
    local chapter
    # shellcheck source=tests/stages/stages.bash
    source tests/stages/stages.bash
    local tree
    stage_tree "$(last_stage)" >/dev/null # and all before it
    for chapter in README.md step*/README.md exercises/README.md tests/*/README.md \
        step05_final/stages/*/README.md; do
        [[ -e $chapter ]] || continue
        tree=''
        # That of a stage shows the code as it is then.
        [[ $chapter != */stages/* ]] || tree=$(basename "${chapter%/README.md}") tree=$STAGES_WORK/$tree/
        says_nothing awk -v chapter="$chapter" -v tree="$tree" '
            function check(   text, line) {
                text = ""
                while ((getline line < path) > 0) text = text line "\n"
                close(path)
                if (text == "") print chapter ": no file " path
                else if (index(text, excerpt) == 0)
                    print chapter ":" start ": not in " path ":\n" excerpt
            }
            /^```c file=/ { path = tree substr($0, 11); start = FNR; excerpt = ""; inside = 1; next }
            /^```/ { if (inside) check(); inside = 0; next }
            inside { excerpt = excerpt $0 "\n" }' "$chapter"
    done
}

@test "every chapter shows code" {
    local step
    # The chapters of step 05 are those of its stages.
    for step in "${STEPS[@]::4}" step05_final/stages/*; do grep -q '^```c file=' "$step/README.md"; done
}

@test "what a failed test says to read exists" {
    local chapter heading
    while IFS=$'\t' read -r chapter heading; do
        grep -qE "^#+ (.*[^[:alnum:]])?$heading\$" "$chapter" || {
            echo "no heading \"$heading\" in $chapter"
            return 1
        }
    done < <(
        for file in tests/{contract,faults,http,http_faults,ending,fleet,wrap}.bats step*/test.bats; do
            here=$(sed -n 's/^HERE=//p' "$file")
            sed -n -e "s|.*\"\\\$HERE, \\\\\"\\([^\"]*\\)\\\\\"\".*|$here\t\\1|p" \
                -e 's|.*"\(step[^,"]*README.md\), \\"\([^"]*\)\\"".*|\1\t\2|p' "$file"
        done | sort -u
    )
}

# A row of the glossary ends with a cell `file`: `words`. Without a directory the file is one of
# the final server.
@test "each term of the glossary stands where it says" {
    local file words count=0
    while IFS=$'\t' read -r file words; do
        count=$((count + 1))
        [[ $file == */* ]] || file=step05_final/$file
        grep -qF -- "$words" "$file" || {
            echo "README.md, Glossary: $file does not say $words"
            return 1
        }
    done < <(sed -n '/^## Glossary/,/^## /s/^|.*| `\([^`]*\)`: `\([^`]*\)` |$/\1\t\2/p' README.md)
    ((count >= 25))
}

# index_rows README: call, chapter, heading, file, function, test, with tabs between them; a row that has two calls
# becomes two.
index_rows() {
    sed -n '/^## Index of system calls/,/^## /s/^| \(`.*`\) | [0-9.]*, \[\(.*\)\](\([^#]*\)#[^)]*) | `\([^`]*\)`: `\([^`]*\)` | \(.*\) |$/\1\t\3\t\2\t\4\t\5\t\6/p' "$1" |
        awk -F '\t' -v OFS='\t' '{ count = split($1, calls, ", "); for (i = 1; i <= count; i++) { $1 = calls[i]; gsub(/`/, "", $1); print } }'
}

# section FILE HEADING: what stands below it.
section() { awk -v heading="$2" '/^##+ / { inside = substr($0, index($0, " ") + 1) == heading; next } inside' "$1"; }

# system_calls: those that the servers make, as their sources call them.
system_calls() {
    local known
    known=$(echo '#include <sys/syscall.h>' | ${CC:-cc} -E -dM - | sed -n 's/^#define SYS_\([a-z0-9_]*\) .*/\1/p')
    # What libc calls by another name, and what needs no call.
    known=$(printf '%s\n' "$known" recv send eventfd signalfd sigaction sigprocmask | grep -vx time)
    sed '/^ *\/\*/d; /^ \*/d; s/([0-9])//g' step0*/*.c | grep -oE '\b[a-z_0-9]+\(' | tr -d '(' | sort -u | grep -xF "$known"
}

# wrong_rows README: what is wrong with its index.
wrong_rows() {
    local call chapter heading file function test
    while IFS=$'\t' read -r call chapter heading file function test; do
        [[ $file == */* ]] || file=step05_final/$file
        section "$chapter" "$heading" | grep -qw -- "$call" || echo "$chapter, \"$heading\", does not speak of $call"
        grep -qE "\\b$call\\(" "$file" && grep -qE "\\b$function\\(" "$file" || echo "$file: no $function that calls $call"
        grep -qxF "@test \"$test\" {" tests/*.bats step0*/test.bats || echo "there is no test \"$test\""
    done < <(index_rows "$1")
    system_calls | while read -r call; do
        index_rows "$1" | cut -f 1 | grep -qx "$call" || echo "$call has no row"
    done
}

@test "the index names each system call, and where it is explained, used and tested" {
    local wrong=$BATS_TEST_TMPDIR/README.md row said
    [[ $(system_calls | wc -l) -ge 28 ]]
    said=$(wrong_rows README.md)
    [[ -z $said ]] || { echo "$said"; false; }
    # A row that is gone, or says what is not so, is found.
    for row in '/^| `epoll_ctl`/d' '/^| `recv`/s/The read loop/Signals/' '/^| `recv`/s/conn\.c/net.c/' \
        '/^| `recv`/s/that connection ends/all end/'; do
        sed "$row" README.md >"$wrong"
        [[ $(wrong_rows "$wrong" | wc -l) -ge 1 ]]
    done
}

@test "every wall that a chapter names is a test, and every wall is named" {
    local step wall
    for step in "${STEPS[@]}" step05_final/stages/*; do
        while read -r wall; do
            grep -qF "$wall" "$step/README.md" || {
                echo "$step/README.md does not name the test \"$wall\""
                return 1
            }
        done < <(cat "$step"/{test,wall}.bats 2>/dev/null | sed -n 's/^@test "\(wall: .*\)" {$/\1/p')
    done
    while IFS=: read -r step wall; do
        grep -qF "@test \"$wall\"" step*/test.bats step05_final/stages/*/wall.bats || {
            echo "$step names \"$wall\", and no test has that name"
            return 1
        }
    done < <(grep -oH '[`"]wall: [^`"]*[`"]' step*/README.md step05_final/stages/*/README.md | sed 's/:[`"]/:/; s/[`"]$//')
}

# ---- the command line, and what a shell exports -----------------------------------

# words: what counts on make's command line only.
words() { sed -n '/^WORDS :=/,/[^\\]$/p' Makefile | sed 's/^WORDS :=//; s/\\$//' | xargs -n 1; }

# A copy of the top-level Makefile whose steps and tests write down what they were told.
stubs() {
    local step
    cd "$BATS_TEST_TMPDIR" || return 1
    cp "$COURSE/Makefile" .
    for step in "${STEPS[@]}" tests; do
        mkdir -p "$step"
        printf 'all:\n\t@echo "%s: $(CFLAGS) $(filter command,$(origin SERVER))"\n' "${step%%_*}" \
            >"$step/Makefile"
        touch "$step/main.c" # without it a step is not there, as in a handout
    done
    printf '#!/bin/sh\necho "run $*"\nenv >env\n' >tests/run
    chmod +x tests/run
}

@test "what a shell exports changes neither what is built nor what is tested" {
    local word exported=() told
    while read -r word; do exported+=("$word=exported"); done < <(words)
    ((${#exported[@]} > 20))
    stubs
    told=$(env "${exported[@]}" make -s check STEP=03)
    diff <(printf '%s\n' 'tests:  ' 'step03:  ' 'run step 03') <(echo "$told")
    refute grep exported env
    # All steps, and with make -e as well.
    env "${exported[@]}" make -s -e all >said
    refute grep exported said
    # And the ordinary way of a make that stands alone: no other file becomes the server.
    cp -r "$COURSE/step01_blocking" alone
    make -s -C alone clean
    env {SERVER,BUILD,CFLAGS}=exported make -s -C alone
    [[ -x alone/server && ! -e alone/exported ]]
}

@test "what make's command line says reaches the tests, and compilers their flags" {
    local word
    stubs
    make -s check STEP=03 FILTER="it's \"two  words\"" CFLAGS="-DX='a b' -g" JOBS=1 >said
    diff <(printf '%s\n' "tests: -DX='a b' -g " "step03: -DX='a b' -g " 'run step 03') said
    grep -qx "FILTER=it's \"two  words\"" env
    grep -qx "JOBS=1" env
    make -s check SERVER=some/server >said # and is no name for what is linked
    diff <(printf '%s\n' "tests:  " 'run contract') said
    grep -qx 'CHECK_SERVER=some/server' env
}

# Not bench and repeat: they judge nothing, and say how in their own words (QUICK, ROUNDS, RUNS).
@test "every word that a test takes from the environment is one of make's words" {
    local known file word
    known=" $(words | tr '\n' ' ') CC HOME PAGER TMPDIR "
    while IFS=: read -r file word; do
        [[ $known == *" $word "* || $word == @(BATS|COURSE|ABOUT|TRIED)_* ]] ||
            echo "$file takes $word from the environment: add it to WORDS in the Makefile"
    done < <(grep -roE --exclude-dir={bin,work,corpus,bench} --exclude={repeat,doctor,'*.'{patch,md,c,h}} \
        '\$\{[A-Z][A-Z0-9_]*:?[-+=]' tests step*/test.bats | sed 's/\${//; s/:*[-+=]$//' | sort -u) >"$BATS_TEST_TMPDIR/said"
    says_nothing cat "$BATS_TEST_TMPDIR/said"
}

@test "make help lists every target" {
    local target
    for target in all run test check doctor diff mutants wheats sanitize test-long test-more test-repeat bench count figure timeline format clean help; do
        make -s help | grep -q "^$target " || {
            echo "make help does not know $target"
            return 1
        }
    done
}

@test "make diff shows the lesson" {
    make -s diff STEP=03 | grep -q '^+.*epoll_wait'
    refute make -s diff STEP=01
}

@test "the table of wrong servers in tests/README.md is computed" {
    diff -u <(sed -n '/^| step | wrong servers/,/^$/p' tests/README.md | sed '/^$/d') <(tests/mutants/scores)
}
