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

# use_sanitizer SERVER [LEAKS]: what start_server needs to run it. LEAKS=0: do not look for
# leaks; steps 02 to 04 leave the connections that are open at the end to the kernel. Where addresses are very random
# (vm.mmap_rnd_bits is 32) older sanitizers do not start; without randomness they do.
use_sanitizer() {
    SERVER=$1
    SERVER_ENV="ASAN_OPTIONS=exitcode=66:detect_leaks=${2-1} TSAN_OPTIONS=exitcode=66:halt_on_error=1"
    SERVER_ENV+=" UBSAN_OPTIONS=print_stacktrace=1"
    "$SERVER" -h >/dev/null 2>&1 || SERVER_WRAP="setarch -R"
    SLOWNESS=$((4 * ${PACE:-1}))
}
