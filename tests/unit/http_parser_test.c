/* http_parser_test: bytes and what they must be taken for.
 *
 * Each case is read whole, cut at every place, and byte by byte; once in memory that ends
 * where no byte may be touched, and once in memory that begins there. Then every byte is
 * tried at the places where it matters which one it is, and behind every beginning of
 * every case: the parser may wait for more only if more can help (http_hope.h).
 *
 *     tests/run file tests/tools.bats      (FILTER="HTTP parser" for this alone)
 */
#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "http_chunks.h"
#include "http_head.h"
#include "http_hope.h"

/* Small, so that a case that is at a limit is still a line to read. */
static const struct http_limits small = {100, 400, 8, 1000};
static const struct http_limits tiny = {100, 400, 8, 3};
static const struct http_limits none = {100, 400, 8, 0};
static const struct http_limits huge = {1000, 4000, 100, UINT64_MAX};
static const struct http_limits bits31 = {100, 400, 8, 0x7fffffff};
static const struct http_limits bits32 = {100, 400, 8, 0xffffffff};
static const struct http_limits bits63 = {100, 400, 8, 0x7fffffffffffffff};

struct example {
    const char *name;
    const char *bytes;
    size_t len;
    const char *want; /* a status, "partial", or what a description below says */
    const struct http_limits *limits; /* NULL: small */
};

#define BYTES(text) (text), sizeof(text) - 1

#define GET "GET / HTTP/1.1\r\n"
#define POST "POST / HTTP/1.1\r\n"
#define OLD "POST / HTTP/1.0\r\n"
#define HOST "Host: a\r\n"
#define END "\r\n"
#define ROOT "GET / HTTP/1.1" /* what GET HOST END is taken for */
#define X10 "xxxxxxxxxx"
#define X50 X10 X10 X10 X10 X10
#define X100 X50 X50
#define SPACES10 "          "
#define SPACES90                                                                         \
    SPACES10 SPACES10 SPACES10 SPACES10 SPACES10 SPACES10 SPACES10 SPACES10 SPACES10
#define F8 "A:\r\nB:\r\nC:\r\nD:\r\nE:\r\nF:\r\nG:\r\nH:\r\n"

/* ------------------------------------------------------------ heads */

/* "METHOD target HTTP/1.x", and where they are so: path=, close, continue, chunked,
 * length=, type=, and rest=, the bytes that belong to the body or the next request. */
static const struct example heads[] = {
    /* the smallest ones, and what is behind them */
    {"a request", BYTES(GET HOST END), ROOT, NULL},
    {"an old request", BYTES("GET / HTTP/1.0\r\n\r\n"), "GET / HTTP/1.0 close", NULL},
    {"no bytes", BYTES(""), "partial", NULL},
    {"one byte", BYTES("G"), "partial", NULL},
    {"only the request line", BYTES(GET), "partial", NULL},
    {"no empty line", BYTES(GET HOST), "partial", NULL},
    {"half an empty line", BYTES(GET HOST "\r"), "partial", NULL},
    {"half a field", BYTES(GET "Ho"), "partial", NULL},
    {"two requests", BYTES(GET HOST END GET HOST END), ROOT " rest=27", NULL},
    {"a body", BYTES(POST HOST "Content-Length: 5\r\n\r\nhello"),
        "POST / HTTP/1.1 length=5 rest=5", NULL},
    {"rubbish behind", BYTES(GET HOST END "\0\n\n\r"), ROOT " rest=4", NULL},
    {"an empty line behind", BYTES(GET HOST END END), ROOT " rest=2", NULL},

    /* the line ends */
    {"an empty line before", BYTES(END GET HOST END), ROOT, NULL},
    {"only an empty line", BYTES(END), "partial", NULL},
    {"half an empty line only", BYTES("\r"), "partial", NULL},
    {"two empty lines before", BYTES(END END GET HOST END), "400", NULL},
    {"LF before", BYTES("\n" GET HOST END), "400", NULL},
    {"CR before", BYTES("\r" GET HOST END), "400", NULL},
    {"CR CR LF before", BYTES("\r\r\n" GET HOST END), "400", NULL},
    {"a space before", BYTES(" " GET HOST END), "400", NULL},
    {"an empty line and a LF before", BYTES(END "\n" GET HOST END), "400", NULL},
    {"LF only", BYTES("GET / HTTP/1.1\nHost: a\n\n"), "400", NULL},
    {"LF only, the end missing", BYTES("GET / HTTP/1.1\n"), "400", NULL},
    {"LF after the request line", BYTES("GET / HTTP/1.1\n" HOST END), "400", NULL},
    {"LF after a field", BYTES(GET "Host: a\n" END), "400", NULL},
    {"LF after a field and at the end", BYTES(GET "Host: a\n\n"), "400", NULL},
    {"LF at the end", BYTES(GET HOST "\n"), "400", NULL},
    {"LF in a value", BYTES(GET HOST "A: b\nC: d\r\n" END), "400", NULL},
    {"CR in a value", BYTES(GET HOST "A: b\rC: d\r\n" END), "400", NULL},
    {"CR before a CRLF", BYTES(GET HOST "A: b\r\r\n" END), "400", NULL},
    {"CR CR LF as the end", BYTES(GET HOST "\r\r\n" END), "400", NULL},
    {"CR in a name", BYTES(GET HOST "A\rB: c\r\n" END), "400", NULL},
    {"CR in the target", BYTES("GET /\r HTTP/1.1\r\n" HOST END), "400", NULL},
    {"CR before the request line's CRLF", BYTES("GET / HTTP/1.1\r\r\n" HOST END), "400",
        NULL},
    {"CR only", BYTES("GET / HTTP/1.1\rHost: a\r\r"), "400", NULL},
    {"CR only, seen at once", BYTES("GET / HTTP/1.1\rH"), "400", NULL},
    {"CR only, after a field", BYTES(GET "Host: a\rA"), "400", NULL},
    {"CR only, at the end", BYTES(GET HOST "\rx"), "400", NULL},
    {"LF CR", BYTES("GET / HTTP/1.1\n\rHost: a\n\r\n\r"), "400", NULL},

    /* the request line */
    {"two spaces before the target", BYTES("GET  / HTTP/1.1\r\n" HOST END), "400", NULL},
    {"two spaces before the version", BYTES("GET /  HTTP/1.1\r\n" HOST END), "400", NULL},
    {"a space at the end", BYTES("GET / HTTP/1.1 \r\n" HOST END), "400", NULL},
    {"a tab for a space", BYTES("GET\t/ HTTP/1.1\r\n" HOST END), "400", NULL},
    {"a tab for the other", BYTES("GET /\tHTTP/1.1\r\n" HOST END), "400", NULL},
    {"a space in the target", BYTES("GET /a b HTTP/1.1\r\n" HOST END), "400", NULL},
    {"no target", BYTES("GET HTTP/1.1\r\n" HOST END), "400", NULL},
    {"an empty target", BYTES("GET  HTTP/1.1\r\n" HOST END), "400", NULL},
    {"no method", BYTES(" / HTTP/1.1\r\n" HOST END), "400", NULL},
    {"one word", BYTES("GET\r\n" HOST END), "400", NULL},
    {"four words", BYTES("GET / HTTP/1.1 x\r\n" HOST END), "400", NULL},
    {"HTTP/0.9", BYTES("GET /\r\n"), "400", NULL},
    {"HTTP/0.9 with an empty version", BYTES("GET / \r\n"), "400", NULL},
    {"HTTP/0.9 by name", BYTES("GET / HTTP/0.9\r\n"), "505", NULL},
    {"TLS", BYTES("\026"), "400", NULL},
    {"no method begins so", BYTES("("), "400", NULL},
    {"a NUL in the line", BYTES("GET /\0"), "400", NULL},
    {"a version that is none", BYTES("GET / HTTP/1x"), "400", NULL},
    {"more than a version", BYTES("GET / HTTP/1.1 "), "400", NULL},
    {"a target that is none", BYTES("GET a"), "400", NULL},
    {"a scheme that is none", BYTES("GET htp"), "400", NULL},
    {"no address begins so", BYTES("GET http://[::g"), "400", NULL},
    {"an address of too many groups", BYTES("GET http://[1:2:3:4:5:6:7:8:"), "400", NULL},

    /* methods */
    {"HEAD", BYTES("HEAD / HTTP/1.1\r\n" HOST END), "HEAD / HTTP/1.1", NULL},
    {"PUT", BYTES("PUT / HTTP/1.1\r\n" HOST END), "PUT / HTTP/1.1", NULL},
    {"DELETE", BYTES("DELETE / HTTP/1.1\r\n" HOST END), "DELETE / HTTP/1.1", NULL},
    {"PATCH", BYTES("PATCH / HTTP/1.1\r\n" HOST END), "PATCH / HTTP/1.1", NULL},
    {"OPTIONS", BYTES("OPTIONS /a HTTP/1.1\r\n" HOST END), "OPTIONS /a HTTP/1.1", NULL},
    {"TRACE", BYTES("TRACE / HTTP/1.1\r\n" HOST END), "TRACE / HTTP/1.1", NULL},
    {"an unknown method", BYTES("BREW / HTTP/1.1\r\n" HOST END), "501", NULL},
    {"a method in lower case", BYTES("get / HTTP/1.1\r\n" HOST END), "501", NULL},
    {"more than a method", BYTES("GETS / HTTP/1.1\r\n" HOST END), "501", NULL},
    {"less than a method", BYTES("GE / HTTP/1.1\r\n" HOST END), "501", NULL},
    {"all token bytes", BYTES("!#$%&'*+-.^_`|~09azAZ / HTTP/1.1\r\n" HOST END), "501",
        NULL},
    {"a method with @", BYTES("G@T / HTTP/1.1\r\n" HOST END), "400", NULL},
    {"a method with a colon", BYTES("GET: / HTTP/1.1\r\n" HOST END), "400", NULL},
    {"a method with a NUL", BYTES("GET\0 / HTTP/1.1\r\n" HOST END), "400", NULL},
    {"a method with 8 bits", BYTES("G\311T / HTTP/1.1\r\n" HOST END), "400", NULL},
    {"an unknown method may be another yet", BYTES("BREW"), "partial", NULL},
    {"an unknown method has ended", BYTES("BREW "), "501", NULL},
    {"an unknown method without Host", BYTES("BREW / HTTP/1.1\r\n\r\n"), "501", NULL},
    {"an unknown method goes before a target", BYTES("BREW \001"), "501", NULL},

    /* versions */
    {"HTTP/1.2", BYTES("GET / HTTP/1.2\r\n" HOST END), ROOT, NULL},
    {"HTTP/1.9", BYTES("GET / HTTP/1.9\r\n" HOST END), ROOT, NULL},
    {"HTTP/1.2 without Host", BYTES("GET / HTTP/1.2\r\n" END), "400", NULL},
    {"HTTP/1.2 with chunks",
        BYTES("POST / HTTP/1.2\r\n" HOST "Transfer-Encoding: chunked\r\n" END),
        "POST / HTTP/1.1 chunked", NULL},
    {"HTTP/2.0", BYTES("GET / HTTP/2.0\r\n" HOST END), "505", NULL},
    {"HTTP/2.0 needs no line end", BYTES("GET / HTTP/2.0"), "505", NULL},
    {"HTTP/2.0 and more", BYTES("GET / HTTP/2.0x"), "505", NULL},
    {"the preface of HTTP/2", BYTES("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"), "505", NULL},
    {"the preface of HTTP/2, seen at once", BYTES("PRI "), "505", NULL},
    {"HTTP/0.0", BYTES("GET / HTTP/0.0\r\n" HOST END), "505", NULL},
    {"HTTP/9.9", BYTES("GET / HTTP/9.9\r\n" HOST END), "505", NULL},
    {"the version goes before Host", BYTES("GET / HTTP/3.0\r\nx\r\n\r\n"), "505", NULL},
    {"HTTP/1.10", BYTES("GET / HTTP/1.10\r\n" HOST END), "400", NULL},
    {"HTTP/01.1", BYTES("GET / HTTP/01.1\r\n" HOST END), "400", NULL},
    {"HTTP/11", BYTES("GET / HTTP/11\r\n" HOST END), "400", NULL},
    {"HTTP/1,1", BYTES("GET / HTTP/1,1\r\n" HOST END), "400", NULL},
    {"HTTP/1.", BYTES("GET / HTTP/1.\r\n" HOST END), "400", NULL},
    {"HTTP/2", BYTES("GET / HTTP/2\r\n" HOST END), "400", NULL},
    {"HTTP/x.1", BYTES("GET / HTTP/x.1\r\n" HOST END), "400", NULL},
    {"HTTP/1.x", BYTES("GET / HTTP/1.x\r\n" HOST END), "400", NULL},
    {"HTTP 1.1", BYTES("GET / HTTP 1.1\r\n" HOST END), "400", NULL},
    {"http/1.1", BYTES("GET / http/1.1\r\n" HOST END), "400", NULL},
    {"Http/1.1", BYTES("GET / Http/1.1\r\n" HOST END), "400", NULL},
    {"XTTP/1.1", BYTES("GET / XTTP/1.1\r\n" HOST END), "400", NULL},
    {"HTTP/1.1 and a NUL", BYTES("GET / HTTP/1.1\0\r\n" HOST END), "400", NULL},

    /* targets with a path */
    {"a path", BYTES("GET /a/b.html HTTP/1.1\r\n" HOST END), "GET /a/b.html HTTP/1.1",
        NULL},
    {"a query", BYTES("GET /a?b=c&d HTTP/1.1\r\n" HOST END),
        "GET /a?b=c&d HTTP/1.1 path=/a", NULL},
    {"an empty query", BYTES("GET /a? HTTP/1.1\r\n" HOST END), "GET /a? HTTP/1.1 path=/a",
        NULL},
    {"a query with ? and /", BYTES("GET /a?b?/c HTTP/1.1\r\n" HOST END),
        "GET /a?b?/c HTTP/1.1 path=/a", NULL},
    {"two slashes", BYTES("GET //a HTTP/1.1\r\n" HOST END), "GET //a HTTP/1.1", NULL},
    {"dots stay", BYTES("GET /a/../b/./ HTTP/1.1\r\n" HOST END),
        "GET /a/../b/./ HTTP/1.1", NULL},
    {"%XX stays", BYTES("GET /%61%2F%00?%7e HTTP/1.1\r\n" HOST END),
        "GET /%61%2F%00?%7e HTTP/1.1 path=/%61%2F%00", NULL},
    {"all bytes of a path", BYTES("GET /-._~!$&'()*+,;=:@09azAZ HTTP/1.1\r\n" HOST END),
        "GET /-._~!$&'()*+,;=:@09azAZ HTTP/1.1", NULL},
    {"% and one digit", BYTES("GET /%6 HTTP/1.1\r\n" HOST END), "400", NULL},
    {"% and none", BYTES("GET /a% HTTP/1.1\r\n" HOST END), "400", NULL},
    {"% and other letters", BYTES("GET /%6g HTTP/1.1\r\n" HOST END), "400", NULL},
    {"% and other letters first", BYTES("GET /%g6 HTTP/1.1\r\n" HOST END), "400", NULL},
    {"% in a query", BYTES("GET /?%zz HTTP/1.1\r\n" HOST END), "400", NULL},
    {"% cut by the query", BYTES("GET /%6?1 HTTP/1.1\r\n" HOST END), "400", NULL},
    {"a fragment", BYTES("GET /a#b HTTP/1.1\r\n" HOST END), "400", NULL},
    {"a fragment in the query", BYTES("GET /a?b#c HTTP/1.1\r\n" HOST END), "400", NULL},
    {"8 bits in a path", BYTES("GET /\303\244 HTTP/1.1\r\n" HOST END), "400", NULL},
    {"8 bits in a query", BYTES("GET /?\303\244 HTTP/1.1\r\n" HOST END), "400", NULL},
    {"a quote", BYTES("GET /\" HTTP/1.1\r\n" HOST END), "400", NULL},
    {"<", BYTES("GET /< HTTP/1.1\r\n" HOST END), "400", NULL},
    {">", BYTES("GET /> HTTP/1.1\r\n" HOST END), "400", NULL},
    {"a backslash", BYTES("GET /a\\b HTTP/1.1\r\n" HOST END), "400", NULL},
    {"^", BYTES("GET /^ HTTP/1.1\r\n" HOST END), "400", NULL},
    {"a backquote", BYTES("GET /` HTTP/1.1\r\n" HOST END), "400", NULL},
    {"{", BYTES("GET /{ HTTP/1.1\r\n" HOST END), "400", NULL},
    {"|", BYTES("GET /| HTTP/1.1\r\n" HOST END), "400", NULL},
    {"}", BYTES("GET /} HTTP/1.1\r\n" HOST END), "400", NULL},
    {"[", BYTES("GET /[ HTTP/1.1\r\n" HOST END), "400", NULL},
    {"]", BYTES("GET /?] HTTP/1.1\r\n" HOST END), "400", NULL},
    {"NUL in a path", BYTES("GET /\0 HTTP/1.1\r\n" HOST END), "400", NULL},
    {"control byte in a path", BYTES("GET /\001 HTTP/1.1\r\n" HOST END), "400", NULL},
    {"DEL in a path", BYTES("GET /\177 HTTP/1.1\r\n" HOST END), "400", NULL},
    {"tab in a path", BYTES("GET /\t HTTP/1.1\r\n" HOST END), "400", NULL},
    {"a relative path", BYTES("GET a HTTP/1.1\r\n" HOST END), "400", NULL},
    {"a relative path up", BYTES("GET ../a HTTP/1.1\r\n" HOST END), "400", NULL},
    {"only a query", BYTES("GET ?a HTTP/1.1\r\n" HOST END), "400", NULL},

    /* other targets */
    {"OPTIONS *", BYTES("OPTIONS * HTTP/1.1\r\n" HOST END), "OPTIONS * HTTP/1.1", NULL},
    {"GET *", BYTES("GET * HTTP/1.1\r\n" HOST END), "400", NULL},
    {"OPTIONS * and more", BYTES("OPTIONS *a HTTP/1.1\r\n" HOST END), "400", NULL},
    {"GET *, not ended", BYTES("GET *"), "400", NULL},
    {"http://", BYTES("GET http://a.b/c?d HTTP/1.1\r\n" HOST END),
        "GET http://a.b/c?d HTTP/1.1 path=/c", NULL},
    {"https://", BYTES("GET https://a.b/c HTTP/1.1\r\n" HOST END),
        "GET https://a.b/c HTTP/1.1 path=/c", NULL},
    {"HtTp://", BYTES("GET HtTp://a/ HTTP/1.1\r\n" HOST END),
        "GET HtTp://a/ HTTP/1.1 path=/", NULL},
    {"http:// with a port", BYTES("GET http://a:80/ HTTP/1.1\r\n" HOST END),
        "GET http://a:80/ HTTP/1.1 path=/", NULL},
    {"http:// with an address", BYTES("GET http://[::1]:80/ HTTP/1.1\r\n" HOST END),
        "GET http://[::1]:80/ HTTP/1.1 path=/", NULL},
    {"http:// with no path", BYTES("GET http://a HTTP/1.1\r\n" HOST END),
        "GET http://a HTTP/1.1 path=/", NULL},
    {"http:// with only a query", BYTES("GET http://a?b HTTP/1.1\r\n" HOST END),
        "GET http://a?b HTTP/1.1 path=/", NULL},
    {"OPTIONS http:// with no path", BYTES("OPTIONS http://a HTTP/1.1\r\n" HOST END),
        "OPTIONS http://a HTTP/1.1 path=*", NULL},
    {"OPTIONS http:// with a query", BYTES("OPTIONS http://a?b HTTP/1.1\r\n" HOST END),
        "OPTIONS http://a?b HTTP/1.1 path=/", NULL},
    {"OPTIONS http:// with a path", BYTES("OPTIONS http://a/ HTTP/1.1\r\n" HOST END),
        "OPTIONS http://a/ HTTP/1.1 path=/", NULL},
    {"http:// without Host", BYTES("GET http://a/ HTTP/1.1\r\n" END), "400", NULL},
    {"http:// without Host, 1.0", BYTES("GET http://a/ HTTP/1.0\r\n" END),
        "GET http://a/ HTTP/1.0 path=/ close", NULL},
    {"http:// with another Host", BYTES("GET http://b/ HTTP/1.1\r\n" HOST END),
        "GET http://b/ HTTP/1.1 path=/", NULL},
    {"http:// with nothing", BYTES("GET http:// HTTP/1.1\r\n" HOST END), "400", NULL},
    {"http:// with no host", BYTES("GET http:///a HTTP/1.1\r\n" HOST END), "400", NULL},
    {"http:// with only a port", BYTES("GET http://:80/ HTTP/1.1\r\n" HOST END), "400",
        NULL},
    {"http:// with a user", BYTES("GET http://u@a/ HTTP/1.1\r\n" HOST END), "400", NULL},
    {"http:// with a password", BYTES("GET http://u:1@a/ HTTP/1.1\r\n" HOST END), "400",
        NULL},
    {"http:// with a bad port", BYTES("GET http://a:b/ HTTP/1.1\r\n" HOST END), "400",
        NULL},
    {"http:// with a fragment", BYTES("GET http://a#b HTTP/1.1\r\n" HOST END), "400",
        NULL},
    {"http:// with a bad path", BYTES("GET http://a/\" HTTP/1.1\r\n" HOST END), "400",
        NULL},
    {"http:/", BYTES("GET http:/a HTTP/1.1\r\n" HOST END), "400", NULL},
    {"ftp://", BYTES("GET ftp://a/ HTTP/1.1\r\n" HOST END), "400", NULL},
    {"CONNECT", BYTES("CONNECT a.b:443 HTTP/1.1\r\n" HOST END),
        "CONNECT a.b:443 HTTP/1.1 path=", NULL},
    {"CONNECT an address", BYTES("CONNECT [::1]:443 HTTP/1.1\r\n" HOST END),
        "CONNECT [::1]:443 HTTP/1.1 path=", NULL},
    {"CONNECT without a port", BYTES("CONNECT a.b HTTP/1.1\r\n" HOST END), "400", NULL},
    {"CONNECT with an empty port", BYTES("CONNECT a.b: HTTP/1.1\r\n" HOST END), "400",
        NULL},
    {"CONNECT with a path", BYTES("CONNECT / HTTP/1.1\r\n" HOST END), "400", NULL},
    {"CONNECT http://", BYTES("CONNECT http://a/ HTTP/1.1\r\n" HOST END), "400", NULL},
    {"CONNECT to a part of a host", BYTES("CONNECT [::1\0]:1 HTTP/1.1\r\n" HOST END),
        "400", NULL},
    {"GET host:port", BYTES("GET a.b:80 HTTP/1.1\r\n" HOST END), "400", NULL},

    /* Host */
    {"no Host", BYTES(GET END), "400", NULL},
    {"no Host, seen at once", BYTES(GET "\r"), "400", NULL},
    {"a second Host, not ended", BYTES(GET HOST "Host:"), "400", NULL},
    {"half an escape in Host", BYTES(GET "Host: a%4 "), "400", NULL},
    {"no Host in 1.0", BYTES(OLD END), "POST / HTTP/1.0 close", NULL},
    {"Host in 1.0", BYTES(OLD HOST END), "POST / HTTP/1.0 close", NULL},
    {"two Hosts", BYTES(GET HOST HOST END), "400", NULL},
    {"two Hosts in other letters", BYTES(GET HOST "hOST: b\r\n" END), "400", NULL},
    {"two Hosts in 1.0", BYTES(OLD HOST HOST END), "400", NULL},
    {"an empty Host", BYTES(GET "Host:\r\n" END), "400", NULL},
    {"a Host of spaces", BYTES(GET "Host: \t \r\n" END), "400", NULL},
    {"an empty Host in 1.0", BYTES(OLD "Host:\r\n" END), "400", NULL},
    {"a malformed Host in 1.0", BYTES(OLD "Host: a b\r\n" END), "400", NULL},
    {"Host and port", BYTES(GET "Host: a:8080\r\n" END), ROOT, NULL},
    {"Host and an empty port", BYTES(GET "Host: a:\r\n" END), ROOT, NULL},
    {"the last port", BYTES(GET "Host: a:65535\r\n" END), ROOT, NULL},
    {"a port too far", BYTES(GET "Host: a:65536\r\n" END), "400", NULL},
    {"a port that wraps around", BYTES(GET "Host: a:18446744073709551617\r\n" END), "400",
        NULL},
    {"a port of letters", BYTES(GET "Host: a:http\r\n" END), "400", NULL},
    {"a port with a sign", BYTES(GET "Host: a:+1\r\n" END), "400", NULL},
    {"two ports", BYTES(GET "Host: a:1:2\r\n" END), "400", NULL},
    {"a Host of only a port", BYTES(GET "Host: :80\r\n" END), "400", NULL},
    {"a name", BYTES(GET "Host: www.example-1.org\r\n" END), ROOT, NULL},
    {"an IPv4 address", BYTES(GET "Host: 127.0.0.1:80\r\n" END), ROOT, NULL},
    {"all bytes of a name", BYTES(GET "Host: a-._~!$&'()*+,;=%41\r\n" END), ROOT, NULL},
    {"an IPv6 address", BYTES(GET "Host: [::1]\r\n" END), ROOT, NULL},
    {"an IPv6 address and port", BYTES(GET "Host: [2001:DB8::a]:80\r\n" END), ROOT, NULL},
    {"the longest IPv6 address",
        BYTES(GET "Host: [1111:2222:3333:4444:5555:6666:255.255.255.255]\r\n" END), ROOT,
        NULL},
    {"an IPv6 address too long", BYTES(GET "Host: [1:2:3:4:5:6:7:8:9]\r\n" END), "400",
        NULL},
    {"much too long", BYTES(GET "Host: [" X50 X10 "]\r\n" END), "400", NULL},
    {"an empty IPv6 address", BYTES(GET "Host: []\r\n" END), "400", NULL},
    {"an IPv6 address not closed", BYTES(GET "Host: [::1\r\n" END), "400", NULL},
    {"an IPv6 address without brackets", BYTES(GET "Host: ::1\r\n" END), "400", NULL},
    {"an IPv6 address and more", BYTES(GET "Host: [::1]a\r\n" END), "400", NULL},
    {"an IPv6 address with a zone", BYTES(GET "Host: [fe80::1%25eth0]\r\n" END), "400",
        NULL},
    {"an IPv4 address in brackets", BYTES(GET "Host: [127.0.0.1]\r\n" END), "400", NULL},
    {"an address of the future", BYTES(GET "Host: [v1.a]\r\n" END), "400", NULL},
    {"a user in Host", BYTES(GET "Host: u@a\r\n" END), "400", NULL},
    {"a path in Host", BYTES(GET "Host: a/b\r\n" END), "400", NULL},
    {"http:// in Host", BYTES(GET "Host: http://a\r\n" END), "400", NULL},
    {"two names in Host", BYTES(GET "Host: a, b\r\n" END), "400", NULL},
    {"8 bits in Host", BYTES(GET "Host: \303\244\r\n" END), "400", NULL},
    {"a bad % in Host", BYTES(GET "Host: a%4\r\n" END), "400", NULL},
    {"a bad Host before a better", BYTES(GET "Host: a b\r\n" HOST END), "400", NULL},

    /* fields */
    {"a field", BYTES(GET HOST "A: b\r\n" END), ROOT, NULL},
    {"an empty value", BYTES(GET HOST "A:\r\n" END), ROOT, NULL},
    {"no space behind the colon", BYTES(GET "Host:a\r\n" END), ROOT, NULL},
    {"spaces and tabs around a value", BYTES(GET "Host: \t a \t \r\n" END), ROOT, NULL},
    {"colons in a value", BYTES(GET HOST "A: b:c::\r\n" END), ROOT, NULL},
    {"names in any letters", BYTES(POST "hOsT: a\r\ncONTENT-lENGTH: 1\r\n" END),
        "POST / HTTP/1.1 length=1", NULL},
    {"all bytes of a name in a field", BYTES(GET HOST "!#$%&'*+-.^_`|~09azAZ: b\r\n" END),
        ROOT, NULL},
    {"8 bits in a value", BYTES(GET HOST "A: \200\303\244\377\r\n" END), ROOT, NULL},
    {"a tab in a value", BYTES(GET HOST "A: b\tc\r\n" END), ROOT, NULL},
    {"a NUL in a value", BYTES(GET HOST "A: b\0c\r\n" END), "400", NULL},
    {"a control byte in a value", BYTES(GET HOST "A: b\001c\r\n" END), "400", NULL},
    {"a vertical tab in a value", BYTES(GET HOST "A: \013c\r\n" END), "400", NULL},
    {"an escape in a value", BYTES(GET HOST "A: \033c\r\n" END), "400", NULL},
    {"DEL in a value", BYTES(GET HOST "A: \177\r\n" END), "400", NULL},
    {"a NUL in a name", BYTES(GET HOST "A\0: b\r\n" END), "400", NULL},
    {"8 bits in a name", BYTES(GET HOST "\303\244: b\r\n" END), "400", NULL},
    {"a space before the colon", BYTES(GET HOST "A : b\r\n" END), "400", NULL},
    {"a tab before the colon", BYTES(GET HOST "A\t: b\r\n" END), "400", NULL},
    {"a space in a name", BYTES(GET HOST "A B: c\r\n" END), "400", NULL},
    {"a slash in a name", BYTES(GET HOST "A/B: c\r\n" END), "400", NULL},
    {"a bracket in a name", BYTES(GET HOST "A[: c\r\n" END), "400", NULL},
    {"no name", BYTES(GET HOST ": b\r\n" END), "400", NULL},
    {"no colon", BYTES(GET HOST "A\r\n" END), "400", NULL},
    {"a field continued", BYTES(GET HOST "A: b\r\n c\r\n" END), "400", NULL},
    {"a field continued by a tab", BYTES(GET HOST "A: b\r\n\tc: d\r\n" END), "400", NULL},
    {"a field continued by nothing", BYTES(GET HOST "A: b\r\n \r\n" END), "400", NULL},
    {"a space before the first field", BYTES(GET " Host: a\r\n" END), "400", NULL},
    {"an almost known name", BYTES(GET HOST "Content-Lengt: x\r\nHosts: \r\n" END), ROOT,
        NULL},
    {"an underscore for a hyphen", BYTES(POST HOST "Content_Length: 1\r\n" END),
        "POST / HTTP/1.1", NULL},

    /* Content-Length */
    {"length 0", BYTES(POST HOST "Content-Length: 0\r\n" END), "POST / HTTP/1.1 length=0",
        NULL},
    {"length with zeros", BYTES(POST HOST "Content-Length: 0005\r\n" END),
        "POST / HTTP/1.1 length=5", NULL},
    {"length at the limit", BYTES(POST HOST "Content-Length: 1000\r\n" END),
        "POST / HTTP/1.1 length=1000", NULL},
    {"length over the limit", BYTES(POST HOST "Content-Length: 1001\r\n" END), "413",
        NULL},
    {"length over the limit, and then it looks as if not",
        BYTES(POST HOST "Content-Length: 10010\r\n" END), "413", NULL},
    {"length at a limit of 3", BYTES(POST HOST "Content-Length: 3\r\n" END),
        "POST / HTTP/1.1 length=3", &tiny},
    {"length over a limit of 3", BYTES(POST HOST "Content-Length: 5\r\n" END), "413",
        &tiny},
    {"length over a limit of 0", BYTES(POST HOST "Content-Length: 1\r\n" END), "413",
        &none},
    {"length with GET", BYTES(GET HOST "Content-Length: 1\r\n" END), ROOT " length=1",
        NULL},
    {"length in 1.0", BYTES(OLD "Content-Length: 1\r\n" END),
        "POST / HTTP/1.0 close length=1", NULL},
    {"length 2^31 - 1", BYTES(POST HOST "Content-Length: 2147483647\r\n" END),
        "POST / HTTP/1.1 length=2147483647", &bits31},
    {"length 2^31", BYTES(POST HOST "Content-Length: 2147483648\r\n" END), "413",
        &bits31},
    {"length 2^32 - 1", BYTES(POST HOST "Content-Length: 4294967295\r\n" END),
        "POST / HTTP/1.1 length=4294967295", &bits32},
    {"length 2^32", BYTES(POST HOST "Content-Length: 4294967296\r\n" END), "413",
        &bits32},
    {"length 2^32 + 1", BYTES(POST HOST "Content-Length: 4294967297\r\n" END), "413",
        NULL},
    {"length 2^63 - 1", BYTES(POST HOST "Content-Length: 9223372036854775807\r\n" END),
        "POST / HTTP/1.1 length=9223372036854775807", &bits63},
    {"length 2^63", BYTES(POST HOST "Content-Length: 9223372036854775808\r\n" END), "413",
        &bits63},
    {"length 2^64 - 1", BYTES(POST HOST "Content-Length: 18446744073709551615\r\n" END),
        "POST / HTTP/1.1 length=18446744073709551615", &huge},
    {"length 2^64", BYTES(POST HOST "Content-Length: 18446744073709551616\r\n" END),
        "413", &huge},
    {"length 2^64 + 1", BYTES(POST HOST "Content-Length: 18446744073709551617\r\n" END),
        "413", NULL},
    {"length of 40 digits",
        BYTES(
            POST HOST "Content-Length: 1000000000000000000000000000000000000000\r\n" END),
        "413", &huge},
    {"length over 2^64, then no digit",
        BYTES(POST HOST "Content-Length: 99999999999999999999999x\r\n" END), "400",
        &huge},
    {"length over the limit, 100-continue",
        BYTES(POST HOST "Expect: 100-continue\r\nContent-Length: 1001\r\n" END), "413",
        NULL},
    {"length over the limit, another expectation before it",
        BYTES(POST HOST "Expect: x\r\nContent-Length: 1001\r\n" END), "417", NULL},
    {"length over the limit, no Host", BYTES(POST "Content-Length: 1001\r\n" END), "413",
        NULL},
    {"length over the limit, its line not ended", BYTES(POST "Content-Length: 1001 "),
        "partial", NULL},
    {"length over the limit, unknown method",
        BYTES("BREW / HTTP/1.1\r\n" HOST "Content-Length: 1001\r\n" END), "501", NULL},
    {"length over the limit, then a bad field",
        BYTES(POST HOST "Content-Length: 1001\r\nA\r\n" END), "413", NULL},
    {"length over the limit, a bad field before it",
        BYTES(POST HOST "A\r\nContent-Length: 1001\r\n" END), "400", NULL},
    {"an empty length", BYTES(POST HOST "Content-Length:\r\n" END), "400", NULL},
    {"length +5", BYTES(POST HOST "Content-Length: +5\r\n" END), "400", NULL},
    {"length -5", BYTES(POST HOST "Content-Length: -5\r\n" END), "400", NULL},
    {"length 0x5", BYTES(POST HOST "Content-Length: 0x5\r\n" END), "400", NULL},
    {"length 5a", BYTES(POST HOST "Content-Length: 5a\r\n" END), "400", NULL},
    {"length 5.0", BYTES(POST HOST "Content-Length: 5.0\r\n" END), "400", NULL},
    {"length 5 5", BYTES(POST HOST "Content-Length: 5 5\r\n" END), "400", NULL},
    {"length 5, 5", BYTES(POST HOST "Content-Length: 5, 5\r\n" END), "400", NULL},
    {"length 5,", BYTES(POST HOST "Content-Length: 5,\r\n" END), "400", NULL},
    {"length in quotes", BYTES(POST HOST "Content-Length: \"5\"\r\n" END), "400", NULL},
    {"length in other digits", BYTES(POST HOST "Content-Length: \331\245\r\n" END), "400",
        NULL},
    {"length twice, equal",
        BYTES(POST HOST "Content-Length: 5\r\nContent-Length: 5\r\n" END), "400", NULL},
    {"length twice, different",
        BYTES(POST HOST "Content-Length: 5\r\nContent-Length: 6\r\n" END), "400", NULL},
    {"a second length, not ended", BYTES(POST "Content-Length: 5\r\nContent-Length:"),
        "400", NULL},
    {"length twice, 0 first",
        BYTES(POST HOST "Content-Length: 0\r\nA: b\r\ncontent-length: 6\r\n" END), "400",
        NULL},

    /* Transfer-Encoding */
    {"chunked", BYTES(POST HOST "Transfer-Encoding: chunked\r\n" END),
        "POST / HTTP/1.1 chunked", NULL},
    {"cHuNkEd", BYTES(POST HOST "Transfer-Encoding: \t cHuNkEd \r\n" END),
        "POST / HTTP/1.1 chunked", NULL},
    {"chunked with GET", BYTES(GET HOST "Transfer-Encoding: chunked\r\n" END),
        ROOT " chunked", NULL},
    {"chunked and a length",
        BYTES(POST HOST "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n" END), "400",
        NULL},
    {"a length and chunked",
        BYTES(POST HOST "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n" END), "400",
        NULL},
    {"chunked and a length of 0",
        BYTES(POST HOST "Transfer-Encoding: chunked\r\nContent-Length: 0\r\n" END), "400",
        NULL},
    {"chunked and a length over the limit",
        BYTES(POST HOST "Transfer-Encoding: chunked\r\nContent-Length: 1001\r\n" END),
        "400", NULL},
    {"gzip and a length",
        BYTES(POST HOST "Transfer-Encoding: gzip\r\nContent-Length: 5\r\n" END), "501",
        NULL},
    {"a length and gzip",
        BYTES(POST HOST "Content-Length: 5\r\nTransfer-Encoding: gzip\r\n" END), "400",
        NULL},
    {"a length and a coding, not ended",
        BYTES(POST HOST "Content-Length: 5\r\nTransfer-Encoding:"), "400", NULL},
    {"a coding in 1.0, not ended", BYTES(OLD "Transfer-Encoding:"), "400", NULL},
    {"chunked in 1.0", BYTES(OLD "Transfer-Encoding: chunked\r\n" END), "400", NULL},
    {"gzip in 1.0", BYTES(OLD "Transfer-Encoding: gzip\r\n" END), "400", NULL},
    {"gzip", BYTES(POST HOST "Transfer-Encoding: gzip\r\n" END), "501", NULL},
    {"identity", BYTES(POST HOST "Transfer-Encoding: identity\r\n" END), "501", NULL},
    {"xchunked", BYTES(POST HOST "Transfer-Encoding: xchunked\r\n" END), "501", NULL},
    {"chunke", BYTES(POST HOST "Transfer-Encoding: chunke\r\n" END), "501", NULL},
    {"gzip, chunked", BYTES(POST HOST "Transfer-Encoding: gzip, chunked\r\n" END), "501",
        NULL},
    {"gzip and chunked in two fields",
        BYTES(POST HOST "Transfer-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n" END),
        "501", NULL},
    {"chunked, gzip", BYTES(POST HOST "Transfer-Encoding: chunked, gzip\r\n" END), "400",
        NULL},
    {"chunked, identity", BYTES(POST HOST "Transfer-Encoding: chunked,identity\r\n" END),
        "400", NULL},
    {"chunked, chunked", BYTES(POST HOST "Transfer-Encoding: chunked, chunked\r\n" END),
        "400", NULL},
    {"chunked in two fields",
        BYTES(
            POST HOST "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n" END),
        "400", NULL},
    {"chunked and gzip in two fields",
        BYTES(POST HOST "Transfer-Encoding: chunked\r\nTransfer-Encoding: gzip\r\n" END),
        "400", NULL},
    {"chunked and nothing in two fields",
        BYTES(POST HOST "Transfer-Encoding: chunked\r\nTransfer-Encoding:\r\n" END),
        "400", NULL},
    {"an empty coding", BYTES(POST HOST "Transfer-Encoding:\r\n" END), "400", NULL},
    {"an empty coding before", BYTES(POST HOST "Transfer-Encoding: ,chunked\r\n" END),
        "400", NULL},
    {"an empty coding behind", BYTES(POST HOST "Transfer-Encoding: chunked,\r\n" END),
        "400", NULL},
    {"chunked with a parameter",
        BYTES(POST HOST "Transfer-Encoding: chunked;a=b\r\n" END), "400", NULL},
    {"chunked in quotes", BYTES(POST HOST "Transfer-Encoding: \"chunked\"\r\n" END),
        "400", NULL},
    {"chunked and a word", BYTES(POST HOST "Transfer-Encoding: chunked x\r\n" END), "400",
        NULL},
    {"chunked behind a vertical tab",
        BYTES(POST HOST "Transfer-Encoding: \013chunked\r\n" END), "400", NULL},
    {"a space before the colon of chunked",
        BYTES(POST HOST "Transfer-Encoding : chunked\r\n" END), "400", NULL},
    {"gzip, no Host", BYTES(POST "Transfer-Encoding: gzip\r\n" END), "501", NULL},
    {"gzip may be another yet", BYTES(POST "Transfer-Encoding: gzip "), "partial", NULL},
    {"gzip and a word", BYTES(POST "Transfer-Encoding: gzip x"), "400", NULL},
    {"gzip has ended", BYTES(POST "Transfer-Encoding: gzip ,"), "501", NULL},
    {"gzip, another expectation",
        BYTES(POST HOST "Transfer-Encoding: gzip\r\nExpect: x\r\n" END), "501", NULL},

    /* Connection */
    {"close", BYTES(GET HOST "Connection: close\r\n" END), ROOT " close", NULL},
    {"CLOSE", BYTES(GET HOST "connection:CLOSE\r\n" END), ROOT " close", NULL},
    {"keep-alive", BYTES(GET HOST "Connection: keep-alive\r\n" END), ROOT, NULL},
    {"close in a list", BYTES(GET HOST "Connection: TE , close,x\r\n" END), ROOT " close",
        NULL},
    {"close in another field",
        BYTES(GET HOST "Connection: x\r\nConnection: close\r\n" END), ROOT " close",
        NULL},
    {"close, keep-alive", BYTES(GET HOST "Connection: close, keep-alive\r\n" END),
        ROOT " close", NULL},
    {"closed", BYTES(GET HOST "Connection: closed, clos\r\n" END), ROOT, NULL},
    {"upgrade", BYTES(GET HOST "Connection: upgrade\r\nUpgrade: h2c\r\n" END), ROOT,
        NULL},
    {"an empty Connection", BYTES(GET HOST "Connection:\r\n" END), ROOT, NULL},
    {"empty members of Connection", BYTES(GET HOST "Connection: ,, close,\r\n" END),
        ROOT " close", NULL},
    {"Connection of no tokens", BYTES(GET HOST "Connection: close x\r\n" END), "400",
        NULL},
    {"Connection with a parameter", BYTES(GET HOST "Connection: close;a\r\n" END), "400",
        NULL},
    {"keep-alive in 1.0", BYTES(OLD "Connection: Keep-Alive\r\n" END), "POST / HTTP/1.0",
        NULL},
    {"close in 1.0", BYTES(OLD "Connection: close\r\n" END), "POST / HTTP/1.0 close",
        NULL},
    {"close and keep-alive in 1.0", BYTES(OLD "Connection: keep-alive, close\r\n" END),
        "POST / HTTP/1.0 close", NULL},
    {"another option in 1.0", BYTES(OLD "Connection: x\r\n" END), "POST / HTTP/1.0 close",
        NULL},

    /* Expect */
    {"100-continue", BYTES(POST HOST "Expect: 100-continue\r\nContent-Length: 5\r\n" END),
        "POST / HTTP/1.1 continue length=5", NULL},
    {"100-Continue", BYTES(POST HOST "EXPECT: 100-Continue\r\nContent-Length: 5\r\n" END),
        "POST / HTTP/1.1 continue length=5", NULL},
    {"100-continue, chunked",
        BYTES(POST HOST "Expect: 100-continue\r\nTransfer-Encoding: chunked\r\n" END),
        "POST / HTTP/1.1 continue chunked", NULL},
    {"100-continue without a body", BYTES(POST HOST "Expect: 100-continue\r\n" END),
        "POST / HTTP/1.1", NULL},
    {"100-continue with an empty body",
        BYTES(POST HOST "Expect: 100-continue\r\nContent-Length: 0\r\n" END),
        "POST / HTTP/1.1 length=0", NULL},
    {"100-continue in 1.0",
        BYTES(OLD "Expect: 100-continue\r\nContent-Length: 5\r\n" END),
        "POST / HTTP/1.0 close length=5", NULL},
    {"another expectation",
        BYTES(POST HOST "Expect: 200-ok\r\nContent-Length: 5\r\n" END), "417", NULL},
    {"another expectation without a body", BYTES(POST HOST "Expect: x\r\n" END), "417",
        NULL},
    {"another expectation in 1.0", BYTES(OLD "Expect: x\r\n" END),
        "POST / HTTP/1.0 close", NULL},
    {"100-continue and another", BYTES(POST HOST "Expect: 100-continue, x\r\n" END),
        "417", NULL},
    {"100-continue with a parameter", BYTES(POST HOST "Expect: 100-continue;a=b\r\n" END),
        "417", NULL},
    {"100-continued", BYTES(POST HOST "Expect: 100-continued\r\n" END), "417", NULL},

    /* Content-Type */
    {"a type", BYTES(POST HOST "Content-Type:  text/plain; a=b \r\n" END),
        "POST / HTTP/1.1 type=text/plain; a=b", NULL},
    {"an empty type", BYTES(POST HOST "Content-Type:\r\n" END),
        "POST / HTTP/1.1 type=", NULL},
    {"two types", BYTES(POST HOST "Content-Type: a/b\r\nContent-Type: a/b\r\n" END),
        "400", NULL},
    {"two types, one empty",
        BYTES(POST HOST "Content-Type:\r\nContent-Type: a/b\r\n" END), "400", NULL},

    /* limits: a line of 100 bytes, fields of 400, 8 of them */
    {"a line at its limit", BYTES("GET /" X50 X10 X10 X10 "123456 HTTP/1.1\r\n" HOST END),
        "GET /" X50 X10 X10 X10 "123456 HTTP/1.1", NULL},
    {"a line over its limit",
        BYTES("GET /" X50 X10 X10 X10 "1234567 HTTP/1.1\r\n" HOST END), "414", NULL},
    {"an empty line is no part of it",
        BYTES("\r\nGET /" X50 X10 X10 X10 "123456 HTTP/1.1\r\n" HOST END),
        "GET /" X50 X10 X10 X10 "123456 HTTP/1.1", NULL},
    {"a line at its limit waits for its end",
        BYTES("GET /" X50 X10 X10 X10 "123456789012345"), "partial", NULL},
    {"also behind CR", BYTES("GET /" X50 X10 X10 X10 "123456 HTTP/1.1\r"), "partial",
        NULL},
    {"a line over its limit, no end", BYTES("GET /" X50 X10 X10 X10 "1234567890123456"),
        "414", NULL},
    {"a line at its limit, CR alone", BYTES("GET /" X50 X10 X10 X10 "123456 HTTP/1.1\rx"),
        "400", NULL},
    {"a line without words over its limit", BYTES(X100 "x\r\n"), "414", NULL},
    {"a line with LF over its limit", BYTES(X100 "x\n"), "414", NULL},
    {"a bad line over its limit", BYTES("G@T /\"" X100 " HTTP/9.9\r\n"), "400", NULL},
    {"fields at their limit",
        BYTES(GET HOST "A: " X100 X100 X100 X50 X10 X10 X10 "123456\r\n" END), ROOT,
        NULL},
    {"fields over their limit",
        BYTES(GET HOST "A: " X100 X100 X100 X50 X10 X10 X10 "1234567\r\n" END), "431",
        NULL},
    {"fields over their limit in two",
        BYTES(GET HOST "A: " X100 X100 X100 X50 "\r\nB: " X10 X10 X10 "12\r\n" END),
        "431", NULL},
    {"fields at their limit in two",
        BYTES(GET HOST "A: " X100 X100 X100 X50 "\r\nB: " X10 X10 X10 "1\r\n" END), ROOT,
        NULL},
    {"fields over their limit, no end", BYTES(GET HOST "A: " X100 X100 X100 X100), "431",
        NULL},
    {"a name over the limit", BYTES(GET X100 X100 X100 X100 "x"), "431", NULL},
    {"bad fields over their limit", BYTES(GET "A B\001 " X100 X100 X100 X100), "400",
        NULL},
    {"fields over their limit, and then bad", BYTES(GET X100 X100 X100 X100 "\001"),
        "431", NULL},
    {"a bad line goes before the fields",
        BYTES("GET a HTTP/1.1\r\n" X100 X100 X100 X100 "x"), "400", NULL},
    {"8 fields", BYTES("GET / HTTP/1.0\r\n" F8 END), "GET / HTTP/1.0 close", NULL},
    {"9 fields", BYTES("GET / HTTP/1.0\r\n" F8 "I:\r\n" END), "431", NULL},
    {"8 fields, half an end", BYTES("GET / HTTP/1.0\r\n" F8 "\r"), "partial", NULL},
    {"8 fields and the beginning of another", BYTES("GET / HTTP/1.0\r\n" F8 "I"), "431",
        NULL},
    {"9 fields, the first bad", BYTES(GET "1\r\n" F8), "400", NULL},
    {"9 fields, the last bad", BYTES(GET F8 "("), "431", NULL},
    {"the next request is not measured",
        BYTES(GET HOST END "GET /" X100 X100 X100 X100 " HTTP/1.1\r\n"), ROOT " rest=416",
        NULL},
};

/* ------------------------------------------------------------ chunked bodies */

#define LAST "0\r\n\r\n"
#define EXTRA84 "1;" X50 X10 X10 X10 X10 "12345678\r\nx\r\n" /* a line of 100 bytes */

/* "complete 'the body'" and rest=, or "partial 'the beginning of it'". */
static const struct example bodies[] = {
    {"no chunk", BYTES(LAST), "complete ''", NULL},
    {"a chunk", BYTES("5\r\nhello\r\n" LAST), "complete 'hello'", NULL},
    {"two chunks", BYTES("5\r\nhello\r\n6\r\n world\r\n" LAST), "complete 'hello world'",
        NULL},
    {"hex digits", BYTES("a\r\n0123456789\r\nB\r\n0123456789a\r\n" LAST),
        "complete '01234567890123456789a'", NULL},
    {"two hex digits", BYTES("1f\r\n" X10 X10 X10 "y\r\n" LAST),
        "complete '" X10 X10 X10 "y'", NULL},
    {"CRLF in the data", BYTES("4\r\n\r\n\r\n\r\n" LAST), "complete '\r\n\r\n'", NULL},
    {"what looks like the end in the data", BYTES("5\r\n" LAST "\r\n" LAST),
        "complete '" LAST "'", NULL},
    {"a request behind", BYTES("1\r\nx\r\n" LAST GET), "complete 'x' rest=16", NULL},
    {"a CRLF behind", BYTES(LAST END), "complete '' rest=2", NULL},
    {"no bytes of it", BYTES(""), "partial ''", NULL},
    {"half a size", BYTES("5"), "partial ''", NULL},
    {"half a line end", BYTES("5\r"), "partial ''", NULL},
    {"a size", BYTES("5\r\n"), "partial ''", NULL},
    {"half the data", BYTES("5\r\nhel"), "partial 'hel'", NULL},
    {"all the data", BYTES("5\r\nhello"), "partial 'hello'", NULL},
    {"half its end", BYTES("5\r\nhello\r"), "partial 'hello'", NULL},
    {"no last chunk", BYTES("5\r\nhello\r\n"), "partial 'hello'", NULL},
    {"half the last chunk", BYTES("5\r\nhello\r\n0"), "partial 'hello'", NULL},
    {"no empty line at its end", BYTES("5\r\nhello\r\n0\r\n"), "partial 'hello'", NULL},
    {"half an empty line at its end", BYTES("5\r\nhello\r\n0\r\n\r"), "partial 'hello'",
        NULL},

    /* sizes */
    {"zeros before a size", BYTES("0005\r\nhello\r\n" LAST), "complete 'hello'", NULL},
    {"zeros as the last chunk", BYTES("000\r\n\r\n"), "complete ''", NULL},
    {"zeros up to the limit",
        BYTES("00000000000000000000000000000000000000000000000000000000000000000000000000"
              "00000000"
              "000000000000000001\r\nx\r\n" LAST),
        "complete 'x'", NULL},
    {"zeros over the limit",
        BYTES("00000000000000000000000000000000000000000000000000000000000000000000000000"
              "00000000"
              "0000000000000000001"),
        "400", NULL},
    {"no size", BYTES("\r\nhello\r\n"), "400", NULL},
    {"size 0x5", BYTES("0x5\r\nhello\r\n"), "400", NULL},
    {"size +5", BYTES("+5\r\nhello\r\n"), "400", NULL},
    {"size -5", BYTES("-5\r\nhello\r\n"), "400", NULL},
    {"size -0", BYTES("-0\r\n\r\n"), "400", NULL},
    {"size 5h", BYTES("5h\r\nhello\r\n"), "400", NULL},
    {"size g", BYTES("g\r\nhello\r\n"), "400", NULL},
    {"size 5_0", BYTES("5_0\r\nhello\r\n"), "400", NULL},
    {"size 5.", BYTES("5.\r\nhello\r\n"), "400", NULL},
    {"a space before a size", BYTES(" 5\r\nhello\r\n"), "400", NULL},
    {"a space behind a size", BYTES("5 \r\nhello\r\n"), "400", NULL},
    {"a tab behind a size", BYTES("5\t\r\nhello\r\n"), "400", NULL},
    {"a NUL behind a size", BYTES("5\0\r\nhello\r\n"), "400", NULL},
    {"8 bits in a size", BYTES("\2655\r\nhello\r\n"), "400", NULL},
    {"a body at its limit", BYTES("2\r\nab\r\n1\r\nc\r\n" LAST), "complete 'abc'", &tiny},
    {"a body over its limit", BYTES("2\r\nab\r\n2\r\ncd\r\n" LAST), "413", &tiny},
    {"a chunk over the limit", BYTES("4"), "413", &tiny},
    {"a second chunk over the limit", BYTES("3\r\nabc\r\n1"), "413", &tiny},
    {"an empty body is in any limit", BYTES(LAST), "complete ''", &none},
    {"no body but an empty one", BYTES("1"), "413", &none},
    {"a chunk at the limit", BYTES("3e8\r\n"), "partial ''", NULL},
    {"a chunk of one more", BYTES("3e9\r\n"), "413", NULL},
    {"size 2^31 - 1", BYTES("7fffffff\r\n"), "partial ''", &bits31},
    {"size 2^31", BYTES("80000000\r\n"), "413", &bits31},
    {"size 2^32 - 1", BYTES("ffffffff\r\n"), "partial ''", &bits32},
    {"size 2^32", BYTES("100000000\r\n"), "413", &bits32},
    {"size 2^32 + 1", BYTES("100000001\r\nx\r\n"), "413", NULL},
    {"size 2^63 - 1", BYTES("7fffffffffffffff\r\nx"), "partial 'x'", &bits63},
    {"size 2^63", BYTES("8000000000000000\r\n"), "413", &bits63},
    {"size 2^64 - 1", BYTES("FFFFFFFFFFFFFFFF\r\nx"), "partial 'x'", &huge},
    {"size 2^64", BYTES("10000000000000000\r\n"), "413", &huge},
    {"size 2^64 + 1", BYTES("10000000000000001\r\nx\r\n"), "413", &huge},
    {"two sizes that make 2^64", BYTES("1\r\nx\r\nffffffffffffffff\r\nx"), "413", &huge},
    {"two sizes that make 2^64 - 1", BYTES("1\r\nx\r\nfffffffffffffffe\r\nx"),
        "partial 'xx'", &huge},

    /* line ends */
    {"LF behind a size", BYTES("5\nhello\r\n"), "400", NULL},
    {"CR behind a size", BYTES("5\rhello\r\n"), "400", NULL},
    {"CR CR LF behind a size", BYTES("5\r\r\nhello\r\n"), "400", NULL},
    {"LF behind the data", BYTES("5\r\nhello\n"), "400", NULL},
    {"CR behind the data", BYTES("5\r\nhello\r0"), "400", NULL},
    {"nothing behind the data", BYTES("5\r\nhello0\r\n\r\n"), "400", NULL},
    {"more data than the size", BYTES("4\r\nhello\r\n"), "400", NULL},
    {"less data than the size", BYTES("6\r\nhello\r\n" LAST), "400", NULL},
    {"LF behind the last size", BYTES("0\n\r\n"), "400", NULL},
    {"LF at its end", BYTES("0\r\n\n"), "400", NULL},
    {"CR at its end", BYTES("0\r\n\rx"), "400", NULL},
    {"CR CR LF at its end", BYTES("0\r\n\r\r\n"), "400", NULL},
    {"an empty line too many", BYTES("1\r\nx\r\n\r\n" LAST), "400", NULL},

    /* extensions */
    {"an extension", BYTES("1;a\r\nx\r\n" LAST), "complete 'x'", NULL},
    {"one with a value", BYTES("1;a=b\r\nx\r\n" LAST), "complete 'x'", NULL},
    {"two", BYTES("1;a=b;c=\"d\";e\r\nx\r\n0;f\r\n\r\n"), "complete 'x'", NULL},
    {"a quoted value", BYTES("1;a=\"b;\\\"c\\\\ \t\377\"\r\nx\r\n" LAST), "complete 'x'",
        NULL},
    {"an empty quoted value", BYTES("1;a=\"\"\r\nx\r\n" LAST), "complete 'x'", NULL},
    {"hex digits in an extension", BYTES("1;ff=ff\r\nx\r\n" LAST), "complete 'x'", NULL},
    {"no name of it", BYTES("1;\r\nx\r\n"), "400", NULL},
    {"no name, a value", BYTES("1;=b\r\nx\r\n"), "400", NULL},
    {"two semicolons", BYTES("1;;a\r\nx\r\n"), "400", NULL},
    {"no value", BYTES("1;a=\r\nx\r\n"), "400", NULL},
    {"no value, another", BYTES("1;a=;b\r\nx\r\n"), "400", NULL},
    {"two equal signs", BYTES("1;a==b\r\nx\r\n"), "400", NULL},
    {"two values", BYTES("1;a=b=c\r\nx\r\n"), "400", NULL},
    {"a space behind the size", BYTES("1 ;a\r\nx\r\n" LAST), "complete 'x'", NULL},
    {"a space before the name", BYTES("1; a\r\nx\r\n" LAST), "complete 'x'", NULL},
    {"a space behind the name", BYTES("1;a =b\r\nx\r\n" LAST), "complete 'x'", NULL},
    {"a space before the value", BYTES("1;a= b\r\nx\r\n" LAST), "complete 'x'", NULL},
    {"a space before another", BYTES("1;a ;b\r\nx\r\n" LAST), "complete 'x'", NULL},
    {"spaces and tabs wherever they may be",
        BYTES("1 \t; \ta\t =\t b \t;\t \tc= \"d\"\t ;e\r\nx\r\n0\t;\tf\r\n\r\n"),
        "complete 'x'", NULL},
    {"a space behind the last value", BYTES("1;a=b \r\nx\r\n"), "400", NULL},
    {"a space behind the last name", BYTES("1;a \r\nx\r\n"), "400", NULL},
    {"a space behind the last quote", BYTES("1;a=\"b\" \r\nx\r\n"), "400", NULL},
    {"a space, and no extension", BYTES("1 \r\nx\r\n"), "400", NULL},
    {"a space between two digits", BYTES("1 1"), "400", NULL},
    {"a space between two names", BYTES("1;a b"), "400", NULL},
    {"a space between two values", BYTES("1;a=b c"), "400", NULL},
    {"a space for a name", BYTES("1; ;"), "400", NULL},
    {"a space for a value", BYTES("1;a= ;"), "400", NULL},
    {"CRLF for the space behind the size", BYTES("1\r\n;a\r\n"), "400", NULL},
    {"CRLF for the space before the name", BYTES("1;\r\na\r\n"), "400", NULL},
    {"a CR among the spaces", BYTES("1 \r;a\r\nx\r\n"), "400", NULL},
    {"a LF among the spaces", BYTES("1; \na\r\nx\r\n"), "400", NULL},
    {"a vertical tab for a space", BYTES("1;\013a\r\nx\r\n"), "400", NULL},
    {"a name and spaces to the line's limit", BYTES("1;a" SPACES90 "       "),
        "partial ''", NULL},
    {"a space over it, behind a name", BYTES("1;a" SPACES90 "        "), "400", NULL},
    {"a space over it, before a name", BYTES("1;" SPACES90 "         "), "400", NULL},
    {"a space over it, behind a size", BYTES("1" SPACES90 SPACES10), "400", NULL},
    {"a space over it, behind an equal sign", BYTES("1;a=" SPACES90 "       "), "400",
        NULL},
    {"a value behind a quoted one", BYTES("1;a=\"b\"c\r\nx\r\n"), "400", NULL},
    {"a quote not closed", BYTES("1;a=\"b\r\nx\r\n"), "400", NULL},
    {"a quote in a name", BYTES("1;\"a\"\r\nx\r\n"), "400", NULL},
    {"a quote in a value", BYTES("1;a=b\"\r\nx\r\n"), "400", NULL},
    {"an escaped line end", BYTES("1;a=\"\\\r\n\"\r\nx\r\n"), "400", NULL},
    {"a NUL in quotes", BYTES("1;a=\"\0\"\r\nx\r\n"), "400", NULL},
    {"LF in quotes", BYTES("1;a=\"\n\"\r\nx\r\n"), "400", NULL},
    {"LF behind a name", BYTES("1;a\nx\r\n"), "400", NULL},
    {"LF behind a value", BYTES("1;a=b\nx\r\n"), "400", NULL},
    {"8 bits in a name of it", BYTES("1;\344\r\nx\r\n"), "400", NULL},
    {"8 bits in a value of it", BYTES("1;a=\344\r\nx\r\n"), "400", NULL},
    {"an extension at the line's limit", BYTES(EXTRA84 LAST), "complete 'x'", NULL},
    {"an extension over it", BYTES("1;" X50 X10 X10 X10 X10 "123456789"), "400", NULL},
    {"one in quotes over it", BYTES("1;a=\"" X50 X10 X10 X10 X10 "123456"), "400", NULL},
    {"all lines at their limit",
        BYTES(EXTRA84 EXTRA84 EXTRA84 EXTRA84 "1;" X50 X10 X10 "12345678\r\nx\r\n" LAST),
        "complete 'xxxxx'", NULL},
    {"all lines over it",
        BYTES(EXTRA84 EXTRA84 EXTRA84 EXTRA84 "1;" X50 X10 X10 "123456789"), "400", NULL},

    /* trailers */
    {"a trailer", BYTES("0\r\nA: b\r\n\r\n"), "complete ''", NULL},
    {"two trailers", BYTES("1\r\nx\r\n0\r\nA: b\r\nC:\r\n\r\nG"), "complete 'x' rest=1",
        NULL},
    {"8 bits in a trailer", BYTES("0\r\nA: \377\t \r\n\r\n"), "complete ''", NULL},
    {"half a trailer", BYTES("0\r\nA: b"), "partial ''", NULL},
    {"a trailer without the end", BYTES("0\r\nA: b\r\n"), "partial ''", NULL},
    {"a trailer without a colon", BYTES("0\r\nA\r\n\r\n"), "400", NULL},
    {"a trailer without a name", BYTES("0\r\n: b\r\n\r\n"), "400", NULL},
    {"a second one without a name", BYTES("0\r\nA: b\r\n: b\r\n\r\n"), "400", NULL},
    {"a space before its colon", BYTES("0\r\nA : b\r\n\r\n"), "400", NULL},
    {"a trailer continued", BYTES("0\r\nA: b\r\n c\r\n\r\n"), "400", NULL},
    {"a space before it", BYTES("0\r\n A: b\r\n\r\n"), "400", NULL},
    {"a NUL in it", BYTES("0\r\nA: \0\r\n\r\n"), "400", NULL},
    {"a control byte in it", BYTES("0\r\nA: \037\r\n\r\n"), "400", NULL},
    {"LF behind it", BYTES("0\r\nA: b\n\r\n"), "400", NULL},
    {"CR in it", BYTES("0\r\nA: b\rc\r\n\r\n"), "400", NULL},
    {"CR in its name", BYTES("0\r\nA\r: b\r\n\r\n"), "400", NULL},
    {"Content-Length too late", BYTES("0\r\nContent-Length: 1\r\n\r\n"), "400", NULL},
    {"content-length too late", BYTES("0\r\nA: b\r\ncontent-length:"), "400", NULL},
    {"Transfer-Encoding too late", BYTES("0\r\nTRANSFER-Encoding: x\r\n\r\n"), "400",
        NULL},
    {"Host too late", BYTES("0\r\nHost: a\r\n\r\n"), "400", NULL},
    {"names that are not those", BYTES("0\r\nHos: a\r\nHosts: a\r\n\r\n"), "complete ''",
        NULL},
    {"one that begins as those",
        BYTES("0\r\nTransfer-Encodings: a\r\nTransfer-Encoding-of: a\r\n\r\n"),
        "complete ''", NULL},
    {"8 trailers", BYTES("0\r\n" F8 END), "complete ''", NULL},
    {"9 trailers", BYTES("0\r\n" F8 "I:\r\n\r\n"), "431", NULL},
    {"8 trailers and the beginning of another", BYTES("0\r\n" F8 "I"), "431", NULL},
    {"9 bad trailers", BYTES("0\r\n" F8 " "), "431", NULL},
    {"trailers at their limit",
        BYTES("0\r\nB: cdef\r\nA: " X100 X100 X100 X50 X10 X10 X10 "123456\r\n\r\n"),
        "complete ''", NULL},
    {"trailers over it",
        BYTES("0\r\nB: cdef\r\nA: " X100 X100 X100 X50 X10 X10 X10 "1234567\r\n\r\n"),
        "431", NULL},
    {"a trailer that does not end", BYTES("0\r\nA: " X100 X100 X100 X100), "431", NULL},
    {"a trailer's name that does not end", BYTES("0\r\n" X100 X100 X100 X100 "x"), "431",
        NULL},
};

/* ------------------------------------------------------------ every byte */

#define ALNUM "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
#define TOKEN ALNUM "!#$%&'*+-.^_`|~"
#define NAME ALNUM "-._~!$&'()*+,;="
#define TEXT TOKEN "()*+,/:;<=>?@[]{} \t"

/* Each of the 256 bytes stands between before and after: is it a 400? */
static const struct slot {
    const char *name, *before, *after;
    const char *good; /* bytes that are not */
    bool high;        /* nor are those over 127 */
    bool is_body;
} slots[] = {
    {"method", "G", "Z / HTTP/1.1\r\n" HOST END, TOKEN " ", false, false},
    {"path", "GET /a", "z HTTP/1.1\r\n" HOST END, NAME "/:@?", false, false},
    {"query", "GET /?a", "z HTTP/1.1\r\n" HOST END, NAME "/:@?", false, false},
    {"%X", "GET /%", "0 HTTP/1.1\r\n" HOST END, "0123456789abcdefABCDEF", false, false},
    {"name of a field", GET HOST "A", "z:\r\n" END, TOKEN ":", false, false},
    {"value", GET HOST "A: b", "z\r\n" END, TEXT "\"\\", true, false},
    {"host", GET "Host: a", "z\r\n" END, NAME, false, false},
    {"port", GET "Host: a:1", "0\r\n" END, "0123456789", false, false},
    {"length", POST HOST "Content-Length: 1", "0\r\n" END, "0123456789", false, false},
    {"size", "0", "\r\n", "0123456789abcdefABCDEF", false, true},
    {"first of a size", "", "\r\n", "0123456789abcdefABCDEF", false, true},
    {"name of an extension", "1;a", "z\r\n", TOKEN "=;", false, true},
    {"first of a name", "1;", "z\r\n", TOKEN " \t", false, true},
    {"value of an extension", "1;a=b", "z\r\n", TOKEN ";", false, true},
    {"first of a value", "1;a=", "z\r\n", TOKEN " \t", false, true},
    {"behind a space behind a size", "1 ", "z\r\n", ";", false, true},
    {"behind a space behind a name", "1;a ", "z\r\n", "=;", false, true},
    {"quoted value", "1;a=\"", "z\"\r\n", TEXT "\\", true, true},
    {"escaped byte", "1;a=\"\\", "z\"\r\n", TEXT "\\\"", true, true},
    {"name of a trailer", "0\r\nA", "z:\r\n\r\n", TOKEN ":", false, true},
    {"value of a trailer", "0\r\nA: b", "z\r\n\r\n", TEXT "\"\\", true, true},
};

/* ------------------------------------------------------------ the judges */

#define ROOM 65536 /* more than the longest case, in whole pages */
#define SAY_MAX 1024
#define FAILURES_MAX 100

static char *room; /* ROOM bytes between two pages that nobody may touch */
static int failures;

static void make_room(void)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    char *all = mmap(NULL, ROOM + 2 * page, PROT_READ | PROT_WRITE,
        MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    assert(all != MAP_FAILED && ROOM % page == 0);
    assert(mprotect(all, page, PROT_NONE) == 0);
    assert(mprotect(all + page + ROOM, page, PROT_NONE) == 0);
    room = all + page;
}

/* A copy of bytes at one end of the room. */
static char *place(const char *bytes, size_t len, bool at_end)
{
    char *copy = at_end ? room + ROOM - len : room;

    assert(len <= ROOM);
    memcpy(copy, bytes, len);
    return copy;
}

__attribute__((format(printf, 2, 3))) static void say(char *text, const char *format, ...)
{
    size_t used = strlen(text);
    va_list arguments;

    va_start(arguments, format);
    int n = vsnprintf(text + used, SAY_MAX - used, format, arguments);
    va_end(arguments);
    assert(n >= 0 && (size_t)n < SAY_MAX - used);
}

static void say_text(char *text, const char *before, struct http_text what)
{
    say(text, "%s%.*s", before, (int)what.len, what.data != NULL ? what.data : "");
}

static void print_bytes(const char *bytes, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        unsigned char c = (unsigned char)bytes[i];
        if (c == '\r' || c == '\n')
            printf("%s", c == '\r' ? "\\r" : "\\n");
        else if (c < ' ' || c > '~')
            printf("\\x%02x", c);
        else
            putchar(c);
    }
    putchar('\n');
}

static void fail(const struct example *example, const char *how, size_t at,
    const char *saw, const char *want)
{
    failures++;
    printf("http parser: %s: %s %zu\n    bytes : ", example->name, how, at);
    print_bytes(example->bytes, example->len);
    printf("    saw   : ");
    print_bytes(saw, strlen(saw));
    printf("    wanted: ");
    print_bytes(want, strlen(want));
    if (failures == FAILURES_MAX) {
        printf("http parser: no more than %d failures are shown\n", FAILURES_MAX);
        exit(1);
    }
}

static const struct http_limits *limits_of(const struct example *example)
{
    return example->limits != NULL ? example->limits : &small;
}

static bool is_within(struct http_text text, const char *data, size_t len)
{
    return text.data >= data && text.data + text.len <= data + len;
}

static const char *const names[] = {
    "GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "CONNECT"};

static void describe_head(
    char *text, const struct http_head *head, const char *data, size_t len)
{
    say(text, "%s", names[head->method]);
    say_text(text, " ", head->target);
    say(text, " HTTP/1.%u", head->minor);
    if (head->path.len != head->target.len ||
        memcmp(head->path.data, head->target.data, head->path.len) != 0)
        say_text(text, " path=", head->path);
    say(text, "%s%s%s", head->close ? " close" : "",
        head->expect_continue ? " continue" : "", head->chunked ? " chunked" : "");
    if (head->has_length)
        say(text, " length=%llu", (unsigned long long)head->content_length);
    if (head->content_type.data != NULL)
        say_text(text, " type=", head->content_type);
    if (head->len < len)
        say(text, " rest=%zu", len - head->len);
    if (!is_within(head->target, data, head->len))
        say(text, " (target not in the bytes)");
    if (head->content_type.data != NULL &&
        !is_within(head->content_type, data, head->len))
        say(text, " (type not in the bytes)");
}

/* What the parser says of data, in words; how long the head is, 0 if it is not whole. */
static size_t read_head(
    char *text, const char *data, size_t len, const struct http_limits *limits)
{
    struct http_head head;
    int status = 0;

    memset(&head, 0xa5, sizeof head); /* what a parser does not set is seen */
    text[0] = '\0';
    switch (http_parse_head(data, len, limits, &head, &status)) {
    case HTTP_COMPLETE:
        describe_head(text, &head, data, len);
        return head.len;
    case HTTP_PARTIAL:
        say(text, "partial");
        return 0;
    default:
        say(text, "%d", status);
        return 0;
    }
}

/* A beginning of a request is partial until the request is whole, or bad as the request
 * is and from then on: never bad and then good, never one error and then another. */
static void judge_beginnings(const struct example *example, size_t head_len, bool at_end)
{
    const char *want = "partial";
    char saw[SAY_MAX];

    for (size_t len = 0; len < example->len; len++) {
        const char *data = place(example->bytes, len, at_end);
        size_t found = read_head(saw, data, len, limits_of(example));
        bool whole = head_len > 0 && len >= head_len;
        if (whole ? found != head_len : found > 0)
            fail(example, "the length of the head in the first", len, saw, example->want);
        if (whole)
            continue;
        if (strcmp(saw, example->want) == 0)
            want = example->want;
        if (strcmp(saw, want) != 0)
            fail(example, "of the bytes only the first", len, saw, want);
    }
}

static void judge_head(const struct example *example, bool at_end)
{
    const char *data = place(example->bytes, example->len, at_end);
    char saw[SAY_MAX];
    size_t head_len = read_head(saw, data, example->len, limits_of(example));

    if (strcmp(saw, example->want) != 0)
        fail(example, "all bytes,", example->len, saw, example->want);
    if (memcmp(data, example->bytes, example->len) != 0)
        fail(example, "wrote to the bytes,", example->len, saw, example->want);
    judge_beginnings(example, head_len, at_end);
}

/* A body that comes in pieces: the first of first bytes, the others of next bytes. */
static void read_body(
    char *text, const struct example *example, size_t first, size_t next, bool at_end)
{
    struct http_chunks chunks = {0};
    char body[SAY_MAX] = "";
    size_t body_len = 0, taken = 0, size = first;
    enum http_verdict verdict = HTTP_PARTIAL;

    text[0] = '\0';
    do {
        size_t len = size < example->len - taken ? size : example->len - taken;
        char *data = place(example->bytes + taken, len, at_end);
        size_t used, decoded;
        int status = 0;
        verdict = http_decode_chunks(
            &chunks, data, len, limits_of(example), &used, &decoded, &status);
        if (verdict == HTTP_BAD) {
            say(text, "%d", status);
            return;
        }
        assert(used <= len && decoded <= used && body_len + decoded < sizeof body);
        assert(verdict == HTTP_COMPLETE || used == len);
        memcpy(body + body_len, data, decoded);
        body_len += decoded;
        taken += used;
        size = next;
    } while (verdict == HTTP_PARTIAL && taken < example->len);
    say(text, "%s '%.*s'", verdict == HTTP_COMPLETE ? "complete" : "partial",
        (int)body_len, body);
    if (taken < example->len)
        say(text, " rest=%zu", example->len - taken);
}

static void judge_body(const struct example *example, bool at_end)
{
    char saw[SAY_MAX];

    for (size_t first = 0; first <= example->len; first++) {
        read_body(saw, example, first, example->len, at_end);
        if (strcmp(saw, example->want) != 0)
            fail(example, "all bytes, the first piece of", first, saw, example->want);
    }
    for (size_t size = 1; size <= 3; size++) {
        read_body(saw, example, size, size, at_end);
        if (strcmp(saw, example->want) != 0)
            fail(example, "all bytes, each piece of", size, saw, example->want);
    }
}

/* Where two texts begin to differ. */
static size_t same_len(const struct example *a, const struct example *b)
{
    size_t len = 0;

    while (len < a->len && len < b->len && a->bytes[len] == b->bytes[len])
        len++;
    return len;
}

/* Behind each beginning of the example stands each of the 256 bytes: if the parser waits
 * for more, there must be something worth waiting for. Beginnings that the example before
 * it had as well were judged there. */
static void judge_head_hope(const struct example *example, const struct example *before)
{
    char bytes[HOPE_LEN_MAX];
    struct http_head head;
    int status;

    if (example->len > sizeof bytes)
        return;
    memcpy(bytes, example->bytes, example->len);
    for (size_t len = before != NULL ? same_len(example, before) : 0; len < example->len;
         len++) {
        enum http_verdict verdict =
            http_parse_head(bytes, len, &hope_limits, &head, &status);
        for (int c = 0; c < 256 && verdict == HTTP_PARTIAL; c++) {
            bytes[len] = (char)c;
            if (http_parse_head(bytes, len + 1, &hope_limits, &head, &status) ==
                    HTTP_PARTIAL &&
                !http_head_has_hope(bytes, len + 1)) {
                struct example hopeless = {example->name, bytes, len + 1, "", NULL};
                fail(&hopeless, "behind the first", len, "partial",
                    "bad: nothing makes it good");
            }
        }
        bytes[len] = example->bytes[len];
    }
}

static void judge_body_hope(const struct example *example, const struct example *before)
{
    struct http_chunks chunks = {0};
    size_t begin = before != NULL ? same_len(example, before) : 0;

    for (size_t len = 0; len < example->len; len++) {
        for (int c = 0; c < 256 && len >= begin; c++) {
            struct http_chunks next = chunks;
            char byte = (char)c;
            if (hope_feed(&next, &byte, 1) == HTTP_PARTIAL &&
                !http_body_has_hope(&next)) {
                struct example hopeless = {example->name, example->bytes, len, "", NULL};
                fail(&hopeless, "behind these bytes the byte", (size_t)c, "partial",
                    "bad: nothing makes it good");
            }
        }
        if (hope_feed(&chunks, example->bytes + len, 1) != HTTP_PARTIAL)
            return;
    }
}

/* Asks no more than: is it a 400? */
static void judge_byte(const struct slot *slot, int c, bool at_end)
{
    char bytes[SAY_MAX], saw[SAY_MAX];
    size_t before_len = strlen(slot->before), after_len = strlen(slot->after);
    struct example example = {slot->name, bytes, before_len + 1 + after_len, "400", NULL};

    memcpy(bytes, slot->before, before_len);
    bytes[before_len] = (char)c;
    memcpy(bytes + before_len + 1, slot->after, after_len);
    if (slot->is_body)
        read_body(saw, &example, example.len, example.len, at_end);
    else
        read_head(saw, place(bytes, example.len, at_end), example.len, &small);
    bool good = c >= 0x80 ? slot->high : c != 0 && strchr(slot->good, c) != NULL;
    if (good == (strcmp(saw, "400") == 0))
        fail(&example, "the byte", (size_t)c, saw, good ? "not 400" : "400");
}

int main(void)
{
    size_t byte_count = sizeof slots / sizeof slots[0] * 256;
    size_t head_count = sizeof heads / sizeof heads[0];
    size_t body_count = sizeof bodies / sizeof bodies[0];

    make_room();
    for (size_t i = 0; i < 2 * head_count; i++)
        judge_head(&heads[i / 2], i % 2 == 0);
    for (size_t i = 0; i < 2 * body_count; i++)
        judge_body(&bodies[i / 2], i % 2 == 0);
    for (size_t i = 0; i < head_count; i++)
        judge_head_hope(&heads[i], i > 0 ? &heads[i - 1] : NULL);
    for (size_t i = 0; i < body_count; i++)
        judge_body_hope(&bodies[i], i > 0 ? &bodies[i - 1] : NULL);
    for (size_t i = 0; i < 2 * byte_count; i++)
        judge_byte(&slots[i / 512], (int)(i / 2 % 256), i % 2 == 0);
    if (failures > 0) {
        printf("http parser: %d failures\n", failures);
        return 1;
    }
    printf(
        "http parser: %zu cases, all as wanted\n", head_count + body_count + byte_count);
    return 0;
}
