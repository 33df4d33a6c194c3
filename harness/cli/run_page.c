#include "cli/run_page.h"

#include "base/clock.h"
#include "cli/command.h"
#include "engine/steer.h"
#include "net/socket.h"

#include <stdlib.h>
#include <unistd.h>

/* Binds and lets go again: what is left to go wrong is that somebody else takes it meanwhile. */
static bool choose_port(const char *asked, char *to, size_t size, struct error *err)
{
    struct socket_address own;
    uint16_t port;
    int fd;
    if (!socket_listen(asked, &fd, &port, err))
        return false;
    bool ok = socket_own_address(fd, &own, err);
    close(fd);
    if (ok)
        socket_print(&own, to, size);
    return ok;
}

static bool token_of(struct run_page *p, const char **ret, struct error *err)
{
    *ret = p->token_name == NULL ? NULL : getenv(p->token_name);
    if (p->token_name != NULL && (*ret == NULL || (*ret)[0] == '\0'))
        return error_set(err, ERROR_USAGE, "--token-env: the environment has no %.60s",
                         p->token_name);
    return true;
}

bool run_page_init(struct run_page *p, const struct arguments *args, struct error *err)
{
    const char *asked = arguments_get(args, "listen"), *token;
    *p = (struct run_page){.token_name = arguments_get(args, "token-env")};
    if (asked == NULL)
        return !arguments_given(args, "token-env") ||
               error_set(err, ERROR_USAGE, "--token-env is for the page of --listen");
    if (!token_of(p, &token, err) || !page_gate_init(&p->gate, asked, token, err))
        return false;
    if (!choose_port(asked, p->listen, sizeof(p->listen), err)) {
        error_prefix(err, "--listen: ");
        return false;
    }
    return true;
}

void run_page_release(struct run_page *p)
{
    page_gate_release(&p->gate);
    free(p->snapshot);
    p->snapshot = NULL;
}

static bool snapshot(void *cookie, struct text *to)
{
    struct run_page *p = cookie;
    live_snapshot(p->view->live, clock_now_ns(), p->snapshot);
    return live_json(p->snapshot, to);
}

static json_t *ask(void *cookie, const json_t *ask)
{
    struct run_page *p = cookie;
    return steer_ask(p->steer, ask);
}

static void tell(struct run_page *p)
{
    struct text line;
    text_init(&line, 400);
    page_server_print(p->server, p->token_name, &line);
    if (!p->told)
        fprintf(stderr, "page  %s\n", text_get(&line));
    live_clean(p->view->page, sizeof(p->view->page), text_get(&line));
    text_release(&line);
    p->told = true;
}

static void on_begin(void *cookie, struct steer *steer, struct loop *loop)
{
    struct run_page *p = cookie;
    struct page_server_config config = {.listen = p->listen,
                                        .gate = &p->gate,
                                        .snapshot = snapshot,
                                        .ask = ask,
                                        .cookie = p,
                                        .more = p->more};
    struct error err = {0};
    p->steer = steer;
    p->loop = loop;
    if (!page_server_open(loop, &config, &p->server, &err))
        command_fail(&err); /* the run goes on: its faults need no page */
    else
        tell(p);
}

static void on_end(void *cookie)
{
    struct run_page *p = cookie;
    if (p->server != NULL)
        page_server_end(p->server);
    page_server_free(p->server);
    loop_settle(p->loop);
    p->server = NULL;
    p->steer = NULL;
    p->loop = NULL;
}

void run_page_watch(struct run_page *p, struct live_view *view, struct onlookers *to)
{
    if (p->listen[0] == '\0')
        return;
    p->view = view;
    if (p->snapshot == NULL)
        p->snapshot = check_alloc_zero(1, sizeof(*p->snapshot));
    onlookers_add(to, &(struct onlooker){.on_begin = on_begin, .on_end = on_end, .cookie = p});
}
