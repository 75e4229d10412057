# mine.bash - judges a student's directory: builds it plainly, with sanitizers and for valgrind,
# and runs the suites that fit each. tests/run sources it, after suites.bash.
#
#   declare_mine [NN]      all of it: the suites of step NN, or the contract; and the findings
#   declare_findings [NN]  what the sanitizers and valgrind find, alone
#
# Told by the environment: CHECK_MINE is the directory, CC the compiler, if it was chosen.
# MINE_SHOWN is another name for it, in what is said to the student. MINE_ASKED=traffic asks the
# instrumented builds nothing but mine/traffic.bats, MINE_ASKED=own nothing but the exercise's own
# tests. EX is the exercise that is judged, if it is one.
#
# Nothing is written into the student's directory: each kind of build has a copy of it, in a
# work directory that is removed at the end. There, KIND is
#
#   plain      as it is built without us; asked everything that SERVER=... would be asked
#   thread     -fsanitize=thread             asked what the tools leave as it is. What they say
#   address    -fsanitize=address,undefined  is collected, and fails no test by itself: it fails
#   valgrind   -g -O1                        those of mine/findings.bats, one for each kind of
#                                            mistake
#
#   KIND/           the copy, with the program `server` (or a link of that name to it)
#   KIND.build      what make said; KIND.failed: it could not be built; KIND.skip: why this
#                   machine cannot have this kind
#   KIND.reports/   what the sanitizer or valgrind said, a file a process
#   KIND.suites     which tests failed in this build; it exists when they are done
#
# How the flags get in: make finds compilers in KIND.bin before all others, which add them. So
# a Makefile need not do more than call the compiler by its name or as $(CC). Where one does
# not, the sources are built with the Makefile of the course instead, and that is said.
# shellcheck shell=bash disable=SC2154 # tests/run sets course
# shellcheck disable=SC2030,SC2031 # what a subshell changes is for it alone

MINE_KINDS=(thread address valgrind)
MINE_FILES_MAX=2000  # more is not the directory of a server
MINE_SIZE_MAX=102400 # KiB
MINE_BUILD_LIMIT=120 # seconds

# What the instrumented builds are not asked: it is about the command line, the clock or large
# numbers, costs much time there, and exercises no code that others do not.
MINE_NOT_ASKED=(wall exact faults)
for promise in listening-line address usage-errors help bad-address wait-option cpu-option \
    restart stdin-closed crowd several-cores ten-thousand descriptor-limit idle-is-free \
    kernel-keeps-list idle-is-asleep; do
    MINE_NOT_ASKED+=("promise:$promise")
done

# ---- the guard --------------------------------------------------------------------

# A grader does not trust what it judges. Where GUARD names a file (grade/judge writes it), the
# student's make and server run behind src/guard.c, as another user and within limits. The copies
# belong to that user; what the tests write does not.

# guard KIND [PROGRAM]: a place for it.
guard() {
    local to=$MINE_WORK/$1.guard kind=$1 name
    mkdir "$to" && cp "$GUARD" "$to/guard.conf" || return
    [[ $kind != thread && $kind != address && $kind != valgrind ]] || sed -i '/^memory /d' "$to/guard.conf"
    # The name is the student's choice, and stands in a file of ours.
    [[ ${2-} != *[[:cntrl:]]* ]] || return
    if [[ -n ${2-} ]]; then
        # The server of a test is short-lived, but not the run.
        sed -i '/^cpu /d' "$to/guard.conf"
        printf 'program %s\n' "$2" >>"$to/guard.conf"
    fi
    for name in server as-student; do cp "$course/tests/bin/guard" "$to/$name" || return; done
    chmod 711 "$to"
}

# server_of KIND: what the tests start.
server_of() {
    local guarded=$MINE_WORK/$1.guard/server
    if [[ -x $guarded ]]; then echo "$guarded"; else echo "$MINE_WORK/$1/server"; fi
}

# shared_directory DIRECTORY: the server of a student may write files into it, but neither remove nor
# replace those of others: tests write there, too, and a link in the place of their file would lead
# what the server prints into any file of ours.
shared_directory() {
    mkdir -p "$1" || return
    [[ -z ${GUARD-} ]] || chmod 1777 "$1"
}

# give_away FILE...: to the student's user, where there is one.
give_away() {
    local user
    [[ -n ${GUARD-} ]] || return 0
    user=$(sed -n 's/^user //p' "$GUARD")
    [[ -z $user ]] || chown -R -h "$user:$user" -- "$@"
}

# ---- the directory ----------------------------------------------------------------

# check_mine: sets MINE, or refuses. One clear word is better than a hundred failed tests.
check_mine() {
    local size
    [[ -e $CHECK_MINE ]] || refuse "there is no directory MINE=$CHECK_MINE"
    [[ -d $CHECK_MINE ]] ||
        refuse "MINE=$CHECK_MINE is a file; MINE takes the directory of your sources, SERVER a program"
    MINE=$(cd -- "$CHECK_MINE" && pwd -P) || refuse "MINE=$CHECK_MINE cannot be entered"
    [[ ! $MINE -ef $course ]] ||
        refuse "MINE=$CHECK_MINE is the whole course; say which directory, such as MINE=step04_threadpool"
    [[ -n $(find -L "$MINE" -maxdepth 3 -name '*.c' -print -quit 2>/dev/null) ]] ||
        refuse "no C file in MINE=$CHECK_MINE"
    (($(find -L "$MINE" -type f 2>/dev/null | head -n $((MINE_FILES_MAX + 1)) | wc -l) <= MINE_FILES_MAX)) ||
        refuse "MINE=$CHECK_MINE holds more than $MINE_FILES_MAX files; is it the directory of one server?"
    size=$(cd "$MINE" && du -skL . 2>/dev/null | cut -f 1)
    ((${size:-0} <= MINE_SIZE_MAX)) ||
        refuse "MINE=$CHECK_MINE holds more than $((MINE_SIZE_MAX / 1024)) MiB; is it the directory of one server?"
}

# copy_mine KIND: the directory without what was built in it before, which may be of another
# kind: objects, programs, libraries. What only a Makefile knows of, `make clean` removes.
copy_mine() {
    local to=$MINE_WORK/$1 file
    mkdir -p "$to" &&
        (cd "$MINE" && tar -chf - --exclude=.git --exclude='build' --exclude='build-*' \
            --exclude='*.o' --exclude='*.a' --exclude='*.gch' .) 2>/dev/null | tar -xf - -C "$to" ||
        return 1
    chmod -R u+rwX "$to"
    give_away "$to"
    while IFS= read -r file; do
        [[ $(head -c 4 "$file" | tr -d '\0') != $'\x7fELF' ]] || rm -f "$file"
    done < <(find "$to" -type f -perm -u+x)
    if [[ -n $(makefile_in "$to") ]]; then
        in_make "$to" clean >/dev/null 2>&1 || true
    fi
}

makefile_in() {
    local name
    for name in GNUmakefile makefile Makefile; do
        if [[ -f $1/$name ]]; then
            echo "$name"
            return
        fi
    done
}

# ---- the builds -------------------------------------------------------------------

sanitizer_name() {
    case $1 in
        thread) echo ThreadSanitizer ;;
        address) echo "AddressSanitizer and UBSan" ;;
        *) echo "$1" ;;
    esac
}

flags_of() {
    echo "-g -O1 -fno-omit-frame-pointer -U_FORTIFY_SOURCE -Wno-error"
    case $1 in
        thread) echo "-fsanitize=thread" ;;
        address) echo "-fsanitize=address,undefined -fsanitize-recover=address" ;;
    esac
}

# wraps: what the linker needs for src/wrap_handover.c.
wraps() {
    local object=$course/tests/bin/wrap_handover.o
    nm "$object" | sed -n 's/.* T __wrap_/-Wl,--wrap=/p'
    echo "$object"
}

# make_compiler KIND NAME REAL: a compiler NAME that calls REAL and adds what KIND needs. What
# would contradict it is left out: another optimization, other sanitizers, -static, warnings
# that are errors.
make_compiler() {
    local kind=$1 file=$MINE_WORK/$1.bin/$2 real=$3
    mkdir -p "${file%/*}"
    cat >"$file" <<END
#!/bin/sh
# $real, with what the build "$kind" needs
link=yes
for word; do
    shift
    case \$word in
        -c | -S | -E | -M | -MM | -shared | -fsyntax-only | -dump* | -print-* | --version) link= ;;
        -O* | -s | -static* | -flto* | -fsanitize=* | -Werror*) continue ;;
    esac
    set -- "\$@" "\$word"
done
[ -z "\$link" ] || set -- "\$@" $(tr '\n' ' ' <"$MINE_WORK/wraps")
exec $real "\$@" $(flags_of "$kind" | tr '\n' ' ')
END
    chmod 755 "$file"
}

# make_compilers KIND: one for each name by which a Makefile may call a compiler.
make_compilers() {
    local name real
    for name in cc gcc clang c99 c11 ${CC:+"${CC##*[ /]}"}; do
        real=$(command -v "$name") || continue
        make_compiler "$1" "$name" "$(printf '%q' "$real")"
    done
    # Without its symbols a program cannot say where it went wrong.
    printf '#!/bin/sh\nexit 0\n' >"$MINE_WORK/$1.bin/strip"
    chmod 755 "$MINE_WORK/$1.bin/strip"
}

# in_make DIRECTORY ARGUMENT...: make, told nothing by the make that runs us.
in_make() {
    local directory=$1 guard=()
    shift
    [[ -z ${GUARD-} ]] || guard=("$MINE_WORK/make.guard/as-student")
    env -u MAKEFLAGS -u MFLAGS -u MAKELEVEL -u MAKEOVERRIDES -u SERVER -u STEP -u FILTER -u MINE -u BUILD \
        timeout -k 5 "$MINE_BUILD_LIMIT" "${guard[@]}" make -C "$directory" "$@" </dev/null
}

# run_make KIND DIRECTORY ARGUMENT...: with the compilers of KIND before all others.
run_make() {
    local kind=$1 directory=$2 compiler=()
    shift 2
    # One that was chosen on our command line stands above the Makefile's.
    [[ -z ${CC-} ]] || compiler=("CC=$CC")
    if [[ $kind != plain ]]; then
        [[ -z ${CC-} ]] || compiler=("CC=${CC##*[ /]}")
        local -x PATH=$MINE_WORK/$kind.bin:$PATH
    fi
    in_make "$directory" "${compiler[@]}" "$@"
}

# program_in DIRECTORY: the one that was built there: `server`, or else the only one.
program_in() {
    local file programs=()
    if [[ -f $1/server && -x $1/server ]]; then
        echo "$1/server"
        return
    fi
    while IFS= read -r file; do
        [[ $(head -c 4 "$file" | tr -d '\0') != $'\x7fELF' ]] || programs+=("$file")
    done < <(find "$1" -type f -perm -u+x ! -name '*.so*')
    ((${#programs[@]} == 1)) && echo "${programs[0]}"
}

# is_instrumented KIND PROGRAM
is_instrumented() {
    case $1 in
        plain) return 0 ;;
        thread) grep -q __tsan_init "$2" ;;
        address) grep -q __asan_init "$2" ;;
        *) grep -q __wrap_epoll_wait "$2" ;;
    esac
}

# sources_of DIRECTORY: where the sources are, for a directory that has no Makefile.
sources_of() {
    local directory
    for directory in "$1" "$1/src"; do
        compgen -G "$directory/*.c" >/dev/null || continue
        echo "$directory"
        return
    done
    dirname "$(find "$1" -name '*.c' -print -quit)"
}

# build_ourselves KIND: all sources, by the Makefile of the course. Its objects depend on a file
# of the name Makefile, so the copy gets one, in the place of the student's if there is one.
build_ourselves() {
    local kind=$1 sources
    sources=$(sources_of "$MINE_WORK/$kind")
    cp --remove-destination "$(step_directory 05)/Makefile" "$sources/Makefile"
    [[ -z ${GUARD-} ]] || chmod 644 "$sources/Makefile"
    run_make "$kind" "$sources" -f Makefile -j 2 LDLIBS="${LDLIBS-}" \
        BUILD=build-course SERVER=build-course/server >>"$MINE_WORK/$kind.build" 2>&1 &&
        is_instrumented "$kind" "$sources/build-course/server" &&
        ln -sfn "$sources/build-course/server" "$MINE_WORK/$kind/server"
}

# build_mine KIND: 0, or KIND.failed says why not.
build_mine() {
    build_unguarded "$1" || return
    [[ -z ${GUARD-} ]] || guard "$1" "$(readlink -f "$MINE_WORK/$1/server")" || {
        echo "it cannot be put behind the guard" >"$MINE_WORK/$1.failed"
        return 1
    }
}

build_unguarded() {
    local kind=$1 work=$MINE_WORK/$1 program=''
    copy_mine "$kind" || {
        echo "it could not be copied" >"$work.failed"
        return 1
    }
    [[ $kind == plain ]] || make_compilers "$kind"
    if [[ -n $(makefile_in "$work") ]]; then
        if run_make "$kind" "$work" -j 2 >"$work.build" 2>&1; then
            program=$(program_in "$work")
        elif [[ $kind == plain ]]; then
            echo "make ended with an error" >"$work.failed"
            return 1
        fi
        if [[ -n $program ]] && is_instrumented "$kind" "$program"; then
            [[ $program == "$work/server" ]] || ln -sfn "$program" "$work/server"
            return 0
        elif [[ $kind == plain ]]; then
            echo "make ended well, but there is no program \`server\`" >"$work.failed"
            return 1
        fi
        echo "its Makefile calls the compiler neither as cc, gcc or clang nor as \$(CC), or adds flags that contradict" >"$work.ours"
    fi
    build_ourselves "$kind" || {
        echo "it did not compile" >"$work.failed"
        return 1
    }
}

# can_start COMMAND...: the program of KIND starts; where addresses are very random
# (vm.mmap_rnd_bits is 32) that of an older sanitizer does not.
can_start() { timeout 60 "$@" >/dev/null 2>&1 </dev/null; }

# look_for KIND: can this machine have it? Otherwise KIND.skip says what is missing.
look_for() {
    local kind=$1 probe=$MINE_WORK/$1.probe name
    name=$(sanitizer_name "$kind")
    if [[ $kind == valgrind ]]; then
        command -v valgrind >/dev/null || {
            echo "valgrind is not installed" >"$MINE_WORK/$kind.skip"
            return 1
        }
        can_start valgrind -q true || {
            echo "valgrind does not start here" >"$MINE_WORK/$kind.skip"
            return 1
        }
        return 0
    fi
    printf '#include <pthread.h>\nint main(void) { return pthread_self() == 0; }\n' >"$probe.c"
    # shellcheck disable=SC2046,SC2086 # words
    ${CC:-cc} $(flags_of "$kind") -pthread -o "$probe" "$probe.c" >/dev/null 2>&1 || {
        echo "${CC:-cc} cannot build with -fsanitize=$kind: the library of $name is missing" \
            >"$MINE_WORK/$kind.skip"
        return 1
    }
    if can_start "$probe"; then
        :
    elif can_start setarch -R "$probe"; then
        echo "setarch -R" >"$MINE_WORK/$kind.wrap"
    else
        echo "programs with $name do not start here, also not by setarch -R" >"$MINE_WORK/$kind.skip"
        return 1
    fi
}

# uses_threads: does the plain program start any?
uses_threads() {
    grep -qE 'pthread_create|thrd_create' "$(readlink -f "$MINE_WORK/plain/server")"
}

# ---- what is asked of a build -----------------------------------------------------

# environment_of KIND: words VAR=value for suite(), for the server is to say what it finds
# into KIND.reports, and go on.
environment_of() {
    local kind=$1 work=$MINE_WORK/$1 wrap='' options=exitcode=0:handle_abort=1:allow_addr2line=1
    options+=:halt_on_error=0
    [[ ! -f $work.wrap ]] || wrap=$(<"$work.wrap")
    printf '%s\n' "SERVER=$(server_of "$kind")" CHECK_EXIT= "MINE_KIND=$kind"
    case $kind in
        thread)
            echo SLOWNESS=4
            echo "SERVER_ENV=TSAN_OPTIONS=$options:history_size=4:log_path=$work.reports/report"
            ;;
        address)
            echo SLOWNESS=4
            # valgrind looks for leaks. Not every libubsan knows of log_path.
            echo "SERVER_ENV=ASAN_OPTIONS=$options:detect_leaks=0:detect_stack_use_after_return=1" \
                UBSAN_OPTIONS=print_stacktrace=1
            echo "KEEP_STDERR=$work.reports"
            ;;
        valgrind)
            echo SLOWNESS=10
            echo SERVER_ENV=
            wrap="valgrind -q --leak-check=full --errors-for-leak-kinds=definite,indirect,possible"
            wrap+=" --leak-resolution=high --num-callers=20 --fullpath-after="
            wrap+=" --log-file=$work.reports/report.%p"
            [[ -z ${GUARD-} ]] || wrap+=" --trace-children=yes"
            ;;
    esac
    echo "SERVER_WRAP=$wrap"
}

# ask_build KIND [NN]: the suites that fit this build, in a run of their own. Their verdicts
# go to the file KIND.suites: the findings decide what they mean.
ask_build() (
    local kind=$1 nn=${2-} environment without=() earlier word own=''
    mapfile -t environment < <(environment_of "$kind")
    for word in "${MINE_NOT_ASKED[@]}"; do without+=("without=$word"); done
    # shellcheck disable=SC2207 # words without spaces
    [[ -z ${STAGE-} ]] || without+=($(later_than "$STAGE"))
    # shellcheck disable=SC2034 # for suites.bash, in this subshell
    {
        RESULTS=$(mktemp -d "$MINE_WORK/results.XXXXXX") || exit 1
        SUITE_NAME=() SUITE_FILE=() SUITE_WITHOUT=() SUITE_VARIABLES=() LEFT=() SHOWN=0
        FILTER='' TRIES=1 TIMES=${MINE_TIMES:+$MINE_TIMES.$kind} WALLS='' ORDER=needs CHECK_RERUN='' JOBS=1
        [[ $kind != thread ]] || JOBS=2
    }
    [[ ${MINE_ASKED-} == own ]] || suite traffic tests/mine/traffic.bats STEP="$nn" "${environment[@]}"
    if [[ $kind != valgrind && -z ${MINE_ASKED-} ]]; then
        suite contract tests/contract.bats "${without[@]}" STEP="$nn" "${environment[@]}"
        for earlier in 01 02 03 04 05; do
            ((10#${nn:-0} >= 10#$earlier)) || break
            suite "promises of step$earlier" "$(step_directory $earlier)/test.bats" \
                "${without[@]}" STEP="$nn" "${environment[@]}"
        done
    fi
    if [[ $kind != valgrind && ${MINE_ASKED-} != traffic && -n ${EX-} ]]; then
        own=${#SUITE_NAME[@]}
        # A library that is preloaded meets that of the sanitizer: by SERVER_KIND its tests know.
        suite "exercise $EX" "exercises/$(exercise_name "$EX")/test.bats" without=exact \
            STEP="$STEP" "${environment[@]}" SERVER_KIND="$(sanitizer_name "$kind")"
    fi
    {
        run_suites
        summary
    } >"$MINE_WORK/$kind.said" 2>&1
    # A server that prints without end has said enough.
    find "$MINE_WORK/$kind.reports" -type f -size +1M -exec truncate -s 1M {} + 2>/dev/null || true
    # An exercise's own tests bring the new code to work, for the reports. Whether they pass is asked
    # of the plain build, and nowhere else.
    [[ -z $own ]] || : >"$RESULTS/$own.failures"
    cat "$RESULTS"/*.failures >"$MINE_WORK/$kind.suites.new"
    mv "$MINE_WORK/$kind.suites.new" "$MINE_WORK/$kind.suites"
)

# collect KIND [NN]: builds it, asks it; whatever happens, KIND.suites exists at the end.
collect() {
    local kind=$1
    shared_directory "$MINE_WORK/$kind.reports"
    if look_for "$kind" && build_mine "$kind"; then
        ask_build "$@"
    fi
    [[ -e $MINE_WORK/$kind.suites ]] || : >"$MINE_WORK/$kind.suites"
}

# ---- the runs ---------------------------------------------------------------------

# kinds_wanted [NN]: those that make sense for the server, and that FILTER asks about.
kinds_wanted() {
    local kind
    for kind in "${MINE_KINDS[@]}"; do
        [[ $kind != thread ]] || uses_threads || continue
        [[ $kind != valgrind || ${MINE_ASKED-} != own ]] || continue
        [[ -z ${FILTER-} ]] || findings_of "$kind" | grep -qE -e "$FILTER" || continue
        echo "$kind"
    done
}

# findings_of KIND: the names of its tests.
findings_of() {
    sed -n "/^# bats test_tags=.*kind:$1/,/^@test/s/^@test \"\(.*\)\" {.*/\1/p" tests/mine/findings.bats
}

# kill_tree PID...: these and all that they started, and nothing else.
kill_tree() {
    local pids
    pids=$(ps -e -o pid= -o ppid= | awk -v roots="$*" '
        { parent[$1] = $2 }
        END {
            count = split(roots, root, " ")
            for (i = 1; i <= count; i++) chosen[root[i]] = 1
            do {
                more = 0
                for (pid in parent)
                    if (!(pid in chosen) && (parent[pid] in chosen)) { chosen[pid] = 1; more = 1 }
            } while (more)
            for (pid in chosen) print pid
        }')
    # shellcheck disable=SC2086 # numbers
    [[ -z $pids ]] || kill -KILL $pids 2>/dev/null
}

COLLECTORS=()

end_mine() {
    local children
    trap '' INT TERM HUP
    mapfile -t children < <(jobs -p)
    ((${#children[@]} == 0)) || kill_tree "${children[@]}"
    wait 2>/dev/null
    unsettle
}

begin_mine() {
    local nn=${1-}
    check_mine
    [[ -z $nn || $nn == 0[1-5] ]] || refuse "STEP is 01 to 05, or a stage such as 05.07, not $nn"
    printf -v CHECK_RERUN 'make %s MINE=%q%s' "$MINE_TARGET" "${MINE_SHOWN:-$CHECK_MINE}" \
        "${nn:+ STEP=$nn${STAGE:+.$STAGE}}"
    MINE_WORK=$TMPDIR/mine # machine.bash chose a place where programs can be started
    mkdir "$MINE_WORK" || exit 2
    if [[ -n ${GUARD-} ]]; then
        chmod o+x "$SCRATCH" "$TMPDIR" && guard make || exit 2
    fi
    trap end_mine EXIT
    trap 'exit 130' INT
    trap 'exit 143' TERM HUP
    wraps >"$MINE_WORK/wraps"
    export MINE MINE_WORK CHECK_RERUN
    # shellcheck disable=SC2034 # for suites.bash
    WALLS='' ORDER=needs
    build_mine plain
    [[ ! -e $MINE_WORK/plain.failed ]]
}

# start_collectors [NN]: they work beside the suites; the tests of the findings wait for them.
start_collectors() {
    local kind
    for kind in $(kinds_wanted); do
        collect "$kind" ${1:+"$1"} </dev/null &
        COLLECTORS+=("$kind")
    done
}

# findings [NN]: a suite for each kind.
findings() {
    local kind without other what=${1:+step$1}
    [[ -z $what || -z ${STAGE-} ]] || what=$1.$STAGE
    for kind in "${COLLECTORS[@]}"; do
        without=()
        for other in build "${MINE_KINDS[@]}"; do
            [[ $other == "$kind" ]] || without+=("without=kind:$other")
        done
        # Threads are promised from step 04 on only.
        [[ -n ${1-} ]] && ((10#$1 >= 4)) || without+=(without=step04)
        suite "${what:+$what: }what $(sanitizer_name "$kind") finds" tests/mine/findings.bats \
            "${without[@]}" STEP="${1-}"
    done
}

build_fails() {
    local kind without=()
    for kind in "${MINE_KINDS[@]}"; do without+=("without=kind:$kind"); done
    FILTER=''
    suite build tests/mine/findings.bats "${without[@]}"
}

declare_mine() {
    MINE_TARGET=check
    if ! begin_mine "$@"; then
        build_fails
        return
    fi
    start_collectors "$@"
    SERVER=$(server_of plain)
    export SERVER
    if [[ -n ${STAGE-} ]]; then
        stage "$STAGE"
    elif [[ -n ${1-} ]]; then
        step "$1"
    else
        suite contract tests/contract.bats
    fi
    findings "$@"
}

declare_findings() {
    MINE_TARGET=sanitize
    if ! begin_mine "$@"; then
        build_fails
        return
    fi
    start_collectors "$@"
    SERVER=$(server_of plain)
    export SERVER
    findings "$@"
}
