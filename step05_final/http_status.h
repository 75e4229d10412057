/* http_status.h - the statuses that this server answers with, and their reasons (RFC
 * 9110, section 15). HTTP_STATUSES(X) is X(status, reason) for each of them: constants
 * alone, which any thread may read.
 */
#ifndef HTTP_STATUS_H
#define HTTP_STATUS_H

#define HTTP_STATUSES(X)                                                                 \
    X(100, "Continue")                                                                   \
    X(200, "OK")                                                                         \
    X(400, "Bad Request")                                                                \
    X(404, "Not Found")                                                                  \
    X(405, "Method Not Allowed")                                                         \
    X(408, "Request Timeout")                                                            \
    X(413, "Content Too Large")                                                          \
    X(414, "URI Too Long")                                                               \
    X(417, "Expectation Failed")                                                         \
    X(431, "Request Header Fields Too Large")                                            \
    X(500, "Internal Server Error")                                                      \
    X(501, "Not Implemented")                                                            \
    X(503, "Service Unavailable")                                                        \
    X(505, "HTTP Version Not Supported")

#endif
