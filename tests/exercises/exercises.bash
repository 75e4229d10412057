# exercises.bash - which exercises there are, and what is known of a student's work on them.
#
# An exercise is a directory exercises/NN_name (tests/exercises/README.md tells its files); the
# student works in a copy of its starter, work/NN_name. What happened is kept in work/progress,
# a line each, which can be carried to another machine:
#
#   2026-11-26 14:05 07_the_vacant_slot started
#   2026-11-26 14:20 07_the_vacant_slot checked 3 of 5
#   2026-11-26 14:31 07_the_vacant_slot hint 1
#   2026-11-26 15:02 07_the_vacant_slot solved
#
# Steps and stages that a student builds stand there, too, as 03 or 05.07.
# shellcheck shell=bash disable=SC2034 # set for the scripts that source it

# shellcheck source=tests/stages/stages.bash
source "${BASH_SOURCE[0]%/*}/../stages/stages.bash"

EXERCISES=$STAGES_COURSE/exercises
SOLUTIONS=$EXERCISES/.solutions
WORK=${WORK_DIR:-$STAGES_COURSE/work}
PROGRESS=$WORK/progress

# exercises: all, in order, by name: 01_the_short_send and so on.
exercises() {
    local file
    for file in "$EXERCISES"/[0-9][0-9]_*/exercise; do
        [[ -f $file ]] || continue
        file=${file%/exercise}
        echo "${file##*/}"
    done
}

# exercise_name NN: its name, also told by its name or as 7; nothing and 1 where there is none.
exercise_name() {
    local name wanted=$1
    [[ $wanted != [1-9] ]] || wanted=0$wanted
    for name in $(exercises); do
        [[ $wanted != "${name%%_*}" && $wanted != "$name" ]] || {
            echo "$name"
            return
        }
    done
    return 1
}

# about_exercise NAME KEY: the value of its line `KEY: ...`.
about_exercise() { sed -n "s/^$2: *//p" "$EXERCISES/$1/exercise"; }

# the_exercise NN: sets NAME, or says which ones there are and ends.
the_exercise() {
    [[ -n ${1-} ]] && NAME=$(exercise_name "$1") && return
    [[ -n ${1-} ]] && echo "there is no exercise $1; these there are:" >&2
    [[ -n ${1-} ]] || echo "say which exercise, as EX=01:" >&2
    "$STAGES_COURSE/tests/exercises/list" >&2
    exit 2
}

# make_starter NAME DIRECTORY: what a student begins with, in DIRECTORY, which is made.
make_starter() {
    local base from
    base=$(about_exercise "$1" base)
    case $base in
        '')
            mkdir -p "$2" && cp -R "$EXERCISES/$1/starter/." "$2"
            return
            ;;
        05.*) from=$(stage_tree "${base#05.}") || return ;;
        *) from=$STAGES_COURSE/$base ;;
    esac
    copy_sources "$from" "$2" || return
    # Some begin with the step as it is.
    [[ ! -f $EXERCISES/$1/starter.patch ]] || apply_patch "$EXERCISES/$1/starter.patch" "$2"
}

# apply_patch FILE DIRECTORY
apply_patch() {
    patch -d "$2" -p1 --fuzz=0 -N -s <"$1" || {
        echo "${1#"$STAGES_COURSE"/} does not apply" >&2
        return 1
    }
}

# note NAME EVENT: one line more in the progress.
note() {
    if ! mkdir -p "$WORK" || ! printf '%(%Y-%m-%d %H:%M)T %s %s\n' -1 "$1" "$2" >>"$PROGRESS"; then
        echo "cannot write $PROGRESS" >&2
        return 1
    fi
}

# has_event NAME EVENT: did it ever happen?
has_event() {
    [[ -f $PROGRESS ]] && awk -v name="$1" -v event="$2" '
        $3 == name && $4 == event { found = 1 }
        END { exit !found }' "$PROGRESS"
}

# hints_used NAME
hints_used() {
    [[ -f $PROGRESS ]] || {
        echo 0
        return
    }
    awk -v name="$1" '$3 == name && $4 == "hint" { if ($5 > used) used = $5 } END { print used + 0 }' \
        "$PROGRESS"
}

# student_directory NAME: where a student works on it; DIR says otherwise.
student_directory() { echo "${DIR:-$WORK/$1}"; }

# shown PATH: as seen from the course.
shown() { echo "${1#"$STAGES_COURSE"/}"; }

# first_sentence FILE HEADING: the first sentence below that heading, in one line; it begins
# with a letter, so a transcript is not one.
first_sentence() {
    awk -v heading="$2" '
        $0 == heading { inside = 1; next }
        inside && /^```/ { code = !code; next }
        !inside || code { next }
        /^#/ && text != "" { exit }
        /^#/ { next }
        /^$/ && text != "" { exit }
        { text = text (text == "" ? "" : " ") $0 }
        END { if (match(text, /[.!?:]( |$)/)) text = substr(text, 1, RSTART); print text }' "$1"
}
