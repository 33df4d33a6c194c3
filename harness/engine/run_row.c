#include "engine/run_row.h"

#include "base/clock.h"

#include <stdlib.h>
#include <unistd.h>

static json_t *argv_json(const struct engine_options *o)
{
    json_t *argv = json_array();
    for (size_t i = 0; i < o->argc; i++) {
        char *text = check_strdup(o->argv[i]);
        record_clean_text(text, strlen(text));
        json_array_append_new(argv, json_string(text));
        free(text);
    }
    return argv;
}

bool run_row_head(struct store *s, uint32_t proc, const struct engine_options *o,
                  const struct plan *plan, struct error *err)
{
    char host[256] = "";
    gethostname(host, sizeof(host) - 1);
    json_t *run = json_pack("{ss ss sI ss so sI ss}", "run", o->run, "seed", o->seed_text,
                            "seed_number", (json_int_t)o->seed, "version", o->version, "argv",
                            argv_json(o), "wall_ns", (json_int_t)clock_wall_ns(), "host", host);
    INVARIANT(run != NULL);
    char *run_text = json_dumps(run, JSON_COMPACT);
    json_t *plan_json = plan_to_json(plan);
    char *plan_text = json_dumps(plan_json, JSON_COMPACT);
    json_decref(run);
    json_decref(plan_json);
    INVARIANT(run_text != NULL && plan_text != NULL);
    bool ok = store_run(s, run_text, err) && store_plan(s, plan_text, err) &&
              store_policy(s, o->policy_json, err) &&
              store_proc(s, proc, "conductor", "", "", getpid(), err) && store_commit(s, err);
    free(run_text);
    free(plan_text);
    return ok;
}

bool run_row_end(struct store *s, const char *how, bool complete, int signals, struct error *err)
{
    json_t *json = json_pack("{sb si}", "complete", complete, "signals", signals);
    char *text = json_dumps(json, JSON_COMPACT);
    json_decref(json);
    INVARIANT(text != NULL);
    bool ok = store_end(s, how, text, clock_now_ns(), err);
    free(text);
    return ok;
}
