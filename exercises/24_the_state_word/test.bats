#!/usr/bin/env bats
#
# Exercise 24: the interleaving in which the state word loses an event.

load ../../tests/lib.bash
load ../../tests/exercises/interleave.bash

HERE=exercises/24_the_state_word/README.md
MODEL=$COURSE/exercises/24_the_state_word/starter/model

@test "the schedule ends in a failure" { schedule_fails_it; }

@test "the mended model holds in every order" { mended_holds; }

@test "the mended model is the same hand-over" { mended_is_the_same 12; }
