#include "kube/exec_plugin.h"

#include "base/clock.h"
#include "certs/mint.h"
#include "kube/credentials.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <sys/pidfd.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

extern char **environ;

/* Ours, without those that the kubeconfig sets, then those, then the info. */
static char **environment(const struct exec_plugin *p, char *info)
{
    size_t ours = 0, own = 0, n = 0;
    while (environ[ours] != NULL)
        ours++;
    while (p->env[own] != NULL)
        own++;
    char **all = check_alloc_zero(ours + own + 2, sizeof(*all));
    for (size_t i = 0; i < ours; i++) {
        size_t name = strcspn(environ[i], "=") + 1;
        bool set = strncmp(environ[i], info, name) == 0;
        for (size_t k = 0; k < own; k++)
            set = set || strncmp(environ[i], p->env[k], name) == 0;
        if (!set)
            all[n++] = environ[i];
    }
    for (size_t k = 0; k < own; k++)
        all[n++] = (char *)(uintptr_t)p->env[k];
    all[n] = info;
    return all;
}

static bool start(const struct exec_plugin *p, const char *info, int out, pid_t *ret,
                  struct error *err)
{
    char *argv[EXEC_PLUGIN_WORDS_MOST + 2] = {(char *)(uintptr_t)p->command};
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    size_t length = strlen(info) + 32;
    char *named = check_alloc(length);
    for (size_t i = 0; p->args[i] != NULL && i < EXEC_PLUGIN_WORDS_MOST; i++)
        argv[i + 1] = (char *)(uintptr_t)p->args[i];
    snprintf(named, length, "KUBERNETES_EXEC_INFO=%s", info);
    char **env = environment(p, named);
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_adddup2(&actions, out, 1);
    posix_spawnattr_init(&attributes);
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETPGROUP);
    int sys = posix_spawnp(ret, p->command, &actions, &attributes, argv, env);
    posix_spawnattr_destroy(&attributes);
    posix_spawn_file_actions_destroy(&actions);
    free(env);
    free(named);
    if (sys == 0)
        return true;
    return error_set(err, ERROR_SYSTEM, "the credential plug-in %.80s: %s%s%.100s", p->command,
                     strerror(sys), p->install_hint != NULL ? ": " : "",
                     p->install_hint != NULL ? p->install_hint : "");
}

static int left_ms(uint64_t until_ns)
{
    uint64_t now = clock_now_ns();
    return now >= until_ns ? 0 : (int)((until_ns - now) / NS_PER_MS) + 1;
}

static bool late(const struct exec_plugin *p, uint64_t most_ns, struct error *err)
{
    return error_set(err, ERROR_PEER, "the credential plug-in %.120s took more than %u s",
                     p->command, (unsigned)(most_ns / NS_PER_S));
}

static bool read_all(const struct exec_plugin *p, int in, uint64_t until_ns, uint64_t most_ns,
                     struct buffer *ret, struct error *err)
{
    for (;;) {
        struct pollfd one = {.fd = in, .events = POLLIN};
        uint8_t block[4096];
        int ready = poll(&one, 1, left_ms(until_ns));
        if (ready < 0 && errno == EINTR)
            continue;
        if (ready <= 0)
            return late(p, most_ns, err);
        ssize_t n = read(in, block, sizeof(block));
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return error_system(err, errno, "reading the credential plug-in's answer");
        if (n == 0)
            return true;
        bool room = buffer_add(ret, block, (size_t)n, err);
        OPENSSL_cleanse(block, sizeof(block));
        if (!room)
            return false;
    }
}

/* It has closed its output, or is ended: by its own will within the time, else by ours. */
static bool reap(const struct exec_plugin *p, pid_t pid, bool kill_it, uint64_t until_ns,
                 uint64_t most_ns, struct error *err)
{
    int status = 0, fd = pidfd_open(pid, 0);
    struct pollfd one = {.fd = fd, .events = POLLIN};
    while (!kill_it && fd >= 0) {
        int ready = poll(&one, 1, left_ms(until_ns));
        if (ready < 0 && errno == EINTR)
            continue;
        kill_it = ready <= 0;
        break;
    }
    if (fd >= 0)
        close(fd);
    if (kill_it)
        kill(-pid, SIGKILL);
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
        ;
    if (kill_it)
        return late(p, most_ns, err);
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
        return true;
    return error_set(err, ERROR_PEER, "the credential plug-in %.120s failed: %s %d", p->command,
                     WIFEXITED(status) ? "exit" : "signal",
                     WIFEXITED(status) ? WEXITSTATUS(status) : WTERMSIG(status));
}

bool exec_plugin_run(const struct exec_plugin *p, const char *info, uint64_t most_ns,
                     struct buffer *ret, struct error *err)
{
    uint64_t until = clock_now_ns() + most_ns;
    int ends[2];
    pid_t pid;
    if (pipe2(ends, O_CLOEXEC) != 0)
        return error_system(err, errno, "a pipe for the credential plug-in");
    bool started = start(p, info, ends[1], &pid, err);
    close(ends[1]);
    if (!started) {
        close(ends[0]);
        return false;
    }
    bool ok = read_all(p, ends[0], until, most_ns, ret, err);
    close(ends[0]);
    return reap(p, pid, !ok, until, most_ns, err) && ok;
}

bool exec_plugin_time(const char *text, uint64_t *ret_s)
{
    struct tm tm = {0};
    const char *rest = strptime(text, "%Y-%m-%dT%H:%M:%S", &tm);
    if (rest == NULL || tm.tm_year < 70 || tm.tm_year > 8099)
        return false;
    if (*rest == '.')
        rest += 1 + strspn(rest + 1, "0123456789");
    time_t at = timegm(&tm);
    if (*rest == '+' || *rest == '-') {
        struct tm off = {0};
        const char *end = strptime(rest + 1, "%H:%M", &off);
        if (end == NULL)
            return false;
        long shift = off.tm_hour * 3600L + off.tm_min * 60L;
        at += *rest == '+' ? -shift : shift;
        rest = end;
    } else if (*rest == 'Z') {
        rest++;
    } else {
        return false;
    }
    if (*rest != '\0' || at < 0)
        return false;
    *ret_s = (uint64_t)at;
    return true;
}

static char *take_text(const json_t *status, const char *key)
{
    const char *text = json_string_value(json_object_get(status, key));
    return text != NULL && *text != '\0' ? check_strdup(text) : NULL;
}

static bool read_object(const json_t *root, const char *api_version, struct exec_answer *ret,
                        struct error *err)
{
    const char *version = json_string_value(json_object_get(root, "apiVersion"));
    const char *kind = json_string_value(json_object_get(root, "kind"));
    const json_t *status = json_object_get(root, "status");
    const char *until = json_string_value(json_object_get(status, "expirationTimestamp"));
    if (kind == NULL || strcmp(kind, "ExecCredential") != 0 || !json_is_object(status))
        return error_set(err, ERROR_PEER,
                         "the credential plug-in printed no ExecCredential with "
                         "a status");
    if (version == NULL || strcmp(version, api_version) != 0)
        return error_set(err, ERROR_PEER,
                         "the credential plug-in speaks %.60s, the kubeconfig asks for %.60s",
                         version != NULL ? version : "no version", api_version);
    if (until != NULL && !exec_plugin_time(until, &ret->until_s))
        return error_set(err, ERROR_PEER,
                         "the credential plug-in's expirationTimestamp is no RFC 3339 time");
    ret->token = take_text(status, "token");
    ret->cert_pem = take_text(status, "clientCertificateData");
    ret->key_pem = take_text(status, "clientKeyData");
    if ((ret->cert_pem == NULL) != (ret->key_pem == NULL) ||
        (ret->token == NULL && ret->cert_pem == NULL))
        return error_set(err, ERROR_PEER,
                         "the credential plug-in gave neither a token nor a certificate with its "
                         "key");
    return true;
}

bool exec_plugin_read(struct bytes output, const char *api_version, struct exec_answer *ret,
                      struct error *err)
{
    *ret = (struct exec_answer){0};
    json_t *root = json_loadb((const char *)output.at, output.len, 0, NULL);
    bool ok = root != NULL ? read_object(root, api_version, ret, err)
                           : error_set(err, ERROR_PEER, "the credential plug-in printed no JSON");
    json_decref(root);
    if (ok)
        return true;
    mint_wipe(ret->token);
    mint_wipe(ret->cert_pem);
    mint_wipe(ret->key_pem);
    *ret = (struct exec_answer){0};
    return false;
}
