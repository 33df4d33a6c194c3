#ifndef CERTS_CERTS_TEST_H
#define CERTS_CERTS_TEST_H

/* For tests: a scratch folder, and the openssl program as the judge that we did not write. */

#include "base/text.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <spawn.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <setjmp.h>
#include <cmocka.h>

#define WALL_S UINT64_C(1795000000) /* 2026-11-18, any fixed moment */
#define WALL_NS (WALL_S * UINT64_C(1000000000))

extern char **environ;

static inline int scratch_remove_one(const char *path, const struct stat *st, int what,
                                     struct FTW *ftw)
{
    (void)st;
    (void)what;
    (void)ftw;
    return remove(path);
}

static inline int scratch_make(void **state)
{
    char *dir = strdup("/tmp/meshproof-certs-XXXXXX");
    *state = dir;
    return mkdtemp(dir) == NULL;
}

static inline int scratch_remove(void **state)
{
    int failed = nftw(*state, scratch_remove_one, 8, FTW_DEPTH | FTW_PHYS);
    free(*state);
    return failed;
}

static inline char *scratch_path(void **state, const char *name)
{
    static char path[300];
    snprintf(path, sizeof(path), "%s/%s", (const char *)*state, name);
    return path;
}

static inline void scratch_write(void **state, const char *name, const char *text)
{
    FILE *f = fopen(scratch_path(state, name), "w");
    assert_non_null(f);
    assert_true(fputs(text, f) >= 0);
    assert_int_equal(fclose(f), 0);
}

/* Runs `openssl ARGUMENTS...` in the scratch folder, NULL at the end; its output is in ${out},
 * which the caller releases. Returns its exit code. */
static inline int openssl_run(void **state, struct text *out, ...)
{
    char *argv[24] = {(char[]){"openssl"}};
    int pipe_fds[2], status;
    char chunk[4096];
    ssize_t n;
    pid_t pid;
    posix_spawn_file_actions_t actions;
    va_list args;
    va_start(args, out);
    for (size_t i = 1; i < 23 && (argv[i] = va_arg(args, char *)) != NULL; i++)
        ;
    va_end(args);
    assert_int_equal(pipe(pipe_fds), 0);
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, pipe_fds[1], 1);
    posix_spawn_file_actions_adddup2(&actions, pipe_fds[1], 2);
    posix_spawn_file_actions_addclose(&actions, pipe_fds[0]);
    posix_spawn_file_actions_addchdir_np(&actions, *state);
    assert_int_equal(posix_spawnp(&pid, "openssl", &actions, NULL, argv, environ), 0);
    posix_spawn_file_actions_destroy(&actions);
    close(pipe_fds[1]);
    text_init(out, 65536);
    while ((n = read(pipe_fds[0], chunk, sizeof(chunk))) > 0)
        text_add_bytes(out, (struct bytes){(const uint8_t *)chunk, (size_t)n});
    close(pipe_fds[0]);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

#endif
