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
    local program=$BATS_TEST_TMPDIR/with_sanitizer kinds=$1
    [[ $1 != address ]] || kinds+=,undefined
    echo 'int main(void) { return 0; }' |
        ${CC:-cc} -x c "-fsanitize=$kinds" -o "$program" - >/dev/null 2>&1 ||
        skip "${CC:-cc} has no -fsanitize=$kinds"
    use_sanitizer "$program" || skip "no program built with -fsanitize=$kinds starts here"
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
