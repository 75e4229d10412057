#!/usr/bin/env bats
#
# Exercise 33: tests for the promise that a request ends where it ends.

load ../../tests/lib.bash
load ../../tests/exercises/judge_tests.bash

HERE=exercises/33_a_test_against_smuggling/README.md

@test "correct servers are accepted" { accepts_correct_servers; }

@test "the wrong servers are rejected" { rejects_wrong_servers 7; }
