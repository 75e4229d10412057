#!/usr/bin/env bats
#
# Exercise 18: the interleaving that breaks a queue whose worker waits with `if`.

load ../../tests/lib.bash
load ../../tests/exercises/interleave.bash

HERE=exercises/18_if_around_the_wait/README.md
MODEL=$COURSE/exercises/18_if_around_the_wait/starter/model

@test "the schedule ends in a failure" { schedule_fails_it; }

@test "the mended model holds in every order" { mended_holds; }

@test "the mended model is the same hand-over" { mended_is_the_same 4; }

@test "it holds when a wait ends for no reason" { mended_holds_spuriously; }
