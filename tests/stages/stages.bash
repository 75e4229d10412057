# stages.bash - the stages between step 04 and step 05: which there are, and their sources.
#
# A stage is a directory step05_final/stages/NN_name with a change.patch from the tree before it.
# The trees are made below tests/stages/work, each once for each state of the patches, and are
# what step directories are: sources and a Makefile. Stage 00 is step 04 itself.
# shellcheck shell=bash

STAGES_COURSE=$(cd "${BASH_SOURCE[0]%/*}/../.." && pwd -P) || exit 2
STAGES_WORK=$STAGES_COURSE/tests/stages/work
STAGES_PATCHES=$STAGES_COURSE/step05_final/stages

# stages: all, in order, by name: 01_options and so on.
stages() {
    local directory
    for directory in "$STAGES_PATCHES"/[0-9][0-9]_*/; do
        [[ -d $directory ]] || continue
        directory=${directory%/}
        echo "${directory##*/}"
    done
}

# stage_name NN: its name; nothing and 1 where there is none.
stage_name() {
    local directory
    for directory in "$STAGES_PATCHES/$1"_*/; do
        [[ $1 == [0-9][0-9] && -d $directory ]] || return 1
        directory=${directory%/}
        echo "${directory##*/}"
    done
}

# stage_before NN: the number before it, of two digits.
stage_before() { printf '%02d\n' $((10#$1 - 1)); }

# last_stage: the number of the last one.
last_stage() { stages | sed -n '$s/_.*//p'; }

# stage_title NN: the title of its chapter.
stage_title() { sed -n '1s/^# Stage [0-9.]*: //p' "$STAGES_PATCHES/$(stage_name "$1")/README.md"; }

# copy_sources FROM TO: the C files and the Makefile, into TO, which is made.
copy_sources() { mkdir -p "$2" && cp -p "$1"/*.[ch] "$1/Makefile" "$2"; }

# source_state DIRECTORY...: a number that changes when the sources or patches do.
source_state() {
    local file
    for file in "$@"; do [[ ! -f $file ]] || cat "$file"; done | cksum
}

# make_tree NAME BEFORE: the tree of stage NAME from that in directory BEFORE, if it is not there.
make_tree() {
    local tree=$STAGES_WORK/$1 patch=$STAGES_PATCHES/$1/change.patch state
    state=$(source_state "$2"/*.[ch] "$2/Makefile" "$patch")
    [[ ! -f $tree/.state || $(<"$tree/.state") != "$state" ]] || return 0
    rm -rf "$tree"
    copy_sources "$2" "$tree" || return 1
    patch -d "$tree" -p1 --fuzz=0 -N -s <"$patch" || {
        echo "stage ${1%%_*}: $patch does not apply to the tree before it" >&2
        return 1
    }
    echo "$state" >"$tree/.state"
}

# stage_tree NN: makes the trees up to that of stage NN, and prints its directory.
stage_tree() {
    local name tree
    tree=$(echo "$STAGES_COURSE"/step04_*)
    if [[ $1 != 00 ]]; then
        stage_name "$1" >/dev/null || {
            echo "there is no stage 05.$1: 05.01 to 05.$(last_stage)" >&2
            return 1
        }
        mkdir -p "$STAGES_WORK" || return 1
        exec {lock}>"$STAGES_WORK/.lock" # two runs in one tree
        flock "$lock"
        for name in $(stages); do
            make_tree "$name" "$tree" || return 1
            tree=$STAGES_WORK/$name
            [[ ${name%%_*} != "$1" ]] || break
        done
        exec {lock}>&-
    fi
    echo "$tree"
}

# stage_server NN [MAKE'S WORDS...]: builds it, and prints the path of the server.
stage_server() {
    local tree
    tree=$(stage_tree "$1") || return 1
    shift
    make -s -C "$tree" "$@" >&2 || return 1
    echo "$tree/server"
}

# later_than NN: a word without=stage:MM for each stage after NN, for suite in suites.bash.
later_than() {
    local name
    for name in $(stages); do
        ((10#${name%%_*} <= 10#$1)) || echo "without=stage:${name%%_*}"
    done
}

# changed_lines NN: how many lines of source were removed, and added.
changed_lines() {
    awk '/^(---|\+\+\+) / { next } /^-/ { removed++ } /^\+/ { added++ }
        END { print removed + 0, added + 0 }' "$STAGES_PATCHES/$(stage_name "$1")/change.patch"
}

# tests_of NN: the titles of the tests that carry this stage.
tests_of() {
    awk -v tag="stage:$1" '
        /^# bats test_tags=/ { tags = "," substr($0, 18) ","; gsub(/ /, "", tags) }
        /^@test "/ {
            if (index(tags, "," tag ",")) { sub(/^@test "/, ""); sub(/" \{.*$/, ""); print }
            tags = ""
        }' "$STAGES_COURSE"/step0*/test.bats "$STAGES_COURSE"/tests/*.bats
}

# walls_of NN: the titles of the walls that this stage removes.
walls_of() {
    local file
    file=$STAGES_PATCHES/$(stage_name "$1")/wall.bats
    [[ ! -f $file ]] || sed -n 's/^@test "\(.*\)" {$/\1/p' "$file"
}
