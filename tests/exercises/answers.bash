# answers.bash - judges answers and measurements that a student wrote down.
#
# `answers` has a line for each: key, colon, value. `measured.csv` has a head and rows of numbers.
# What is correct is computed here, from the sources and by running our servers, and is never
# told: a wrong answer is told where to look.
# shellcheck shell=bash disable=SC2154,SC2034 # COURSE and EXERCISE come from lib.bash and tests/run

# answer KEY: what the student wrote, without the spaces around it.
answer() {
    sed -n "s/^[[:space:]]*$1[[:space:]]*:[[:space:]]*\(.*[^[:space:]]\)[[:space:]]*\$/\1/p" "$EXERCISE/answers" 2>/dev/null | tail -n 1
}

# expect_answer KEY CORRECT WHERE: upper and lower case do not matter.
expect_answer() {
    local given
    given=$(answer "$1")
    about "read your answer to $1" "$3" "$HERE, \"The task\""
    [[ -n $given ]] || report "no answer to $1 in answers" "a line \"$1: ...\"" || return 1
    [[ ${given,,} == "${2,,}" ]] || report "$1: $given" "another answer"
}

# salt MAX: a number from 0 to MAX - 1 that depends on the student's name, so that each student
# has answers of their own.
salt() {
    local name sum
    name=$(answer name)
    about "read your name" "the questions depend on it" "$HERE, \"The task\""
    [[ -n $name ]] || report "no name in answers" "a line \"name: ...\"" || return 1
    sum=$(printf '%s' "${name,,}" | cksum)
    SALT=$((${sum%% *} % $1))
}

# the_line FILE PATTERN: the number of the only line that matches.
the_line() {
    local numbers
    numbers=$(grep -nE -e "$2" "$COURSE/$1" | cut -d : -f 1)
    [[ $numbers =~ ^[0-9]+$ ]] || { echo "$1 has not one line like: $2" >&2; return 1; }
    echo "$numbers"
}

# near GIVEN CORRECT PERCENT ABSOLUTE: whole numbers; close enough by either.
near() {
    local difference=$(($1 - $2))
    ((difference >= 0)) || difference=$((-difference))
    ((difference <= $4 || difference * 100 <= $2 * $3))
}

# expect_table HEAD KEY...: measured.csv has this head, and a row that begins with each key, whose
# other fields are whole numbers.
expect_table() {
    local head=$1 key row file=$EXERCISE/measured.csv
    shift
    about "read measured.csv" "a table that a program can read: a head, commas, whole numbers, a row for each case" "$HERE, \"The task\""
    [[ $(head -n 1 "$file" 2>/dev/null) == "$head" ]] || report "its first line is \"$(head -n 1 "$file" 2>/dev/null)\"" "$head" || return 1
    for key; do
        row=$(row_of "$key")
        [[ $row =~ ^[0-9]+(,[0-9]+)*$ ]] || report "the row $key: \"$row\"" "one row with whole numbers" || return 1
    done
}

# row_of KEY: what stands behind it.
row_of() { sed -n "s/^$1,//p" "$EXERCISE/measured.csv"; }
