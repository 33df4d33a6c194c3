#include "cli/run_find.h"

#include "cli/against.h"
#include "cli/command.h"
#include "reports/text_aborted.h"

#include <dirent.h>
#include <errno.h>
#include <sys/stat.h>
#include <unistd.h>

/* The newest journal whose name starts with ${prefix} ("" for any); counts how many there are. */
static size_t search(const char *prefix, char *to, size_t size)
{
    DIR *folder = opendir(RUNS_FOLDER);
    struct timespec newest = {0};
    size_t hits = 0;
    struct dirent *entry;
    while (folder != NULL && (entry = readdir(folder)) != NULL) {
        char path[600];
        struct stat st;
        size_t len = strlen(entry->d_name);
        if (len < 4 || strcmp(entry->d_name + len - 3, ".db") != 0 ||
            strncmp(entry->d_name, prefix, strlen(prefix)) != 0)
            continue;
        snprintf(path, sizeof(path), RUNS_FOLDER "/%s", entry->d_name);
        if (stat(path, &st) != 0)
            continue;
        hits++;
        if (st.st_mtim.tv_sec > newest.tv_sec ||
            (st.st_mtim.tv_sec == newest.tv_sec && st.st_mtim.tv_nsec >= newest.tv_nsec)) {
            newest = st.st_mtim;
            snprintf(to, size, "%s", path);
        }
    }
    if (folder != NULL)
        closedir(folder);
    return hits;
}

bool run_find(const char *run, char *to, size_t size, struct error *err)
{
    bool last = strcmp(run, "last") == 0;
    if (!last && access(run, F_OK) == 0) {
        snprintf(to, size, "%s", run);
        return true;
    }
    size_t hits = search(last ? "" : run, to, size);
    if (hits == 0 && last)
        return error_set(err, ERROR_USAGE, "there is no run yet in %s", RUNS_FOLDER);
    if (hits == 0)
        return error_set(err, ERROR_USAGE,
                         "there is no journal \"%.80s\", neither as a file nor as a run in %s", run,
                         RUNS_FOLDER);
    if (hits > 1 && !last)
        return error_set(err, ERROR_USAGE, "\"%.40s\" begins the ids of %zu runs in %s", run, hits,
                         RUNS_FOLDER);
    return true;
}

/* What the writers of a judgement alone still want of a journal in slices. */
static bool load_rest(struct opened *o, struct error *err)
{
    struct journal_slice slice;
    return journal_is_whole(o->journal) || !aborted_slice(o->journal, &slice) ||
           journal_load(o->journal, &slice, err);
}

static bool judge(struct opened *o, const struct judge_options *options, const char *against,
                  struct error *err)
{
    struct against baselines;
    struct judge_options with = *options;
    if (!against_open(&baselines, o->plan, against, err))
        return false;
    with.baselines = (struct baselines){baselines.rows, baselines.count};
    bool good = judge_sliced(o->journal, &with, &o->judgement, err) && load_rest(o, err);
    against_release(&baselines);
    return good;
}

static int open_run(const char *run, const struct judge_options *options, const char *against,
                    uint64_t keep_bytes, struct opened *ret)
{
    char path[600];
    struct error err = {0};
    *ret = (struct opened){0};
    if (!run_find(run, path, sizeof(path), &err))
        return command_fail(&err);
    if (!journal_open_sliced(path, keep_bytes, &ret->journal, &err)) {
        int code = command_fail(&err);
        return code == EXIT_USAGE ? EXIT_JOURNAL : code;
    }
    if (ret->journal->plan != NULL && !plan_from_json(ret->journal->plan, &ret->plan, &err)) {
        error_prefix(&err, "%s: its plan: ", path);
        command_fail(&err);
        return EXIT_JOURNAL;
    }
    if (!judge(ret, options, against, &err)) {
        bool usage = err.kind == ERROR_USAGE;
        if (!usage)
            error_prefix(&err, "%s: ", path);
        command_fail(&err);
        return usage ? EXIT_USAGE : EXIT_JOURNAL;
    }
    ret->report = (struct report){
        .journal = ret->journal,
        .judgement = ret->judgement,
        .plan = ret->plan,
        .version = MESHPROOF_VERSION,
    };
    return EXIT_PASS;
}

int run_open(const char *run, const struct judge_options *options, struct opened *ret)
{
    return open_run(run, options, NULL, UINT64_MAX, ret);
}

int run_open_judged(const char *run, const struct judge_options *options, const char *against,
                    struct opened *ret)
{
    return open_run(run, options, against, JOURNAL_KEEP_BYTES, ret);
}

void run_close(struct opened *o)
{
    judgement_free(o->judgement);
    plan_free(o->plan);
    journal_free(o->journal);
}

static bool write_to(const struct opened *o, const char *format, const char *path, const char *mode,
                     struct error *err)
{
    const struct report_writer *writer = report_writer_find(format);
    if (writer == NULL)
        return error_set(err, ERROR_USAGE,
                         "there is no report format \"%.40s\"; there are text, json, junit, "
                         "markdown and html",
                         format);
    if (strcmp(path, "-") == 0)
        return writer->write(&o->report, stdout, err);
    FILE *to = fopen(path, mode);
    if (to == NULL)
        return error_system(err, errno, "%s", path);
    bool ok = writer->write(&o->report, to, err);
    if (fclose(to) != 0 && ok)
        ok = error_system(err, errno, "%s", path);
    return ok;
}

bool run_write(const struct opened *o, const char *format, const char *path, struct error *err)
{
    return write_to(o, format, path, "we", err);
}

bool run_append(const struct opened *o, const char *format, const char *path, struct error *err)
{
    return write_to(o, format, path, "ae", err);
}
