#include "certs/cert_files.h"

#include "base/clock.h"
#include "certs/cert_chain.h"
#include "certs/mint.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define DATA "..data"
#define DATA_NEXT "..data_tmp"
#define VERSION_BYTES 64
#define FILES 3

static const char *const names[FILES] = {"tls.crt", "tls.key", "ca.crt"};
static const mode_t modes[FILES] = {0644, 0600, 0644};

char *cert_file_read(int at_dir, const char *path, struct error *err)
{
    struct stat st;
    int fd = openat(at_dir, path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0) {
        if (errno != ENOENT)
            error_system(err, errno, "opening %.150s", path);
        return NULL;
    }
    char *text = NULL;
    if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode)) {
        error_set(err, ERROR_INPUT, "%.150s is not a file", path);
    } else if ((size_t)st.st_size > CERT_FILES_MOST_BYTES) {
        error_set(err, ERROR_LIMIT, "%.150s has more than the %zu bytes allowed", path,
                  CERT_FILES_MOST_BYTES);
    } else {
        size_t len = 0, size = (size_t)st.st_size;
        ssize_t n = 1;
        text = check_alloc(size + 1);
        while (len < size && (n = read(fd, text + len, size - len)) > 0)
            len += (size_t)n;
        text[len] = '\0';
        if (n < 0) {
            error_system(err, errno, "reading %.150s", path);
            mint_wipe(text);
            text = NULL;
        }
    }
    close(fd);
    return text;
}

bool cert_file_create(int at_dir, const char *path, const char *text, unsigned mode,
                      struct error *err)
{
    int fd = openat(at_dir, path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, mode);
    size_t len = strlen(text), done = 0;
    if (fd < 0)
        return error_system(err, errno, "making %.150s", path);
    while (done < len) {
        ssize_t n = write(fd, text + done, len - done);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            break;
        done += (size_t)n;
    }
    int why = done < len ? errno : 0;
    if (close(fd) != 0 && why == 0)
        why = errno;
    return why == 0 || error_system(err, why, "writing %.150s", path);
}

void cert_texts_release(struct cert_texts *t)
{
    free(t->chain_pem);
    mint_wipe(t->key_pem);
    free(t->bundle_pem);
    *t = (struct cert_texts){0};
}

static bool read_all(int dir, struct cert_texts *ret, struct error *err)
{
    char **texts[FILES] = {&ret->chain_pem, &ret->key_pem, &ret->bundle_pem};
    *ret = (struct cert_texts){0};
    for (size_t i = 0; i < FILES; i++) {
        *texts[i] = cert_file_read(dir, names[i], err);
        if (err->kind != ERROR_NONE) {
            cert_texts_release(ret);
            return false;
        }
    }
    return true;
}

bool cert_files_read(const char *dir, struct cert_texts *ret, struct error *err)
{
    int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return error_system(err, errno, "opening %.150s", dir);
    bool ok = read_all(fd, ret, err);
    close(fd);
    if (!ok)
        error_prefix(err, "%.100s: ", dir);
    return ok;
}

/* ${wall_s} does not matter: a leaf that has ended is a fault that somebody wants. */
static bool judge(const struct cert_files *f, struct error *err)
{
    struct cert_chain chain;
    struct cert_bundle bundle;
    if ((f->chain_pem == NULL) != (f->key_pem == NULL))
        return error_set(err, ERROR_INPUT, "a chain without its key, or a key without its chain");
    if (f->chain_pem != NULL && !cert_chain_read(f->chain_pem, f->key_pem, NULL, 0, &chain, err))
        return false;
    if (f->chain_pem != NULL && chain.problem[0] != '\0')
        return error_set(err, ERROR_INPUT, "leaf %s: %s", chain.serial, chain.problem);
    return f->bundle_pem == NULL || cert_bundle_read(f->bundle_pem, &bundle, err);
}

static bool same(const char *a, const char *b)
{
    return a == NULL || b == NULL ? a == b : strcmp(a, b) == 0;
}

/* The version's name as the AtomicWriter forms it; a second swap within a nanosecond is refused by
 * mkdir, never mixed. */
static void version_name(uint64_t wall_ns, char *to, size_t size)
{
    time_t s = (time_t)(wall_ns / NS_PER_S);
    struct tm tm;
    char stamp[40] = "";
    gmtime_r(&s, &tm);
    strftime(stamp, sizeof(stamp), "..%Y_%m_%d_%H_%M_%S", &tm);
    snprintf(to, size, "%s.%09u", stamp, (unsigned)(wall_ns % NS_PER_S));
}

static void remove_version(int dir, const char *version)
{
    int fd = openat(dir, version, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    for (size_t i = 0; i < FILES && fd >= 0; i++)
        unlinkat(fd, names[i], 0);
    if (fd >= 0)
        close(fd);
    unlinkat(dir, version, AT_REMOVEDIR);
}

/* Versions that neither readers nor the swap need: those that a killed writer left, too. */
static void remove_old(int dir, const char *keep, const char *keep_too)
{
    int again = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *list = again < 0 ? NULL : fdopendir(again);
    const struct dirent *e;
    while (list != NULL && (e = readdir(list)) != NULL) {
        if (strncmp(e->d_name, "..2", 3) == 0 && strcmp(e->d_name, keep) != 0 &&
            strcmp(e->d_name, keep_too) != 0)
            remove_version(dir, e->d_name);
    }
    if (list != NULL)
        closedir(list);
    else if (again >= 0)
        close(again);
}

static bool write_version(int dir, const char *version, const struct cert_files *f,
                          struct error *err)
{
    const char *texts[FILES] = {f->chain_pem, f->key_pem, f->bundle_pem};
    if (mkdirat(dir, version, 0755) != 0)
        return error_system(err, errno, "making %s", version);
    int fd = openat(dir, version, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    bool ok = fd >= 0 || error_system(err, errno, "opening %s", version);
    for (size_t i = 0; i < FILES && ok; i++)
        ok = texts[i] == NULL || cert_file_create(fd, names[i], texts[i], modes[i], err);
    if (fd >= 0)
        close(fd);
    if (!ok)
        remove_version(dir, version);
    return ok;
}

/* The names that users open; made once, and only then. */
static bool link_names(int dir, const struct cert_files *f, struct error *err)
{
    const char *texts[FILES] = {f->chain_pem, f->key_pem, f->bundle_pem};
    char target[40];
    for (size_t i = 0; i < FILES; i++) {
        snprintf(target, sizeof(target), DATA "/%s", names[i]);
        if (texts[i] == NULL)
            unlinkat(dir, names[i], 0);
        else if (symlinkat(target, dir, names[i]) != 0 && errno != EEXIST)
            return error_system(err, errno, "linking %s", names[i]);
    }
    return true;
}

static bool swap(int dir, const struct cert_files *f, uint64_t wall_ns, struct error *err)
{
    char version[VERSION_BYTES], before[VERSION_BYTES] = "";
    ssize_t n = readlinkat(dir, DATA, before, sizeof(before) - 1);
    before[n < 0 ? 0 : n] = '\0';
    version_name(wall_ns, version, sizeof(version));
    if (!write_version(dir, version, f, err))
        return false;
    unlinkat(dir, DATA_NEXT, 0); /* of a writer that was killed */
    if (symlinkat(version, dir, DATA_NEXT) != 0 || renameat(dir, DATA_NEXT, dir, DATA) != 0) {
        error_system(err, errno, "swapping " DATA);
        unlinkat(dir, DATA_NEXT, 0);
        remove_version(dir, version);
        return false;
    }
    remove_old(dir, version, before);
    return link_names(dir, f, err);
}

bool cert_files_write(const char *dir, const struct cert_files *files, uint64_t wall_ns,
                      bool *ret_changed, struct error *err)
{
    struct cert_texts old;
    *ret_changed = false;
    if (!judge(files, err)) {
        error_prefix(err, "%.100s: ", dir);
        return false;
    }
    if (mkdir(dir, 0755) != 0 && errno != EEXIST)
        return error_system(err, errno, "making %.150s", dir);
    int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return error_system(err, errno, "opening %.150s", dir);
    bool ok = read_all(fd, &old, err);
    if (ok) {
        *ret_changed = !same(old.chain_pem, files->chain_pem) ||
                       !same(old.key_pem, files->key_pem) ||
                       !same(old.bundle_pem, files->bundle_pem);
        cert_texts_release(&old);
        ok = !*ret_changed || swap(fd, files, wall_ns, err);
    }
    close(fd);
    if (!ok) {
        *ret_changed = false;
        error_prefix(err, "%.100s: ", dir);
    }
    return ok;
}
