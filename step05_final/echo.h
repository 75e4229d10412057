/* echo.h - the echo protocol (RFC 862): the answer is the request. */
#ifndef ECHO_H
#define ECHO_H

#include "handler.h"

extern const struct handler echo_handler;

#endif
