#!/usr/bin/env bats
#
# Exercise 19: the interleaving in which a worker sleeps though there is a task.

load ../../tests/lib.bash
load ../../tests/exercises/interleave.bash

HERE=exercises/19_the_lost_wake_up/README.md
MODEL=$COURSE/exercises/19_the_lost_wake_up/starter/model

@test "the schedule ends in a failure" { schedule_fails_it; }

@test "the mended model holds in every order" { mended_holds; }

@test "the mended model is the same hand-over" { mended_is_the_same 8; }
