#!/usr/bin/env bats
# sanitized.bats - can the servers be built with this sanitizer, and do they start? tests/run
# asks the suites of those that can, and where none can, this test says so by its name.
#
# bats file_tags=tools

load lib.bash
load builds.bash

@test "the servers can be built with the sanitizer" {
    [[ -n ${SANITIZER-} ]] || skip "tests/run sanitized says which"
    needs_sanitizer "$SANITIZER"
    sanitized_server "$SANITIZED" "$SANITIZER"
}
