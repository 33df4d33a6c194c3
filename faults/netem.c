#include "faults/netem.h"

#include "base/rng.h"
#include "base/units.h"

static const char *const law_words[] = {"uniform", "normal", "pareto", "paretonormal", NULL};
static const char *const scope_words[] = {"peer", "device", NULL};
static const char *const direction_words[] = {"to", "from", "both", NULL};
static const char *const ecn_words[] = {"no", "yes", NULL};

struct netem_rows {
    uint64_t delay, jitter, correlation, distribution, loss;
    const char *gemodel, *state;
    uint64_t duplicate, corrupt, reorder, gap, rate;
    const char *slot;
    uint64_t limit, ecn;
    const char *seed;
    uint64_t scope, direction;
};

#define COUNT_MOST 10000000

static const struct param netem_params[] = {
    PARAM(struct netem_rows, delay, UNIT_TIME_NS, .fallback = "0ms", .help = "each packet"),
    PARAM(struct netem_rows, jitter, UNIT_TIME_NS, .fallback = "0ms", .help = "spread of delay"),
    PARAM(struct netem_rows, correlation, UNIT_SHARE_PPM, .fallback = "0%", .help = "of delay"),
    PARAM(struct netem_rows, distribution, UNIT_WORD, .fallback = "uniform", .words = law_words,
          .help = "law of the jitter"),
    PARAM(struct netem_rows, loss, UNIT_SHARE_PPM, .fallback = "0%", .help = "random"),
    PARAM(struct netem_rows, gemodel, UNIT_MAP, .plain = true,
          .help = "losses in bursts: p into the bad state, r out of it (100% - p), h passed in it "
                  "(0%), k lost in the good one (0%)"),
    PARAM(struct netem_rows, state, UNIT_MAP, .plain = true,
          .help = "losses by four states, tc-netem(8): p13, p31 (100% - p13), p32 (0%), p23 "
                  "(100%), p14 (0%)"),
    PARAM(struct netem_rows, duplicate, UNIT_SHARE_PPM, .fallback = "0%", .help = "packets"),
    PARAM(struct netem_rows, corrupt, UNIT_SHARE_PPM, .fallback = "0%",
          .help = "packets with a bit flipped"),
    PARAM(struct netem_rows, reorder, UNIT_SHARE_PPM, .fallback = "0%",
          .help = "packets that skip the delay"),
    PARAM(struct netem_rows, gap, UNIT_COUNT, .fallback = "0", .most = COUNT_MOST,
          .help = "of reorder: only each gap-th packet may skip it"),
    PARAM(struct netem_rows, rate, UNIT_BYTES_PER_S, .help = "shaping"),
    PARAM(struct netem_rows, slot, UNIT_MAP, .plain = true,
          .help = "packets leave in bursts, min to max (min) apart"),
    PARAM(struct netem_rows, limit, UNIT_COUNT, .least = 1, .most = COUNT_MOST,
          .help = "packets held at most; default: computed from rate and delay, at least 1000"),
    PARAM(struct netem_rows, ecn, UNIT_WORD, .fallback = "no", .words = ecn_words,
          .help = "mark instead of drop"),
    PARAM(struct netem_rows, seed, UNIT_TEXT,
          .help = "default: of the run, drawn from its seed (kernels before 6.6: not replayable)"),
    PARAM(struct netem_rows, scope, UNIT_WORD, .fallback = "peer", .words = scope_words,
          .help = "peer: only packets of the edge"),
    PARAM(struct netem_rows, direction, UNIT_WORD, .fallback = "to", .words = direction_words,
          .help = "to the peer, from it, or both"),
};

/* One key of a map: its name, the unit of its value, and where it goes. */
struct map_key {
    const char *name;
    uint32_t *share;   /* parts per million; NULL: */
    uint64_t *time_ns; /* a duration */
};

static bool take_key(const char *map, const struct map_key *key, const json_t *value,
                     struct error *err)
{
    struct error why = {0};
    uint64_t number = 0;
    const char *text = json_string_value(value);
    if (text == NULL)
        return error_set(err, ERROR_INPUT, "%s: %s must be a text such as \"%s\"", map, key->name,
                         key->share != NULL ? "5%" : "10ms");
    if (!(key->share != NULL ? units_parse_share(text, &number, &why)
                             : units_parse_duration(text, &number, &why)))
        return error_set(err, why.kind, "%s: %s %s", map, key->name, why.text);
    if (key->share != NULL)
        *key->share = (uint32_t)number;
    else
        *key->time_ns = number;
    return true;
}

static bool unknown(const char *map, const char *name, const struct map_key *keys, size_t count,
                    struct error *err)
{
    char list[80] = "";
    for (size_t i = 0; i < count; i++)
        snprintf(list + strlen(list), sizeof(list) - strlen(list), " %s", keys[i].name);
    return error_set(err, ERROR_INPUT, "%s has no \"%.30s\"; it has%s", map, name, list);
}

/* ${text}: the row's JSON; NULL: not given. */
static bool take_map(const char *map, const char *text, const struct map_key *keys, size_t count,
                     struct error *err)
{
    const char *name;
    json_t *value, *table = json_loads(text, 0, NULL);
    bool ok = json_is_object(table) || error_set(err, ERROR_INPUT, "%s must be a table", map);
    json_object_foreach(table, name, value)
    {
        size_t i = 0;
        while (i < count && strcmp(keys[i].name, name) != 0)
            i++;
        ok = ok && (i < count ? take_key(map, &keys[i], value, err)
                              : unknown(map, name, keys, count, err));
    }
    json_decref(table);
    return ok;
}

static bool take_gemodel(const char *text, struct netem *n, struct error *err)
{
    uint32_t r = UINT32_MAX;
    const struct map_key keys[] = {{"p", &n->ge_p_ppm, NULL},
                                   {"r", &r, NULL},
                                   {"h", &n->ge_h_ppm, NULL},
                                   {"k", &n->ge_k_ppm, NULL}};
    if (text == NULL)
        return true;
    if (!take_map("gemodel", text, keys, COUNT_OF(keys), err))
        return false;
    n->losses = NETEM_LOSS_GEMODEL;
    n->ge_r_ppm = r == UINT32_MAX ? 1000000 - n->ge_p_ppm : r;
    return true;
}

static bool take_state(const char *text, struct netem *n, struct error *err)
{
    uint32_t p31 = UINT32_MAX;
    const struct map_key keys[] = {{"p13", &n->p13_ppm, NULL},
                                   {"p31", &p31, NULL},
                                   {"p32", &n->p32_ppm, NULL},
                                   {"p23", &n->p23_ppm, NULL},
                                   {"p14", &n->p14_ppm, NULL}};
    if (text == NULL)
        return true;
    n->p23_ppm = 1000000;
    if (!take_map("state", text, keys, COUNT_OF(keys), err))
        return false;
    n->losses = NETEM_LOSS_STATE;
    uint32_t most = 1000000 - (n->p13_ppm > n->p32_ppm ? n->p13_ppm : n->p32_ppm);
    n->p31_ppm = p31 == UINT32_MAX ? most : p31;
    return true;
}

static bool take_slot(const char *text, struct netem *n, struct error *err)
{
    uint64_t most = PARAM_UNSET;
    const struct map_key keys[] = {{"min", NULL, &n->slot_min_ns}, {"max", NULL, &most}};
    if (text == NULL)
        return true;
    if (!take_map("slot", text, keys, COUNT_OF(keys), err))
        return false;
    n->slot_max_ns = most == PARAM_UNSET ? n->slot_min_ns : most;
    return n->slot_max_ns > 0 || error_set(err, ERROR_INPUT, "slot needs a min or a max");
}

static uint64_t seed_of(const char *text)
{
    uint64_t seed = 0;
    for (; *text != '\0'; text++)
        seed = rng_mix(seed ^ (uint8_t)*text) + 1;
    return seed;
}

bool fault_netem_read(const void *params, const uint64_t *run_seed, struct fault_netem *ret,
                      struct error *err)
{
    const struct netem_rows *p = params;
    struct netem n = {
        .delay_ns = p->delay,
        .jitter_ns = p->jitter,
        .delay_corr_ppm = (uint32_t)p->correlation,
        .distribution = (enum netem_distribution)p->distribution,
        .loss_ppm = (uint32_t)p->loss,
        .duplicate_ppm = (uint32_t)p->duplicate,
        .corrupt_ppm = (uint32_t)p->corrupt,
        .reorder_ppm = (uint32_t)p->reorder,
        .gap = (uint32_t)p->gap,
        .rate_bytes_per_s = p->rate == PARAM_UNSET ? 0 : p->rate,
        .limit_packets = p->limit == PARAM_UNSET ? 0 : (uint32_t)p->limit,
        .ecn = p->ecn != 0,
        .has_seed = p->seed != NULL || run_seed != NULL,
        .seed = p->seed != NULL    ? seed_of(p->seed)
                : run_seed != NULL ? *run_seed
                                   : 0,
    };
    if (p->gemodel != NULL && p->state != NULL)
        return error_set(err, ERROR_INPUT, "netem takes one of loss, gemodel and state");
    if (!take_gemodel(p->gemodel, &n, err) || !take_state(p->state, &n, err) ||
        !take_slot(p->slot, &n, err))
        return false;
    *ret = (struct fault_netem){n, p->scope != 0, (enum netem_direction)p->direction};
    return true;
}

static bool netem_fits(const void *params, struct error *err)
{
    struct error why = {0};
    struct fault_netem asked;
    static const struct netem_scope any = {.device = true};
    if (fault_netem_read(params, NULL, &asked, &why) && netem_check(&asked.netem, &any, &why))
        return true;
    const char *text = strncmp(why.text, "netem ", 6) == 0 ? why.text + 6 : why.text;
    return error_set(err, why.kind, "fault.netem: %.200s", text);
}

static void netem_say(const void *params, char *to, size_t size)
{
    char shown[200];
    struct fault_netem asked = {0};
    if (!fault_netem_read(params, NULL, &asked, &(struct error){0}))
        UNREACHABLE(); /* it was checked */
    netem_print(&asked.netem, shown, sizeof(shown));
    for (char *c = shown; *c != '\0'; c++)
        *c = *c == '=' ? ' ' : *c;
    snprintf(to, size, "netem %s", shown);
}

const struct fault_type fault_netem = {
    .name = "netem",
    .help = "kernel impairment of an edge's packets (NET_ADMIN)",
    .example = "fault.netem { delay = \"40ms\", jitter = \"8ms\", loss = \"3%\" }",
    .params = netem_params,
    .param_count = COUNT_OF(netem_params),
    .params_bytes = sizeof(struct netem_rows),
    .check = netem_fits,
    .existing = EXISTING_KEEP,
    .world = WORLD_NETEM,
    .print = netem_say,
};
