/* grades - writes a grade in the form that somebody else reads.
 *
 *     grades FORMAT <grade.tsv
 *
 * grade.tsv is what tests/grade/grade.bash writes: lines of fields with tabs between, \n
 * and
 * \\ in them for the end of a line and a backslash. FORMAT is
 *
 *     text          for a person: what each part is worth, and what is broken, with
 * reasons json          all of it csv           a row for each promise: RFC 4180 junit
 * XML as JUnit's runners write it, for CI gradescope    results.json of an autograder:
 * score, max_score, status, output autolab       the text, and as its last line the
 * scores by part prairielearn  results.json of an external grader: score from 0 to 1,
 * points github        the result of a test as the reporters of GitHub Classroom read it
 *
 * What a submission printed stands in the texts. So bytes that are no UTF-8, and control
 * characters, which XML cannot hold, become ?.
 */
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { FIELDS_MAX = 7, TEXT_MAX = 4000 /* bytes of a field that is shown */ };

struct item {
    const char *name, *state, *text;
    double points, maximum;
};

struct part {
    const char *name, *directory, *why;
    double points, maximum;
    struct item *items;
    size_t count;
};

static struct {
    const char *submission, *seconds, *isolation, *seed;
    const char **notes;
    size_t note_count;
    struct part *parts;
    size_t part_count;
    double points, maximum;
} grade = {.submission = "", .seconds = "0", .isolation = "", .seed = ""};

/* ---- reading ---------------------------------------------------------------------- */

static _Noreturn void wrong(const char *what, const char *about)
{
    fprintf(stderr, "grades: %s: %s\n", what, about);
    exit(2);
}

/* grow: room for one more in a list; its size is a power of two or 0. */
static void *grow(void *list, size_t count, size_t size)
{
    if ((count & (count - 1)) != 0)
        return list;
    list = realloc(list, (count ? 2 * count : 1) * size);
    if (list == NULL)
        wrong("realloc", "out of memory");
    return list;
}

/* length_of: of the character that begins here (RFC 3629, section 4); 0: none does. */
static size_t length_of(const unsigned char *at)
{
    static const struct {
        unsigned char from, to, second_from, second_to;
        size_t length;
    } table[] = {{0x20, 0x7e, 0, 0, 1}, {0xc2, 0xdf, 0x80, 0xbf, 2},
        {0xe0, 0xe0, 0xa0, 0xbf, 3}, {0xe1, 0xec, 0x80, 0xbf, 3},
        {0xed, 0xed, 0x80, 0x9f, 3}, {0xee, 0xee, 0x80, 0xbf, 3},
        {0xef, 0xef, 0x80, 0xbe, 3}, {0xf0, 0xf0, 0x90, 0xbf, 4},
        {0xf1, 0xf3, 0x80, 0xbf, 4}, {0xf4, 0xf4, 0x80, 0x8f, 4}};

    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        if (at[0] < table[i].from || at[0] > table[i].to)
            continue;
        if (table[i].length > 1 &&
            (at[1] < table[i].second_from || at[1] > table[i].second_to))
            return 0;
        for (size_t k = 2; k < table[i].length; k++)
            if ((at[k] & 0xc0) != 0x80)
                return 0;
        return table[i].length;
    }
    return 0;
}

/* plain: undoes \n and \\, in place, replaces what is no text, and cuts what is long
 * between two characters: no form gets half of one. */
static void plain(char *field)
{
    char *to = field;

    for (char *from = field; *from != '\0';) {
        size_t length = length_of((unsigned char *)from);
        if ((size_t)(to - field) + length > TEXT_MAX)
            break;
        if (from[0] == '\\' && (from[1] == 'n' || from[1] == '\\')) {
            *to++ = from[1] == 'n' ? '\n' : '\\';
            from += 2;
        } else if (length == 0) {
            *to++ = '?';
            from++;
        } else {
            memmove(to, from, length);
            to += length, from += length;
        }
    }
    *to = '\0';
}

static size_t split(char *line, char *fields[FIELDS_MAX])
{
    size_t count = 0;

    for (char *at = line; at != NULL && count < FIELDS_MAX; count++) {
        fields[count] = at;
        at = strchr(at, '\t');
        if (at != NULL)
            *at++ = '\0';
    }
    for (size_t i = 0; i < count; i++)
        plain(fields[i]);
    for (size_t i = count; i < FIELDS_MAX; i++)
        fields[i] = "";
    return count;
}

static void take_line(char *fields[FIELDS_MAX])
{
    if (strcmp(fields[0], "submission") == 0) {
        grade.submission = fields[1], grade.seconds = fields[2];
        grade.isolation = fields[3], grade.seed = fields[4];
    } else if (strcmp(fields[0], "note") == 0) {
        grade.notes = grow(grade.notes, grade.note_count, sizeof *grade.notes);
        grade.notes[grade.note_count++] = fields[1];
    } else if (strcmp(fields[0], "part") == 0) {
        grade.parts = grow(grade.parts, grade.part_count, sizeof *grade.parts);
        struct part *part = &grade.parts[grade.part_count++];
        *part = (struct part){.name = fields[1],
            .directory = fields[2],
            .points = strtod(fields[3], NULL),
            .maximum = strtod(fields[4], NULL),
            .why = fields[5]};
        grade.points += part->points;
        grade.maximum += part->maximum;
    } else if (strcmp(fields[0], "item") == 0 && grade.part_count > 0) {
        struct part *part = &grade.parts[grade.part_count - 1];
        part->items = grow(part->items, part->count, sizeof *part->items);
        part->items[part->count++] = (struct item){.name = fields[2],
            .state = fields[3],
            .points = strtod(fields[4], NULL),
            .maximum = strtod(fields[5], NULL),
            .text = fields[6]};
    } else {
        wrong("no such line", fields[0]);
    }
}

/* The lines stay in memory: the fields point into them. */
static void read_grade(void)
{
    char *line = NULL, *fields[FIELDS_MAX];
    size_t room = 0;
    ssize_t length;

    while ((length = getline(&line, &room, stdin)) > 0) {
        if (line[length - 1] == '\n')
            line[--length] = '\0';
        if (length > 0) {
            split(line, fields);
            take_line(fields);
            line = NULL, room = 0;
        }
    }
    free(line);
}

static bool is_kept(const struct item *item)
{
    return strcmp(item->state, "kept") == 0;
}
static bool is_unjudged(const struct item *item)
{
    return strcmp(item->state, "not-judged") == 0;
}

/* ---- JSON (RFC 8259) -------------------------------------------------------------- */

static void json_text(const char *text)
{
    putchar('"');
    for (; *text != '\0'; text++) {
        if (*text == '"' || *text == '\\')
            printf("\\%c", *text);
        else if (*text == '\n')
            printf("\\n");
        else
            putchar(*text);
    }
    putchar('"');
}

static void json_pair(const char *name, const char *text)
{
    printf("\"%s\": ", name);
    json_text(text);
}

static void json_notes(void)
{
    printf("[");
    for (size_t i = 0; i < grade.note_count; i++) {
        printf("%s", i ? ", " : "");
        json_text(grade.notes[i]);
    }
    printf("]");
}

static void write_json(void)
{
    printf("{");
    json_pair("submission", grade.submission);
    printf(", \"seconds\": %ld, ", strtol(grade.seconds, NULL, 10));
    json_pair("isolation", grade.isolation);
    printf(", ");
    json_pair("seed", grade.seed);
    printf(", \"points\": %g, \"maximum\": %g, \"notes\": ", grade.points, grade.maximum);
    json_notes();
    printf(", \"parts\": [");
    for (size_t i = 0; i < grade.part_count; i++) {
        const struct part *part = &grade.parts[i];
        printf("%s\n  {", i ? "," : "");
        json_pair("name", part->name);
        printf(", ");
        json_pair("directory", part->directory);
        printf(", \"points\": %g, \"maximum\": %g, ", part->points, part->maximum);
        json_pair("why", part->why);
        printf(", \"items\": [");
        for (size_t k = 0; k < part->count; k++) {
            printf("%s\n    {", k ? "," : "");
            json_pair("name", part->items[k].name);
            printf(", ");
            json_pair("state", part->items[k].state);
            printf(", \"points\": %g, \"maximum\": %g, ", part->items[k].points,
                part->items[k].maximum);
            json_pair("text", part->items[k].text);
            printf("}");
        }
        printf("]}");
    }
    printf("]}\n");
}

/* each: calls show for every promise, with a comma where one is needed. */
static void each(void (*show)(const struct part *, const struct item *))
{
    bool first = true;

    for (size_t i = 0; i < grade.part_count; i++)
        for (size_t k = 0; k < grade.parts[i].count; k++) {
            printf("%s\n  ", first ? "" : ",");
            first = false;
            show(&grade.parts[i], &grade.parts[i].items[k]);
        }
}

static void json_name(const struct part *part, const struct item *item)
{
    char name[512];

    snprintf(name, sizeof name, "%s: %s", part->name, item->name);
    json_pair("name", name);
}

static void show_gradescope(const struct part *part, const struct item *item)
{
    printf("{");
    json_name(part, item);
    printf(", \"score\": %g, \"max_score\": %g, \"status\": \"%s\", \"visibility\": "
           "\"visible\", ",
        item->points, item->maximum,
        is_kept(item) || is_unjudged(item) ? "passed" : "failed");
    json_pair("output", item->text);
    printf("}");
}

static void show_prairielearn(const struct part *part, const struct item *item)
{
    printf("{");
    json_name(part, item);
    printf(", \"points\": %g, \"max_points\": %g, ", item->points, item->maximum);
    json_pair("message", is_unjudged(item) ? "not judged" : item->state);
    printf(", ");
    json_pair("output", item->text);
    printf("}");
}

static void show_github(const struct part *part, const struct item *item)
{
    printf("{");
    json_name(part, item);
    printf(", \"status\": \"%s\", \"score\": %g, ",
        is_kept(item) || is_unjudged(item) ? "pass" : "fail", item->points);
    json_pair("message", item->text);
    printf(", ");
    json_pair("test_code", item->name);
    printf(", ");
    json_pair("filename", part->directory);
    printf(", \"line_no\": 0, \"execution_time\": \"0s\"}");
}

/* Why a part earned nothing, and what was left out: for forms that have one text for
 * that. */
static char *remarks(void)
{
    static char text[4 * TEXT_MAX];
    size_t at =
        (size_t)snprintf(text, sizeof text, "%g of %g points. Seed %s, isolation %s.",
            grade.points, grade.maximum, grade.seed, grade.isolation);

    for (size_t i = 0; i < grade.note_count && at < sizeof text; i++)
        at += (size_t)snprintf(text + at, sizeof text - at, "\nNote: %s", grade.notes[i]);
    for (size_t i = 0; i < grade.part_count && at < sizeof text; i++)
        if (*grade.parts[i].why)
            at += (size_t)snprintf(text + at, sizeof text - at, "\n%s: %s",
                grade.parts[i].name, grade.parts[i].why);
    /* What snprintf cut in the middle of a character. */
    at = strlen(text);
    while (at > 0 && at == sizeof text - 1 && ((unsigned char)text[at - 1] & 0x80))
        text[--at] = '\0';
    return text;
}

static void write_gradescope(void)
{
    printf("{\"score\": %g, \"execution_time\": %ld, ", grade.points,
        strtol(grade.seconds, NULL, 10));
    json_pair("output", remarks());
    printf(
        ", \"visibility\": \"visible\", \"stdout_visibility\": \"hidden\", \"tests\": [");
    each(show_gradescope);
    printf("]}\n");
}

static void write_prairielearn(void)
{
    printf("{\"gradable\": %s, \"score\": %.6g, ",
        grade.part_count > 0 ? "true" : "false",
        grade.maximum > 0 ? grade.points / grade.maximum : 0);
    json_pair("message", remarks());
    printf(", \"tests\": [");
    each(show_prairielearn);
    printf("]}\n");
}

static void write_github(void)
{
    printf("{\"version\": 1, \"status\": \"%s\", \"max_score\": %g, \"tests\": [",
        grade.maximum > 0 && grade.points >= grade.maximum ? "pass" : "fail",
        grade.maximum);
    each(show_github);
    printf("]}\n");
}

/* ---- text ------------------------------------------------------------------------- */

static void indented(const char *text)
{
    bool begins = true;

    for (size_t i = 0; text[i] != '\0'; i++) {
        if (begins)
            printf("      ");
        putchar(text[i]);
        begins = text[i] == '\n';
    }
    if (!begins)
        putchar('\n');
}

static size_t count_of(const struct part *part, const char *state)
{
    size_t count = 0;

    for (size_t i = 0; i < part->count; i++)
        count += strcmp(part->items[i].state, state) == 0;
    return count;
}

/* Those that say no more than their name. */
static void text_names(const struct part *part, const char *state, const char *title)
{
    const char *between = " ";

    if (count_of(part, state) == 0)
        return;
    printf("  %s:", title);
    for (size_t i = 0; i < part->count; i++)
        if (strcmp(part->items[i].state, state) == 0) {
            printf("%s%s", between, part->items[i].name);
            between = ", ";
        }
    putchar('\n');
}

static void text_part(const struct part *part)
{
    printf("\n%s (%s): %g of %g points\n", part->name, part->directory, part->points,
        part->maximum);
    if (*part->why)
        printf("  %s\n", part->why);
    printf("  %zu kept, %zu broken, %zu waiting, %zu not run, %zu not judged\n",
        count_of(part, "kept"), count_of(part, "broken"), count_of(part, "waiting"),
        count_of(part, "not-run"), count_of(part, "not-judged"));
    text_names(part, "not-run", "not run, no points");
    text_names(part, "waiting", "not run, for they rest on what is broken, no points");
    for (size_t i = 0; i < part->count; i++) {
        const struct item *item = &part->items[i];
        if (strcmp(item->state, "broken") != 0 && !is_unjudged(item))
            continue;
        printf(
            "  %s: %s, %g of %g\n", item->name, item->state, item->points, item->maximum);
        indented(item->text);
    }
}

static void write_text(void)
{
    printf("%s: %g of %g points\n", grade.submission, grade.points, grade.maximum);
    for (size_t i = 0; i < grade.note_count; i++)
        printf("  note: %s\n", grade.notes[i]);
    for (size_t i = 0; i < grade.part_count; i++)
        text_part(&grade.parts[i]);
    printf("\n%s s; again with the same bytes: SEED=%s; isolation: %s\n", grade.seconds,
        grade.seed,
        strcmp(grade.isolation, "full") == 0 ? "full"
        : strcmp(grade.isolation, "user") == 0
            ? "a user namespace (the server ran as the same user as the tests; as root "
              "it would not)"
        : strcmp(grade.isolation, "account") == 0
            ? "another user, but no namespaces, which are not allowed here"
            : "NONE is allowed here: trust this grade as far as you trust the "
              "submission");
}

static void write_autolab(void)
{
    write_text();
    printf("{\"scores\": {");
    for (size_t i = 0; i < grade.part_count; i++) {
        printf("%s", i ? ", " : "");
        json_text(grade.parts[i].name);
        printf(": %g", grade.parts[i].points);
    }
    printf("}}\n");
}

/* ---- CSV -------------------------------------------------------------------------- */

/* A field that a spreadsheet would take for a formula is no formula. */
static void csv_text(const char *text)
{
    bool formula = *text && strchr("=+-@", *text);

    if (!formula && strpbrk(text, ",\"\n") == NULL) {
        printf("%s", text);
        return;
    }
    printf("\"%s", formula ? "'" : "");
    for (; *text != '\0'; text++)
        printf(*text == '"' ? "\"\"" : "%c", *text);
    putchar('"');
}

static void write_csv(void)
{
    printf("submission,part,promise,state,points,maximum\r\n");
    for (size_t i = 0; i < grade.part_count; i++)
        for (size_t k = 0; k < grade.parts[i].count; k++) {
            const struct item *item = &grade.parts[i].items[k];
            csv_text(grade.submission);
            printf(",%s,", grade.parts[i].name);
            csv_text(item->name);
            printf(",%s,%g,%g\r\n", item->state, item->points, item->maximum);
        }
}

/* ---- XML -------------------------------------------------------------------------- */

static void xml_text(const char *text)
{
    for (size_t i = 0; text[i] != '\0'; i++)
        switch (text[i]) {
        case '<':
            printf("&lt;");
            break;
        case '>':
            printf("&gt;");
            break;
        case '&':
            printf("&amp;");
            break;
        case '"':
            printf("&quot;");
            break;
        case '\n':
            printf("&#10;");
            break;
        default:
            putchar(text[i]);
        }
}

static void xml_case(const struct part *part, const struct item *item)
{
    printf("    <testcase classname=\"");
    xml_text(part->name);
    printf("\" name=\"");
    xml_text(item->name);
    printf("\" time=\"0\"");
    if (is_kept(item)) {
        printf("/>\n");
        return;
    }
    if (is_unjudged(item)) {
        printf("><skipped message=\"");
        xml_text(item->text);
        printf("\"/></testcase>\n");
        return;
    }
    printf("><failure type=\"%s\" message=\"%g of %g points\">", item->state,
        item->points, item->maximum);
    xml_text(item->text);
    printf("</failure></testcase>\n");
}

static void write_junit(void)
{
    printf("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites name=\"");
    xml_text(grade.submission);
    printf("\">\n");
    for (size_t i = 0; i < grade.part_count; i++) {
        const struct part *part = &grade.parts[i];
        size_t skipped = count_of(part, "not-judged");
        printf("  <testsuite name=\"");
        xml_text(part->name);
        printf("\" tests=\"%zu\" failures=\"%zu\" errors=\"0\" skipped=\"%zu\" "
               "time=\"%ld\">\n",
            part->count, part->count - skipped - count_of(part, "kept"), skipped,
            i ? 0 : strtol(grade.seconds, NULL, 10));
        for (size_t k = 0; k < part->count; k++)
            xml_case(part, &part->items[k]);
        if (*part->why) {
            printf("    <system-out>");
            xml_text(part->why);
            printf("</system-out>\n");
        }
        printf("  </testsuite>\n");
    }
    printf("</testsuites>\n");
}

int main(int argc, char *argv[])
{
    static const struct {
        const char *name;
        void (*write)(void);
    } formats[] = {{"text", write_text}, {"json", write_json}, {"csv", write_csv},
        {"junit", write_junit}, {"gradescope", write_gradescope},
        {"autolab", write_autolab}, {"prairielearn", write_prairielearn},
        {"github", write_github}};

    for (size_t i = 0; argc == 2 && i < sizeof formats / sizeof *formats; i++)
        if (strcmp(argv[1], formats[i].name) == 0) {
            read_grade();
            formats[i].write();
            return fflush(stdout) == 0 ? 0 : 1;
        }
    fputs("usage: grades text|json|csv|junit|gradescope|autolab|prairielearn|github "
          "<grade.tsv\n",
        stderr);
    return 2;
}
