#!/usr/bin/env bats
# prose.bats - the blocks of the READMEs: each mark is one that tests/prose/run knows, and that
# runner notices each kind of error. The blocks themselves are run by tests/prose/run (part of
# `make test-long`).
#
# bats file_tags=prose

load lib.bash

# says_nothing COMMAND...
says_nothing() {
    local said
    said=$("$@" 2>&1)
    [[ -z $said ]] || { echo "$said" && return 1; }
}

setup() {
    cd "$COURSE" || return 1
    README=$BATS_TEST_TMPDIR/README.md
}

# blocks STATUS WORDS: the README on stdin is run, or with a third word -m only looked through. It
# ends with that status, and says these words.
blocks() {
    local status=0 how=(-t "$COURSE")
    [[ ${3-} != -m ]] || how=(-m)
    cat >"$README"
    SAID=$(tests/prose/run "${how[@]}" "$README" 2>&1) || status=$?
    SAID=${SAID//"$README"/README}
    [[ $status == "$1" && $SAID == *"$2"* ]] || {
        echo "wanted status $1 and \"$2\", saw status $status and:"
        echo "$SAID"
        return 1
    }
}

@test "prose: every mark in the READMEs is one that the runner knows" {
    tests/prose/run -m
}

@test "prose: every reason not to run a block is used" {
    local reason
    # shellcheck source=tests/prose/blocks.bash
    source tests/prose/blocks.bash
    for reason in "${!REASONS[@]}"; do
        git ls-files '*README.md' 2>/dev/null | xargs grep -q "^<!-- run: .*not=$reason" ||
            [[ ! -e .git ]] || { echo "no block is marked with not=$reason" && return 1; }
    done
}

@test "prose: a server in one terminal, a client in another, and what they print" {
    blocks 0 '4 passed, 0 failed' <<'END'
<!-- run: serves -->

```sh
# terminal 1
step01_blocking/server
```

It says

<!-- output: -->

    listening on 127.0.0.1:8080

```sh
# terminal 2
exec 3<>/dev/tcp/127.0.0.1/8080
echo hello >&3
head -n 1 <&3
exec 3>&-
```

```
hello
```

The shell is the same one, and the server ends when its terminal is needed again.

<!-- run: serves -->
<!-- before: cd tests -->

    ../step02_select/server -p 8080

<!-- output:
listening on 127.0.0.1:8080
-->

```text
$ name=world
$ for i in 1 2; do
    echo "$i $name" \
        once more
  done
1 world once more
2 world once more
$ (exit 3) || echo "status $?"
status 3
```
END
}

@test "prose: patterns in output" {
    blocks 0 '6 passed, 0 failed' <<'END'
    exec 2>&1; echo rps=5000; echo "pid $$ 17"; echo "at 2026-11-26T09:31:34.781Z 17"

<!-- output: "rps=" "^pid "p "at " if p > 1
rps=1
pid 3 17
at 2001-01-01T00:00:01.000Z 17
-->

    make -s help | head -n 3; echo last

<!-- output:
...
last
-->

    exec 2>&1; echo 17 of 18; echo b; echo a

<!-- output: numbers any-order
a
1 of 2
b
-->

    exec 2>&1; echo it was closed

<!-- output: reset|closed
it was reset
-->

    exec 2>&1; (sleep 0.3; echo late) &

<!-- output:
late
-->

<!-- run: output=untold fails=1,2 -->

    exec 2>&1; false; echo any; (exit 2)
END
}

@test "prose: wrong output is told with its line, its command and both texts" {
    blocks 1 'README:8: terminal 2: echo second
    wanted "two", saw "second"' <<'END'
```sh
# terminal 2
echo first
echo second
```

    first
    two
END
    [[ $SAID == *'0 passed, 1 failed' ]]
}

@test "prose: output that is missing, that is too much, or that nobody tells" {
    blocks 1 'wanted "two", and nothing more was printed' <<'END'
    exec 2>&1; echo one

<!-- output:
one
two
-->
END
    blocks 1 'saw "two", and nothing more was wanted' <<'END'
    exec 2>&1; echo one; echo two

<!-- output:
one
-->
END
    blocks 1 'README:1: terminal 1: exec 2>&1; echo one' <<<'    exec 2>&1; echo one'
    blocks 1 'it does not hold that n > 9, n: 5' <<'END'
    exec 2>&1; echo n=5

<!-- output: "n="n if n > 9
n=12
-->
END
    blocks 1 'wanted "n=12 x", saw "n=five x"' <<'END'
    exec 2>&1; echo n=five x

<!-- output: "n="
n=12 x
-->
END
}

@test "prose: a command that fails, or that should have failed" {
    blocks 1 'README:2: this failed with status 1: cd nowhere' <<'END'
```sh
cd nowhere 2>/dev/null
cd /
```
END
    blocks 1 'wanted commands that fail with status 1, saw none' <<'END'
<!-- run: fails=1 -->

    cd tests
END
    blocks 1 'this failed with status 1: grep -q nothing Makefile' <<'END'
```text
$ grep -q nothing Makefile
$ echo end
end
```
END
}

@test "prose: a command that does not end, or that ends its shell" {
    blocks 1 'README:4: this has not ended within 1 s: sleep 1000' <<'END'
<!-- run: limit=1 -->

```sh
sleep 1000
```

    cd tests
END
    [[ $SAID == *'the 1 blocks behind it were not run'* ]]
    blocks 1 'README:1: this ended the shell: exec true' <<<'    exec true'
}

@test "prose: with TRIES=2 a README that failed is asked once more, and both answers are shown" {
    local once=$BATS_TEST_TMPDIR/once tries
    for tries in 1 2; do
        export TRIES=$tries
        rm -rf "$once"
        blocks $((2 - tries)) "$((tries - 1)) passed, $((2 - tries)) failed" <<END
\`\`\`sh
if mkdir $once 2>/dev/null; then false; fi
\`\`\`
END
        [[ $SAID == *'this failed with status 1'* ]]
    done
    [[ $SAID == *'README: once more'* ]]
}

@test "prose: a server that never says that it listens" {
    blocks 1 'wanted "listening on 127.0.0.1:8080", and nothing more was printed' <<'END'
<!-- run: serves limit=1 -->

    exec 2>&1; sleep 1000

    listening on 127.0.0.1:8080
END
}

@test "prose: what comes before a block fails" {
    blocks 1 'README:3: what comes before it fails:  false' <<'END'
<!-- before: false -->

    cd tests
END
}

@test "prose: a process that is left is told, and is left no more" {
    blocks 1 'a process is left at the end: sleep 1234.5' <<<'    exec 2>&1; setsid sleep 1234.5 &'
    refute grep -lsz '^1234.5' /proc/[0-9]*/cmdline
}

@test "prose: a tool that is missing is skipped by name, and one that nobody knows is an error" {
    mkdir "$BATS_TEST_TMPDIR/bin"
    ln -sf /usr/bin/* /bin/* /sbin/ip "$BATS_TEST_TMPDIR/bin/"
    rm -f "$BATS_TEST_TMPDIR/bin/strace"
    local PATH=$BATS_TEST_TMPDIR/bin
    blocks 0 'README:3: skipped, it needs strace' <<'END'
<!-- run: needs=strace -->

    make nothing
END
    [[ $SAID == *'0 passed, 0 failed, 1 skipped' ]]
    blocks 1 'README:1: no tool is called "strance"' -m <<'END'
<!-- run: needs=strance -->

    make nothing
END
}

@test "prose: marks that nobody knows, and marks without a block" {
    blocks 1 'README:1: "tired" is no reason not to run a block' -m <<'END'
<!-- run: not=tired -->

    make nothing
END
    blocks 1 'README:1: a block cannot be told "server"' -m <<'END'
<!-- run: server -->

    make nothing
END
    blocks 1 'README:1: this comment stands above no block' -m <<'END'
<!-- run: serves -->

Some words.

    make nothing
END
    blocks 1 'README:2: this output belongs to no block' -m <<'END'
<!-- output:
alone
-->
END
    blocks 1 'output cannot be told " nombers"' <<'END'
    exec 2>&1; echo 17

<!-- output: nombers
17
-->
END
}

# chapter_complaints README.md STEP: what this chapter lacks that each has. One awk, for there
# are many pages and exercises.
chapter_complaints() {
    awk -v page="$1" -v step="$2" '
        FILENAME ~ /exercise$/ {
            if ($1 == "step:" && $2 == step) { sub(/\/exercise$/, "", FILENAME); wanted[FILENAME] = 1 }
            next
        }
        { for (name in wanted) if (index($0, name "/README.md)")) delete wanted[name] }
        /^## / { before = $0 == "## Before you read"; has[substr($0, 4)] = 1 }
        before && /^<details><summary>/ { predicts = 1 }
        END {
            split("Before you read,Check yourself,Further reading", headings, ",")
            for (i in headings) if (!has[headings[i]]) print page " has no \"" headings[i] "\""
            if (!predicts) print page " asks for no prediction"
            for (name in wanted) print page " does not name " name
        }' exercises/[0-9]*/exercise "$1"
}

@test "prose: each chapter asks for a prediction, and names its exercises and what to read" {
    local page step complaints='' wrong=$BATS_TEST_TMPDIR/wrong.md
    cd "$COURSE"
    for page in step0[1-4]*/README.md step05_final/stages/*/README.md; do
        step=${page#step} step=${step%%_*}
        [[ $page != step05* ]] || { step=${page#*stages/} step=05.${step%%_*}; }
        complaints+=$(chapter_complaints "$page" "$step")
    done
    [[ -z $complaints ]] || { echo "$complaints" && return 1; }
    sed '/^## Check/d; /exercises\/20_/d; /<summary>/d' step04_threadpool/README.md >"$wrong"
    (($(chapter_complaints "$wrong" 04 | wc -l) == 3))
}

# wrong_numbers FILE: which of the numbers that it lists a page does not say.
wrong_numbers() {
    local page words what file name operator operand number
    while IFS=$'\t' read -r page words what; do
        [[ $page != '#'* ]] || continue
        read -r file name operator operand <<<"$what"
        if [[ $file == count ]]; then
            number=$(compgen -G "$name" | wc -l)
        else
            number=$(sed -n "s/^#define $name *\([0-9]*\).*/\1/p" "$file")
        fi
        case $operator in
            /) number=$((number / operand)) ;;
            +) number=$((number + operand)) ;;
        esac
        ((number < 1000)) || number=${number:0:-3},${number: -3}
        tr '\n' ' ' <"$page" | grep -qF -e "${words/'{}'/"$number"}" ||
            echo "$page does not say \"${words/'{}'/"$number"}\""
    done <"$1"
}

@test "prose: the numbers of the code in the chapters are those of the code" {
    local list=tests/prose/numbers.txt
    cd "$COURSE"
    says_nothing wrong_numbers $list
    # Another number is noticed, and so are words that are gone.
    sed 's/CONN_BUFFER_SIZE$/CONN_BUFFER_SIZE + 1/; s/ stages\t/ stairs\t/' $list >"$BATS_TEST_TMPDIR/other"
    (($(wrong_numbers "$BATS_TEST_TMPDIR/other" | wc -l) == $(diff $list "$BATS_TEST_TMPDIR/other" | grep -c '^>')))
}

# diagrams FILE...: those of these pages, one page.
diagrams() { awk '/^```mermaid$/ { on = 1 } on { print } /^```$/ && on { on = 0; print "" }' "$@"; }

# draws PAGE: does mermaid-cli draw all that is in it? As root, Chromium wants no sandbox.
draws() {
    printf '{"executablePath":"%s","args":["--no-sandbox","--disable-gpu","--disable-background-networking"]}' \
        "$BROWSER" >"$BATS_TEST_TMPDIR/browser.json"
    mmdc -q -p "$BATS_TEST_TMPDIR/browser.json" -i "$1" -o "$BATS_TEST_TMPDIR/drawn.md" >&2
}

@test "prose: every diagram can be drawn" {
    local pages=$BATS_TEST_TMPDIR/pages.md wrong=$BATS_TEST_TMPDIR/wrong.md count
    command -v mmdc >/dev/null || skip "mmdc is missing (mermaid-cli)"
    BROWSER=$(command -v chromium || command -v chromium-browser || command -v google-chrome) ||
        skip "mmdc needs Chromium"
    (cd "$COURSE" && diagrams README.md ./*/README.md ./*/*/README.md ./*/*/*/README.md) >"$pages"
    count=$(grep -c '^```mermaid$' "$pages")
    ((count >= 4))
    draws "$pages"
    (($(find "$BATS_TEST_TMPDIR" -name 'drawn-*.svg' | wc -l) == count))
    printf '```mermaid\nsequenceDiagram\n    a->>\n```\n' >"$wrong"
    refute draws "$wrong"
}

@test "prose: what the READMEs name exists" {
    says_nothing tests/prose/names
}

# unknown WORDS: the README on stdin names what is not there.
unknown() {
    cat >"$README"
    SAID=$(tests/prose/names "$README") && return 1
    SAID=${SAID//"$README"/README}
    [[ $SAID == "README:$1" ]] || { echo "wanted README:$1, saw $SAID" && return 1; }
}

@test "prose: names that do not exist" {
    unknown '3: there is no link ](nowhere.md)' <<<$'# A\n\n[a](#a) and [b](nowhere.md)'
    unknown '3: there is no link ](#b)' <<<$'# A\n\n[a](#a) and [b](#b)'
    unknown '1: there is no make make tost' <<<'`make test STEP=03`, not `make tost`'
    unknown '4: there is no make make cleen' <<<$'```sh\nmake clean\ncd . &&\nmake cleen\n```'
    unknown '1: there is no path tests/wheat/run' <<<'`tests/wheats/run`, not `tests/wheat/run`'
    unknown '1: there is no file pol.c' <<<'`pool.c`, not `pol.c`'
    unknown '1: there is no function net_lissen()' <<<'`net_listen()`, not `net_lissen()`'
    unknown '1: there is no option --drain-tme' <<<'`--drain-timeout`, not `--drain-tme`'
    unknown '1: there is no rfc RFC 9112, section 99' <<<'RFC 9112, section 9, and RFC 9112, section 99'
    if man -w 7 tcp >/dev/null 2>&1; then
        unknown '1: there is no man accept(7)' <<<'accept(2), not accept(7)'
    fi
    unknown '4: there is no file ring.c' <<<$'<!-- made: ring.h -->\n\n`ring.h`\n`ring.c`'
}
