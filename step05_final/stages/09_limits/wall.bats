#!/usr/bin/env bats
# The wall that stage 09 removes: a client too many is closed without a word.
#
# bats file_tags=step05

load ../../../tests/lib.bash

HERE=step05_final/stages/09_limits/README.md

# bats test_tags=wall
@test "wall: a client too many gets a reset" {
    about "connected one client more than the server takes, and sent a message as that client" \
        "a close answers bytes that come later, or were not read, with a reset" \
        "$HERE, \"The wall\""
    refute it_hears_the_end || past_the_wall it_hears_the_end
}

it_hears_the_end() {
    start_server --max-connections 1 &&
        probe 'within 5000' 'open a' 'echo a "in\n"' stop 'open b' 'send b "hello\n"' 'arrived b' cont \
            'eof b' 'close b' 'echo a "still in\n"'
}
