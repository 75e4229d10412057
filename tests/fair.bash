# fair.bash - the limit of a wait counts only the time in which the server could run.
# src/fair.h says why and how; it does the same for the clients.
# shellcheck shell=bash

FAIR_SHARE_MIN=20       # a limit ends after so many times its length at the latest
FAIR_SHORT_US=100000    # so long a wait needs no account of what was withheld
FAIR_WITHHELD_US=10000  # less is as good as nothing

# A limit is a few variables of who waits: LIMIT_US, BEGAN_US, UNTIL_US and ACCOUNT.

# take_account: when it was taken, the CPU time that the server has had, and how long its
# threads have waited for a core, in µs. (/proc/PID/task/TID/schedstat has ns.)
take_account() {
    local file cpu delay used=0 waited=0
    for file in "/proc/${SERVER_PID:-none}/task/"*/schedstat; do
        read -r cpu delay _ <"$file" || continue
        used=$((used + cpu)) waited=$((waited + delay))
    done
    ACCOUNT=("${EPOCHREALTIME/[.,]/}" $((used / 1000)) $((waited / 1000)))
} 2>/dev/null

# withheld_us: sets WITHHELD_US, how much of the time since the account was withheld.
withheld_us() {
    local before=("${ACCOUNT[@]}") wall used waited
    take_account
    wall=$((ACCOUNT[0] - before[0])) used=$((ACCOUNT[1] - before[1])) waited=$((ACCOUNT[2] - before[2]))
    # A thread that has ended takes its sum with it.
    ((waited > 0)) || waited=0
    ((waited < wall)) || waited=$wall
    ((used > 0)) || used=0
    WITHHELD_US=$((wall > 0 ? waited - waited * used / (wall * $(nproc)) : 0))
}

# time_is_left: when the limit is over, what was withheld is added to it, until that is
# nothing.
time_is_left() {
    local now=${EPOCHREALTIME/[.,]/} WITHHELD_US
    if ((now < UNTIL_US)); then
        ((${#ACCOUNT[@]} > 0 || now < BEGAN_US + FAIR_SHORT_US)) || take_account
        return 0
    fi
    ((${#ACCOUNT[@]} > 0 && now < BEGAN_US + LIMIT_US * FAIR_SHARE_MIN)) || return 1
    withheld_us
    UNTIL_US=$((now + WITHHELD_US))
    ((WITHHELD_US > FAIR_WITHHELD_US))
}

# note_limit WHAT...: for finding limits that are too tight, as fair_log in src/fair.h.
note_limit() {
    local used=$((${EPOCHREALTIME/[.,]/} - BEGAN_US))
    [[ -n ${LIMITS_LOG-} ]] && ((used * 10 > LIMIT_US)) || return 0
    printf '%d%%\t%d ms of %d\t%s\t%s\n' $((used * 100 / LIMIT_US)) $((used / 1000)) \
        $((LIMIT_US / 1000)) "$BATS_TEST_DESCRIPTION" "$*" >>"$LIMITS_LOG"
}
