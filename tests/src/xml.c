/* xml - reads XML and says what is in it: elements, attributes and text, as a program
 * that must accept it would.
 *
 *     xml <FILE
 *
 * A line for each attribute and each text: where it is, a space, and the value, such as
 * `testsuites.testsuite.tests 3`. Exit status: 0, or 1 and on stderr what is not
 * well-formed and where. It knows what our own files need: elements, attributes, text,
 * the five entities of the recommendation and characters by number, comments and the
 * declaration at the beginning; no DTD. (Extensible Markup Language 1.0, sections 2
 * and 3.)
 */
#include <ctype.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { INPUT_MAX = 4 << 20, PATH_SIZE = 1024, NAME_SIZE = 128, DEPTH_MAX = 32 };

static struct {
    char *begin, *at;
    char path[PATH_SIZE];
    int depth;
} xml;

static _Noreturn void wrong(const char *what)
{
    fprintf(
        stderr, "xml: byte %td: %s, not '%.20s'\n", xml.at - xml.begin + 1, what, xml.at);
    exit(1);
}

static bool take(const char *text)
{
    if (strncmp(xml.at, text, strlen(text)) != 0)
        return false;
    xml.at += strlen(text);
    return true;
}

static void skip_space(void)
{
    while (*xml.at != '\0' && strchr(" \t\r\n", *xml.at))
        xml.at++;
}

static void need_name(char name[NAME_SIZE])
{
    size_t length = 0;

    while (isalnum((unsigned char)xml.at[length]) ||
           (xml.at[length] != '\0' && strchr("_:-.", xml.at[length])))
        length++;
    if (length == 0 || length >= NAME_SIZE || strchr("-.0123456789", *xml.at))
        wrong("a name is wanted");
    memcpy(name, xml.at, length);
    name[length] = '\0';
    xml.at += length;
}

/* The character that an entity stands for; only those below 128, which is what we write.
 */
static int need_entity(void)
{
    static const struct {
        const char *name;
        char is;
    } known[] = {
        {"&lt;", '<'}, {"&gt;", '>'}, {"&amp;", '&'}, {"&quot;", '"'}, {"&apos;", '\''}};
    char *end;

    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (take(known[i].name))
            return known[i].is;
    if (take("&#")) {
        long number = strtol(xml.at, &end, 10);
        if (*end == ';' && end > xml.at && number < 128 &&
            (number >= 32 || number == '\n' || number == '\t' || number == '\r')) {
            xml.at = end + 1;
            return (int)number;
        }
    }
    wrong("an entity is wanted");
}

/* Characters up to `until`, which stays: section 2.2 forbids the control characters. */
static void print_characters(char until)
{
    while (*xml.at != until) {
        unsigned char c = (unsigned char)*xml.at;
        if (c == '\0' || c == '<' || (c < 32 && !strchr("\t\n\r", c)))
            wrong("no such character may stand here");
        if (c == '&')
            c = (unsigned char)need_entity();
        else
            xml.at++;
        if (c == '\n')
            printf("\\n");
        else
            putchar(c);
    }
}

static void need_attribute(void)
{
    char name[NAME_SIZE], quote;

    need_name(name);
    if (!take("=") || (*xml.at != '"' && *xml.at != '\''))
        wrong("=\" is wanted");
    quote = *xml.at++;
    printf("%s.%s ", xml.path, name);
    print_characters(quote);
    putchar('\n');
    xml.at++;
}

static bool is_space_up_to_tag(void)
{
    size_t length = strspn(xml.at, " \t\r\n");

    return xml.at[length] == '<';
}

static void need_element(void)
{
    size_t length = strlen(xml.path);
    char name[NAME_SIZE], end[NAME_SIZE];

    if (!take("<"))
        wrong("< is wanted");
    need_name(name);
    if (++xml.depth > DEPTH_MAX || length + strlen(name) + 2 > PATH_SIZE)
        wrong("not so deep");
    sprintf(xml.path + length, "%s%s", length ? "." : "", name);
    for (skip_space(); *xml.at != '>' && *xml.at != '/'; skip_space())
        need_attribute();
    if (!take("/>")) {
        if (!take(">"))
            wrong("> is wanted");
        while (!take("</")) {
            if (is_space_up_to_tag())
                skip_space();
            if (strncmp(xml.at, "</", 2) == 0)
                continue;
            if (*xml.at == '<') {
                need_element();
                continue;
            }
            printf("%s ", xml.path);
            print_characters('<');
            putchar('\n');
        }
        need_name(end);
        if (strcmp(name, end) != 0 || !take(">"))
            wrong("another end is wanted");
    }
    xml.path[length] = '\0';
    xml.depth--;
}

int main(void)
{
    size_t length;

    xml.begin = xml.at = calloc(INPUT_MAX + 1, 1);
    if (xml.begin == NULL)
        return 2;
    length = fread(xml.begin, 1, INPUT_MAX, stdin);
    if (length == INPUT_MAX || strlen(xml.begin) != length)
        wrong("it is too long, or holds a NUL");
    if (take("<?xml ")) {
        char *end = strstr(xml.at, "?>");
        if (!end)
            wrong("?> is wanted");
        xml.at = end + 2;
    }
    skip_space();
    need_element();
    skip_space();
    if (*xml.at != '\0')
        wrong("this is too much");
    free(xml.begin);
    return 0;
}
