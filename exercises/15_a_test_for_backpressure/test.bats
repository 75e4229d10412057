#!/usr/bin/env bats
#
# Exercise 15: tests for the promise about clients that do not read.

load ../../tests/lib.bash
load ../../tests/exercises/judge_tests.bash

HERE=exercises/15_a_test_for_backpressure/README.md

@test "correct servers are accepted" { accepts_correct_servers; }

@test "the wrong servers are rejected" { rejects_wrong_servers 6; }
