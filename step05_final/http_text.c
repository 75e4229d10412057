#include "http_text.h"

#include <string.h>

/* The kinds of bytes that there are. A "%" in a target is not a matter of one byte: see
 * text_is_uri. */
enum {
    V = CHAR_VALUE,
    T = V | CHAR_TOKEN,
    Q = V | CHAR_QUERY,
    P = Q | CHAR_PATH,
    H = P | CHAR_HOST,
    N = H | CHAR_TOKEN,
    X = N | CHAR_HEX
};

const unsigned char char_classes[128] = {
    0, 0, 0, 0, 0, 0, 0, 0, /* control bytes */
    0, V, 0, 0, 0, 0, 0, 0, /* HTAB among them */
    0, 0, 0, 0, 0, 0, 0, 0, /**/
    0, 0, 0, 0, 0, 0, 0, 0, /**/
    V, N, V, T, N, T, N, N, /* SP ! " # $ % & ' */
    H, H, N, N, H, N, N, P, /* ( ) * + , - . / */
    X, X, X, X, X, X, X, X, /* 0 1 2 3 4 5 6 7 */
    X, X, P, H, V, H, V, Q, /* 8 9 : ; < = > ? */
    P, X, X, X, X, X, X, N, /* @ A B C D E F G */
    N, N, N, N, N, N, N, N, /* H I J K L M N O */
    N, N, N, N, N, N, N, N, /* P Q R S T U V W */
    N, N, N, V, V, V, T, N, /* X Y Z [ \ ] ^ _ */
    T, X, X, X, X, X, X, N, /* ` a b c d e f g */
    N, N, N, N, N, N, N, N, /* h i j k l m n o */
    N, N, N, N, N, N, N, N, /* p q r s t u v w */
    N, N, N, V, T, V, N, 0, /* x y z { | } ~ DEL */
};

bool text_take_until(struct http_text *text, char c, struct http_text *front)
{
    const char *end = text->len > 0 ? memchr(text->data, c, text->len) : NULL;

    *front = text_take(text, end != NULL ? (size_t)(end - text->data) : text->len);
    if (end != NULL)
        text_take(text, 1);
    return end != NULL;
}

struct http_text text_trim(struct http_text text)
{
    while (text.len > 0 && char_is_space(text.data[0]))
        text_take(&text, 1);
    while (text.len > 0 && char_is_space(text.data[text.len - 1]))
        text.len--;
    return text;
}

bool text_equals(struct http_text text, const char *word)
{
    return text.len == strlen(word) && memcmp(text.data, word, text.len) == 0;
}

bool text_begins_word(struct http_text text, const char *word)
{
    if (text.len > strlen(word))
        return false;
    for (size_t i = 0; i < text.len; i++)
        if (char_lower(text.data[i]) != word[i])
            return false;
    return true;
}

bool text_is_word(struct http_text text, const char *word)
{
    return text.len == strlen(word) && text_begins_word(text, word);
}

bool text_is_all(struct http_text text, enum char_class class)
{
    for (size_t i = 0; i < text.len; i++)
        if (!char_is(text.data[i], class))
            return false;
    return true;
}

bool text_is_token(struct http_text text)
{
    return text.len > 0 && text_is_all(text, CHAR_TOKEN);
}

bool text_is_uri(struct http_text text, enum char_class class, bool open)
{
    while (text.len > 0) {
        struct http_text c = text_take(&text, 1);
        if (c.data[0] != '%') {
            if (!char_is(c.data[0], class))
                return false;
            continue;
        }
        struct http_text digits = text_take_at_most(&text, 2);
        if (!text_is_all(digits, CHAR_HEX) || (digits.len < 2 && !open))
            return false;
    }
    return true;
}

bool text_parse_number(struct http_text text, uint64_t max, uint64_t *value, bool *over)
{
    *value = 0;
    *over = false;
    for (size_t i = 0; i < text.len; i++) {
        if (!char_is_digit(text.data[i]))
            return false;
        uint64_t digit = (uint64_t)(text.data[i] - '0');
        /* Asked before the sum is made: one that wraps around looks small. */
        *over = *over || digit > max || *value > (max - digit) / 10;
        if (!*over)
            *value = *value * 10 + digit;
    }
    return true;
}

bool text_next_member(struct http_text *list, struct http_text *member)
{
    if (list->data == NULL)
        return false;
    if (!text_take_until(list, ',', member))
        list->data = NULL;
    *member = text_trim(*member);
    return true;
}
