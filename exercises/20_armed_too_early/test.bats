#!/usr/bin/env bats
#
# Exercise 20: the interleaving in which a connection gets a second owner.

load ../../tests/lib.bash
load ../../tests/exercises/interleave.bash

HERE=exercises/20_armed_too_early/README.md
MODEL=$COURSE/exercises/20_armed_too_early/starter/model

@test "the schedule ends in a failure" { schedule_fails_it; }

@test "the mended model holds in every order" { mended_holds; }

@test "the mended model is the same hand-over" { mended_is_the_same 4 before owned; }
