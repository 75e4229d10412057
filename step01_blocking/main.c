/* Step 01: a blocking echo server.
 *
 * One loop: accept a client, then read, process and write until it leaves, then
 * accept the next. The position of the program counter is the state of the
 * connection: while we sit in recv for one client, every other client waits in
 * the kernel's accept queue. Step 02 is about not paying that price.
 *
 * Read first: serve, below. The other files are tools: config (the command
 * line), net (sockets), process (what is done with the bytes).
 */
#include <assert.h>
#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "config.h"
#include "net.h"
#include "process.h"

#define BUFFER_SIZE 16384 /* few, large reads; messages may be longer or shorter */

/* A flag that the loop looks at would race: a signal that comes after the look
 * and before accept would wait for the next client. With nothing to clean up
 * that the kernel does not clean up for us, leaving here is correct, and _exit is
 * async-signal-safe where exit is not (signal-safety(7)). */
static void leave(int signal_number)
{
    (void)signal_number;
    _exit(0);
}

static void handle_signals(void)
{
    struct sigaction on_stop = {.sa_handler = leave};
    struct sigaction on_pipe = {.sa_handler = SIG_IGN};

    sigaction(SIGINT, &on_stop, NULL);
    sigaction(SIGTERM, &on_stop, NULL);
    /* Sending to a client that has left must be an error of that send (EPIPE),
     * not the end of the process (send(2)). */
    sigaction(SIGPIPE, &on_pipe, NULL);
}

/* A blocking send waits until all fits into the socket's buffer; but a signal that
 * interrupts it after some bytes makes it return how many (signal(7)). */
static bool send_all(int fd, const char *data, size_t len)
{
    while (len > 0) {
        ssize_t n = send(fd, data, len, 0);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return false;
        data += n;
        len -= (size_t)n;
    }
    return true;
}

/* Serves one client until it has sent all it will send, or fails. TCP has no
 * messages: one recv may bring half of one or three of them, so we go on until
 * recv says 0, which means that the client has closed its side (recv(2)). */
static void serve(int fd)
{
    char buffer[BUFFER_SIZE];

    for (;;) {
        ssize_t n = recv(fd, buffer, sizeof buffer, 0);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return;
        process(buffer, (size_t)n);
        if (!send_all(fd, buffer, (size_t)n))
            return;
    }
}

static void accept_and_serve(int listener)
{
    for (;;) {
        int fd = net_accept(listener);
        if (fd < 0) {
            /* The client has left again, or the system is short of something:
             * no reason to stop for the next one (accept(2)). */
            assert(errno != EBADF && errno != EINVAL && errno != ENOTSOCK);
            continue;
        }
        serve(fd);
        close(fd);
    }
}

static int listen_on(const struct config *config)
{
    struct sockaddr_storage address;

    if (!net_parse_address(config->address, config->port, &address)) {
        fprintf(stderr, "server: '%s' is not a numeric IPv4 or IPv6 address\n",
            config->address);
        return -1;
    }
    int listener = net_listen(&address);
    if (listener < 0)
        fprintf(stderr, "server: cannot listen on %s port %u: %s\n", config->address,
            config->port, strerror(errno));
    return listener;
}

static bool announce(int listener)
{
    char name[NET_NAME_MAX];

    if (!net_local_name(listener, name)) {
        fprintf(stderr, "server: cannot find out the port: %s\n", strerror(errno));
        return false;
    }
    if (printf("listening on %s\n", name) > 0 && fflush(stdout) == 0)
        return true;
    fprintf(stderr, "server: cannot write to stdout: %s\n", strerror(errno));
    return false;
}

int main(int argc, char *argv[])
{
    struct config config;
    enum config_result result = config_parse(&config, argc, argv);

    if (result != CONFIG_RUN)
        return result == CONFIG_HELP ? 0 : 2;
    handle_signals();
    process_setup(config.wait_us, config.burn_us);

    int listener = listen_on(&config);
    if (listener < 0 || !announce(listener))
        return 1;
    accept_and_serve(listener);
}
