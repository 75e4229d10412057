#!/usr/bin/env bats
#
# Exercise 05: tests for the promise that each byte comes back.

load ../../tests/lib.bash
load ../../tests/exercises/judge_tests.bash

HERE=exercises/05_a_test_for_the_echo/README.md

@test "correct servers are accepted" { accepts_correct_servers; }

@test "the wrong servers are rejected" { rejects_wrong_servers 6; }
