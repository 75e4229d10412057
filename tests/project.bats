#!/usr/bin/env bats
# project.bats - what stands beside the course for those who join it: its container, its CI, the
# templates and the advice. What they name must exist, and what two of them say must agree.
#
# bats file_tags=project

load lib.bash

setup() {
    cd "$COURSE" || return 1
    # `cp -r course/* elsewhere` leaves them behind.
    [[ -d .ci && -d .devcontainer && -d .github ]] || skip "this copy has no files that begin with a dot"
}

is_repository() { command -v git >/dev/null && [[ -e .git ]] && git ls-files >/dev/null 2>&1; }

# values: the settings of devcontainer.json, a line each, such as `capAdd.0 "SYS_PTRACE"`.
values() { sed 's|^ *//.*||' .devcontainer/devcontainer.json | "$TOOLS/json"; }

# value NAME: one of them, a string, without its quotes.
value() { values | sed -n "s/^$1 \"\(.*\)\"\$/\1/p"; }

# ---- the container ----------------------------------------------------------------

@test "the container of the editor has the settings that CI uses, each with its reason" {
    local options key previous=''
    values
    options=$(sed -n 's/^options=(\(.*\))$/\1/p' .ci/container)
    [[ $options == "--init --cap-add=$(value capAdd.0) --security-opt=$(value securityOpt.0) $(value runArgs.0)" ]]
    values | grep -qx 'init true'
    values | grep -c '^\(capAdd\|securityOpt\|runArgs\)\.' | grep -qx 3
    # A comment directly above each setting.
    while IFS= read -r key; do
        [[ ! $key =~ ^\ {4}\" || $previous =~ ^\ {4}// || $key == *'"name"'* ||
            $key == *portsAttributes* ]] || {
            echo "say why: $key"
            return 1
        }
        previous=$key
    done < <(grep -v '^$' .devcontainer/devcontainer.json)
}

@test "the container forwards the ports of make run, and its files are there" {
    local port word
    for port in "$(sed -n 's/^PORT ?= //p' Makefile)" "$(sed -n 's/^HTTP_PORT ?= //p' Makefile)"; do
        values | grep -q "^forwardPorts\.[0-9]* $port\$"
    done
    [[ -f .devcontainer/$(value build.dockerfile) ]]
    while read -r word; do
        [[ -e $word ]] || { echo "the Dockerfile copies $word" && return 1; }
    done < <(sed -n 's/^COPY \([^ ]*\) .*/\1/p' .devcontainer/Dockerfile)
    grep -q "^USER $(value remoteUser)\$" .devcontainer/Dockerfile
    [[ $(value postCreateCommand) == "make doctor" ]]
}

@test "a command in a container gets the tracked files, its words and its status back" {
    is_repository || skip "this is no git repository"
    local status=0
    # What docker would do, without a container: run the command that follows the image.
    cat >"$BATS_TEST_TMPDIR/docker" <<'FAKE'
#!/bin/sh
echo "$@" >"$FAKE_LOG"
while [ "$1" != image:1 ]; do shift; done
shift
command=$(printf '%s\n' "$3" | sed "s|/tmp/course|$FAKE_ROOT|g")
shift 3
exec sh -c "$command" "$@"
FAKE
    chmod +x "$BATS_TEST_TMPDIR/docker"
    export FAKE_LOG=$BATS_TEST_TMPDIR/log FAKE_ROOT=$BATS_TEST_TMPDIR/course
    DOCKER=$BATS_TEST_TMPDIR/docker .ci/container image:1 sh -c 'cat tests/setup; echo "$1"; exit 7' - 'two words' \
        >"$BATS_TEST_TMPDIR/out" || status=$?
    cat "$FAKE_LOG"
    ((status == 7))
    diff <(cat tests/setup; echo 'two words') "$BATS_TEST_TMPDIR/out"
    [[ $(<"$FAKE_LOG") == 'run --rm --interactive --init --cap-add='* ]]
    [[ -e $FAKE_ROOT/Makefile && ! -e $FAKE_ROOT/tests/bin ]]
    status=0
    .ci/container image:1 2>"$BATS_TEST_TMPDIR/err" || status=$?
    ((status == 2))
    grep -q '^  .ci/container IMAGE COMMAND' "$BATS_TEST_TMPDIR/err"
}

# ---- CI ---------------------------------------------------------------------------

@test "the workflows call scripts that exist" {
    local word seen=0
    for word in $(sed -n 's/^ *- run: //p' .github/workflows/*.yml); do
        case $word in
            .ci/* | .devcontainer/* | tests/*)
                [[ -e $word ]] || { echo "there is no $word" && return 1; }
                seen=$((seen + 1))
                ;;
        esac
    done
    ((seen >= 5))
    [[ -x .ci/run && -x .ci/container && -x .ci/machine ]]
    sh .ci/machine tcc 2>&1 | grep -q 'gcc|clang'
    refute sh .ci/machine tcc 2>/dev/null
}

@test "CI tries both compilers, both libraries and both architectures, and has few rights" {
    local workflow=.github/workflows/tests.yml word
    for word in gcc clang; do grep -q "^ *compiler: \[.*\b$word\b.*\]" $workflow; done
    for word in 'debian:12' 'debian:13' 'ubuntu:24.04' 'alpine:[0-9.]*'; do
        grep -q "^ *image: \[.*\"$word\".*\]" $workflow
    done
    grep -q '^ *runner: \[ubuntu-24.04, ubuntu-24.04-arm\]' $workflow
    [[ $(sed -n '/^permissions:/,/^$/p' $workflow) == $'permissions:\n  contents: read' ]]
    # Each job has a limit, and each checkout forgets the token.
    (($(grep -c '^    runs-on:' $workflow) == $(grep -c '^    timeout-minutes:' $workflow)))
    (($(grep -c 'uses: actions/checkout@' $workflow) == $(grep -c 'persist-credentials: false' $workflow)))
}

@test "YAML files hold no tab and no line that a reader could take for two things" {
    local file
    for file in .github/*/*.yml; do
        refute grep -nP '\t' "$file"
        refute grep -nP '^( {2})* [^ ]' "$file" # an odd indent
    done
}

# ---- templates and advice ---------------------------------------------------------

@test "each issue template is whole" {
    local file key
    for file in .github/ISSUE_TEMPLATE/*.yml; do
        [[ $file != */config.yml ]] || continue
        for key in name description body; do
            grep -q "^$key:" "$file" || { echo "$file: no $key" && return 1; }
        done
        diff <(sed -n 's/^    id: //p' "$file" | sort) <(sed -n 's/^    id: //p' "$file" | sort -u)
        # Each part but plain text has a name and a label.
        (($(grep -c '^  - type: ' "$file") - $(grep -c '^  - type: markdown' "$file") == $(grep -c '^    id: ' "$file")))
        (($(grep -c '^    id: ' "$file") == $(grep -c '^      label: ' "$file")))
    done
}

@test "a report of a wrong verdict asks for what is needed" {
    local file=.github/ISSUE_TEMPLATE/wrong-verdict.yml word
    # The paragraph of each must end with "required: true".
    for word in command doctor promise; do
        sed -n "/^    id: $word\$/,/^  - /p" $file | grep -q '^      required: true'
    done
    grep -q 'label: The output of `make doctor`' $file
    grep -q '^    id: server$' $file
}

@test "every command that the advice names exists" {
    local target path
    while read -r target; do
        make -n "$target" STEP=03 >/dev/null || { echo "there is no make $target" && return 1; }
    done < <(sed -nE 's/.*(^ {4}|`|&& )make ([a-z-]+).*/\2/p' README.md .github/*.md .github/*/*.yml | sort -u)
    while read -r path; do
        [[ -e $path || $path == */03_my_mistake ]] || { echo "there is no $path" && return 1; }
    done < <(grep -hoE '(tests|exercises|\.devcontainer|\.ci)/[a-z_/.]*[a-z_]' .github/*.md README.md | sort -u)
}

# ---- how files look ---------------------------------------------------------------

# A second one would take the place of the first without a word, wherever both files are read.
@test "what tests/run reads has one function of a name" {
    local files=(tests/{run,machine.bash,suites.bash,mine.bash,stages/stages.bash,exercises/exercises.bash}) twice
    twice=$(sed -n 's/^\([a-z_0-9]*\)() .*/\1/p' "${files[@]}" | sort | uniq -d)
    [[ -z $twice ]] || {
        echo "$twice"
        return 1
    }
}

@test "a long run ends with what failed, from parts of parts, too" {
    run bash -c '
        source tests/parts.bash
        bad() { printf "%s\n" "  ✓ fine" "  ✗ wrong" "      why  : because" "1 passed, 1 failed"; return 1; }
        good() { echo "2 passed, 0 failed"; }
        inner() { (PASSED=0 FAILED=0 SKIPPED=0 && part "the bad" bad && part "the good" good && add_up); }
        breaks() { echo "no such file" && return 3; }
        part "outer" inner
        part "breaks" breaks
        part "good again" good
        add_up'
    ((status == 1))
    printf '%s\n' '-- outer' '-- the bad' '  ✗ wrong' '      why  : because' '-- breaks' \
        'no such file' '5 passed, 2 failed' >"$BATS_TEST_TMPDIR/wanted"
    sed '/^$/d' <<<"${output##*== what failed ==}" | diff "$BATS_TEST_TMPDIR/wanted" - >&2
}

@test "what has no time left begins nothing more, says what it left out, and is no failure" {
    run bash -c '
        source tests/parts.bash
        in_order a b c
        echo "${ORDERED[@]}"
        UNTIL=$((EPOCHSECONDS + 3600))
        in_order a b c
        echo "${ORDERED[@]}" | tr " " "\n" | sort | paste -sd " "
        (($(share 2) > EPOCHSECONDS + 1700 && $(share 2) < EPOCHSECONDS + 1900)) && echo half
        list() { for NAME; do time_for $NAME && echo did $NAME; [[ $NAME != a ]] || UNTIL=1; done; say_left_out; echo 1 passed, 0 failed; }
        part "a list" list a b c
        UNTIL=1
        part "another" list a b c
        UNTIL=1 tests/stages/matrix 01 02
        add_up'
    ((status == 0))
    sed 's/^ *[0-9]* s  //; /^$/d' <<<"$output" | diff - <(printf '%s\n' 'a b c' 'a b c' half '== a list ==' 'did a' \
        'left out, for the time was over: 2 (b c)' '1 passed, 0 failed' \
        'left out, for the time was over: 2 (05.01 05.02)' '0 passed, 0 failed' \
        'a list, 2 left out' 'left out, for the time was over: 1 (another)' '1 passed, 0 failed') >&2
}

@test "the files look as .editorconfig says" {
    is_repository || skip "this is no git repository"
    local files c=() typed=() indented=() file
    mapfile -t files < <(git ls-files -- Makefile README.md step*_* exercises tests .ci .devcontainer .github \
        ':!tests/fuzz/corpus')
    for file in "${files[@]}"; do
        case $file in
            *.patch | *.svg) continue ;;
            */Makefile | Makefile) ;;
            *) indented+=("$file") ;;
        esac
        typed+=("$file")
        [[ $file != *.[ch] ]] || c+=("$file")
    done
    refute grep -nP '[ \t]+$' "${typed[@]}"
    refute grep -lP '\r$' "${files[@]}"
    refute grep -nP '^\t' "${indented[@]}"
    refute grep -nP '^.{91}' "${c[@]}"
    # Each ends in a line feed: as many of them as lines.
    diff <(grep -c '' "${files[@]}") <(wc -l "${files[@]}" | awk '$2 != "total" { print $2 ":" $1 }')
}

@test ".editorconfig and .clang-format agree" {
    [[ $(sed -n '/^\[\*\]/,/^$/s/^indent_size = //p' .editorconfig) == $(sed -n 's/^IndentWidth: //p' .clang-format) ]]
    [[ $(sed -n '/^\[\*\.{c,h}\]/,/^$/s/^max_line_length = //p' .editorconfig) == $(sed -n 's/^ColumnLimit: //p' .clang-format) ]]
}
