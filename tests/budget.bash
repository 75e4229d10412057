# budget.bash - for scripts that go through a long list and must end in time all the same.
#
# UNTIL=seconds since 1970 (EPOCHSECONDS): nothing more is begun then, and what was left out is
# said. Where it is set, a list begins elsewhere each day, so that what is left out today is not
# left out tomorrow. Without it all is done, in order.
# shellcheck shell=bash

LEFT_OUT=() # what was not begun

time_is_up() { [[ -n ${UNTIL-} ]] && ((EPOCHSECONDS >= UNTIL)); }

# time_for NAME: whether it may begin; if not, it is noted.
time_for() {
    ! time_is_up || { LEFT_OUT+=("$1") && return 1; }
}

# share N: the end of the first of N equal shares of what time is left; nothing, if there is no end.
share() { [[ -z ${UNTIL-} ]] || echo $((EPOCHSECONDS + (UNTIL - EPOCHSECONDS) / $1)); }

# in_order NAME...: the array ORDERED is what begins first, second and so on: from day to day three
# eighths of the list further on.
in_order() {
    local first=0 day=$((EPOCHSECONDS / 86400))
    [[ -z ${UNTIL-} || $# == 0 ]] || first=$((day * ($# * 3 / 8 + 1) % $#))
    # shellcheck disable=SC2034 # for who sources this
    ORDERED=("${@:first+1}" "${@:1:first}")
}

# say_left_out: one line, if anything was.
say_left_out() {
    ((${#LEFT_OUT[@]} == 0)) || echo "left out, for the time was over: ${#LEFT_OUT[@]} (${LEFT_OUT[*]})"
}
