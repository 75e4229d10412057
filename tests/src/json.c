/* json - reads JSON by the letter of RFC 8259 and says what is in it.
 *
 *     json <FILE
 *
 * A line for each value: where it is, a space, and the value as it stands there, such as
 * `workers.0.tasks 17` or `name "a\nb"`. An empty object or array is {} or []. Exit
 * status: 0, or 1 and on stderr what is wrong and where. Two members of one name are
 * wrong here, although section 4 only says that names should differ.
 */
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SIZE_OF_INPUT (4 << 20)
#define PATH_MAX_LEN 1024
#define DEPTH_MAX 64
#define MEMBERS_MAX 4096

static struct {
    char *begin, *at, *end;
    char path[PATH_MAX_LEN];
    size_t path_len;
    int depth;
} json;

__attribute__((noreturn)) static void wrong(const char *what)
{
    fprintf(stderr, "json: byte %td: %s, not '%.20s'\n", json.at - json.begin + 1, what,
        json.at);
    exit(1);
}

static void skip_space(void)
{
    while (json.at < json.end && *json.at && strchr(" \t\r\n", *json.at))
        json.at++;
}

static bool take(char c)
{
    if (json.at == json.end || *json.at != c)
        return false;
    json.at++;
    return true;
}

static bool is_digit(void)
{
    return json.at < json.end && *json.at >= '0' && *json.at <= '9';
}

static void digits(void)
{
    if (!is_digit())
        wrong("a digit is wanted");
    while (is_digit())
        json.at++;
}

/* Section 6: no leading zero, no plus, no bare point. */
static void number(void)
{
    take('-');
    if (!take('0'))
        digits();
    if (take('.'))
        digits();
    if (take('e') || take('E')) {
        if (!take('+'))
            take('-');
        digits();
    }
}

static void escape(void)
{
    if (take('u')) {
        for (int i = 0; i < 4; i++, json.at++)
            if (json.at == json.end || !*json.at ||
                !strchr("0123456789abcdefABCDEF", *json.at))
                wrong("four hex digits are wanted");
        return;
    }
    if (json.at == json.end || !*json.at || !strchr("\"\\/bfnrt", *json.at))
        wrong("an escape is wanted");
    json.at++;
}

/* Section 8.1: UTF-8, so no byte that begins nothing, and none that is missing. */
static void character(void)
{
    unsigned char first = (unsigned char)*json.at++;
    int more = first < 0x80 ? 0 : first < 0xe0 ? 1 : first < 0xf0 ? 2 : 3;

    if (first < ' ' || (first >= 0x80 && first < 0xc2) || first > 0xf4) {
        json.at--;
        wrong("a character is wanted");
    }
    for (; more > 0; more--, json.at++)
        if (json.at == json.end || ((unsigned char)*json.at & 0xc0) != 0x80)
            wrong("the rest of a character is wanted");
}

static void string(void)
{
    if (!take('"'))
        wrong("a string is wanted");
    while (!take('"')) {
        if (json.at == json.end)
            wrong("the end of a string is wanted");
        if (take('\\'))
            escape();
        else
            character();
    }
}

static void word(const char *text)
{
    size_t len = strlen(text);

    if ((size_t)(json.end - json.at) < len || memcmp(json.at, text, len) != 0)
        wrong("a value is wanted");
    json.at += len;
}

static void tell(const char *from)
{
    printf(
        "%s%s%.*s\n", json.path_len ? json.path : ".", " ", (int)(json.at - from), from);
}

/* Adds a step to the path; returns how long it was before. */
static size_t descend(const char *name, size_t len)
{
    size_t before = json.path_len;

    if (before + len + 2 > sizeof json.path)
        wrong("a shorter path is wanted");
    if (before > 0)
        json.path[json.path_len++] = '.';
    memcpy(json.path + json.path_len, name, len);
    json.path_len += len;
    json.path[json.path_len] = '\0';
    return before;
}

static void ascend(size_t before)
{
    json.path_len = before;
    json.path[before] = '\0';
}

static void value(void);

struct name {
    const char *begin;
    size_t len;
};

static struct name member_name(const struct name *names, size_t count)
{
    skip_space();
    struct name name = {json.at + 1, 0};
    string();
    name.len = (size_t)(json.at - name.begin) - 1;
    for (size_t i = 0; i < count; i++)
        if (names[i].len == name.len && memcmp(names[i].begin, name.begin, name.len) == 0)
            wrong("a new name is wanted");
    skip_space();
    if (!take(':'))
        wrong("a colon is wanted");
    return name;
}

static void object(void)
{
    struct name *names = calloc(MEMBERS_MAX, sizeof *names);
    size_t count = 0;

    skip_space();
    if (take('}')) {
        free(names);
        printf("%s {}\n", json.path_len ? json.path : ".");
        return;
    }
    do {
        if (!names || count == MEMBERS_MAX)
            wrong("fewer members are wanted");
        names[count] = member_name(names, count);
        size_t before = descend(names[count].begin, names[count].len);
        value();
        ascend(before);
        count++;
    } while (take(','));
    if (!take('}'))
        wrong("} is wanted");
    free(names);
}

static void array(void)
{
    char index[24];
    int i = 0;

    skip_space();
    if (take(']')) {
        printf("%s []\n", json.path_len ? json.path : ".");
        return;
    }
    do {
        size_t before = descend(index, (size_t)sprintf(index, "%d", i++));
        value();
        ascend(before);
    } while (take(','));
    if (!take(']'))
        wrong("] is wanted");
}

static void scalar(void)
{
    const char *from = json.at;

    if (*from == '"')
        string();
    else if (*from == 't')
        word("true");
    else if (*from == 'f')
        word("false");
    else if (*from == 'n')
        word("null");
    else
        number();
    tell(from);
}

/* A value, with the space around it. */
static void value(void)
{
    if (++json.depth > DEPTH_MAX)
        wrong("something less deep is wanted");
    skip_space();
    if (json.at == json.end)
        wrong("a value is wanted");
    if (take('{'))
        object();
    else if (take('['))
        array();
    else
        scalar();
    skip_space();
    json.depth--;
}

int main(void)
{
    json.begin = json.at = calloc(SIZE_OF_INPUT + 1, 1);
    if (!json.begin)
        return 1;
    json.end = json.begin + fread(json.begin, 1, SIZE_OF_INPUT, stdin);
    value();
    if (json.at != json.end)
        wrong("the end is wanted");
    return 0;
}
