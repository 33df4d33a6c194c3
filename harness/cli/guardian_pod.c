#include "cli/guardian_pod.h"

#include "base/clock.h"
#include "cli/command.h"
#include "engine/dial.h"
#include "engine/fleet.h"
#include "engine/psk.h"
#include "kube/caretaker.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>

struct pod {
    struct loop *loop;
    struct api *api;
    struct caretaker caretaker;
    struct chore_run run;
    struct dial *dial;
    struct carrier *wire; /* to the conductor; NULL: none */
    struct watch watch;
    bool goodbye; /* it said that it ends */
};

/* ---- the conductor's channel ---- */

static void hang_up(struct pod *p)
{
    if (p->wire == NULL)
        return;
    loop_watch_remove(&p->watch);
    p->wire->close(p->wire);
    p->wire = NULL;
}

/* The only word that comes is its goodbye: the Lease is what is gone by then. */
static void on_wire(struct watch *w, unsigned what)
{
    struct pod *p = (struct pod *)((char *)w - offsetof(struct pod, watch));
    uint8_t some[512];
    ssize_t n;
    (void)what;
    do {
        n = p->wire->recv(p->wire, some, sizeof(some));
        p->goodbye = p->goodbye || n > 0;
    } while (n > 0 || (n < 0 && errno == EINTR));
    if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
        return;
    if (p->goodbye)
        caretaker_hear_goodbye(&p->caretaker);
    else
        caretaker_hear_end(&p->caretaker);
    hang_up(p);
}

static uint64_t took(void *cookie)
{
    (void)cookie;
    return 0;
}

static void on_open(void *cookie, struct carrier *take_wire, uint64_t at, bool stub)
{
    struct pod *p = cookie;
    struct error err = {0};
    (void)at;
    (void)stub;
    p->wire = take_wire;
    if (loop_watch_add(p->loop, &p->watch, take_wire->fd, on_wire, &err))
        return;
    take_wire->close(take_wire);
    p->wire = NULL;
    printf("guardian: goes by the Lease alone: %s\n", err.text);
}

static void on_failed(void *cookie, const struct error *why)
{
    (void)cookie;
    printf("guardian: goes by the Lease alone: %s\n", why->text);
}

static bool dial(struct pod *p, const char *conductor, const struct psk *psk, struct error *err)
{
    static const struct dial_events dialling = {took, on_open, on_failed};
    if (conductor == NULL)
        return true;
    if (!dial_new(p->loop, conductor, psk, "guardian", "guardian/1", &dialling, p, &p->dial, err))
        return false;
    dial_start(p->dial, clock_now_ns() + FLEET_FIRST_WITHIN_NS);
    return true;
}

/* ---- until the run is gone ---- */

/* The anchor is deleted at the end of every run, and the kubelet then ends this pod too: that is no
 * reason to stop in the middle of undoing. */
static void on_terminate(int signo, void *cookie)
{
    struct pod *p = cookie;
    (void)signo;
    if (!p->caretaker.acting)
        loop_stop(p->loop);
}

static void on_over(void *cookie, struct chore *chore)
{
    struct pod *p = cookie;
    (void)chore;
    loop_stop(p->loop);
}

static int end_of(const struct caretaker *c)
{
    struct text how;
    int code = EXIT_PASS;
    if (c->err.kind != ERROR_NONE)
        return command_fail(&c->err);
    if (!c->acting) {
        puts(c->gone ? "guardian: the run has ended" : "guardian: told to go");
        return EXIT_PASS;
    }
    text_init(&how, (size_t)16 * 1024);
    teardown_print(&c->teardown, &how);
    printf("guardian: %s: %s\n", c->why, text_get(&how));
    text_release(&how);
    if (c->unlock.err.kind != ERROR_NONE)
        printf("guardian: %s\n", c->unlock.err.text);
    if (!teardown_clean(&c->teardown) || c->unlock.err.kind != ERROR_NONE)
        code = EXIT_NOT_UNDONE;
    return code;
}

static bool open_api(struct pod *p, const struct objects_run *named, struct credentials **ret,
                     struct error *err)
{
    const struct credentials_options options = {0};
    struct api_options o = {
        .mode = "canary", .run = named->run, .seed = clock_now_ns(), .loop = p->loop};
    if (!credentials_open(&options, &o.credentials, err))
        return false;
    *ret = o.credentials;
    if (api_open(&o, &p->api, err))
        return true;
    credentials_free(o.credentials);
    return false;
}

static void close_pod(struct pod *p)
{
    chore_stop(&p->run);
    if (p->dial != NULL)
        dial_stop(p->dial);
    hang_up(p);
    dial_free(p->dial);
    if (p->api != NULL)
        api_close(p->api);
    if (p->loop != NULL)
        loop_free(p->loop);
}

static bool care(struct pod *p, const char *conductor, const struct psk *psk,
                 struct objects_run *named, struct error *err)
{
    struct credentials *credentials = NULL;
    struct credentials_view view;
    if (!loop_new(&p->loop, err) || !loop_signal(p->loop, SIGTERM, on_terminate, p, err) ||
        !open_api(p, named, &credentials, err))
        return false;
    credentials_view(credentials, &view);
    named->namespace = view.namespace;
    if (!dial(p, conductor, psk, err))
        return false;
    caretaker_init(&p->caretaker, named);
    chore_start(&p->run, &p->caretaker.chore, p->api, p->loop, on_over, p);
    return loop_run(p->loop, err);
}

int guardian_pod(const char *psk_file, const char *conductor)
{
    struct psk psk = {0};
    struct objects_run named = {.run = psk.identity};
    struct error err = {0};
    if (psk_file == NULL || !psk_read(psk_file, &psk, &err)) {
        error_set(&err, ERROR_USAGE, "agent guardian needs --psk-file");
        return command_fail(&err);
    }
    struct pod *p = check_alloc_zero(1, sizeof(*p));
    bool ok = care(p, conductor, &psk, &named, &err);
    int code = ok ? end_of(&p->caretaker) : command_fail(&err);
    caretaker_release(&p->caretaker);
    close_pod(p);
    free(p);
    psk_wipe(&psk);
    return code;
}
