#!/usr/bin/env bats
# fuzz.bats - any bytes at all for the HTTP parser, for half a minute. Part of `make
# test-long`. FUZZ_SECONDS says how long.
#
# bats file_tags=fuzz

load ../lib.bash

FUZZ_SECONDS=${FUZZ_SECONDS:-30}

@test "whatever the bytes, the HTTP parser keeps its word" {
    command -v clang >/dev/null || skip "clang is not installed"
    local fuzzer=$BATS_TEST_TMPDIR/fuzzer found=$BATS_TEST_TMPDIR/found
    mkdir "$found"
    # clang may be here without the library of its sanitizers.
    echo 'int LLVMFuzzerTestOneInput(void); int LLVMFuzzerTestOneInput(void) { return 0; }' |
        clang -x c -fsanitize=fuzzer,address,undefined -o "$fuzzer" - 2>/dev/null ||
        skip "clang has no libFuzzer"
    clang -std=c11 -D_GNU_SOURCE -O1 -g -fsanitize=fuzzer,address,undefined \
        -fno-sanitize-recover=all -I"$COURSE/step05_final" -o "$fuzzer" \
        "$COURSE/tests/fuzz/http_parser_fuzz.c" "$COURSE"/step05_final/http_{chunks,head,text}.c
    # What breaks a rule is printed, whole, in base64.
    local shuffle=()
    "$fuzzer" -help=1 >/dev/null 2>&1 || shuffle=(setarch -R)
    timeout $((FUZZ_SECONDS + 60)) "${shuffle[@]}" "$fuzzer" -max_total_time="$FUZZ_SECONDS" \
        -dict="$COURSE/tests/fuzz/words.dict" \
        -artifact_prefix="$BATS_TEST_TMPDIR/" "$found" "$COURSE/tests/fuzz/corpus" \
        >"$BATS_TEST_TMPDIR/said" 2>&1 || {
        grep -E 'http_parser_fuzz:|ERROR|SUMMARY|^ +#|Base64' "$BATS_TEST_TMPDIR/said" | head -40
        return 1
    }
    tail -n 3 "$BATS_TEST_TMPDIR/said"
}
