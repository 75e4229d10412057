/* libc.h - what glibc has and musl has not, for the tools that need it. */
#ifndef LIBC_H
#define LIBC_H

#include <dlfcn.h>
#include <errno.h>
#include <stddef.h>
#include <string.h>

/* glibc declares the calls of sockets with a union of all kinds of addresses, and who
 * defines one has to do as well. */
#ifndef __GLIBC__
#define __SOCKADDR_ARG struct sockaddr *restrict
#define __CONST_SOCKADDR_ARG const struct sockaddr *
#endif

/* glibc has several versions of some functions, and a type for the first argument of
 * setitimer. */
#ifndef __GLIBC__
typedef int __itimer_which_t;

static inline void *dlvsym(void *handle, const char *name, const char *version)
{
    (void)version;
    return dlsym(handle, name);
}
#endif

/* The functions behind our own malloc. glibc has them by these names, because its dlsym
 * allocates; that of musl does not. */
#ifdef __GLIBC__
extern void *__libc_malloc(size_t size);
extern void *__libc_calloc(size_t count, size_t size);
extern void *__libc_realloc(void *memory, size_t size);
extern void *__libc_memalign(size_t alignment, size_t size);
extern void __libc_free(void *memory);
#else
#define BEHIND(type, name, symbol, parameters, arguments)                                \
    static inline type name parameters                                                   \
    {                                                                                    \
        type(*next) parameters;                                                          \
                                                                                         \
        *(void **)&next = dlsym(RTLD_NEXT, symbol);                                      \
        return next arguments;                                                           \
    }
BEHIND(void *, __libc_malloc, "malloc", (size_t size), (size))
BEHIND(void *, __libc_realloc, "realloc", (void *memory, size_t size), (memory, size))
BEHIND(void *, __libc_memalign, "aligned_alloc", (size_t alignment, size_t size),
    (alignment, size))
static inline void __libc_free(void *memory)
{
    void (*next)(void *memory);

    *(void **)&next = dlsym(RTLD_NEXT, "free");
    next(memory);
}
#undef BEHIND

/* musl's calloc calls malloc, and so would count as two. */
static inline void *__libc_calloc(size_t count, size_t size)
{
    size_t len;

    if (__builtin_mul_overflow(count, size, &len)) {
        errno = ENOMEM;
        return NULL;
    }
    void *memory = __libc_malloc(len);
    return memory == NULL ? NULL : memset(memory, 0, len);
}
#endif

/* The number of an error, such as "ENOMEM"; 0: none that our tests inject. glibc has
 * strerrorname_np(3), which goes the other way. */
static inline int errno_named(const char *name)
{
    static const struct {
        const char *name;
        int number;
    } errors[] = {
        {"EACCES", EACCES},
        {"EADDRINUSE", EADDRINUSE},
        {"EADDRNOTAVAIL", EADDRNOTAVAIL},
        {"EAFNOSUPPORT", EAFNOSUPPORT},
        {"EAGAIN", EAGAIN},
        {"EBADF", EBADF},
        {"ECONNABORTED", ECONNABORTED},
        {"ECONNREFUSED", ECONNREFUSED},
        {"ECONNRESET", ECONNRESET},
        {"EDESTADDRREQ", EDESTADDRREQ},
        {"EDQUOT", EDQUOT},
        {"EEXIST", EEXIST},
        {"EFAULT", EFAULT},
        {"EFBIG", EFBIG},
        {"EHOSTDOWN", EHOSTDOWN},
        {"EHOSTUNREACH", EHOSTUNREACH},
        {"EINTR", EINTR},
        {"EINVAL", EINVAL},
        {"EIO", EIO},
        {"ELOOP", ELOOP},
        {"EMFILE", EMFILE},
        {"EMSGSIZE", EMSGSIZE},
        {"ENETDOWN", ENETDOWN},
        {"ENETRESET", ENETRESET},
        {"ENETUNREACH", ENETUNREACH},
        {"ENFILE", ENFILE},
        {"ENOBUFS", ENOBUFS},
        {"ENODEV", ENODEV},
        {"ENOENT", ENOENT},
        {"ENOMEM", ENOMEM},
        {"ENONET", ENONET},
        {"ENOPROTOOPT", ENOPROTOOPT},
        {"ENOSPC", ENOSPC},
        {"ENOSYS", ENOSYS},
        {"ENOTCONN", ENOTCONN},
        {"ENOTSOCK", ENOTSOCK},
        {"EOPNOTSUPP", EOPNOTSUPP},
        {"EOVERFLOW", EOVERFLOW},
        {"EPERM", EPERM},
        {"EPIPE", EPIPE},
        {"EPROTO", EPROTO},
        {"EPROTONOSUPPORT", EPROTONOSUPPORT},
        {"EROFS", EROFS},
        {"ESRCH", ESRCH},
        {"ETIMEDOUT", ETIMEDOUT},
    };

    for (size_t i = 0; i < sizeof errors / sizeof *errors; i++)
        if (strcmp(errors[i].name, name) == 0)
            return errors[i].number;
    return 0;
}

#endif
