#!/usr/bin/env bats
#
# Exercise 26: the interleaving in which a client that has just spoken is closed for being idle.

load ../../tests/lib.bash
load ../../tests/exercises/interleave.bash

HERE=exercises/26_the_deadline/README.md
MODEL=$COURSE/exercises/26_the_deadline/starter/model

@test "the schedule ends in a failure" { schedule_fails_it; }

@test "the mended model holds in every order" { mended_holds; }

@test "the mended model is the same hand-over" { mended_is_the_same 6; }
