# blocks.bash - finds the shell blocks of a README, what its comments say about them, and the
# output that it shows. .github/CONTRIBUTING.md, "A block of a README", tells what an author
# writes.
# shellcheck shell=bash disable=SC2034 # what is found is for who sources this

# Why a block may not be run.
declare -gA REASONS=(
    [suite]="it runs a whole suite, and CI runs that by itself"
    [measures]="it measures for minutes, and bench.bats runs the tools"
    [tested]="another test runs these commands, each with its arguments"
    [yours]="it needs what only the reader has: their own server, solution, editor or platform"
    [machine]="it shows what another machine or a debugger in hand would print"
)

# The tools that a block may need and a machine may lack; attach: strace and gdb may look at a process
# that runs; core: a process that crashes leaves a file `core` in its directory.
TOOLS_KNOWN=(attach core curl gdb haproxy nc perf ss strace tsan wrk)

# may_attach: to open the memory of another process takes the same right as to trace it (ptrace(2)).
may_attach() {
    local other status=0
    sleep 60 >/dev/null 2>&1 &
    other=$!
    head -c 0 "/proc/$other/mem" 2>/dev/null || status=1
    kill "$other"
    return $status
}

# has_tool NAME
has_tool() {
    case $1 in
        attach) may_attach ;;
        core)
            [[ $(cat /proc/sys/kernel/core_pattern) == core && $(ulimit -Hc) == unlimited ]]
            ;;
        perf) command -v perf >/dev/null && perf record -q -e cpu-clock -o /dev/null true >/dev/null 2>&1 ;;
        tsan)
            echo 'int main(void) { return 0; }' |
                ${CC:-cc} -fsanitize=thread -x c - -o /dev/null 2>/dev/null
            ;;
        *) PATH=$PATH:/usr/sbin command -v "$1" >/dev/null ;;
    esac
}

COMMANDS='^(\$ |sh |make |exec |tests/|cd |git |step0|curl |kill )'

# wrong LINE WORDS: the README itself is wrong.
wrong() { MISTAKES+=("$README:$1: $2"); }

# find_blocks FILE: sets, for each shell block, B_LINE (of its first command), B_TEXT, B_KIND
# (script, or transcript: commands behind "$ " with their output), B_TERMINAL, B_NOT (the reason),
# B_NEEDS, B_FAILS, B_LIMIT, B_SERVES, B_UNTOLD, B_BEFORE, B_AFTER, B_OUT_LINE (0: no output is told),
# B_OUT and B_VARIES. MISTAKES: what is wrong with the comments.
find_blocks() {
    README=$1
    MISTAKES=() B_LINE=() B_TEXT=() B_KIND=() B_TERMINAL=() B_NOT=() B_NEEDS=() B_FAILS=() B_LIMIT=()
    B_SERVES=() B_UNTOLD=() B_BEFORE=() B_AFTER=() B_OUT_LINE=() B_OUT=() B_VARIES=()
    local lines i=0 line body start count run='' run_line=0 before='' after='' output='' output_line=0 adjacent=''
    mapfile -t lines <"$1"
    count=${#lines[@]}
    while ((i < count)); do
        line=${lines[i]}
        start=$((i + 1)) body=''
        case $line in
            '<!-- run: '* | '<!-- before: '* | '<!-- after: '* | '<!-- output:'*)
                while [[ ${lines[i]} != *'-->' ]] && ((i + 1 < count)); do
                    i=$((i + 1))
                    [[ ${lines[i]} == '-->' ]] || body+=${lines[i]%-->}$'\n'
                done
                line=${line#<!-- }
                line=${line%-->}
                case $line in
                    run:*) run=${line#run:} run_line=$start ;;
                    before:*) before=${line#before:}$'\n'$body ;;
                    after:*) after=${line#after:}$'\n'$body ;;
                    output:*)
                        if [[ -n $body ]]; then # the prose tells it in words
                            take_output "$((start + 1))" "$body" "${line#output:}"
                        else
                            output=${line#output:} output_line=$start
                        fi
                        ;;
                esac
                ;;
            '```'*)
                i=$((i + 1))
                while [[ $i -lt $count && ${lines[i]} != '```' ]]; do
                    body+=${lines[i]}$'\n'
                    i=$((i + 1))
                done
                take_block "${line#\`\`\`}" "$((start + 1))" "$body"
                ;;
            '    '[![:space:]]*)
                if ((i == 0)) || [[ -z ${lines[i - 1]} || ${lines[i - 1]} == *'-->' ]]; then
                    while [[ $i -lt $count && ${lines[i]} == '    '* ]]; do
                        body+=${lines[i]#    }$'\n'
                        i=$((i + 1))
                    done
                    i=$((i - 1))
                    take_block indented "$start" "$body"
                fi
                ;;
            *[![:space:]]*)
                adjacent=''
                [[ -z $run$before$after && $output_line == 0 ]] || none_follows
                ;;
        esac
        i=$((i + 1))
    done
    [[ -z $run$before$after && $output_line == 0 ]] || none_follows
}

none_follows() {
    wrong "$((run_line > 0 ? run_line : output_line))" "this comment stands above no block"
    run='' run_line=0 before='' after='' output='' output_line=0
}

# take_block LANGUAGE LINE TEXT: a shell block, the output of the one before, or neither.
take_block() {
    local kind=''
    case $1 in
        sh) kind=script ;;
        text | '') [[ $3 != '$ '* ]] || kind=transcript ;;
        indented) [[ -z $run$before$after && ! $3 =~ $COMMANDS ]] || kind=script ;;
    esac
    [[ $3 != '$ '* ]] || kind=transcript
    if [[ -n $kind ]]; then
        take_shell "$kind" "$2" "$3"
        adjacent=yes
    elif [[ $1 == @(|text|indented) ]] && { [[ -n $adjacent ]] || ((output_line > 0)); }; then
        take_output "$2" "$3" "$output"
        output='' output_line=0 adjacent=''
    else
        adjacent=''
        [[ -z $run$before$after && $output_line == 0 ]] || none_follows
    fi
}

# take_output LINE TEXT VARIES
take_output() {
    local n=$((${#B_LINE[@]} - 1))
    if ((n < 0)) || [[ ${B_KIND[n]} == transcript || ${B_OUT_LINE[n]} != 0 ]]; then
        wrong "$1" "this output belongs to no block"
        return
    fi
    B_OUT_LINE[n]=$1 B_OUT[n]=$2 B_VARIES[n]=$3
}

take_shell() {
    local n=${#B_LINE[@]} word tool
    B_KIND[n]=$1 B_LINE[n]=$2 B_TEXT[n]=$3 B_BEFORE[n]=$before B_AFTER[n]=$after
    B_TERMINAL[n]=1 B_NOT[n]='' B_NEEDS[n]='' B_FAILS[n]='' B_LIMIT[n]=60 B_SERVES[n]='' B_UNTOLD[n]=''
    B_OUT_LINE[n]=0 B_OUT[n]='' B_VARIES[n]=''
    [[ ! $3 =~ ^'# terminal '([1-3]) ]] || B_TERMINAL[n]=${BASH_REMATCH[1]}
    # In a transcript, what varies is told for all of its output.
    [[ $1 != transcript ]] || B_VARIES[n]=$output output='' output_line=0
    for word in $run; do
        case $word in
            terminal=[1-3]) B_TERMINAL[n]=${word#*=} ;;
            serves) B_SERVES[n]=yes ;;
            output=untold) B_UNTOLD[n]=yes ;;
            fails=[0-9]*) B_FAILS[n]=${word#*=} ;;
            limit=[1-9]*) B_LIMIT[n]=${word#*=} ;;
            not=*)
                B_NOT[n]=${word#*=}
                [[ -n ${REASONS[${word#*=}]-} ]] ||
                    wrong "$run_line" "\"${word#*=}\" is no reason not to run a block; these are: ${!REASONS[*]}"
                ;;
            needs=*)
                for tool in ${word#*=}; do
                    B_NEEDS[n]+=" $tool"
                    [[ " ${TOOLS_KNOWN[*]} " == *" $tool "* ]] ||
                        wrong "$run_line" "no tool is called \"$tool\"; these are: ${TOOLS_KNOWN[*]}"
                done
                ;;
            *) wrong "$run_line" "a block cannot be told \"$word\"" ;;
        esac
    done
    run='' run_line=0 before='' after=''
}

# commands_of FIRST_LINE TEXT: splits a script into whole commands. C_LINE: where each begins,
# C_TEXT: each.
commands_of() {
    local line number=$1 begin='' text='' said
    C_LINE=() C_TEXT=()
    while IFS= read -r line; do
        [[ -n $begin ]] || begin=$number
        text+=$line$'\n'
        number=$((number + 1))
        [[ $line != *\\ ]] || continue
        # Open quotes, loops and here-documents.
        said=$(bash -n <<<"$text" 2>&1)
        [[ -z $said ]] || continue
        [[ $text == '#'* || $text == $'\n' ]] || C_LINE+=("$begin") C_TEXT+=("$text")
        begin='' text=''
    done <<<"${2%$'\n'}"
    [[ -z $text ]] || C_LINE+=("$begin") C_TEXT+=("$text") # it is wrong, and bash will say so
}
