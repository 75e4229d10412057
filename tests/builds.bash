# builds.bash - servers built with sanitizers, beside the ordinary ones.
# shellcheck shell=bash disable=SC2034 # set for who sources it

# sanitized_server STEP_DIRECTORY KIND: builds it if need be; prints the path. KIND is
# address (with undefined) or thread.
sanitized_server() {
    local flags="-O1 -g -fno-omit-frame-pointer -fsanitize=$2" build=build-$2
    [[ $2 != address ]] || flags+=",undefined -fno-sanitize-recover=all"
    make -s -C "$1" BUILD="$build" SERVER="$build/server" CFLAGS="$flags" LDFLAGS= \
        >"$BATS_TEST_TMPDIR/build.$2" 2>&1 || {
        cat "$BATS_TEST_TMPDIR/build.$2"
        return 1
    }
    echo "$1/$build/server"
}

# wrapped_server STEP_DIRECTORY: builds it with tests/src/wrap_fault.c, which makes its calls
# fail; prints the path. A fortified recv would become __recv_chk, and with -flto the linker
# would not see the name at all: both slip past --wrap.
wrapped_server() {
    local object=$COURSE/tests/bin/wrap_fault.o build=$1/build-wrap wraps
    wraps=$(nm "$object" | sed -n 's/.* T __wrap_/-Wl,--wrap=/p' | tr '\n' ' ')
    [[ ! $object -nt $build/server ]] || rm -f "$build/server"
    make -s -C "$1" BUILD=build-wrap SERVER=build-wrap/server \
        CFLAGS="-O1 -g -U_FORTIFY_SOURCE -fno-lto" LDFLAGS= LDLIBS="$object $wraps" \
        >"$BATS_TEST_TMPDIR/build.wrap" 2>&1 || {
        cat "$BATS_TEST_TMPDIR/build.wrap"
        return 1
    }
    echo "$build/server"
}

# needs_valgrind, needs_sanitizer KIND: skip the test where the tool is not installed, or does
# not work.
needs_valgrind() {
    command -v valgrind >/dev/null || skip "valgrind is not installed"
    [[ -z $(valgrind -q true 2>&1) ]] || skip "valgrind does not work here"
}

needs_sanitizer() {
    has_sanitizer "$1" || skip "$NO_SANITIZER"
    use_sanitizer "$BATS_TEST_TMPDIR/with_sanitizer"
}

# has_sanitizer KIND: whether; if not, NO_SANITIZER says what is missing.
has_sanitizer() {
    local program=$BATS_TEST_TMPDIR/with_sanitizer kinds=$1 SERVER SLOWNESS SERVER_ENV SERVER_WRAP
    [[ $1 != address ]] || kinds+=,undefined
    NO_SANITIZER="${CC:-cc} has no -fsanitize=$kinds"
    echo 'int main(void) { return 0; }' |
        ${CC:-cc} -x c "-fsanitize=$kinds" -o "$program" - >/dev/null 2>&1 || return
    NO_SANITIZER="no program built with -fsanitize=$kinds starts here"
    use_sanitizer "$program"
}

# use_sanitizer SERVER [LEAKS]: what start_server needs to run it. LEAKS=0: do not look for
# leaks; steps 02 to 04 leave the connections that are open at the end to the kernel. Where
# addresses are very random (vm.mmap_rnd_bits is 32) older sanitizers do not start; without
# randomness they do. Where ptrace is forbidden, as in some containers, nothing can look for
# leaks, but all else can be seen.
use_sanitizer() {
    local leaks wrap environment
    SERVER=$1 SLOWNESS=$((4 * ${PACE:-1}))
    for leaks in "${2-1}" 0; do
        for wrap in "" "setarch -R"; do
            SERVER_ENV="ASAN_OPTIONS=exitcode=66:detect_leaks=$leaks TSAN_OPTIONS=exitcode=66:halt_on_error=1"
            SERVER_ENV+=" UBSAN_OPTIONS=print_stacktrace=1"
            SERVER_WRAP=$wrap
            read -ra environment <<<"$SERVER_ENV $wrap"
            env "${environment[@]}" "$SERVER" -h >/dev/null 2>&1 && return
        done
    done
    return 1
}

# kind_of_server FILE: what stands in the way of a library that is preloaded, and of what is
# counted: the name of a sanitizer, or static. Nothing, if it is an ordinary program.
kind_of_server() {
    if [[ -f ${1%/*}/guard.conf ]]; then # src/guard.c stands before it
        set -- "$(sed -n 's/^program //p' "${1%/*}/guard.conf")"
    fi
    if grep -q __tsan_init "$1"; then
        echo ThreadSanitizer
    elif grep -q __asan_init "$1"; then
        echo AddressSanitizer
    elif grep -q __msan_init "$1"; then
        echo MemorySanitizer
    elif grep -q __ubsan_handle "$1"; then
        echo UBSan
    elif ! head -c 4096 "$1" | grep -aq '/ld[-.0-9a-z]*-'; then
        # A dynamic one names its loader at the beginning, such as /lib/ld-musl-x86_64.so.1;
        # a script has none either, but the program that it starts may.
        [[ $(head -c 4 "$1" | tr -d '\0') != $'\x7fELF' ]] || echo static
    fi
}

# use_kind KIND: what start_server needs for a server of this kind (see lib.bash). A report
# ends it with status 66, and so fails the test that it came in.
use_kind() {
    SERVER_KIND=$1
    case $1 in
        '' | static) return ;;
        UBSan)
            SERVER_KIND='' # it gets in nobody's way
            SERVER_ENV="UBSAN_OPTIONS=print_stacktrace=1:halt_on_error=1:exitcode=66"
            ;;
        *)
            # Who ends with clients connected leaves their memory to the kernel: no leak.
            SERVER_ENV="ASAN_OPTIONS=exitcode=66:detect_leaks=0 MSAN_OPTIONS=exitcode=66"
            SERVER_ENV+=" TSAN_OPTIONS=exitcode=66:halt_on_error=1 UBSAN_OPTIONS=print_stacktrace=1:halt_on_error=1"
            SLOWNESS=4
            ;;
    esac
    CHECK_EXIT=1
    "$SERVER" -h >/dev/null 2>&1 || SERVER_WRAP="setarch -R"
}

# instrumented KIND: for a test of an exercise: builds a copy of the student's directory with this
# sanitizer, and SERVER is it.
instrumented() {
    local copy=$BATS_TEST_TMPDIR/copy path
    needs_sanitizer "$1"
    mkdir "$copy" && cp "$EXERCISE"/*.[ch] "$EXERCISE/Makefile" "$copy" || return
    path=$(sanitized_server "$copy" "$1") || { echo "$path"; return 1; }
    use_sanitizer "$path"
    # shellcheck disable=SC2034 # for lib.bash
    CHECK_EXIT=1
}
