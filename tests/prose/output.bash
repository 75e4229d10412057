# output.bash - compares what a README shows as output with what was seen.
# shellcheck shell=bash disable=SC2034 # DIFFERS and W_LINE are for who sources this

# A number, a time of any kind, an address; a Date of HTTP.
NUMBER='(0x[0-9a-f]+|[0-9]+([.:T,-][0-9]+)*Z?|[A-Z][a-z][a-z], [0-9][0-9] [A-Z][a-z][a-z] [0-9]{4} [0-9:]{8} GMT)'

# varies WORDS: what an author says about output: "before the number"LETTER..., numbers, any-order, this|that (either word),
# and at the end, behind `if`, what holds between the numbers. Sets V_BEFORE, V_NAME, V_ALL, V_ORDER
# and V_IF.
varies() {
    local rest=$1 word='"([^"]*)"([a-z]?)'
    V_BEFORE=() V_NAME=() V_SAME=() V_OTHER=() V_ALL='' V_ORDER='' V_IF=''
    while [[ $rest == *[![:space:]]* ]]; do
        rest=${rest#"${rest%%[![:space:]]*}"}
        if [[ $rest =~ ^$word ]]; then
            V_BEFORE+=("${BASH_REMATCH[1]}") V_NAME+=("${BASH_REMATCH[2]}")
            rest=${rest:${#BASH_REMATCH[0]}}
        elif [[ $rest =~ ^([a-z]+)\|([a-z]+) ]]; then
            V_SAME+=("${BASH_REMATCH[1]}") V_OTHER+=("${BASH_REMATCH[2]}")
            rest=${rest:${#BASH_REMATCH[0]}}
        elif [[ $rest == numbers* ]]; then
            V_ALL=yes rest=${rest#numbers}
        elif [[ $rest == any-order* ]]; then
            V_ORDER=any rest=${rest#any-order}
        elif [[ $rest == 'if '* ]]; then
            V_IF=${rest#if } rest=''
        else
            return 1
        fi
    done
}

# literal TEXT: LITERAL is a regular expression for it.
literal() {
    local c
    LITERAL=${1//\\/\\\\}
    for c in . '[' ']' '^' '$' '*' '+' '?' '(' ')' '{' '}' '|'; do LITERAL=${LITERAL//"$c"/\\"$c"}; done
}

# pattern_of LINE: PATTERN, and NAMES of the numbers in it.
pattern_of() {
    local rest=^$1 n best at before # the caret: "^" is what stands before a number at the beginning
    PATTERN='' NAMES=()
    while :; do
        best='' at=${#rest}
        for n in "${!V_BEFORE[@]}"; do
            before=${rest%%"${V_BEFORE[n]}"[0-9A-Z]*}
            if ((${#before} < at)) && [[ ${rest:${#before} + ${#V_BEFORE[n]}} =~ ^$NUMBER ]]; then
                best=$n at=${#before}
            fi
        done
        before=${rest%%[0-9]*}
        if [[ -n $V_ALL ]] && ((${#before} < at)); then
            literal "$before"
            NAMES+=('') rest=${rest:${#before}}
        elif [[ -n $best ]]; then
            literal "${rest:0:at}${V_BEFORE[best]}"
            NAMES+=("${V_NAME[best]}") rest=${rest:at + ${#V_BEFORE[best]}}
        else
            literal "$rest"
            PATTERN+=$LITERAL'$'
            PATTERN=^${PATTERN:2} # without its escape
            return
        fi
        # A column of numbers is filled up with blanks.
        [[ $LITERAL != *' ' && $PATTERN$LITERAL != '\^' ]] || LITERAL="${LITERAL%"${LITERAL##*[! ]}"} *"
        PATTERN+=$LITERAL$NUMBER
        [[ ! $rest =~ ^$NUMBER ]] || rest=${rest:${#BASH_REMATCH[0]}}
        [[ $rest != ' '* ]] || PATTERN+=' +' rest=${rest#"${rest%%[! ]*}"}
    done
}

# same LINE SEEN: by the patterns. Notes the numbers that have a name.
same() {
    local nth value
    pattern_of "$1"
    [[ $2 =~ $PATTERN ]] || return
    for nth in "${!NAMES[@]}"; do
        [[ -n ${NAMES[nth]} ]] || continue
        value=${BASH_REMATCH[1 + 2 * nth]%%[!0-9]*}
        eval "${NAMES[nth]}+=($((10#$value)))"
    done
}

# compare WANTED SEEN VARIES: 0, or 1 and DIFFERS is the number of the first line of SEEN (from 0)
# that is not as wanted, W_LINE that of WANTED, and WHY says more. A line of three dots stands for
# any lines.
compare() {
    local wanted seen at_wanted at_seen=0 at_used name used=() found skip=''
    DIFFERS=0 W_LINE=0 WHY=''
    varies "$3" || { WHY="output cannot be told \"$3\"" && return 1; }
    for name in "${V_NAME[@]}"; do [[ -z $name ]] || eval "local $name=()"; done
    wanted=() seen=()
    for name in "${!V_SAME[@]}"; do
        set -- "${1//"${V_OTHER[name]}"/"${V_SAME[name]}"}" "${2//"${V_OTHER[name]}"/"${V_SAME[name]}"}"
    done
    # As a screen shows them.
    [[ -z $1 ]] || mapfile -t wanted < <(expand <<<"${1%$'\n'}")
    [[ -z $2 ]] || mapfile -t seen < <(expand <<<"${2%$'\n'}")
    if [[ -n $V_ORDER ]]; then
        for at_wanted in "${!wanted[@]}"; do
            found=''
            for at_used in "${!seen[@]}"; do
                [[ -z ${used[at_used]-} ]] || continue
                same "${wanted[at_wanted]}" "${seen[at_used]}" || continue
                used[at_used]=yes found=yes
                break
            done
            [[ -n $found ]] || { W_LINE=$at_wanted WHY="no line is \"${wanted[at_wanted]}\"" && return 1; }
        done
        at_seen=${#wanted[@]} at_wanted=$at_seen
    else
        for at_wanted in "${!wanted[@]}"; do
            [[ ${wanted[at_wanted]} != '...' ]] || { skip=yes && continue; }
            while [[ -n $skip && $at_seen -lt ${#seen[@]} ]] && ! same "${wanted[at_wanted]}" "${seen[at_seen]}"; do at_seen=$((at_seen + 1)); done
            W_LINE=$at_wanted DIFFERS=$at_seen
            ((at_seen < ${#seen[@]})) || { WHY="wanted \"${wanted[at_wanted]}\", and nothing more was printed" && return 1; }
            [[ -n $skip ]] || same "${wanted[at_wanted]}" "${seen[at_seen]}" ||
                { WHY="wanted \"${wanted[at_wanted]}\", saw \"${seen[at_seen]}\"" && return 1; }
            skip='' at_seen=$((at_seen + 1))
        done
    fi
    if [[ -z $skip ]] && ((at_seen < ${#seen[@]})); then
        DIFFERS=$at_seen W_LINE=${#wanted[@]}
        WHY="saw \"${seen[at_seen]}\", and nothing more was wanted"
        return 1
    fi
    # In a transcript each output is compared alone: the condition is for that which has them all.
    for name in "${V_NAME[@]}"; do
        if [[ -n $name && -n $APART ]] && eval "((\${#${name}[@]} == 0))"; then return 0; fi
    done
    [[ -z $V_IF ]] || ((V_IF)) || {
        WHY="it does not hold that $V_IF"
        for name in "${V_NAME[@]}"; do [[ -z $name ]] || WHY+=$(eval "echo \", $name: \${${name}[*]}\""); done
        return 1
    }
}
