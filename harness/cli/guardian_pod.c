#include "cli/guardian_pod.h"

#include "base/clock.h"
#include "cli/command.h"
#include "engine/psk.h"
#include "kube/caretaker.h"

#include <signal.h>
#include <stdlib.h>

/* It blocks: nothing else goes on in its pod. */

static volatile sig_atomic_t told_to_go;

static void on_terminate(int signo)
{
    (void)signo;
    told_to_go = 1;
}

/* The anchor is deleted at the end of every run, and the kubelet then ends this pod too: that is no
 * reason to stop in the middle of undoing. */
static bool is_enough(void *cookie)
{
    const struct caretaker *c = cookie;
    return told_to_go && !c->acting;
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

int guardian_pod(const char *psk_file)
{
    const struct credentials_options options = {0};
    struct psk psk = {0};
    struct objects_run named = {.run = psk.identity};
    struct api_options o = {.mode = "canary", .run = psk.identity, .seed = clock_now_ns()};
    struct sigaction act = {.sa_handler = on_terminate};
    struct credentials_view view;
    struct error err = {0};
    struct api *api;
    sigemptyset(&act.sa_mask);
    sigaction(SIGTERM, &act, NULL);
    if (psk_file == NULL || !psk_read(psk_file, &psk, &err)) {
        error_set(&err, ERROR_USAGE, "agent guardian needs --psk-file");
        return command_fail(&err);
    }
    if (!credentials_open(&options, &o.credentials, &err))
        return command_fail(&err);
    credentials_view(o.credentials, &view);
    char *namespace = check_strdup(view.namespace);
    named.namespace = namespace;
    if (!api_open(&o, &api, &err)) {
        credentials_free(o.credentials);
        free(namespace);
        return command_fail(&err);
    }
    struct caretaker *c = check_alloc_zero(1, sizeof(*c));
    caretaker_init(c, &named);
    chore_do_until(&c->chore, api, is_enough, c);
    int code = end_of(c);
    caretaker_release(c);
    free(c);
    api_close(api);
    free(namespace);
    return code;
}
