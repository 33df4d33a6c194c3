#include "base/outlet.h"

#include "base/text.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>

struct outlet {
    int fd;
    int own;                        /* the same again, which does not wait; -1: none */
    bool hurries, is_socket, waits; /* waits: it may, and there is no second one */
    struct text kept;
    size_t written; /* of ${kept} */
    uint64_t left_out, told;
};

static struct outlet outlets[2] = {{.fd = STDOUT_FILENO, .own = -1},
                                   {.fd = STDERR_FILENO, .own = -1}};

static struct outlet *outlet_of(int fd)
{
    INVARIANT(fd == STDOUT_FILENO || fd == STDERR_FILENO);
    return &outlets[fd == STDOUT_FILENO ? 0 : 1];
}

static void open_again(struct outlet *o)
{
    char path[40];
    struct stat st;
    o->own = -1;
    o->is_socket = o->waits = false;
    if (fstat(o->fd, &st) != 0)
        return;
    o->is_socket = S_ISSOCK(st.st_mode);
    bool may_wait = S_ISFIFO(st.st_mode) || (S_ISCHR(st.st_mode) && isatty(o->fd) == 1);
    if (!may_wait)
        return;
    snprintf(path, sizeof(path), "/proc/self/fd/%d", o->fd);
    o->own = open(path, O_WRONLY | O_NONBLOCK | O_CLOEXEC | O_NOCTTY);
    o->waits = o->own < 0;
}

/* As much as goes now: 0 when nothing does. Whoever is gone takes everything. */
static size_t write_some(const struct outlet *o, const char *text, size_t len)
{
    struct pollfd p = {.fd = o->fd, .events = POLLOUT};
    ssize_t n;
    do {
        if (o->is_socket)
            n = send(o->fd, text, len, MSG_DONTWAIT | MSG_NOSIGNAL);
        else if (o->own >= 0)
            n = write(o->own, text, len);
        else if (!o->waits)
            n = write(o->fd, text, len);
        else if (poll(&p, 1, 0) <= 0)
            return 0;
        else /* a pipe that can be written to takes so much at once */
            n = write(o->fd, text, len < PIPE_BUF ? len : PIPE_BUF);
    } while (n < 0 && errno == EINTR);
    if (n < 0)
        return errno == EAGAIN ? 0 : len;
    return (size_t)n;
}

/* Line by line: one of up to PIPE_BUF goes into a pipe whole or not at all. */
static void flush(struct outlet *o)
{
    while (o->written < o->kept.len) {
        const char *at = o->kept.at + o->written;
        const char *end = memchr(at, '\n', o->kept.len - o->written);
        size_t len = end == NULL ? o->kept.len - o->written : (size_t)(end - at) + 1;
        size_t n = write_some(o, at, len);
        o->written += n;
        if (n < len)
            return;
    }
    text_clear(&o->kept);
    o->written = 0;
}

static void make_room(struct outlet *o)
{
    if (o->written == 0)
        return;
    o->kept.len -= o->written;
    memmove(o->kept.at, o->kept.at + o->written, o->kept.len + 1);
    o->written = 0;
}

static void keep(struct outlet *o, const char *line)
{
    char note[100] = "";
    if (o->fd == STDERR_FILENO && o->left_out > o->told)
        snprintf(note, sizeof(note), "... %llu lines were not written here: nobody read them\n",
                 (unsigned long long)(o->left_out - o->told));
    make_room(o);
    if (o->kept.len + strlen(note) + strlen(line) + 1 > OUTLET_MOST_BYTES) {
        o->left_out++;
        return;
    }
    text_add_bytes(&o->kept, bytes_of(note));
    text_add_bytes(&o->kept, bytes_of(line));
    text_add_bytes(&o->kept, BYTES("\n"));
    o->told = note[0] != '\0' ? o->left_out : o->told;
}

void outlet_line(int fd, const char *line)
{
    struct outlet *o = outlet_of(fd);
    if (!o->hurries) {
        FILE *to = fd == STDOUT_FILENO ? stdout : stderr;
        fprintf(to, "%s\n", line);
        fflush(to);
        return;
    }
    flush(o);
    keep(o, line);
    flush(o);
}

void outlet_hurry(void)
{
    for (size_t i = 0; i < COUNT_OF(outlets); i++) {
        struct outlet *o = &outlets[i];
        if (o->hurries)
            continue;
        fflush(o->fd == STDOUT_FILENO ? stdout : stderr);
        text_init(&o->kept, OUTLET_MOST_BYTES + 1);
        o->written = 0;
        o->left_out = o->told = 0;
        o->hurries = true;
        open_again(o);
    }
}

void outlet_flush(void)
{
    for (size_t i = 0; i < COUNT_OF(outlets); i++)
        if (outlets[i].hurries)
            flush(&outlets[i]);
}

void outlet_settle(int fd, int within_ms)
{
    struct outlet *o = outlet_of(fd);
    struct pollfd p = {.fd = fd, .events = POLLOUT};
    if (!o->hurries)
        return;
    flush(o);
    while (o->written < o->kept.len) {
        int ready = poll(&p, 1, within_ms);
        if (ready == 0 || (ready < 0 && errno != EINTR))
            return;
        flush(o);
    }
    if (within_ms >= 0)
        return;
    if (o->own >= 0)
        close(o->own);
    o->own = -1;
    text_release(&o->kept);
    o->hurries = false;
}

uint64_t outlet_left_out(int fd)
{
    return outlet_of(fd)->left_out;
}
