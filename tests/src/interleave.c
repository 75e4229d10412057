/* interleave - runs models of hand-overs between threads, one step at a time.
 *
 *   interleave MODEL SCHEDULE      in an order that somebody chose, shown with a column
 *                                  for each thread. Status 0: it ends in a failure. 1: it
 *                                  does not, or a thread cannot run then.
 *   interleave --all MODEL         in every order. 0: none fails. 1: one does.
 *   interleave --all --show MODEL  and shows the shortest: the answer to an exercise
 *   interleave --all --reached MODEL   if none fails, names each step that runs in some
 *                                  order, as THREAD: STEP. An assertion that is not among
 *                                  them proves nothing.
 *
 * Bad input is status 2. A model is a text, in which # begins a comment:
 *
 *   var NAME = NUMBER              shared by all threads
 *   mutex NAME
 *   condition NAME
 *   spurious NUMBER                so often a wait may end though nobody signaled
 *   thread NAME [daemon]           a daemon may still wait when the others are done
 *     ...                          its steps, below
 *   end
 *   finally EXPRESSION "MEANING"   holds when nobody can run any more
 *
 * Each line of a thread is one step: no other thread runs in the middle of it.
 *
 *   NAME = EXPRESSION              several with commas between are one step, too
 *   lock MUTEX
 *   unlock MUTEX
 *   wait CONDITION MUTEX           a step to unlock and sleep, another to lock again
 *   signal CONDITION
 *   broadcast CONDITION
 *   await EXPRESSION               runs once it is not 0; `await a : a = 0` assigns in
 *                                  the same step
 *   assert EXPRESSION "MEANING"
 *   if EXPRESSION, else, end       the expression is a step, else and end are none
 *   while EXPRESSION, end
 *   local NAME = NUMBER            of this thread alone; no step
 *
 * An expression has C's operators for integers, with C's precedence. A failure is an
 * assert or a finally that is 0, an unlock or a wait without the mutex, and a thread that
 * is no daemon and can never run again: a deadlock, or a lost wake-up.
 *
 * A schedule has a line for each step: the name of the thread and, where a signal has
 * several to choose from, the name of the one that it wakes. That one must be asleep on
 * the condition: a signal is not lost while a thread sleeps.
 *
 * The steps are sequentially consistent: what one thread wrote, the next one sees. What a
 * compiler and a processor may do beyond that is not modeled here; ThreadSanitizer is for
 * that.
 */
#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    VARS_MAX = 48,
    THREADS_MAX = 8,
    LOCKS_MAX = 8, /* mutexes, and as many conditions */
    OPS_MAX = 400, /* steps of all threads */
    NODES_MAX = 4000,
    FINALLY_MAX = 16,
    NEST_MAX = 16,
    DEPTH_MAX = 40, /* of an expression */
    ASSIGNS_MAX = 6,
    NAME_SIZE = 32,
    LINE_SIZE = 256,
    STATES_MAX = 2000000,
    SCHEDULE_MAX = 1000,
};

/* ---- the model -------------------------------------------------------------------- */

enum op_kind {
    OP_ASSIGN,
    OP_LOCK,
    OP_UNLOCK,
    OP_WAIT,
    OP_SIGNAL,
    OP_BROADCAST,
    OP_AWAIT,
    OP_BRANCH, /* if and while: to `target` where the expression is 0 */
    OP_JUMP,   /* no step of its own */
    OP_ASSERT,
    OP_END,
};

struct op {
    enum op_kind kind;
    int line;
    int count; /* of assignments */
    int variable[ASSIGNS_MAX], expression[ASSIGNS_MAX];
    int mutex, target;
    int condition;        /* one of the model's; of await its expression */
    char text[LINE_SIZE]; /* as it stands in the model */
};

/* An expression is a tree in one array: operators by their first character or a letter.
 */
struct node {
    char what; /* 'n' number, 'v' variable, '?' with three children, else an operator */
    int value; /* number, variable */
    int child[3];
};

struct variable {
    char name[NAME_SIZE];
    int thread; /* -1: shared */
    int first;
};

struct thread {
    char name[NAME_SIZE];
    bool daemon;
    int begin; /* in ops */
};

static struct {
    struct variable vars[VARS_MAX];
    struct thread threads[THREADS_MAX];
    char mutexes[LOCKS_MAX][NAME_SIZE], conditions[LOCKS_MAX][NAME_SIZE];
    struct op ops[OPS_MAX], finally[FINALLY_MAX];
    struct node nodes[NODES_MAX];
    int var_count, thread_count, mutex_count, condition_count, op_count, node_count,
        finally_count, spurious;
} model;

/* ---- reading it ------------------------------------------------------------------- */

static struct {
    const char *file;
    int line;
    const char *at; /* what is left of the line */
    int thread;     /* -1 between threads */
    int depth;
    struct {
        int op, end_jump; /* the branch; the jump before an else, or -1 */
        bool is_while;
    } nest[NEST_MAX];
    int nested;
} reader = {.thread = -1};

static _Noreturn void bad(const char *format, ...)
{
    va_list arguments;

    fprintf(stderr, "%s:%d: ", reader.file, reader.line);
    va_start(arguments, format);
    vfprintf(stderr, format, arguments);
    va_end(arguments);
    fputc('\n', stderr);
    exit(2);
}

static void skip_space(void)
{
    while (*reader.at == ' ' || *reader.at == '\t')
        reader.at++;
}

static bool read_word(char word[NAME_SIZE])
{
    size_t length = 0;

    skip_space();
    while (isalnum((unsigned char)reader.at[length]) || reader.at[length] == '_')
        length++;
    if (length == 0 || length >= NAME_SIZE || isdigit((unsigned char)*reader.at))
        return false;
    memcpy(word, reader.at, length);
    word[length] = '\0';
    reader.at += length;
    return true;
}

static void need_word(char word[NAME_SIZE], const char *what)
{
    if (!read_word(word))
        bad("%s is missing, or longer than %d characters", what, NAME_SIZE - 1);
}

static bool take(const char *text)
{
    skip_space();
    if (strncmp(reader.at, text, strlen(text)) != 0)
        return false;
    reader.at += strlen(text);
    return true;
}

static void need_end(void)
{
    skip_space();
    if (*reader.at != '\0')
        bad("this is too much: %s", reader.at);
}

static int find_name(char names[][NAME_SIZE], int count, const char *name)
{
    for (int i = 0; i < count; i++)
        if (strcmp(names[i], name) == 0)
            return i;
    return -1;
}

/* A thread's own variable hides a shared one of that name. */
static int find_variable(const char *name)
{
    for (int i = model.var_count - 1; i >= 0; i--)
        if (strcmp(model.vars[i].name, name) == 0 &&
            (model.vars[i].thread == -1 || model.vars[i].thread == reader.thread))
            return i;
    return -1;
}

static int new_node(char what, int value, int a, int b, int c)
{
    if (model.node_count == NODES_MAX)
        bad("the expressions are too long in all");
    model.nodes[model.node_count] =
        (struct node){.what = what, .value = value, .child = {a, b, c}};
    return model.node_count++;
}

static int read_expression(int weakest);

static int read_number(void)
{
    long number = 0;

    skip_space();
    if (!isdigit((unsigned char)*reader.at))
        bad("a number is missing at: %s", reader.at);
    while (isdigit((unsigned char)*reader.at)) {
        number = number * 10 + (*reader.at++ - '0');
        if (number > 1000000)
            bad("a number is larger than 1000000");
    }
    return (int)number;
}

static int read_operand(void)
{
    char name[NAME_SIZE];
    int node;

    if (++reader.depth > DEPTH_MAX)
        bad("the expression is too deep");
    skip_space();
    if (take("!") || take("~") || take("-")) {
        char what = reader.at[-1];
        node = new_node(what == '-' ? 'm' : what, 0, read_operand(), -1, -1);
    } else if (take("(")) {
        node = read_expression(0);
        if (!take(")"))
            bad("a ) is missing at: %s", reader.at);
    } else if (isdigit((unsigned char)*reader.at)) {
        node = new_node('n', read_number(), -1, -1, -1);
    } else {
        need_word(name, "a variable or number");
        int variable = find_variable(name);
        if (variable < 0)
            bad("there is no variable %s", name);
        node = new_node('v', variable, -1, -1, -1);
    }
    reader.depth--;
    return node;
}

/* The operators, from the weakest to the strongest; one of two characters stands before
 * the one that it begins with. */
static const struct {
    const char *text;
    char what;
    int strength;
} operators[] = {
    {"||", 'O', 1},
    {"&&", 'A', 2},
    {"|", '|', 3},
    {"^", '^', 4},
    {"&", '&', 5},
    {"==", '=', 6},
    {"!=", 'N', 6},
    {"<=", 'L', 7},
    {">=", 'G', 7},
    {"<", '<', 7},
    {">", '>', 7},
    {"+", '+', 8},
    {"-", '-', 8},
    {"*", '*', 9},
    {"/", '/', 9},
    {"%", '%', 9},
};

static int read_expression(int weakest)
{
    int left = read_operand();

again:
    for (size_t i = 0; i < sizeof operators / sizeof *operators; i++)
        if (operators[i].strength > weakest && take(operators[i].text)) {
            left = new_node(
                operators[i].what, 0, left, read_expression(operators[i].strength), -1);
            goto again;
        }
    if (weakest == 0 && take("?")) {
        if (++reader.depth > DEPTH_MAX)
            bad("the expression is too deep");
        int yes = read_expression(0);
        if (!take(":"))
            bad("a : is missing at: %s", reader.at);
        left = new_node('?', 0, left, yes, read_expression(0));
        reader.depth--;
    }
    return left;
}

/* The text between quotes at the end of the line. */
static void need_meaning(void)
{
    const char *end;

    if (!take("\"") || !(end = strchr(reader.at, '"')) || end == reader.at)
        bad("what it means is missing: \"...\"");
    reader.at = end + 1;
    need_end();
}

static struct op *new_op(enum op_kind kind, const char *text)
{
    struct op *op = &model.ops[model.op_count];

    if (model.op_count == OPS_MAX)
        bad("there are more than %d steps", OPS_MAX);
    model.op_count++;
    *op = (struct op){.kind = kind, .line = reader.line};
    snprintf(op->text, sizeof op->text, "%s", text);
    return op;
}

static void check_new_name(const char *name)
{
    if (find_variable(name) >= 0 ||
        find_name(model.mutexes, model.mutex_count, name) >= 0 ||
        find_name(model.conditions, model.condition_count, name) >= 0)
        bad("there are two of the name %s", name);
}

static void read_variable(void)
{
    struct variable *variable = &model.vars[model.var_count];
    char name[NAME_SIZE];

    if (model.var_count == VARS_MAX)
        bad("there are more than %d variables", VARS_MAX);
    need_word(name, "the name");
    check_new_name(name);
    if (!take("="))
        bad("its first value is missing: %s = 0", name);
    *variable = (struct variable){.thread = reader.thread, .first = read_number()};
    strcpy(variable->name, name);
    model.var_count++;
    need_end();
}

static void read_lock_name(char names[][NAME_SIZE], int *count)
{
    char name[NAME_SIZE];

    if (*count == LOCKS_MAX)
        bad("there are more than %d of them", LOCKS_MAX);
    need_word(name, "the name");
    check_new_name(name);
    strcpy(names[(*count)++], name);
    need_end();
}

static int need_known(char names[][NAME_SIZE], int count, const char *what)
{
    char name[NAME_SIZE];

    need_word(name, what);
    int found = find_name(names, count, name);
    if (found < 0)
        bad("there is no %s %s", what, name);
    return found;
}

static void read_assignments(struct op *op)
{
    char name[NAME_SIZE];

    do {
        if (op->count == ASSIGNS_MAX)
            bad("more than %d assignments in one step", ASSIGNS_MAX);
        need_word(name, "a variable");
        op->variable[op->count] = find_variable(name);
        if (op->variable[op->count] < 0)
            bad("there is no variable %s, and no such step", name);
        if (!take("="))
            bad("a = is missing at: %s", reader.at);
        op->expression[op->count++] = read_expression(0);
    } while (take(","));
}

static void open_block(bool is_while, const char *text)
{
    if (reader.nested == NEST_MAX)
        bad("more than %d blocks in each other", NEST_MAX);
    reader.nest[reader.nested].op = model.op_count;
    reader.nest[reader.nested].end_jump = -1;
    reader.nest[reader.nested++].is_while = is_while;
    struct op *op = new_op(OP_BRANCH, text);
    op->expression[0] = read_expression(0);
}

static void read_else(void)
{
    if (reader.nested == 0 || reader.nest[reader.nested - 1].is_while ||
        reader.nest[reader.nested - 1].end_jump >= 0)
        bad("an else without an if");
    reader.nest[reader.nested - 1].end_jump = model.op_count;
    new_op(OP_JUMP, "else");
    model.ops[reader.nest[reader.nested - 1].op].target = model.op_count;
}

static void read_end(void)
{
    if (reader.nested == 0) {
        new_op(OP_END, "end");
        reader.thread = -1;
        return;
    }
    reader.nested--;
    int branch = reader.nest[reader.nested].op;
    int end_jump = reader.nest[reader.nested].end_jump;
    if (reader.nest[reader.nested].is_while)
        new_op(OP_JUMP, "end")->target = branch;
    if (end_jump >= 0)
        model.ops[end_jump].target = model.op_count;
    else
        model.ops[branch].target = model.op_count;
}

static void read_step(const char *word, const char *text)
{
    struct op *op;

    if (strcmp(word, "local") == 0) {
        read_variable();
    } else if (strcmp(word, "lock") == 0 || strcmp(word, "unlock") == 0) {
        op = new_op(*word == 'l' ? OP_LOCK : OP_UNLOCK, text);
        op->mutex = need_known(model.mutexes, model.mutex_count, "mutex");
    } else if (strcmp(word, "wait") == 0) {
        op = new_op(OP_WAIT, text);
        op->condition = need_known(model.conditions, model.condition_count, "condition");
        op->mutex = need_known(model.mutexes, model.mutex_count, "mutex");
    } else if (strcmp(word, "signal") == 0 || strcmp(word, "broadcast") == 0) {
        op = new_op(*word == 's' ? OP_SIGNAL : OP_BROADCAST, text);
        op->condition = need_known(model.conditions, model.condition_count, "condition");
    } else if (strcmp(word, "await") == 0) {
        op = new_op(OP_AWAIT, text);
        op->condition = read_expression(0);
        if (take(":"))
            read_assignments(op);
    } else if (strcmp(word, "if") == 0 || strcmp(word, "while") == 0) {
        open_block(*word == 'w', text);
    } else if (strcmp(word, "else") == 0) {
        read_else();
    } else if (strcmp(word, "end") == 0) {
        read_end();
    } else if (strcmp(word, "assert") == 0) {
        op = new_op(OP_ASSERT, text);
        op->expression[0] = read_expression(0);
        need_meaning();
    } else {
        reader.at -= strlen(word);
        op = new_op(OP_ASSIGN, text);
        read_assignments(op);
    }
    need_end();
}

static void begin_thread(void)
{
    struct thread *thread = &model.threads[model.thread_count];
    char word[NAME_SIZE];

    if (model.thread_count == THREADS_MAX)
        bad("there are more than %d threads", THREADS_MAX);
    need_word(thread->name, "the name of the thread");
    for (int i = 0; i < model.thread_count; i++)
        if (strcmp(model.threads[i].name, thread->name) == 0)
            bad("there are two threads %s", thread->name);
    if (read_word(word)) {
        if (strcmp(word, "daemon") != 0)
            bad("what is %s? Only daemon may stand there", word);
        thread->daemon = true;
    }
    need_end();
    thread->begin = model.op_count;
    reader.thread = model.thread_count++;
}

static void read_declaration(const char *word, const char *text)
{
    if (strcmp(word, "var") == 0) {
        read_variable();
    } else if (strcmp(word, "mutex") == 0) {
        read_lock_name(model.mutexes, &model.mutex_count);
    } else if (strcmp(word, "condition") == 0) {
        read_lock_name(model.conditions, &model.condition_count);
    } else if (strcmp(word, "spurious") == 0) {
        model.spurious = read_number();
        need_end();
    } else if (strcmp(word, "thread") == 0) {
        begin_thread();
    } else if (strcmp(word, "finally") == 0) {
        if (model.finally_count == FINALLY_MAX)
            bad("there are more than %d of finally", FINALLY_MAX);
        struct op *op = &model.finally[model.finally_count++];
        op->line = reader.line;
        snprintf(op->text, sizeof op->text, "%s", text);
        op->expression[0] = read_expression(0);
        need_meaning();
    } else {
        bad("what is %s? Outside a thread stand var, mutex, condition, spurious, "
            "thread, finally",
            word);
    }
}

/* Cuts the comment, which no quotes hide, and the space at both ends. */
static char *trim(char *line)
{
    bool quoted = false;
    char *end = line;

    while (*end != '\0' && (quoted || *end != '#') && *end != '\n' && *end != '\r') {
        if (*end == '"')
            quoted = !quoted;
        end++;
    }
    while (end > line && isspace((unsigned char)end[-1]))
        end--;
    *end = '\0';
    while (isspace((unsigned char)*line))
        line++;
    return line;
}

/* The next line that is not empty, trimmed, or NULL. */
static char *next_line(FILE *file, char line[LINE_SIZE])
{
    while (fgets(line, LINE_SIZE, file)) {
        reader.line++;
        if (!strchr(line, '\n') && strlen(line) == LINE_SIZE - 1)
            bad("the line is longer than %d characters", LINE_SIZE - 2);
        char *text = trim(line);
        for (const char *c = text; *c != '\0'; c++)
            if (iscntrl((unsigned char)*c) && *c != '\t')
                bad("a control character, 0x%02x", (unsigned char)*c);
        if (*text != '\0')
            return text;
    }
    return NULL;
}

static FILE *open_file(const char *name)
{
    FILE *file = fopen(name, "r");

    if (!file) {
        fprintf(stderr, "interleave: cannot read %s: %s\n", name, strerror(errno));
        exit(2);
    }
    reader.file = name;
    reader.line = 0;
    return file;
}

static void read_model(const char *name)
{
    FILE *file = open_file(name);
    char line[LINE_SIZE], word[NAME_SIZE];
    char *text;

    while ((text = next_line(file, line)) != NULL) {
        reader.at = text;
        reader.depth = 0;
        need_word(word, "a word");
        if (reader.thread < 0)
            read_declaration(word, text);
        else
            read_step(word, text);
    }
    fclose(file);
    if (reader.thread >= 0)
        bad("the thread %s has no end", model.threads[reader.thread].name);
    if (model.thread_count == 0)
        bad("there is no thread");
}

/* ---- running it ------------------------------------------------------------------- */

enum { AWAKE = -1, WOKEN = -2 }; /* what a thread sleeps on, else a condition */

/* All that there is to know; only numbers, so that two can be compared as bytes. */
struct state {
    int var[VARS_MAX];
    int owner[LOCKS_MAX]; /* of a mutex: a thread, or -1 */
    int pc[THREADS_MAX];
    int sleeps[THREADS_MAX];
    int spurious; /* left */
};

/* What a step came to. */
struct outcome {
    bool failed;
    int line; /* of the model; 0: a thread can never run again */
    char why[LINE_SIZE + 64];
};

static int64_t no_number(struct outcome *outcome, const char *why)
{
    outcome->failed = true;
    snprintf(outcome->why, sizeof outcome->why, "%s", why);
    return 0;
}

/* What an operator makes of its operands; one that takes one operand gets b = 0. In 64
 * bits, where two numbers of 32 cannot overflow. */
static int64_t operate(char what, int64_t a, int64_t b, struct outcome *outcome)
{
    switch (what) {
    case '!':
        return !a;
    case '~':
        return ~a;
    case 'm':
        return -a;
    case 'O':
    case 'A':
        return b != 0; /* evaluate() has looked at a */
    case '|':
        return a | b;
    case '^':
        return a ^ b;
    case '&':
        return a & b;
    case '=':
        return a == b;
    case 'N':
        return a != b;
    case 'L':
        return a <= b;
    case 'G':
        return a >= b;
    case '<':
        return a < b;
    case '>':
        return a > b;
    case '+':
        return a + b;
    case '-':
        return a - b;
    case '*':
        return a * b;
    }
    if (b == 0)
        return no_number(outcome, "a division by zero");
    return what == '/' ? a / b : a % b;
}

static int evaluate(const struct state *state, int expression, struct outcome *outcome)
{
    const struct node *node = &model.nodes[expression];
    int64_t a = 0, b = 0, result;

    if (node->what == 'n')
        return node->value;
    if (node->what == 'v')
        return state->var[node->value];
    a = evaluate(state, node->child[0], outcome);
    if (node->what == '?')
        return evaluate(state, node->child[a ? 1 : 2], outcome);
    if (node->what == 'O' && a)
        return 1;
    if (node->what == 'A' && !a)
        return 0;
    if (node->child[1] >= 0)
        b = evaluate(state, node->child[1], outcome);
    result = operate(node->what, a, b, outcome);
    if (result > INT32_MAX || result < INT32_MIN)
        result = no_number(outcome, "a number became too large");
    return (int)result;
}

/* Jumps are no steps. */
static void follow_jumps(struct state *state, int thread)
{
    while (model.ops[state->pc[thread]].kind == OP_JUMP)
        state->pc[thread] = model.ops[state->pc[thread]].target;
}

static void begin_state(struct state *state)
{
    memset(state, 0, sizeof *state);
    for (int i = 0; i < model.var_count; i++)
        state->var[i] = model.vars[i].first;
    for (int i = 0; i < LOCKS_MAX; i++)
        state->owner[i] = -1;
    for (int i = 0; i < model.thread_count; i++) {
        state->pc[i] = model.threads[i].begin;
        state->sleeps[i] = AWAKE;
        follow_jumps(state, i);
    }
    state->spurious = model.spurious;
}

static const struct op *op_of(const struct state *state, int thread)
{
    return &model.ops[state->pc[thread]];
}

/* NULL: thread can run. Else why it cannot. */
static const char *obstacle(const struct state *state, int thread)
{
    static char why[LINE_SIZE + 64];
    const struct op *op = op_of(state, thread);
    struct outcome ignored = {0};

    if (op->kind == OP_END)
        return "it is done";
    if (state->sleeps[thread] >= 0) {
        if (state->spurious > 0)
            return NULL;
        snprintf(why, sizeof why, "it sleeps on %s, and nobody has woken it",
            model.conditions[state->sleeps[thread]]);
        return why;
    }
    if (op->kind == OP_LOCK || state->sleeps[thread] == WOKEN) {
        int owner = state->owner[op->mutex];
        if (owner < 0)
            return NULL;
        snprintf(why, sizeof why, "%s is held by %s", model.mutexes[op->mutex],
            model.threads[owner].name);
        return why;
    }
    if (op->kind == OP_AWAIT && !evaluate(state, op->condition, &ignored) &&
        !ignored.failed) {
        snprintf(why, sizeof why, "it waits: %.200s", op->text);
        return why;
    }
    return NULL;
}

static void fail(struct outcome *outcome, const struct op *op, const char *why)
{
    outcome->failed = true;
    outcome->line = op->line;
    snprintf(outcome->why, sizeof outcome->why, "%s", why);
}

static void wake(struct state *state, int condition, int thread)
{
    if (state->sleeps[thread] == condition)
        state->sleeps[thread] = WOKEN;
}

static int first_sleeper(const struct state *state, int condition)
{
    for (int i = 0; i < model.thread_count; i++)
        if (state->sleeps[i] == condition)
            return i;
    return -1;
}

/* One step of thread, which can run. A signal wakes `woken`, -1: the first that sleeps.
 */
/* The first half of a wait gives the mutex up and sleeps, the second one, after a
 * wake-up, takes it again. True: the thread sleeps now, at the same step. */
static bool falls_asleep(
    struct state *state, int thread, const struct op *op, struct outcome *outcome)
{
    if (state->sleeps[thread] == WOKEN) {
        state->owner[op->mutex] = thread;
        state->sleeps[thread] = AWAKE;
        return false;
    }
    if (state->owner[op->mutex] != thread)
        fail(outcome, op, "it waits without the mutex");
    state->owner[op->mutex] = -1;
    state->sleeps[thread] = op->condition;
    return true;
}

static void step(struct state *state, int thread, int woken, struct outcome *outcome)
{
    const struct op *op = op_of(state, thread);
    int next = state->pc[thread] + 1;

    if (state->sleeps[thread] >= 0) { /* wakes without a signal */
        state->spurious--;
        state->sleeps[thread] = WOKEN;
        return;
    }
    switch (op->kind) {
    case OP_AWAIT:
    case OP_ASSIGN:
        for (int i = 0; i < op->count && !outcome->failed; i++)
            state->var[op->variable[i]] = evaluate(state, op->expression[i], outcome);
        break;
    case OP_LOCK:
        state->owner[op->mutex] = thread;
        break;
    case OP_UNLOCK:
        if (state->owner[op->mutex] != thread)
            fail(outcome, op, "it unlocks what it has not locked");
        state->owner[op->mutex] = -1;
        break;
    case OP_WAIT:
        if (falls_asleep(state, thread, op, outcome))
            return;
        break;
    case OP_SIGNAL:
        if (woken < 0)
            woken = first_sleeper(state, op->condition);
        if (woken >= 0)
            wake(state, op->condition, woken);
        break;
    case OP_BROADCAST:
        for (int i = 0; i < model.thread_count; i++)
            wake(state, op->condition, i);
        break;
    case OP_BRANCH:
        if (!evaluate(state, op->expression[0], outcome))
            next = op->target;
        break;
    case OP_ASSERT:
        if (!evaluate(state, op->expression[0], outcome) && !outcome->failed)
            fail(outcome, op, op->text);
        break;
    default:
        break;
    }
    if (outcome->failed && outcome->line == 0)
        outcome->line = op->line;
    state->pc[thread] = next;
    follow_jumps(state, thread);
}

static bool somebody_can_run(const struct state *state)
{
    for (int i = 0; i < model.thread_count; i++)
        if (!obstacle(state, i))
            return true;
    return false;
}

/* Nobody can run any more: is all as it should be? A wait that ends by itself is no way
 * out, so a thread that sleeps counts as one that can never run, whether one is left or
 * not. */
static void judge_end(const struct state *state, struct outcome *outcome)
{
    struct state quiet = *state;

    quiet.spurious = 0;
    if (somebody_can_run(&quiet))
        return;
    for (int i = 0; i < model.thread_count; i++) {
        const char *why = obstacle(&quiet, i);
        if (op_of(state, i)->kind == OP_END || model.threads[i].daemon)
            continue;
        outcome->failed = true;
        snprintf(outcome->why, sizeof outcome->why, "%s can never run again: %.200s",
            model.threads[i].name, why);
        return;
    }
    for (int i = 0; i < model.finally_count && !outcome->failed; i++)
        if (!evaluate(state, model.finally[i].expression[0], outcome))
            fail(outcome, &model.finally[i], model.finally[i].text);
}

/* ---- showing it ------------------------------------------------------------------- */

static int width_of[THREADS_MAX];

static void find_widths(void)
{
    for (int thread = 0; thread < model.thread_count; thread++) {
        int end = thread + 1 < model.thread_count ? model.threads[thread + 1].begin
                                                  : model.op_count;
        size_t width = strlen(model.threads[thread].name);
        for (int i = model.threads[thread].begin; i < end; i++)
            if (model.ops[i].kind != OP_JUMP && strlen(model.ops[i].text) > width)
                width = strlen(model.ops[i].text);
        width_of[thread] = width < 24 ? 24 : width > 44 ? 44 : (int)width;
    }
}

static void show_head(void)
{
    printf("     ");
    for (int i = 0; i < model.thread_count; i++)
        printf("%-*s  ", width_of[i], model.threads[i].name);
    printf("then\n");
}

/* What the step from before to after looked like. */
static void show_step(
    int number, int thread, const struct state *before, const struct state *after)
{
    const char *text = op_of(before, thread)->text;
    char woken[LINE_SIZE + 32];

    if (before->sleeps[thread] >= 0)
        text = "(wakes by itself)";
    else if (before->sleeps[thread] == WOKEN) {
        snprintf(woken, sizeof woken, "(woken, has %s)",
            model.mutexes[op_of(before, thread)->mutex]);
        text = woken;
    }
    printf("%3d  ", number);
    for (int i = 0; i < model.thread_count; i++)
        printf("%-*.*s  ", width_of[i], width_of[i], i == thread ? text : "");
    for (int i = 0; i < model.var_count; i++)
        if (before->var[i] != after->var[i])
            printf("%s=%d ", model.vars[i].name, after->var[i]);
    for (int i = 0; i < model.mutex_count; i++)
        if (before->owner[i] != after->owner[i])
            printf("%s:%s ", model.mutexes[i],
                after->owner[i] < 0 ? "free" : model.threads[after->owner[i]].name);
    for (int i = 0; i < model.thread_count; i++)
        if (i != thread && before->sleeps[i] != after->sleeps[i])
            printf("wakes:%s ", model.threads[i].name);
    putchar('\n');
}

static void show_failure(const struct outcome *outcome)
{
    if (outcome->line > 0)
        printf("It fails, line %d: %s\n", outcome->line, outcome->why);
    else
        printf("It fails: %s\n", outcome->why);
}

/* ---- one schedule ----------------------------------------------------------------- */

static int thread_called(const char *name)
{
    for (int i = 0; i < model.thread_count; i++)
        if (strcmp(model.threads[i].name, name) == 0)
            return i;
    bad("there is no thread %s", name);
}

/* NULL: the step may be taken so. Else why not. woken is -1 without a second name. */
static const char *wrong_choice(const struct state *state, int thread, int woken)
{
    static char why[LINE_SIZE + 64];
    const struct op *op = op_of(state, thread);

    if (woken < 0)
        return NULL;
    if (op->kind != OP_SIGNAL) {
        snprintf(why, sizeof why,
            "a second name says whom a signal wakes, and this step is: %.200s",
            state->sleeps[thread] == AWAKE ? op->text : "waking up");
        return why;
    }
    if (state->sleeps[woken] == op->condition)
        return NULL;
    snprintf(why, sizeof why, "it cannot wake %s, which does not sleep on %s",
        model.threads[woken].name, model.conditions[op->condition]);
    return why;
}

static int run_schedule(const char *name)
{
    FILE *file = open_file(name);
    char line[LINE_SIZE], word[NAME_SIZE];
    struct state state, before;
    struct outcome outcome = {0};
    int steps = 0;

    begin_state(&state);
    find_widths();
    show_head();
    while (!outcome.failed && (reader.at = next_line(file, line)) != NULL) {
        int woken = -1;
        need_word(word, "the name of a thread");
        int thread = thread_called(word);
        if (read_word(word))
            woken = thread_called(word);
        need_end();
        const char *why = obstacle(&state, thread);
        if (why) {
            printf("Line %d of the schedule: %s cannot run: %s\n", reader.line,
                model.threads[thread].name, why);
            fclose(file);
            return 1;
        }
        if ((why = wrong_choice(&state, thread, woken)) != NULL) {
            printf("Line %d of the schedule: %s: %s\n", reader.line,
                model.threads[thread].name, why);
            fclose(file);
            return 1;
        }
        before = state;
        step(&state, thread, woken, &outcome);
        show_step(++steps, thread, &before, &state);
    }
    fclose(file);
    if (!outcome.failed)
        judge_end(&state, &outcome);
    if (outcome.failed) {
        show_failure(&outcome);
        return 0;
    }
    puts(somebody_can_run(&state) ? "The schedule ends, and nothing has failed yet."
                                  : "All is done, and nothing has failed.");
    return 1;
}

/* ---- every schedule --------------------------------------------------------------- */

/* All states that were reached, in the order of their distance from the beginning, each
 * with the step that led there; and a table to find them by their content. */
struct reached {
    struct state state;
    int from; /* index, -1 for the first */
    signed char thread, woken;
};

static struct {
    struct reached *list;
    int count, room;
    int *table; /* index + 1; 0: free */
    size_t slots;
} all;

/* memory, or the end of the program where there is none. */
static void *need_memory(void *memory)
{
    if (!memory) {
        fputs("interleave: out of memory\n", stderr);
        exit(2);
    }
    return memory;
}

static size_t hash_of(const struct state *state)
{
    const unsigned char *bytes = (const unsigned char *)state;
    uint64_t hash = 1469598103934665603u; /* FNV-1a */

    for (size_t i = 0; i < sizeof *state; i++)
        hash = (hash ^ bytes[i]) * 1099511628211u;
    return (size_t)(hash ^ hash >> 32);
}

static size_t slot_of(const struct state *state)
{
    size_t slot = hash_of(state) % all.slots;

    while (all.table[slot] != 0 &&
           memcmp(&all.list[all.table[slot] - 1].state, state, sizeof *state) != 0)
        slot = (slot + 1) % all.slots;
    return slot;
}

static void add_state(const struct state *state, int from, int thread, int woken)
{
    size_t slot = slot_of(state);

    if (all.table[slot] != 0)
        return;
    if (all.count == STATES_MAX) {
        printf("More than %d states: make the model smaller.\n", STATES_MAX);
        exit(2);
    }
    if (all.count == all.room) {
        all.room = all.room ? 2 * all.room : 1024;
        all.list = need_memory(realloc(all.list, (size_t)all.room * sizeof *all.list));
    }
    all.list[all.count] =
        (struct reached){*state, from, (signed char)thread, (signed char)woken};
    all.table[slot] = ++all.count;
}

/* The steps that led to state number `last`, and one more. */
static void show_way(int last, int thread, const struct state *after)
{
    int way[SCHEDULE_MAX], steps = 0;

    for (int at = last; all.list[at].from >= 0 && steps < SCHEDULE_MAX;
         at = all.list[at].from)
        way[steps++] = at;
    find_widths();
    show_head();
    for (int i = 1; i <= steps; i++) {
        const struct reached *to = &all.list[way[steps - i]];
        show_step(i, to->thread, &all.list[to->from].state, &to->state);
    }
    if (thread >= 0)
        show_step(steps + 1, thread, &all.list[last].state, after);
}

static bool reached[OPS_MAX]; /* the steps that ran in some order */

static void show_reached(void)
{
    for (int thread = 0, i = 0; i < model.op_count; i++) {
        while (thread + 1 < model.thread_count && model.threads[thread + 1].begin <= i)
            thread++;
        if (reached[i])
            printf("%s: %s\n", model.threads[thread].name, model.ops[i].text);
    }
}

static int report_failure(const struct outcome *outcome, bool show, int last, int thread,
    const struct state *after)
{
    if (!show) {
        puts("There is an order of steps in which it fails.");
        return 1;
    }
    show_way(last, thread, after);
    show_failure(outcome);
    return 1;
}

static int try_all(bool show, bool show_steps)
{
    struct state state;

    all.slots = (size_t)STATES_MAX * 2 + 1;
    all.table = need_memory(calloc(all.slots, sizeof *all.table));
    begin_state(&state);
    add_state(&state, -1, 0, -1);
    for (int at = 0; at < all.count; at++) {
        struct outcome outcome = {0};
        judge_end(&all.list[at].state, &outcome);
        if (outcome.failed)
            return report_failure(&outcome, show, at, -1, NULL);
        for (int thread = 0; thread < model.thread_count; thread++) {
            if (obstacle(&all.list[at].state, thread))
                continue;
            const struct op *op = op_of(&all.list[at].state, thread);
            bool signals =
                op->kind == OP_SIGNAL && all.list[at].state.sleeps[thread] == AWAKE;
            /* A signal may wake any of those that sleep. */
            for (int woken = signals ? 0 : -1; woken < model.thread_count; woken++) {
                if (signals && all.list[at].state.sleeps[woken] != op->condition &&
                    first_sleeper(&all.list[at].state, op->condition) >= 0)
                    continue;
                state = all.list[at].state;
                reached[state.pc[thread]] = true;
                step(&state, thread, woken, &outcome);
                if (outcome.failed)
                    return report_failure(&outcome, show, at, thread, &state);
                add_state(&state, at, thread, woken);
                if (!signals)
                    break;
            }
        }
    }
    if (show_steps)
        show_reached();
    else
        printf("No order of steps fails: %d states.\n", all.count);
    return 0;
}

static int usage(FILE *out, int status)
{
    fputs(
        "usage: interleave MODEL SCHEDULE\n"
        "       interleave --all [--show | --reached] MODEL\n"
        "Runs a model of a hand-over between threads in the order of the schedule, or "
        "in\n"
        "every order. The head of tests/src/interleave.c tells what may stand in both.\n",
        out);
    return status;
}

int main(int argc, char *argv[])
{
    bool show = argc > 2 && strcmp(argv[2], "--show") == 0;
    bool steps = argc > 2 && strcmp(argv[2], "--reached") == 0;

    if (argc > 1 && (strcmp(argv[1], "-h") == 0 || strcmp(argv[1], "--help") == 0))
        return usage(stdout, 0);
    if (argc > 1 && strcmp(argv[1], "--all") == 0) {
        if (argc != 3 + show + steps)
            return usage(stderr, 2);
        read_model(argv[2 + show + steps]);
        return try_all(show, steps);
    }
    if (argc != 3)
        return usage(stderr, 2);
    read_model(argv[1]);
    return run_schedule(argv[2]);
}
