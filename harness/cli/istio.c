#include "cli/istio.h"

#include "base/arena.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define ANSWER_MOST_BYTES ((size_t)16 << 20)
#define ANSWER_WITHIN_MS (120 * 1000)
#define EXIT_OF_ISTIOD 5 /* harness/istio/main.go */
#define NAME "istio-config: "

extern char **environ;

static bool find(char *to, size_t size)
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

static bool take_answer(int out, int told, int status, struct arena *arena, json_t **ret,
                        struct error *err)
{
    json_error_t why;
    const char *answer = text_of(out, ANSWER_MOST_BYTES, arena);
    if (answer == NULL)
        return error_set(err, ERROR_LIMIT, "istio-config wrote more than the 16 MiB allowed");
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) {
        const char *text = text_of(told, ANSWER_MOST_BYTES, arena);
        size_t len = text == NULL ? 0 : strcspn(text, "\n");
        bool istiod = WIFEXITED(status) && WEXITSTATUS(status) == EXIT_OF_ISTIOD && len > 0 &&
                      strncmp(text, NAME, strlen(NAME)) == 0;
        if (istiod) /* the sentence is of another process than the one that says it */
            return error_set(err, ERROR_PEER, "%.*s",
                             (int)(len < 400 ? len : 400) - (int)strlen(NAME), text + strlen(NAME));
        return error_set(err, ERROR_INPUT, "%.*s", len == 0 ? 18 : (int)(len < 400 ? len : 400),
                         len == 0 ? "istio-config died" : text);
    }
    json_t *root = json_loads(answer, 0, &why);
    if (json_is_object(json_object_get(root, "services")) &&
        json_is_array(json_object_get(root, "objects"))) {
        *ret = root;
        return true;
    }
    json_decref(root);
    return error_set(err, ERROR_SYSTEM,
                     "istio-config is another one than this program knows: ./dev setup istio makes "
                     "it anew");
}

/* ${address}: NULL, or what follows the word. */
static bool ask(const char *word, const char *address, const char *services,
                const char *const *files, size_t count, json_t **ret, struct error *err)
{
    const char *argv[ISTIO_FILES_MOST + 5];
    char program[PATH_MAX];
    struct arena arena;
    int status = 0;
    if (count > ISTIO_FILES_MOST)
        return error_set(err, ERROR_LIMIT, "%zu paths, more than the %d allowed", count,
                         ISTIO_FILES_MOST);
    if (!find(program, sizeof(program)))
        return error_set(err, ERROR_SYSTEM,
                         "istio-config is not here: ./dev setup istio, or set "
                         "MESHPROOF_ISTIO_CONFIG");
    arena_init(&arena, 3 * ANSWER_MOST_BYTES);
    size_t n = 0;
    argv[n++] = program;
    argv[n++] = word;
    if (address != NULL)
        argv[n++] = address;
    argv[n++] = services[0] == '\0' ? "-" : services;
    memcpy(&argv[n], files, count * sizeof(*files));
    argv[n + count] = NULL;
    int out = memfd_create("istio-config", MFD_CLOEXEC);
    int told = memfd_create("istio-config.err", MFD_CLOEXEC);
    bool good = (out >= 0 && told >= 0) || error_system(err, errno, "making a file in memory");
    good = good && run_child((char *const *)(uintptr_t)argv, out, told, &status, err) &&
           take_answer(out, told, status, &arena, ret, err);
    if (out >= 0)
        close(out);
    if (told >= 0)
        close(told);
    arena_release(&arena);
    return good;
}

bool istio_ask(const char *word, const char *services, const char *const *files, size_t count,
               json_t **ret, struct error *err)
{
    return ask(word, NULL, services, files, count, ret, err);
}

bool istio_fetch(const char *address, const char *services, const char *const *files, size_t count,
                 json_t **ret, struct error *err)
{
    return ask("fetch", address, services, files, count, ret, err);
}
