#include "cli/live_note.h"

#include "cli/folders.h"
#include "base/bytes.h"
#include "base/clock.h"
#include "journal/record.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define TAIL ".json"
#define REASON_MOST_BYTES 160

static void path_of(const char *run, char *to, size_t size)
{
    snprintf(to, size, LIVE_FOLDER "/%s" TAIL, run);
}

/* Whole or not at all: a reader sees no half of it. */
static bool put_file(const char *path, json_t *take_json, struct error *err)
{
    char fresh[700];
    char *text = take_json == NULL ? NULL : json_dumps(take_json, JSON_COMPACT);
    json_decref(take_json);
    INVARIANT(text != NULL);
    snprintf(fresh, sizeof(fresh), "%s.%ld", path, (long)getpid());
    int fd = open(fresh, O_CREAT | O_TRUNC | O_WRONLY | O_CLOEXEC | O_NOFOLLOW, 0600);
    size_t len = strlen(text);
    bool ok = fd >= 0 && write(fd, text, len) == (ssize_t)len;
    int sys = errno;
    if (fd >= 0)
        close(fd);
    free(text);
    if (ok && rename(fresh, path) == 0)
        return true;
    sys = ok ? errno : sys;
    unlink(fresh);
    return error_system(err, sys, "writing %s", path);
}

/* NULL: not there, too long, or no JSON object. */
static json_t *get_file(const char *path)
{
    char text[LIVE_NOTE_MOST_BYTES];
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof(text));
    if (fd >= 0)
        close(fd);
    json_t *json = n <= 0 || n == (ssize_t)sizeof(text)
                       ? NULL
                       : json_loadb(text, (size_t)n, JSON_REJECT_DUPLICATES, NULL);
    if (json != NULL && !json_is_object(json)) {
        json_decref(json);
        return NULL;
    }
    return json;
}

static bool take_text(const json_t *json, const char *key, char *to, size_t size)
{
    const char *text = json_string_value(json_object_get(json, key));
    return text != NULL && (size_t)snprintf(to, size, "%s", text) < size;
}

/* ${ret_gone}: of a run that died. */
static bool read_note(const char *path, struct live_note *ret, bool *ret_gone)
{
    json_t *json = get_file(path);
    struct error err = {0};
    *ret = (struct live_note){.run = ""};
    *ret_gone = false;
    bool ok = json != NULL && take_text(json, "run", ret->run, sizeof(ret->run)) &&
              take_text(json, "suite", ret->suite, sizeof(ret->suite)) &&
              take_text(json, "journal", ret->journal, sizeof(ret->journal)) &&
              take_text(json, "socket", ret->socket, sizeof(ret->socket)) && ret->run[0] != '\0';
    if (ok) {
        ret->started_wall_ns =
            (uint64_t)json_integer_value(json_object_get(json, "started_wall_ns"));
        ret->foreign =
            !process_from_note(json_object_get(json, "process"), &ret->process, ret_gone, &err);
    }
    json_decref(json);
    return ok;
}

bool live_note_write(const struct live_note *note, struct error *err)
{
    struct live_note there;
    char path[64];
    bool gone;
    if (!folders_make(LIVE_FOLDER "/", err))
        return false;
    path_of(note->run, path, sizeof(path));
    if (read_note(path, &there, &gone) && !gone)
        return error_set(err, ERROR_SYSTEM,
                         "run %s goes on already (process %d): give this one another --run",
                         there.run, (int)there.process.pid);
    json_t *process = process_note(&note->process);
    json_t *json = json_pack("{ss ss ss ss sI so}", "run", note->run, "suite", note->suite,
                             "journal", note->journal, "socket", note->socket, "started_wall_ns",
                             (json_int_t)note->started_wall_ns, "process", process);
    if (json == NULL)
        return error_set(err, ERROR_INPUT, "a path of this run is not UTF-8");
    return put_file(path, json, err);
}

void live_note_remove(const char *run)
{
    char path[64];
    path_of(run, path, sizeof(path));
    unlink(path);
}

static int is_note(const struct dirent *entry)
{
    size_t len = strlen(entry->d_name), tail = strlen(TAIL);
    return len == 8 + tail && strcmp(entry->d_name + 8, TAIL) == 0;
}

bool live_note_list(struct live_note **ret, size_t *ret_count, struct error *err)
{
    struct dirent **names = NULL;
    int count = scandir(LIVE_FOLDER, &names, is_note, alphasort);
    *ret = NULL;
    *ret_count = 0;
    if (count < 0)
        return errno == ENOENT || error_system(err, errno, "reading %s", LIVE_FOLDER);
    *ret = check_alloc_zero((size_t)count + 1, sizeof(**ret));
    for (int i = 0; i < count; i++) {
        char path[300];
        bool gone;
        struct live_note *note = &(*ret)[*ret_count];
        snprintf(path, sizeof(path), LIVE_FOLDER "/%s", names[i]->d_name);
        bool good = read_note(path, note, &gone) &&
                    strncmp(names[i]->d_name, note->run, strlen(note->run)) == 0;
        if (good && gone)
            unlink(path);
        *ret_count += good && !gone;
        free(names[i]);
    }
    free(names);
    return true;
}

bool live_note_find(const char *run, struct live_note *ret, bool *ret_none, struct error *err)
{
    struct live_note *all;
    size_t count, hits = 0;
    *ret_none = false;
    if (!live_note_list(&all, &count, err))
        return false;
    for (size_t i = 0; i < count; i++) {
        if (run != NULL && strncmp(all[i].run, run, strlen(run)) != 0)
            continue;
        *ret = all[i];
        hits++;
    }
    free(all);
    *ret_none = hits == 0;
    if (hits > 1 && run == NULL)
        return error_set(err, ERROR_USAGE, "%zu runs go on: name one, or --all; meshproof status",
                         hits);
    if (hits > 1)
        return error_set(err, ERROR_USAGE, "\"%.40s\" begins the ids of %zu runs that go on", run,
                         hits);
    return hits == 1;
}

bool live_lock(const char *reason, const char *who, struct error *err)
{
    size_t len = strlen(reason);
    if (len == 0 || len > REASON_MOST_BYTES)
        return error_set(err, ERROR_USAGE, "--lock has %zu bytes; it must have 1 to %d", len,
                         REASON_MOST_BYTES);
    for (size_t i = 0; i < len; i++)
        if ((unsigned char)reason[i] < 0x20 || reason[i] == 0x7f)
            return error_set(err, ERROR_USAGE, "--lock has a control character");
    if (!folders_make(LIVE_FOLDER "/", err))
        return false;
    json_t *json = json_pack("{ss ss sI}", "reason", reason, "who", who, "wall_ns",
                             (json_int_t)clock_wall_ns());
    if (json == NULL)
        return error_set(err, ERROR_USAGE, "--lock is not UTF-8");
    return put_file(LIVE_LOCK, json, err);
}

bool live_unlock(bool *ret_was, struct error *err)
{
    *ret_was = unlink(LIVE_LOCK) == 0;
    return *ret_was || errno == ENOENT || error_system(err, errno, "removing %s", LIVE_LOCK);
}

bool live_may_run(struct error *err)
{
    char reason[REASON_MOST_BYTES + 1] = "?", who[65] = "?", when[32] = "?";
    struct tm tm;
    if (access(LIVE_LOCK, F_OK) != 0)
        return true;
    json_t *json = get_file(LIVE_LOCK); /* what cannot be read locks all the same */
    time_t at = (time_t)((uint64_t)json_integer_value(json_object_get(json, "wall_ns")) / NS_PER_S);
    take_text(json, "reason", reason, sizeof(reason));
    take_text(json, "who", who, sizeof(who));
    json_decref(json);
    record_clean_text(reason, strlen(reason));
    record_clean_text(who, strlen(who));
    if (at > 0 && gmtime_r(&at, &tm) != NULL)
        strftime(when, sizeof(when), "%Y-%m-%d %H:%M:%S UTC", &tm);
    return error_set(err, ERROR_SYSTEM,
                     "no run may begin here: locked by %.40s at %s: %.100s (meshproof halt "
                     "--unlock)",
                     who, when, reason);
}

const char *live_who(char *to, size_t size)
{
    const char *name = getenv("LOGNAME");
    if (name == NULL || name[0] == '\0')
        name = getenv("USER");
    if (name == NULL || name[0] == '\0')
        snprintf(to, size, "uid %u", (unsigned)geteuid());
    else
        snprintf(to, size, "%.64s", name);
    return to;
}
