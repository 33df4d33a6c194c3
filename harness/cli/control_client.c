#include "cli/control_client.h"

#include "base/clock.h"
#include "cli/control.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define ANSWER_WITHIN_NS (5 * NS_PER_S)

bool control_client_open(const struct live_note *note, struct control_client *ret,
                         struct error *err)
{
    struct sockaddr_un at = {.sun_family = AF_UNIX};
    *ret = (struct control_client){.fd = -1};
    if (note->socket[0] == '\0' || strlen(note->socket) >= sizeof(at.sun_path))
        return error_set(err, ERROR_SYSTEM, "run %s has no control socket", note->run);
    memcpy(at.sun_path, note->socket, strlen(note->socket) + 1);
    ret->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    ret->in = check_alloc(CONTROL_ANSWER_MOST);
    if (ret->fd >= 0 && connect(ret->fd, (const struct sockaddr *)&at, sizeof(at)) == 0)
        return true;
    int sys = errno;
    control_client_close(ret);
    return error_system(err, sys, "asking run %s at %.100s", note->run, note->socket);
}

void control_client_close(struct control_client *c)
{
    if (c->fd >= 0)
        close(c->fd);
    free(c->in);
    *c = (struct control_client){.fd = -1};
}

bool control_client_send(struct control_client *c, json_t *take_json, struct error *err)
{
    char *text = take_json == NULL ? NULL : json_dumps(take_json, JSON_COMPACT);
    json_decref(take_json);
    if (text == NULL)
        return error_set(err, ERROR_USAGE, "a text is not UTF-8");
    struct iovec parts[] = {{text, strlen(text)}, {(char[]){'\n'}, 1}};
    struct msghdr message = {.msg_iov = parts, .msg_iovlen = COUNT_OF(parts)};
    ssize_t n = sendmsg(c->fd, &message, MSG_NOSIGNAL);
    bool ok = n == (ssize_t)parts[0].iov_len + 1;
    free(text);
    return ok || error_system(err, errno, "asking the run");
}

/* The first line of what has come; NULL: none yet. */
static char *line_end(struct control_client *c)
{
    return memchr(c->in, '\n', c->len);
}

static bool wait_readable(const struct control_client *c, uint64_t until_ns)
{
    struct pollfd p = {.fd = c->fd, .events = POLLIN};
    for (;;) {
        uint64_t now_ns = clock_now_ns();
        uint64_t left_ms = until_ns <= now_ns ? 0 : (until_ns - now_ns + NS_PER_MS - 1) / NS_PER_MS;
        int n = poll(&p, 1,
                     until_ns == CONTROL_FOR_EVER ? -1
                     : left_ms > 60000            ? 60000
                                                  : (int)left_ms);
        if (n > 0)
            return true;
        if (n == 0 && until_ns != CONTROL_FOR_EVER && clock_now_ns() >= until_ns)
            return false;
    }
}

enum control_read control_client_read(struct control_client *c, uint64_t until_ns, json_t **ret)
{
    char *end;
    *ret = NULL;
    while ((end = line_end(c)) == NULL) {
        if (c->len == CONTROL_ANSWER_MOST)
            return CONTROL_ENDED;
        if (!wait_readable(c, until_ns))
            return CONTROL_LATE;
        ssize_t n = recv(c->fd, c->in + c->len, CONTROL_ANSWER_MOST - c->len, 0);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return CONTROL_ENDED;
        c->len += (size_t)n;
    }
    size_t len = (size_t)(end - c->in);
    *ret = json_loadb(c->in, len, JSON_REJECT_DUPLICATES, NULL);
    c->len -= len + 1;
    memmove(c->in, end + 1, c->len);
    if (json_is_object(*ret))
        return CONTROL_LINE;
    json_decref(*ret);
    *ret = NULL;
    return CONTROL_ENDED;
}

bool control_client_ask(struct control_client *c, json_t *take_json, json_t **ret,
                        struct error *err)
{
    char why[256];
    *ret = NULL;
    if (!control_client_send(c, take_json, err))
        return false;
    enum control_read got = control_client_read(c, clock_now_ns() + ANSWER_WITHIN_NS, ret);
    if (got == CONTROL_LATE)
        return error_set(err, ERROR_PEER, "the run did not answer within 5 s");
    if (got == CONTROL_ENDED)
        return error_set(err, ERROR_PEER, "the run went without an answer");
    if (!json_is_false(json_object_get(*ret, "ok")))
        return true;
    error_set(err, ERROR_PEER, "%s", control_client_text(*ret, "error", why, sizeof(why)));
    json_decref(*ret);
    *ret = NULL;
    return false;
}

const char *control_client_text(const json_t *answer, const char *key, char *to, size_t size)
{
    const char *text = json_string_value(json_object_get(answer, key));
    snprintf(to, size, "%s", text == NULL ? "" : text);
    for (char *at = to; *at != '\0'; at++)
        if ((unsigned char)*at < 0x20 || *at == 0x7f)
            *at = '?';
    return to;
}
