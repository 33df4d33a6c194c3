#include "cli/prepare.h"

#include "base/clock.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

/* The driver `istio`: Istio itself translates the user's files. The program istio-config
 * (harness/istio, `./dev setup istio`) does it as a child, before anything is started, and tells
 * each service's routes and clusters as Envoy's JSON; the mesh agent then runs an Envoy of that. */

#define ANSWER_MOST_BYTES ((size_t)16 << 20)
#define ANSWER_WITHIN_MS (120 * 1000)
#define FILES_MOST 64

extern char **environ;

/* $MESHPROOF_ISTIO_CONFIG, or beside us in the build folder, or $PATH's. */
bool prepare_istio_find(char *to, size_t size)
{
    const char *own = getenv("MESHPROOF_ISTIO_CONFIG"), *path = getenv("PATH");
    char self[PATH_MAX];
    if (own != NULL) {
        snprintf(to, size, "%s", own);
        return access(to, X_OK) == 0;
    }
    ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);
    if (n > 0) {
        self[n] = '\0';
        *strrchr(self, '/') = '\0';
        if ((size_t)snprintf(to, size, "%s/deps/istio/istio-config", self) < size &&
            access(to, X_OK) == 0)
            return true;
    }
    while (path != NULL && *path != '\0') {
        size_t len = strcspn(path, ":");
        if ((size_t)snprintf(to, size, "%.*s/istio-config", (int)len, path) < size &&
            access(to, X_OK) == 0)
            return true;
        path += len + (path[len] == ':' ? 1 : 0);
    }
    return false;
}

/* A text of at most ${most} bytes that the child wrote, from the arena; NULL: it is longer. */
static const char *text_of(int fd, size_t most, struct arena *arena)
{
    off_t end = lseek(fd, 0, SEEK_END);
    if (end < 0 || (size_t)end > most)
        return NULL;
    char *text = arena_take(arena, (size_t)end + 1);
    size_t have = 0;
    ssize_t n;
    while (have < (size_t)end && (n = pread(fd, text + have, (size_t)end - have, (off_t)have)) > 0)
        have += (size_t)n;
    return text;
}

/* False: it could not be started, or did not end in time. */
static bool run_child(char *const *argv, int out, int told, int *ret_status, struct error *err)
{
    posix_spawn_file_actions_t actions;
    pid_t pid;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, out, STDOUT_FILENO);
    posix_spawn_file_actions_adddup2(&actions, told, STDERR_FILENO);
    int code = posix_spawn(&pid, argv[0], &actions, NULL, argv, environ);
    posix_spawn_file_actions_destroy(&actions);
    if (code != 0)
        return error_system(err, code, "starting %s", argv[0]);
    int fd = (int)syscall(SYS_pidfd_open, pid, 0);
    struct pollfd until = {.fd = fd, .events = POLLIN};
    int ended = fd < 0 ? 1 : poll(&until, 1, ANSWER_WITHIN_MS); /* an old kernel: no limit */
    if (ended <= 0)
        kill(pid, SIGKILL);
    if (fd >= 0)
        close(fd);
    if (waitpid(pid, ret_status, 0) < 0)
        return error_system(err, errno, "waiting for %s", argv[0]);
    return ended > 0 || error_set(err, ERROR_SYSTEM, "istio-config did not end within 120 s");
}

static bool take_answer(struct prepared *p, int out, int told, int status, json_t **ret,
                        struct error *err)
{
    json_error_t why;
    const char *answer = text_of(out, ANSWER_MOST_BYTES, &p->arena);
    if (answer == NULL)
        return error_set(err, ERROR_LIMIT, "istio-config wrote more than the 16 MiB allowed");
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) {
        const char *text = text_of(told, ANSWER_MOST_BYTES, &p->arena);
        size_t len = text == NULL ? 0 : strcspn(text, "\n");
        return error_set(err, ERROR_INPUT, "%.*s", len == 0 ? 18 : (int)(len < 400 ? len : 400),
                         len == 0 ? "istio-config died" : text);
    }
    json_t *root = json_loads(answer, 0, &why);
    *ret = json_incref(json_object_get(root, "services"));
    json_decref(root);
    return json_is_object(*ret) ||
           error_set(err, ERROR_SYSTEM, "istio-config told no services: %s", why.text);
}

/* The services that the scenario's edges lead to, comma between. */
static const char *services_of(struct prepared *p, const struct prepared_scenario *ps)
{
    const char *list = "";
    for (size_t i = 0; i < ps->edge_count; i++) {
        bool known = false;
        for (size_t k = 0; k < i; k++)
            known = known || strcmp(ps->mesh_edges[k].to, ps->mesh_edges[i].to) == 0;
        if (!known)
            list = arena_printf(&p->arena, "%s%s%s", list, list[0] == '\0' ? "" : ",",
                                ps->mesh_edges[i].to);
    }
    return list;
}

bool prepare_istio(struct prepared *p, const struct arguments *args, size_t scenario,
                   struct error *err)
{
    struct prepared_scenario *ps = &p->scenarios[scenario];
    const struct mesh_plan *mesh = &p->plan->scenarios[scenario].mesh;
    const char *files[FILES_MOST], *argv[FILES_MOST + 4];
    char program[PATH_MAX];
    int status = 0;
    if (ps->driver != DRIVER_ISTIO)
        return true;
    if (ps->target.mesh != MESH_ISTIO)
        return error_set(err, ERROR_USAGE,
                         "the driver istio plays sidecars: the target must be istio@VERSION");
    if (!prepare_istio_find(program, sizeof(program)))
        return error_set(err, ERROR_SYSTEM,
                         "istio-config is not here: ./dev setup istio, or set "
                         "MESHPROOF_ISTIO_CONFIG");
    size_t count = arguments_all(args, "mesh-policy", files, COUNT_OF(files));
    if (count == 0)
        count = arguments_all(args, "policy", files, COUNT_OF(files));
    for (; count < mesh->policy_count && count < COUNT_OF(files) &&
           arguments_get(args, "policy") == NULL && arguments_get(args, "mesh-policy") == NULL;
         count++)
        files[count] = mesh->policy[count];
    argv[0] = program;
    argv[1] = "translate";
    argv[2] = services_of(p, ps);
    memcpy(&argv[3], files, count * sizeof(*files));
    argv[3 + count] = NULL;
    int out = memfd_create("istio-config", MFD_CLOEXEC);
    int told = memfd_create("istio-config.err", MFD_CLOEXEC);
    bool good = (out >= 0 && told >= 0) || error_system(err, errno, "making a file in memory");
    good = good && run_child((char *const *)(uintptr_t)argv, out, told, &status, err) &&
           take_answer(p, out, told, status, &ps->istio, err);
    if (out >= 0)
        close(out);
    if (told >= 0)
        close(told);
    return good;
}
