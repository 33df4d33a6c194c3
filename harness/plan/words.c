#include "plan/words.h"

#include "plan/row.h"

#define ONE(key, unit_, ...) \
    { \
        .name = key, .unit = unit_, .offset = SHAPE_ONE, __VA_ARGS__ \
    }
#define LIST(key, unit_, ...) \
    { \
        .name = key, .unit = unit_, .offset = SHAPE_LIST, __VA_ARGS__ \
    }
#define NUMBER(key, ...) \
    { \
        .name = key, .unit = UNIT_COUNT, .offset = SHAPE_NUMBER, __VA_ARGS__ \
    }
#define ANY(key, ...) \
    { \
        .name = key, .unit = UNIT_TEXT, .offset = SHAPE_ANY, __VA_ARGS__ \
    }
#define NEEDED .required = true
#define ENUM(key, list, default_, help_) \
    { \
        .name = key, .unit = UNIT_WORD, .offset = SHAPE_ONE, .words = list, .fallback = default_, \
        .help = help_ \
    }

static const char *const yes_no[] = {"yes", "no", NULL};
static const char *const lates[] = {"fail", "abort", "go_on", NULL};
static const char *const retry_parts[] = {"atmost",     "happen",    "conditions", "spacing",
                                          "other_host", "committed", NULL};
static const char *const timeout_parts[] = {"per_try", "request", "none", "connect", NULL};
static const char *const ejection_parts[] = {"trips",   "not_before", "stays",   "cap",
                                             "returns", "panic",      "metrics", NULL};
static const char *const breaker_parts[] = {"requests", "pending", "connections", "per_connection",
                                            NULL};
static const char *const mtls_parts[] = {"plaintext", "wrong_identity", "expired", "unknown_root",
                                         NULL};
static const char *const refused_causes[] = {
    "expired",        "not_yet_valid", "unknown_root", "missing_intermediate",
    "wrong_identity", "plaintext",     "any",          NULL};
static const char *const handshakes[] = {"per_step", "none", NULL};
static const char *const planes[] = {"sidecar", "ztunnel", "waypoint", "gateway",
                                     "linkerd", "none",    NULL};
static const char *const layers[] = {"app", "mesh", NULL};
static const char *const counters[] = {"requests", "retries",  "ejections",
                                       "timeouts", "statuses", NULL};
static const char *const reconnects[] = {"none", "drain", "each", NULL};
static const char *const holds[] = {"keep", "disarm", NULL};

/* The keys that every expectation takes; `on` is added where the word needs it. */
#define EXPECT_COMMON \
    ONE("match", UNIT_MAP, .help = "only these requests"), \
        ONE("note", UNIT_TEXT, .help = "printed in the report"), \
        ENUM("gates", yes_no, "yes", "no: judged and printed, not in the exit code"), \
        ONE("enough", UNIT_COUNT, .help = "evidence floor; may only raise the planned n")
#define ON ONE("on", UNIT_PLACE, NEEDED, .help = "edge or service")
#define EXPECT ON, EXPECT_COMMON
#define AWAIT \
    ONE("within", UNIT_TIME_NS, NEEDED, .help = "later is FAIL"), \
        ONE("note", UNIT_TEXT, .help = "printed in the report"), \
        ENUM("late", lates, "fail", "go_on: INCONCLUSIVE, next phase")

static const struct param expect_amplification[] = {
    EXPECT,
    NUMBER("atmost", .help = "default: 1 + declared retries, multiplied over declared hops"),
    LIST("layers", UNIT_TEXT, .words = layers, .help = "product over them")};
static const struct param expect_balance[] = {
    EXPECT, LIST("less", UNIT_PLACE, NEEDED, .help = "endpoints which must get less than fair"),
    ONE("atmost", UNIT_SHARE_PPM, .fallback = "90%", .help = "stricter wish, of fair share")};
static const struct param expect_breaker[] = {
    EXPECT, LIST("only", UNIT_TEXT, .words = breaker_parts, .help = "parts of the claim")};
static const struct param expect_budget[] = {
    EXPECT, ONE("atmost", UNIT_SHARE_PPM, .help = "stricter wish")};
static const struct param expect_ejection[] = {
    EXPECT, LIST("only", UNIT_TEXT, .words = ejection_parts, .help = "parts of the claim"),
    LIST("never", UNIT_PLACE, .help = "these must not be ejected")};
static const struct param expect_fallback[] = {
    EXPECT, ONE("within", UNIT_TIME_NS, NEEDED, .help = "slowest answer"),
    LIST("answers", UNIT_TEXT, .fallback = "2xx", .help = "allowed answers"),
    ONE("atleast", UNIT_SHARE_PPM, .fallback = "100%", .help = "of requests")};
static const struct param expect_human[] = {
    EXPECT_COMMON, ONE("ask", UNIT_TEXT, NEEDED, .help = "question"),
    ONE("answer", UNIT_TEXT, .fallback = "yes", .help = "expected"),
    ONE("within", UNIT_TIME_NS, .fallback = "10m", .help = "else INCONCLUSIVE"),
    ONE("role", UNIT_TEXT, .help = "who may answer")};
static const struct param expect_idempotency[] = {
    EXPECT, ONE("key", UNIT_TEXT, .fallback = "x-meshproof-id", .help = "header naming the effect"),
    ONE("atmost", UNIT_COUNT, .fallback = "1", .help = "effects")};
static const struct param expect_lint[] = {EXPECT_COMMON,
                                           LIST("has", UNIT_TEXT, .help = "these rules must fire"),
                                           LIST("never", UNIT_TEXT, .help = "these must not")};
static const struct param expect_metrics[] = {
    EXPECT, LIST("only", UNIT_TEXT, .words = counters, .help = "parts of the claim"),
    ONE("within", UNIT_SHARE_PPM, .fallback = "0%", .help = "tolerated difference")};
static const struct param expect_mtls[] = {
    EXPECT, LIST("never", UNIT_TEXT, .words = mtls_parts, .help = "which")};
static const struct param expect_path[] = {
    EXPECT, LIST("through", UNIT_TEXT, .words = planes, .help = "these"),
    LIST("never", UNIT_TEXT, .words = planes, .help = "not these")};
static const struct param expect_probe[] = {
    EXPECT_COMMON, ONE("probe", UNIT_TEXT, NEEDED, .help = "name in probes"),
    ANY("below", .help = "bound"), ANY("above", .help = "bound"),
    ONE("atleast", UNIT_SHARE_PPM, .fallback = "100%", .help = "of samples")};
static const struct param expect_rate_limit[] = {EXPECT};
static const struct param expect_recovery[] = {
    EXPECT, ONE("within", UNIT_TIME_NS, .help = "after the last fault is gone")};
static const struct param expect_refused[] = {
    EXPECT, ENUM("because", refused_causes, "any", "how it must show")};
static const struct param expect_retries[] = {
    EXPECT, LIST("only", UNIT_TEXT, .words = retry_parts, .help = "parts of the claim"),
    ONE("atmost", UNIT_COUNT, .help = "stricter wish")};
static const struct param expect_rotation[] = {
    EXPECT,
    ENUM("handshakes", handshakes, "per_step", "force and require a new one per pair and step")};
static const struct param expect_status[] = {EXPECT};
static const struct param expect_success[] = {
    EXPECT, ONE("atleast", UNIT_SHARE_PPM, NEEDED, .help = "of requests"),
    ONE("good", UNIT_TEXT, .fallback = "2xx,3xx,grpc:OK", .help = "which answers are good")};
static const struct param expect_tail[] = {
    EXPECT,
    ONE("against", UNIT_TEXT, NEEDED, .help = "phase \"name\", arm \"name\", or run \"file\""),
    NUMBER("p50", .help = "largest allowed ratio"),
    NUMBER("p90", .help = "same"),
    NUMBER("p95", .help = "same"),
    NUMBER("p99", .help = "same"),
    NUMBER("p999", .help = "same"),
    ONE("add", UNIT_TIME_NS, .fallback = "2ms", .help = "ratios below this difference never fail")};
static const struct param expect_timeout[] = {
    EXPECT, LIST("only", UNIT_TEXT, .words = timeout_parts, .help = "parts of the claim"),
    ONE("atmost", UNIT_TIME_NS, .help = "stricter wish")};
static const struct param cert_issue[] = {
    LIST("to", UNIT_PLACE, NEEDED, .help = "who"),
    ONE("root", UNIT_TEXT, .help = "default: the active root"),
    ONE("ttl", UNIT_TIME_NS, .fallback = "24h", .help = "lifetime"),
    ONE("overlap", UNIT_TIME_NS, .help = "old leaf kept for new handshakes until then")};
static const struct param cert_rotate[] = {
    ONE("root", UNIT_TEXT, NEEDED, .help = "new root"),
    LIST("to", UNIT_PLACE, .help = "default: everyone"),
    ONE("stagger", UNIT_TIME_NS, .fallback = "0s", .help = "between places: the skew"),
    ENUM("reconnect", reconnects, "drain", "force new handshakes, else skew cannot show")};
static const struct param cert_trust[] = {
    ONE("add", UNIT_TEXT, .help = "root added"), ONE("drop", UNIT_TEXT, .help = "root removed"),
    LIST("to", UNIT_PLACE, .help = "default: every verifier"),
    ONE("stagger", UNIT_TIME_NS, .fallback = "0s", .help = "between places: the skew")};
static const struct param await_cert[] = {ON, AWAIT,
                                          ONE("root", UNIT_TEXT, NEEDED, .help = "root")};
static const struct param await_ejected[] = {ON, AWAIT};
static const struct param await_fired[] = {
    ONE("fault", UNIT_TEXT, NEEDED, .help = "its name"), AWAIT,
    ONE("times", UNIT_COUNT, .fallback = "1", .help = "firings")};
static const struct param await_human[] = {
    ONE("ask", UNIT_TEXT, NEEDED, .help = "what to do or look at"), AWAIT,
    ONE("role", UNIT_TEXT, .help = "who may answer"),
    ENUM("hold_faults", holds, "keep", "while waiting")};
static const struct param await_probe[] = {
    ONE("probe", UNIT_TEXT, NEEDED, .help = "name in probes"), AWAIT, ANY("below", .help = "bound"),
    ANY("above", .help = "bound"),
    ONE("hold", UNIT_TIME_NS, .fallback = "0s", .help = "for so long")};
static const struct param await_readmitted[] = {ON, AWAIT};
static const struct param await_requests[] = {ON, AWAIT,
                                              ONE("count", UNIT_COUNT, NEEDED, .help = "requests")};
static const struct param await_steady[] = {
    ON, AWAIT, ONE("hold", UNIT_TIME_NS, .fallback = "10s", .help = "for so long")};

#define WORD(family_, word_, built_, help_, on_) \
    {.family = #family_, \
     .word = #word_, \
     .help = help_, \
     .params = family_##_##word_, \
     .param_count = COUNT_OF(family_##_##word_), \
     .needs_on = on_},
static const struct word_type types[] = {
#include "plan/words.def"
};
#undef WORD
#define WORD(family_, word_, built_, help_, on_) built_,
static const bool built[] = {
#include "plan/words.def"
};
#undef WORD

static const char *const fault_names[] = {
    "abort",   "bandwidth",  "blackhole", "cert",       "control_plane_cut", "corrupt",
    "goaway",  "hook",       "kill",      "latency",    "limit_data",        "malformed",
    "netem",   "partition",  "pause",     "refuse",     "replace",           "reset",
    "restart", "rst_stream", "slicer",    "slow_close", "tls_alert",         "tls_stall",
};
#define WORD(family_, word_, built_, help_, on_) #word_,
static const char *const claim_names[] = {
#include "plan/words.def"
};
#undef WORD

const struct word_type *word_types(size_t *ret_count)
{
    *ret_count = COUNT_OF(types);
    return types;
}

const struct word_type *word_type_find(const char *family, const char *word)
{
    for (size_t i = 0; i < COUNT_OF(types); i++) {
        if (strcmp(types[i].family, family) == 0 && strcmp(types[i].word, word) == 0)
            return &types[i];
    }
    return NULL;
}

bool word_is_built(const struct word_type *type)
{
    return built[type - types];
}

const char *const *word_names(const char *family, size_t *ret_count)
{
    size_t first = COUNT_OF(types), count = 0;
    if (strcmp(family, "fault") == 0) {
        *ret_count = COUNT_OF(fault_names);
        return fault_names;
    }
    for (size_t i = 0; i < COUNT_OF(types); i++) {
        if (strcmp(types[i].family, family) != 0)
            continue;
        first = count++ == 0 ? i : first;
    }
    *ret_count = count;
    return count == 0 ? NULL : claim_names + first;
}

void word_unknown(const char *family, const char *word, char *to, size_t size)
{
    size_t count;
    const char *const *names = word_names(family, &count);
    int n = snprintf(to, size, "there is no %s.%.40s; there is", family, word);
    for (size_t i = 0; i < count && n > 0 && (size_t)n < size; i++)
        n += snprintf(to + n, size - (size_t)n, " %s", names[i]);
}

static bool one_of(const char *const *words, const json_t *value, struct error *err)
{
    char shown[64], list[160] = "";
    for (size_t i = 0; words[i] != NULL; i++) {
        size_t used = strlen(list);
        if (json_is_string(value) && strcmp(json_string_value(value), words[i]) == 0)
            return true;
        snprintf(list + used, sizeof(list) - used, "%s%s", i == 0 ? "" : ", ", words[i]);
    }
    return error_set(err, ERROR_INPUT, "is %s; it is one of %s",
                     row_show(value, shown, sizeof(shown)), list);
}

static bool check_item(const struct param *row, const json_t *value, struct error *err)
{
    if (row->words != NULL)
        return one_of(row->words, value, err);
    if (!row_quantity(row->unit, value, NULL, err))
        return false;
    if (row->unit != UNIT_PLACE)
        return true;
    struct arena arena;
    struct place place;
    arena_init(&arena, 64 * 1024);
    bool good = place_parse(json_string_value(value), &arena, &place, err);
    arena_release(&arena);
    return good;
}

static bool check_value(const struct param *row, const json_t *value, struct error *err)
{
    char shown[64];
    if (row->offset == SHAPE_ANY)
        return true;
    if (row->offset == SHAPE_NUMBER) {
        if (json_is_number(value) && json_number_value(value) >= 0)
            return true;
        return error_set(err, ERROR_INPUT, "is %s; it must be a number such as 1.25",
                         row_show(value, shown, sizeof(shown)));
    }
    if (row->offset == SHAPE_ONE || !json_is_array(value))
        return check_item(row, value, err);
    for (size_t i = 0; i < json_array_size(value); i++) {
        if (!check_item(row, json_array_get(value, i), err))
            return false;
    }
    return true;
}

static bool no_key(const struct word_type *type, const char *label, const char *key,
                   struct error *err)
{
    const char *names[24];
    char text[sizeof(err->text)];
    size_t count = 0;
    for (size_t i = 0; i < type->param_count && count < COUNT_OF(names); i++)
        names[count++] = type->params[i].name;
    row_no_key(label, key, names, count, text, sizeof(text));
    return error_set(err, ERROR_INPUT, "%s", text);
}

bool word_check(const struct word_type *type, const json_t *keys, struct error *err)
{
    char label[40];
    const char *key;
    json_t *value;
    snprintf(label, sizeof(label), "%s.%s", type->family, type->word);
    json_object_foreach((json_t *)(uintptr_t)keys, key, value)
    {
        const struct param *row = param_find(type->params, type->param_count, key);
        if (row == NULL)
            return no_key(type, label, key, err);
        if (!check_value(row, value, err)) {
            error_prefix(err, "%s: %s ", label, key);
            return false;
        }
    }
    for (size_t i = 0; i < type->param_count; i++) {
        if (type->params[i].required && json_object_get(keys, type->params[i].name) == NULL)
            return error_set(err, ERROR_INPUT, "%s needs %s", label, type->params[i].name);
    }
    return true;
}
