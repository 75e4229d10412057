#!/usr/bin/env bats
#
# Exercise 25: the interleaving in which the main thread touches freed memory.

load ../../tests/lib.bash
load ../../tests/exercises/interleave.bash

HERE=exercises/25_freed_in_a_batch/README.md
MODEL=$COURSE/exercises/25_freed_in_a_batch/starter/model

@test "the schedule ends in a failure" { schedule_fails_it; }

@test "the mended model holds in every order" { mended_holds; }

@test "the mended model is the same hand-over" { mended_is_the_same 12; }
