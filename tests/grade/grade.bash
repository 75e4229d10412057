# grade.bash - judges one submission: finds its parts, runs each in a sandbox of its own, and counts
# points. tests/grade/grade and gradebook source it, after machine.bash.
#
#   prepare_grading          once: the tree of tests that submissions are judged with
#   grade_submission DIR OUT [PART...]   judges it; what came out is in OUT:
#
#     grade.tsv      all of it, a line each, fields between tabs, \n for the end of a line:
#       submission NAME SECONDS ISOLATION SEED
#       note TEXT                          what is wrong with the submission as a whole
#       part NAME DIRECTORY POINTS MAXIMUM WHY     such as 03 or 05.07 or ex07
#       item PART NAME STATE POINTS MAXIMUM TEXT   STATE: kept, broken, waiting, not-run, not-judged
#     PART.said      what the tests said, as a student would see it
#
# The grader does not trust what it judges. make and the server of a submission run as another user
# than the tests, see a file system that holds no solutions and nothing of other students, have
# neither network nor processes in common with anybody, and are limited in memory, processes, file
# sizes and time. ISOLATION says how far this machine allows that:
#
#   full   (as root) another user, and namespaces
#   user   (as anybody) a user namespace: the server runs as the same user as the tests, without
#          any right; a hostile one may stop them, and what was not run earns nothing, but a
#          forged result cannot be excluded
#   account (as root where namespaces are forbidden, as in most containers) another user, whose
#          processes are ended afterwards; it shares the network, and what all users may read
#   none   nothing of that is allowed here: the same limits of time, and no wall. Only for
#          submissions that are trusted
# shellcheck shell=bash

GRADE_COURSE=$PLAIN_COURSE
course=$PLAIN_COURSE
# shellcheck source=tests/mine.bash
source "$GRADE_COURSE/tests/mine.bash" # kill_tree
# shellcheck source=tests/exercises/exercises.bash
source "$GRADE_COURSE/tests/exercises/exercises.bash"

GRADE_LIMIT_S=${GRADE_LIMIT_S:-1500} # of one part; the tests have limits of their own
GRADE_FILES_MAX=5000                 # in one part
GRADE_SIZE_MAX=$((64 << 10))         # KiB
# Users that nobody else has (systemd hands them out, but only to services that ask for one). How many
# processes a user may have is counted for all of its processes, so two graders at a time do not
# share one.
: "${GRADE_USERS:=61184}"
GRADE_USERS_COUNT=4336

# ---- before -----------------------------------------------------------------------

# isolation: prints what this machine allows.
isolation() {
    local spaces=(unshare --mount --net --ipc --uts --pid --fork --kill-child)
    if [[ $(id -u) == 0 ]] && "${spaces[@]}" true 2>/dev/null; then
        echo full
    elif [[ $(id -u) == 0 ]]; then
        echo account
    elif "${spaces[@]}" --user --map-root-user mount -t tmpfs none /mnt 2>/dev/null; then
        echo user
    else
        echo none
    fi
}

# The tree that a submission is judged with: what the tests need, and no solution. A program of the
# student may read and run what it needs to be tested (libraries that are preloaded), and cannot
# even list the rest.
lay_tree() {
    local to=$1
    mkdir -p "$to" && (cd "$GRADE_COURSE" && tar -cf - --exclude=build --exclude='build-*' --exclude=work --exclude=.solutions \
        --exclude=.git --exclude='tests/bin/tmp*' Makefile README.md step0* exercises tests) | tar -xf - -C "$to" || return
    chmod -R go-rwx "$to" && find "$to" -type d -exec chmod 711 {} + || return
    chmod go+rx "$to"/tests/bin/* && chmod go+r "$to"/tests/*.bash
}

# Where a student's make runs, there is nothing that it could copy, whoever it is: neither references nor
# wrong servers. Tests that a student wrote are asked of both, so they get the whole tree.
lay_bare_tree() {
    cp -a "$1" "$2" && rm -rf "$2"/step0*/*.[ch] "$2"/step0*/server "$2"/step05_final/stages/*/change.patch \
        "$2"/exercises/*/starter.patch "$2"/tests/{mutants,wheats,variants,fuzz,bench,stages/work,mine/broken}
}

# everybody_enters DIRECTORY: all that stand above it can be passed by any user.
everybody_enters() {
    local place=${1%/*}
    while [[ -n $place ]]; do
        (($(stat -c '0%a & 1' "$place"))) || return 1
        place=${place%/*}
    done
}

# move_scratch: without a file system of its own the other user needs a way to the tests and the copies.
move_scratch() {
    local place
    ! everybody_enters "$SCRATCH" || return 0
    for place in /tmp /var/tmp /dev/shm; do
        if [[ -w $place ]] && everybody_enters "$place/x"; then
            # shellcheck disable=SC2034 # for unsettle, which removes it, too
            BESIDE=$SCRATCH
            SCRATCH=$(mktemp -d "$place/course.XXXXXX") && export TMPDIR=$SCRATCH
            return
        fi
    done
    return 1
}

prepare_grading() {
    local tool
    for tool in bats make "${CC:-cc}"; do
        command -v "$tool" >/dev/null || cannot "$tool is missing: sh tests/setup test"
    done
    [[ -x $GRADE_COURSE/tests/bin/guard && -x $GRADE_COURSE/step05_final/server ]] ||
        cannot "the servers and tools are not built: make all tools"
    : "${ISOLATION:=$(isolation)}"
    [[ $ISOLATION != account ]] || move_scratch || cannot "no directory for temporary files that another user can enter"
    GRADE_TREE=$SCRATCH/tree
    lay_tree "$GRADE_TREE" || cannot "the tests cannot be copied to $SCRATCH"
    if [[ -n ${VARIANTS-} ]]; then
        compgen -G "$VARIANTS/servers.*" >/dev/null || cannot "VARIANTS=$VARIANTS holds no servers.NN: make variants"
        mkdir -m 711 "$GRADE_TREE/tests/variants"
        cp "$VARIANTS"/* "$GRADE_TREE/tests/variants" || cannot "VARIANTS=$VARIANTS cannot be read"
        chmod 600 "$GRADE_TREE"/tests/variants/*
    fi
    BARE_TREE=$SCRATCH/bare
    lay_bare_tree "$GRADE_TREE" "$BARE_TREE" || cannot "the tests cannot be copied to $SCRATCH"
    : "${SEED:=$((RANDOM * 32768 + RANDOM))}"
    [[ $SEED =~ ^[0-9]{1,12}$ ]] || cannot "SEED is a number of up to twelve digits, not $SEED"
}

# ---- what was handed in -----------------------------------------------------------

# part_of NAME: which part a directory of this name is; nothing if none.
part_of() {
    local step=${1#step}
    case $1 in
        0[1-5] | 05.[0-9][0-9]) echo "$1" ;;
        step0[1-5] | step0[1-5]_*) echo "${step%%_*}" ;;
        [0-9][0-9]_*) ! exercise_name "$1" >/dev/null || echo "ex${1%%_*}" ;;
        ex[0-9][0-9]) ! exercise_name "${1#ex}" >/dev/null || echo "$1" ;;
    esac
}

# is_part PART: is there such a step, stage or exercise?
is_part() {
    case $1 in
        0[1-5]) ;;
        05.[0-9][0-9]) stage_name "${1#05.}" >/dev/null ;;
        ex[0-9][0-9]) exercise_name "${1#ex}" >/dev/null ;;
        *) false ;;
    esac
}

# check_parts: sets the array parts from PARTS, or says what may stand there and ends.
check_parts() {
    local part
    read -ra parts <<<"${PARTS-}"
    for part in "${parts[@]}"; do
        is_part "$part" || cannot "there is no part $part: 01 to 05, 05.01 to 05.$(last_stage), and the exercises, \
ex$(exercises | cut -c 1-2 | paste -sd , | sed 's/,/, ex/g')"
    done
}

# find_parts DIRECTORY: sets FOUND, by part: its directory. In a copy of the whole course the work of
# the student is in work/; what else is there is the course's.
find_parts() {
    local place places=("$1" "$1/work") directory part
    declare -gA FOUND=()
    [[ ! -d $1/tests || ! -d $1/exercises ]] || places=("$1/work")
    for place in "${places[@]}"; do
        for directory in "$place"/*/; do
            directory=${directory%/}
            [[ -d $directory && ! -L $directory ]] || continue
            part=$(part_of "${directory##*/}")
            [[ -z $part || -n ${FOUND[$part]-} ]] || ! is_part "$part" || FOUND[$part]=$directory
        done
    done
}

# hand_over FROM TO: a copy of the regular files and directories. A link that stays inside becomes
# what it names; another one, and what is no file, is left out and named on stdout.
hand_over() {
    local from to=$2 file target
    from=$(cd -- "$1" && pwd -P) || { echo "it cannot be entered"; return 1; }
    (($(find "$from" -printf . | head -c $((GRADE_FILES_MAX + 1)) | wc -c) <= GRADE_FILES_MAX)) || {
        echo "it holds more than $GRADE_FILES_MAX files"
        return 1
    }
    (($(cd "$from" && du -sk . 2>/dev/null | cut -f 1) <= GRADE_SIZE_MAX)) || {
        echo "it holds more than $((GRADE_SIZE_MAX / 1024)) MiB"
        return 1
    }
    mkdir -p "$to"
    while IFS= read -r -d '' file; do
        file=${file#./}
        if [[ -d $from/$file && ! -L $from/$file ]]; then
            mkdir -p "$to/$file"
        elif [[ -L $from/$file ]]; then
            target=$(realpath -e -- "$from/$file" 2>/dev/null) || target=''
            if [[ $target == "$from"/* && -f $target ]]; then
                cp -- "$target" "$to/$file" 2>/dev/null || printf '%q cannot be read\n' "$file"
            else
                printf '%q is a link to no file of the directory, and was left out\n' "$file"
            fi
        elif [[ -f $from/$file ]]; then
            cp -- "$from/$file" "$to/$file" 2>/dev/null || printf '%q cannot be read\n' "$file"
        else
            printf '%q is neither a file nor a directory, and was left out\n' "$file"
        fi
    done < <(cd "$from" && find . -mindepth 1 \( -name .git -prune \) -o -print0)
    chmod -R u+rwX,go+rX,go-w "$to"
}

# run_alone COMMAND...: in the background, so that Ctrl-C is heard at once.
RUNNING=''
run_alone() {
    local status=0
    "$@" &
    RUNNING=$!
    wait "$RUNNING" || status=$?
    RUNNING=''
    return $status
}

# end_grading: for an EXIT trap. What still runs ends, and with it all that the sandbox holds.
end_grading() {
    trap '' INT TERM HUP
    [[ -z $RUNNING ]] || kill_tree "$RUNNING"
    wait 2>/dev/null
    [[ ${ISOLATION-} != account ]] || end_user "$(user_of 0)"
    unsettle
}

# ---- one part ---------------------------------------------------------------------

# tree_for PART: the tree that it is judged with.
tree_for() {
    if [[ $1 == ex* && $(about_exercise "$(exercise_name "${1#ex}")" build) == none ]]; then
        echo "$GRADE_TREE"
    else
        echo "$BARE_TREE"
    fi
}

# user_of SLOT: the user of the submission that is graded there.
user_of() { echo $((GRADE_USERS + ($$ * 100 + $1) % GRADE_USERS_COUNT)); }

# run_part PART COPY RESULTS: the judge, in the sandbox or without. Nothing of our environment is known
# there: it may hold secrets.
run_part() {
    local part=$1 copy=$2 results=$3 what=step number=$1 user='' tree words
    local spaces=(unshare --mount --net --ipc --uts --pid --fork --kill-child=KILL --propagation private)
    local scratch status=0
    [[ $part != ex* ]] || what=exercise number=${part#ex}
    case $ISOLATION in
        full | account) user=$(user_of "${GRADE_SLOT:-0}") ;;
        user) spaces+=(--user --map-root-user) ;;
    esac
    mkdir -m 700 "$results/inside"
    tree=$(tree_for "$part")
    # A compiler that is ccache would write where this user may not, and hand one student's object to another.
    # shellcheck disable=SC2031 # not changed in ours
    words=(CCACHE_DISABLE=1 PAYLOAD_SEED="$SEED" ${JOBS:+JOBS="$JOBS"} ${CC:+CC="$CC"} ${FILTER:+FILTER="$FILTER"})
    if [[ $ISOLATION == none || $ISOLATION == account ]]; then
        scratch=$(mktemp -d "$SCRATCH/tmp.XXXXXX") && chmod 711 "$SCRATCH" "$scratch" || return
        run_alone timeout -k 10 "$GRADE_LIMIT_S" env -i PATH="$PATH" HOME="$scratch" TMPDIR="$scratch" "${words[@]}" \
            "$tree/tests/grade/judge" "$what" "$number" "$user" "$copy" "$results/inside" || status=$?
        [[ -z $user ]] || end_user "$user"
        rm -rf "$scratch"
        return $status
    else
        run_alone timeout -k 10 "$GRADE_LIMIT_S" "${spaces[@]}" "$tree/tests/grade/sandbox" "$tree" "$copy" \
            "$results/inside" "${words[@]}" /course/tests/grade/judge "$what" "$number" "$user" /submission /results
    fi >"$results/outside" 2>&1 </dev/null
}

# end_user USER: all of its processes; one that forks meanwhile is found in the next round.
end_user() {
    local round pids
    for ((round = 0; round < 100; round++)); do
        pids=$(ps -e -o uid= -o pid= -o stat= | awk -v user="$1" '$1 == user && $3 !~ /^Z/ { print $2 }')
        [[ -n $pids ]] || return 0
        # shellcheck disable=SC2086 # numbers
        kill -KILL $pids 2>/dev/null
    done
}

# grade_part PART DIRECTORY OUT: appends to OUT/grade.part.
grade_part() {
    local part=$1 directory=$2 out=$3 copy results status=0 why='' notes
    results=$(mktemp -d "$SCRATCH/results.XXXXXX") copy=$(mktemp -d "$SCRATCH/copy.XXXXXX") || return
    if ! notes=$(hand_over "$directory" "$copy"); then
        why=$notes notes=''
    elif [[ $part != ex* && -z $(find "$copy" -name '*.c' -print -quit) ]]; then
        why="there is no C file in it"
    else
        run_part "$part" "$copy" "$results" || status=$?
        why=$(why_ended "$status" "$results")
    fi
    [[ -z $notes ]] || while IFS= read -r line; do tsv note "$part: $line"; done <<<"$notes" >>"$out/grade.part"
    cp "$results/inside/said" "$out/$part.said" 2>/dev/null || : >"$out/$part.said"
    touch "$results/inside/verdicts" "$results/inside/rest"
    count_points "$part" "${directory##*/}" "$why" "$results" >>"$out/grade.part"
    rm -rf "$results" "$copy"
}

# why_ended STATUS RESULTS: why the tests did not come to their end; nothing if they did.
why_ended() {
    local came_to=''
    [[ ! -f $2/inside/came-to ]] || came_to=$(<"$2/inside/came-to")
    if [[ $came_to == 'the end' ]]; then
        sed -n 's/^tests\/run: //p; s/^run: //p' "$2/inside/said" | head -n 1
    elif (($1 == 124 || $1 == 137)); then
        echo "it was stopped after $GRADE_LIMIT_S s, in ${came_to:-its beginning}"
    elif [[ -z $came_to ]]; then
        echo "the sandbox could not be made: $(tail -n 1 "$2/outside")"
    else
        echo "the tests were ended from outside (status $1), in $came_to"
    fi
}

# tsv FIELD...: a line of grade.tsv.
tsv() {
    local field line=''
    for field; do
        field=${field//\\/\\\\} field=${field//$'\n'/\\n}
        line+=${line:+$'\t'}${field//[$'\t\r']/ }
    done
    printf '%s\n' "$line"
}

# expected PART: suite, test and promise of all that is asked, though nothing of it was run.
expected() {
    case $1 in
        ex*)
            sed -n 's/^@test "\(.*\)" {.*/exercise\t\1\t./p' "$EXERCISES/$(exercise_name "${1#ex}")/test.bats"
            ;;
        *)
            # Several may be graded at a time.
            local file=$SCRATCH/list.$1.$BASHPID
            [[ -e $SCRATCH/list.$1 ]] || {
                "$GRADE_COURSE/tests/run" list "$1" | grep $'\t' >"$file"
                mv "$file" "$SCRATCH/list.$1"
            }
            cat "$SCRATCH/list.$1"
            ;;
    esac
}

# count_points PART DIRECTORY WHY RESULTS: the lines `part` and `item`.
count_points() {
    local part=$1 suite=none
    [[ $part != ex* ]] || suite=$(about_exercise "$(exercise_name "${part#ex}")" suite)
    # In the environment, for awk reads \n in what -v says.
    PART_DIRECTORY=$(tsv "$2") PART_WHY=$(tsv "$3") awk -v part="$part" -v rest_suite="$suite" \
        -f "$GRADE_COURSE/tests/grade/points.awk" "$GRADE_COURSE/tests/points" <(expected "$part") \
        "$4/inside/verdicts" "$4/inside/rest"
}

# ---- all of it --------------------------------------------------------------------

# grade_submission DIRECTORY OUT [PART...]: where parts are told, these count, and those that are not
# there earn nothing.
grade_submission() {
    local from=$1 out=$2 began=$SECONDS part wanted
    shift 2
    mkdir -p "$out"
    local tsv_file=$out/grade.part # only a complete one gets its name
    rm -f "$out/grade.tsv"
    : >"$tsv_file"
    [[ -n $(find "$from" -mindepth 1 -maxdepth 1 -print -quit 2>/dev/null) ]] || tsv note "the directory is empty" >>"$tsv_file"
    find_parts "$from"
    # A directory that holds the sources themselves.
    if (($# == 1 && ${#FOUND[@]} == 0)) && [[ $1 != ex* ]] && compgen -G "$from/*.c" >/dev/null; then
        FOUND[$1]=$from
    fi
    wanted=("$@")
    (($# > 0)) || mapfile -t wanted < <(printf '%s\n' "${!FOUND[@]}" | sort | grep .)
    ((${#wanted[@]} > 0)) || tsv note "no step, stage or exercise is in it: a directory named 03, step03_epoll, 05.07 or \
07_the_rest_of_the_rest, there or in work/" >>"$tsv_file"
    for part in "${wanted[@]}"; do
        if [[ -n ${FOUND[$part]-} ]]; then
            grade_part "$part" "${FOUND[$part]}" "$out"
        else
            nothing_handed_in "$part" >>"$tsv_file"
        fi
    done
    {
        tsv submission "${from##*/}" $((SECONDS - began)) "$ISOLATION" "$SEED"
        cat "$tsv_file"
    } >"$out/grade.tsv.new"
    rm -f "$tsv_file"
    mv "$out/grade.tsv.new" "$out/grade.tsv"
}

nothing_handed_in() {
    local results=$SCRATCH/nothing
    mkdir -p "$results/inside" && : >"$results/inside/verdicts" && : >"$results/inside/rest"
    count_points "$1" - "it was not handed in" "$results"
}
