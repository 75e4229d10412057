# The course. `make help` lists what there is.

# These words count on make's command line only. A shell may export PORT or CFLAGS for some
# other program; that changes neither what is built here nor which server is tested. The
# words after the first two lines are those that our own scripts tell each other.
WORDS := SERVER STEP FILTER MINE JOBS TRIES PORT HTTP_PORT BUILD CPPFLAGS CFLAGS \
	LDFLAGS LDLIBS ONLY OPTIONS MEASURE DIR ARGS EX ALL LEVEL SEED EXERCISE BRIEF QUICK WORK_DIR \
	WATCH_EX WATCH_MINE WATCH_STEP \
	CHECK_SERVER CHECK_MINE CHECK_STEP CHECK_RERUN CHECK_EXIT SERVER_ENV SERVER_WRAP SERVER_STDIN \
	SLOWNESS PROBE_TIMEOUT SOAK_SECONDS SOAK_SEED FUZZ_SECONDS COUNT_FILE FAULT \
	FAULT_BYTES WRAP_FAULT HOLDER LEAVE_MS STRUCK_AT WALLS ORDER TIMES LIMITS_LOG LOADED PACE \
	SERVER_PID NOTES_CRASHES ABSENT USER_ID KEEP_STDERR SERVER_KIND MINE_ASKED \
	MINE_TIMES CUT_KEYS CUT_LEAST SANITIZER SANITIZED STAGE WRITE COMPILERS \
	SUBMISSION SUBMISSIONS OUT PARTS VARIANTS EXS FOR COUNT GRADEBOOK CLASS_JOBS UPTO TO HEADERS GUARD VERDICTS ISOLATION PAYLOAD_SEED \
	GRADE_LIMIT_S UNTIL GRADE_SLOT GRADE_USERS AUTOGRADER SANDBOX_ROOM MINE_SHOWN DO FORMAT RECORD_FILE
$(foreach word,$(WORDS),$(if $(filter environment,$(origin $(word))),\
	$(eval override undefine $(word))))

# Nor does a step's Makefile hear all of them: its SERVER is the file that it links.
MAKEOVERRIDES =
quoted = '$(subst ','\'',$(1))'
compiler := $(foreach word,CC CPPFLAGS CFLAGS LDFLAGS LDLIBS,\
	$(if $(filter command,$(origin $(word))),$(word)=$(call quoted,$($(word)))))

NAMES := step01_blocking step02_select step03_epoll step04_threadpool step05_final
# A handout (make handout) does not have the sources of them all.
STEPS := $(patsubst %/main.c,%,$(wildcard $(addsuffix /main.c,$(NAMES))))
directory = $(filter step$(1)_%,$(NAMES))
missing = $(if $(call directory,$(1)),$(if $(filter $(call directory,$(1)),$(STEPS)),,yes))
not_here = @echo "the reference of step $(STEP) is not here; yours is judged by make check MINE=directory STEP=$(STEP)" >&2; exit 2
# STEP=05.07 is a stage on the way from step 04 to step 05 (step05_final/stages).
stage := $(patsubst 05.%,%,$(filter 05.%,$(STEP)))
before = $(word $(shell expr $(1) - 1),$(NAMES))

PORT ?= 8080
HTTP_PORT ?= 8081

# What a bare `make` does: builds, and says what comes next.
first: all
	@echo "The servers are built. What to do first or next: make next. What else there is: make help."

all: $(STEPS) ## build the servers of all steps

$(STEPS):
	@$(MAKE) --no-print-directory -C $@ $(compiler)

run: $(if $(STEP),,$(lastword $(STEPS))) ## run the final server: echo and HTTP (PORT=8080 HTTP_PORT=8081); STEP=05.07 [ARGS='-t 2']
ifneq ($(STEP),)
	@tests/stages/run '$(STEP)' $(PORT) $(HTTP_PORT) $(ARGS)
else
	@exec $(lastword $(STEPS))/server -p $(PORT) $(if $(filter step05%,$(lastword $(STEPS))),--http $(HTTP_PORT))
endif

tools:
	@$(MAKE) -s -C tests $(compiler)

test: all tools ## run all tests (3 minutes; on a slow virtual machine 12)
	@tests/run all

# Wrong servers that are not in the repository (make variants).
variants = $(if $(VARIANTS),VARIANTS=$(call quoted,$(abspath $(VARIANTS))) )

# A student begins with the first failure; ALL=1 tells all in full.
brief = $(if $(ALL),,BRIEF=1)

check: tools ## test one server: STEP=03, SERVER=path or MINE=directory [STEP=03], or EX=07; FILTER='name' ALL=1
ifneq ($(EX),)
	@$(if $(DIR),DIR=$(call quoted,$(value DIR)) )$(variants)$(brief) tests/exercises/check '$(EX)'
else ifneq ($(MINE),)
	@$(if $(STEP),tests/exercises/mark tried '$(STEP)' $(call quoted,$(value MINE)))
	@$(brief) CHECK_MINE=$(call quoted,$(value MINE)) tests/run mine $(STEP)
	@$(if $(FILTER),,$(if $(STEP),tests/exercises/mark solved '$(STEP)' $(call quoted,$(value MINE))))
else ifneq ($(stage),)
	@$(brief) $(if $(SERVER),CHECK_SERVER=$(call quoted,$(value SERVER)) )CHECK_STEP='$(STEP)' \
	    CHECK_RERUN='make check STEP=$(STEP)' tests/run stage '$(stage)'
else ifneq ($(SERVER),)
	@$(brief) CHECK_SERVER=$(call quoted,$(value SERVER)) CHECK_STEP='$(STEP)' \
	    tests/run $(if $(STEP),step $(STEP),contract)
else ifneq ($(call missing,$(STEP)),)
	$(not_here)
else ifneq ($(call directory,$(STEP)),)
	@$(MAKE) -s -C $(call directory,$(STEP)) $(compiler)
	@$(brief) CHECK_RERUN='make check STEP=$(STEP)' tests/run step $(STEP)
else
	@echo "make check STEP=01 to STEP=05, or a stage such as STEP=05.07," \
	    "or make check SERVER=path/to/server, or make check MINE=directory" >&2; exit 2
endif

doctor: ## what this machine can do for the course: for you, and for a bug report
	@sh tests/doctor

diff: ## what is new in a step: STEP=02 to STEP=05; in a stage: STEP=05.07
ifneq ($(stage),)
	@tests/stages/diff '$(stage)'
else ifneq ($(call missing,$(STEP)),)
	$(not_here)
else ifneq ($(filter 02 03 04 05,$(STEP)),)
	@tests/diff $(call before,$(STEP)) $(call directory,$(STEP))
else
	@echo "make diff STEP=02 to STEP=05, or a stage such as STEP=05.07" >&2; exit 2
endif

stages: ## the stages from step 04 to step 05: sizes, the wall each removes, its tests
	@tests/stages/list

start: ## begin to build a step or a stage: STEP=03 or STEP=05.07 [DIR=work/05.07]
	@tests/stages/start '$(STEP)' $(call quoted,$(value DIR))

next: ## what to do next: a step or stage to build, an exercise to solve
	@tests/exercises/next

exercise: tools ## begin an exercise: EX=07 [DIR=work/mine]; without EX: which there are
	@$(if $(EX),$(if $(DIR),DIR=$(call quoted,$(value DIR)) )tests/exercises/start '$(EX)',tests/exercises/list)

hint: ## one hint more for an exercise: EX=07
	@tests/exercises/hint '$(EX)'

reset: ## begin an exercise anew, and keep what you had: EX=07
	@$(if $(DIR),DIR=$(call quoted,$(value DIR)) )tests/exercises/reset '$(EX)'

hunt: ## a server with a bug that you hunt: LEVEL=1 to LEVEL=3 [SEED=word]; make check EX=hunt judges
	@$(variants)tests/exercises/hunt '$(LEVEL)' '$(SEED)'

progress: ## what you have built and solved, with hints and time
	@tests/exercises/progress

watch: tools ## check again whenever a file is saved: EX=07, or MINE=directory [STEP=03]
	@$(if $(DIR),DIR=$(call quoted,$(value DIR)) )WATCH_EX='$(EX)' WATCH_MINE=$(call quoted,$(value MINE)) \
	    WATCH_STEP='$(STEP)' tests/exercises/watch

grade: all tools ## for instructors: points for SUBMISSION=dir [PARTS='03 ex12'] [OUT=text|json|junit|csv|gradescope|autolab|prairielearn|github]
	@$(told) OUT='$(OUT)' PARTS='$(PARTS)' SEED='$(SEED)' tests/grade/grade

gradebook: all tools ## for instructors: a whole class, SUBMISSIONS=dir [PARTS='03'] [GRADEBOOK=work/gradebook]; may be interrupted
	@$(told) PARTS='$(PARTS)' SEED='$(SEED)' $(if $(CLASS_JOBS),CLASS_JOBS='$(CLASS_JOBS)' )tests/grade/gradebook

# Names of directories, as they were typed.
told = $(foreach word,SUBMISSION SUBMISSIONS GRADEBOOK VARIANTS,$(if $($(word)),$(word)=$(call quoted,$(value $(word)))))

handout: all ## for instructors: what students get, UPTO=03 or UPTO=05.07 [TO=file.tar.gz] [HEADERS=1]
	@UPTO='$(UPTO)' $(if $(TO),TO=$(call quoted,$(value TO)) )HEADERS='$(HEADERS)' tests/grade/handout

gradescope autolab github: all tools ## for instructors: the grader for that platform, PARTS='03 ex12' [TO=file]
	@PARTS='$(PARTS)' $(if $(TO),TO=$(call quoted,$(value TO)) )tests/grade/package $@

variants: all tools ## for instructors: wrong servers of your own, SEED=word [FOR='03'] [EXS='05'] [COUNT=4] [TO=work/variants]
	@SEED='$(SEED)' $(if $(filter command,$(origin FOR)),FOR='$(FOR)') $(if $(filter command,$(origin EXS)),EXS='$(EXS)') \
	    $(if $(COUNT),COUNT='$(COUNT)') $(if $(TO),TO=$(call quoted,$(value TO))) tests/grade/variants

verify: tools ## prove the exercises: starters fail, solutions pass, wrong ones are rejected; EX=07
	@tests/exercises/verify $(EX)

mutants: all tools ## prove the tests: each wrong server must be rejected
	@tests/mutants/run

wheats: all tools ## prove the tests: each correct server of another design must be accepted
	@tests/wheats/run

sanitize: tools ## the tests on servers built with sanitizers; MINE=directory [STEP=04]: on yours
ifneq ($(MINE),)
	@CHECK_MINE=$(call quoted,$(value MINE)) tests/run findings $(STEP)
else
	@tests/run sanitized
endif

test-long: all tools ## what takes longer: sanitizers, mutants, the stages, counted costs (half an hour)
	@tests/long

test-more: all tools ## correct servers of other designs, students' directories, other machines
	@tests/long more

test-repeat: all tools ## the same tests again and again, idle and under load
	@tests/repeat

bench: all tools ## the steps side by side (5 minutes; QUICK=1); WITH="name=command {port}"
	@tests/bench/run

count: all tools ## what a request costs, counted and judged: calls, switches, memory
	@tests/bench/count

figure: $(if $(MEASURE),all tools) ## draw tests/bench/figure.svg; MEASURE=1 measures anew before
	@tests/bench/figure

timeline: all tools ## a picture of what happens: STEP=03 [DO=wall|file] [FORMAT=text|svg|trace] [SERVER=path] [OUT=file]
	@$(foreach word,DO OUT SERVER,$(if $($(word)),$(word)=$(call quoted,$(value $(word))))) FORMAT='$(FORMAT)' \
	    tests/timeline/draw '$(STEP)'

format: ## lay out all C code as .clang-format says
	clang-format -i step*/*.[ch] tests/src/*.[ch] tests/unit/*.c tests/fuzz/*.c tests/wheats/*.c

clean: ## remove all that was built
	@for d in $(STEPS) tests; do $(MAKE) -s -C $$d clean; done
	rm -rf step*/build-* tests/mutants/work tests/wheats/work tests/stages/work

help: ## this list
	@sed -n 's/^\([a-z -]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 14

.PHONY: first all $(STEPS) run tools test check doctor diff stages start next exercise hint reset hunt progress \
	grade gradebook handout gradescope autolab github variants \
	watch verify mutants wheats sanitize test-long test-more \
	test-repeat bench count figure timeline format clean help
