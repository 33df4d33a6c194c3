#include "plan/check.h"

#include "base/grpc_status.h"
#include "base/units.h"
#include "faults/fault.h"
#include "plan/row.h"
#include "plan/words.h"

/* The legal places of each step, as the language says them. */
static const char *const stands_names[] = {"scenario", "phase", "at", "during", "group"};
static const char *const kind_names[] = {"fault", "expect", "cert", "await",
                                         "at",    "during", "group"};
static const unsigned legal[] = {
    [STEP_FAULT] = 1U << STANDS_SCENARIO | 1U << STANDS_PHASE | 1U << STANDS_AT |
                   1U << STANDS_DURING | 1U << STANDS_GROUP,
    [STEP_EXPECT] = 1U << STANDS_SCENARIO | 1U << STANDS_PHASE | 1U << STANDS_DURING,
    [STEP_CERT] = 1U << STANDS_PHASE | 1U << STANDS_AT | 1U << STANDS_DURING | 1U << STANDS_GROUP,
    [STEP_AWAIT] = 1U << STANDS_PHASE,
    [STEP_AT] = 1U << STANDS_PHASE,
    [STEP_DURING] = 1U << STANDS_PHASE,
    [STEP_GROUP] =
        1U << STANDS_SCENARIO | 1U << STANDS_PHASE | 1U << STANDS_AT | 1U << STANDS_DURING,
};

static const char *label_of(const struct step *s, char *to, size_t size)
{
    if (s->kind <= STEP_AWAIT)
        snprintf(to, size, "%s.%.40s", kind_names[s->kind], s->word);
    else
        snprintf(to, size, "%s", kind_names[s->kind]);
    return to;
}

static bool wrong_place(const struct check *c, const struct step *s)
{
    char label[64], list[64] = "";
    if ((legal[s->kind] & (1U << c->stands)) != 0)
        return false;
    for (size_t i = 0; i < COUNT_OF(stands_names); i++) {
        size_t used = strlen(list);
        if ((legal[s->kind] & (1U << i)) != 0)
            snprintf(list + used, sizeof(list) - used, "%s ", stands_names[i]);
    }
    errors_add(c->errors, s->source, ERROR_INPUT, "%s cannot stand in %s; it stands in %slist",
               label_of(s, label, sizeof(label)), stands_names[c->stands], list);
    return true;
}

static const struct service_plan *find_service(const struct scenario *s, const char *name)
{
    for (size_t i = 0; i < s->lab.service_count; i++) {
        if (strcmp(s->lab.services[i].name, name) == 0)
            return &s->lab.services[i];
    }
    return NULL;
}

static bool unknown_service(const struct scenario *s, const char *key, const char *name,
                            struct error *err)
{
    const char *names[64];
    char list[120] = "";
    size_t count = 0;
    for (size_t i = 0; i < s->lab.service_count && count < COUNT_OF(names); i++) {
        size_t used = strlen(list);
        names[count++] = s->lab.services[i].name;
        snprintf(list + used, sizeof(list) - used, " %s", s->lab.services[i].name);
    }
    const char *near = text_nearest(name, names, count);
    return error_set(err, ERROR_INPUT, "%s names \"%.63s\": the lab has%s%s%s%s", key, name, list,
                     near != NULL ? " (did you mean \"" : "", near != NULL ? near : "",
                     near != NULL ? "\"?)" : "");
}

static bool has_zone(const struct scenario *s, const char *zone, char *list, size_t size)
{
    bool found = false;
    list[0] = '\0';
    for (size_t i = 0; i < s->lab.service_count; i++) {
        const struct service_plan *service = &s->lab.services[i];
        for (uint32_t n = 1; n <= service->endpoints && n <= service->zone_count; n++) {
            const char *own = plan_zone_of(service, n);
            size_t used = strlen(list);
            found = found || strcmp(own, zone) == 0;
            if (strstr(list, own) == NULL)
                snprintf(list + used, size - used, " %.63s", own);
        }
    }
    return found;
}

static bool check_zone(const struct scenario *s, const char *key, const char *zone,
                       struct error *err)
{
    char list[160];
    if (has_zone(s, zone, list, sizeof(list)))
        return true;
    if (list[0] == '\0')
        return error_set(err, ERROR_INPUT,
                         "%s names zone:%s: no service of the lab has zones, such as zones = { "
                         "\"a\", \"b\" }",
                         key, zone);
    return error_set(err, ERROR_INPUT, "%s names zone:%s: no endpoint is there; the lab's are in%s",
                     key, zone, list);
}

static bool check_end(const struct scenario *s, const char *key, const struct place_end *end,
                      struct error *err)
{
    if (end->zone != NULL)
        return check_zone(s, key, end->zone, err);
    if (end->subset != NULL)
        return error_set(
            err, ERROR_INPUT,
            "%s names the subset %s; faults on endpoints take subsets, and expect.fallback, "
            "path, status, success and timeout",
            key, end->subset);
    if (end->service == NULL || s->lab.service_count == 0)
        return true;
    if (strcmp(end->service, "client") == 0)
        return true;
    const struct service_plan *service = find_service(s, end->service);
    if (service == NULL)
        return unknown_service(s, key, end->service, err);
    if (end->endpoint > service->endpoints)
        return error_set(err, ERROR_INPUT, "%s names \"%s/%u\": %s has %u endpoint%s", key,
                         end->service, end->endpoint, end->service, service->endpoints,
                         service->endpoints == 1 ? "" : "s");
    return true;
}

bool check_place(const struct scenario *s, const char *key, const struct place *place,
                 struct error *err)
{
    return check_end(s, key, &place->from, err) && check_end(s, key, &place->to, err);
}

static bool takes_zones(const struct step *s)
{
    return s->kind == STEP_FAULT &&
           (strcmp(s->word, "netem") == 0 || strcmp(s->word, "partition") == 0);
}

/* Of what acts on endpoints, or is judged request by request: who answered is known. */
static bool takes_subsets(const struct step *s)
{
    static const char *const words[] = {"fallback", "path", "status", "success", "timeout"};
    bool takes = s->kind == STEP_FAULT && !takes_zones(s) && strcmp(s->word, "kill") != 0 &&
                 strcmp(s->word, "pause") != 0 && strcmp(s->word, "restart") != 0 &&
                 strcmp(s->word, "control_plane_cut") != 0;
    for (size_t i = 0; s->kind == STEP_EXPECT && i < COUNT_OF(words); i++)
        takes = takes || strcmp(s->word, words[i]) == 0;
    return takes;
}

/* The place as check_place knows it: which endpoints a subset has is the policy's to say. */
static bool without_subset(const struct step *s, struct place *ret, struct error *err)
{
    *ret = s->on;
    if (s->on.to.subset == NULL || !takes_subsets(s))
        return true;
    ret->to.subset = NULL;
    return s->on.to.endpoint == 0 ||
           error_set(err, ERROR_INPUT,
                     "on is \"%.80s\"; name the endpoint itself, such as \"%s/%u\"", s->on.text,
                     s->on.to.service, s->on.to.endpoint);
}

static bool check_on(const struct check *c, const struct step *s, bool needed, struct error *err)
{
    char label[64];
    struct place place;
    label_of(s, label, sizeof(label));
    if (!s->has_on)
        return needed ? error_set(err, ERROR_INPUT, "%s needs on", label) : true;
    bool zones = s->on.from.zone != NULL || s->on.to.zone != NULL;
    if (zones && !takes_zones(s))
        error_set(err, ERROR_INPUT,
                  "on is \"%.80s\"; only fault.netem and fault.partition take zones", s->on.text);
    else if (without_subset(s, &place, err) && check_place(c->scenario, "on", &place, err))
        return true;
    error_prefix(err, "%s: ", label);
    return false;
}

/* Lists of places (`never`, `less`) against the lab. */
static bool check_listed(const struct check *c, const struct step *s, const char *key,
                         struct error *err)
{
    const json_t *value = json_object_get(s->keys, key);
    const struct word_type *type = word_type_find("expect", s->word);
    const struct param *row =
        type == NULL ? NULL : param_find(type->params, type->param_count, key);
    if (value == NULL || row == NULL || row->unit != UNIT_PLACE)
        return true;
    for (size_t i = 0; i < (json_is_array(value) ? json_array_size(value) : 1); i++) {
        const json_t *item = json_is_array(value) ? json_array_get(value, i) : value;
        struct arena arena;
        struct place place;
        arena_init(&arena, 64 * 1024);
        bool good = place_parse(json_string_value(item), &arena, &place, err) &&
                    check_place(c->scenario, key, &place, err);
        arena_release(&arena);
        if (!good) {
            error_prefix(err, "expect.%s: ", s->word);
            return false;
        }
    }
    return true;
}

static bool check_match(const struct step *s, struct error *err)
{
    const json_t *from = json_object_get(s->keys, "match");
    struct arena arena;
    struct match match;
    if (from == NULL)
        return true;
    arena_init(&arena, 1 << 20);
    bool good = match_from_json(from, &arena, &match, err);
    arena_release(&arena);
    return good;
}

/* A name alone: its number is no word of these. */
static bool is_grpc_name(const char *at, size_t len)
{
    unsigned status;
    return !(at[0] >= '0' && at[0] <= '9') &&
           grpc_status_parse((struct bytes){(const uint8_t *)at, len}, &status);
}

/* `good` and `answers`: a comma list of 2xx, 204, grpc:OK, any (1.7). */
static bool check_answers(const struct step *s, const char *key, const char *text,
                          struct error *err)
{
    for (const char *at = text; at != NULL && *at != '\0';) {
        size_t len = strcspn(at, ",");
        bool class = len == 3 && at[0] >= '1' && at[0] <= '5' &&
                     (strncmp(at + 1, "xx", 2) == 0 ||
                      (at[1] >= '0' && at[1] <= '9' && at[2] >= '0' && at[2] <= '9'));
        bool named = (len == 3 && strncmp(at, "any", 3) == 0) ||
                     (len > 5 && strncmp(at, "grpc:", 5) == 0 && is_grpc_name(at + 5, len - 5));
        if (!class && !named)
            return error_set(err, ERROR_INPUT,
                             "expect.%s: %s is \"%.60s\"; it must be a comma list of such as 2xx, "
                             "204, grpc:OK, any",
                             s->word, key, text);
        at += len + (at[len] == ',');
    }
    return true;
}

static bool check_good(const struct step *s, struct error *err)
{
    const json_t *answers = json_object_get(s->keys, "answers"), *one;
    size_t i;
    if (!check_answers(s, "good", json_string_value(json_object_get(s->keys, "good")), err) ||
        !check_answers(s, "answers", json_string_value(answers), err))
        return false;
    json_array_foreach(answers, i, one)
    {
        if (!check_answers(s, "answers", json_string_value(one), err))
            return false;
    }
    return true;
}

static bool check_expect(const struct check *c, const struct step *s, struct error *err)
{
    const struct word_type *type = word_type_find("expect", s->word);
    if (!word_check(type, s->keys, err))
        return false;
    if (!word_is_built(type))
        return error_set(err, ERROR_INPUT, "expect.%s is not built yet", s->word);
    if (s->has_on && s->on.to.any)
        return error_set(err, ERROR_INPUT,
                         "expect.%s: on is \"%s\"; an expectation needs a fixed place", s->word,
                         s->on.text);
    if (strcmp(s->word, "probe") == 0 && !check_probe_step(c->scenario, s, err))
        return false;
    if (strcmp(s->word, "human") == 0 && !check_human_step(s, err))
        return false;
    return check_on(c, s, type->needs_on, err) && check_listed(c, s, "never", err) &&
           check_listed(c, s, "less", err) && check_match(s, err) && check_good(s, err) &&
           check_expect_keys(c, s, err) && check_raw_step(c->scenario, s, err);
}

static bool has_fault_named(const struct step *steps, size_t count, const char *name)
{
    for (size_t i = 0; i < count; i++) {
        const char *own = json_string_value(json_object_get(steps[i].keys, "name"));
        char usual[200]; /* word and place, where it has no name of its own */
        snprintf(usual, sizeof(usual), "%s %s", steps[i].word == NULL ? "" : steps[i].word,
                 steps[i].has_on ? steps[i].on.text : "");
        if (steps[i].kind == STEP_FAULT && strcmp(own != NULL ? own : usual, name) == 0)
            return true;
        if (has_fault_named(steps[i].steps, steps[i].step_count, name))
            return true;
    }
    return false;
}

static bool check_fired(const struct check *c, const struct step *s, struct error *err)
{
    const char *name = json_string_value(json_object_get(s->keys, "fault"));
    const struct scenario *all = c->scenario;
    bool found = has_fault_named(all->steps, all->step_count, name);
    for (size_t i = 0; i < all->phase_count && !found; i++)
        found = has_fault_named(all->phases[i].steps, all->phases[i].step_count, name);
    return found ||
           error_set(err, ERROR_INPUT, "await.fired: fault names no fault: \"%.60s\"", name);
}

static bool check_await(const struct check *c, const struct step *s, struct error *err)
{
    const struct word_type *type = word_type_find("await", s->word);
    if (!word_check(type, s->keys, err))
        return false;
    if (!word_is_built(type))
        return error_set(err, ERROR_INPUT, "await.%s is not built yet", s->word);
    if (!check_on(c, s, type->needs_on, err))
        return false;
    if (strcmp(s->word, "fired") == 0)
        return check_fired(c, s, err);
    if (strcmp(s->word, "probe") == 0)
        return check_probe_step(c->scenario, s, err);
    if (strcmp(s->word, "human") == 0)
        return check_human_step(s, err);
    bool edge = s->on.from.service != NULL;
    if (strcmp(s->word, "readmitted") == 0) /* of a service: all of its endpoints */
        return (!edge && !s->on.to.any) ||
               error_set(err, ERROR_INPUT,
                         "await.readmitted: on is \"%s\"; it must be a service such as \"b\" or an "
                         "endpoint such as \"b/2\"",
                         s->on.text);
    if (strcmp(s->word, "cert") == 0)
        return check_await_cert(c, s, err);
    bool endpoint = strcmp(s->word, "ejected") == 0;
    if (endpoint && (s->on.to.endpoint == 0 || edge))
        return error_set(err, ERROR_INPUT,
                         "await.%s: on is \"%s\"; it must be an endpoint such as \"b/2\"", s->word,
                         s->on.text);
    if (!endpoint && !edge)
        return error_set(err, ERROR_INPUT,
                         "await.%s: on is \"%s\"; it must be an edge such as \"a -> b\"", s->word,
                         s->on.text);
    return true;
}

static bool check_to_end_of(const struct check *c, const struct step *s, struct error *err)
{
    const char *name = json_string_value(json_object_get(s->keys, "to_end_of"));
    if (name == NULL)
        return true;
    const struct phase *to = check_find_phase(c->scenario, name);
    if (to == NULL) {
        error_at(err, c->scenario->source, ERROR_INPUT, "to_end_of names no phase: \"%.60s\"",
                 name);
        return false;
    }
    if (c->phase != NULL && to <= c->phase)
        return error_set(err, ERROR_INPUT,
                         "fault.%s: to_end_of is \"%.60s\", which is no later phase", s->word,
                         name);
    return true;
}

static bool check_fault(const struct check *c, const struct step *s, struct error *err)
{
    struct arena arena;
    struct fault_use use;
    if (fault_type_find(s->word) == NULL)
        return error_set(err, ERROR_INPUT, "fault.%s is not built yet", s->word);
    arena_init(&arena, 1 << 20);
    bool good = fault_use_from_json(s->word, s->keys, s->source, &arena, &use, err);
    arena_release(&arena);
    if (good && strcmp(s->word, "cert") == 0 && !check_cert_tls(c, s, err))
        return false;
    return good && check_on(c, s, true, err) && check_to_end_of(c, s, err) &&
           check_raw_step(c->scenario, s, err);
}

static bool known_word(const struct step *s, struct error *err)
{
    size_t count;
    char text[sizeof(err->text)];
    const char *const *names = word_names(kind_names[s->kind], &count);
    for (size_t i = 0; i < count; i++) {
        if (strcmp(names[i], s->word) == 0)
            return true;
    }
    word_unknown(kind_names[s->kind], s->word, text, sizeof(text));
    return error_set(err, ERROR_INPUT, "%s", text);
}

static bool check_window(const struct check *c, const struct step *s, struct error *err)
{
    char from[32], to[32] = "", end[32];
    const char *word = kind_names[s->kind];
    if (c->phase == NULL || c->phase->ends == PHASE_BY_AWAITS)
        return true;
    uint64_t lasts = c->phase->ends == PHASE_BY_CLOCK ? c->phase->lasting_ns : c->phase->atmost_ns;
    units_print_duration(s->from_ns, from, sizeof(from));
    units_print_duration(lasts, end, sizeof(end));
    if (s->kind == STEP_DURING && s->to_ns != UINT64_MAX)
        units_print_duration(s->to_ns, to, sizeof(to));
    const char *dots = s->kind == STEP_DURING ? ".." : "";
    if (s->from_ns >= lasts)
        return error_set(err, ERROR_INPUT,
                         "%s \"%s%s%s\" lies after the end of phase \"%.60s\" (%s)", word, from,
                         dots, to, c->phase->name, end);
    if (s->kind == STEP_DURING && s->to_ns != UINT64_MAX && s->to_ns > lasts)
        return error_set(err, ERROR_INPUT, "%s \"%s%s%s\" ends after phase \"%.60s\" (%s)", word,
                         from, dots, to, c->phase->name, end);
    return true;
}

static bool check_step(const struct check *c, struct step *s, struct error *err)
{
    static const enum stands inside[] = {
        [STEP_AT] = STANDS_AT, [STEP_DURING] = STANDS_DURING, [STEP_GROUP] = STANDS_GROUP};
    if (s->kind <= STEP_AWAIT && !known_word(s, err))
        return false;
    switch (s->kind) {
    case STEP_FAULT:
        return check_fault(c, s, err);
    case STEP_EXPECT:
        return check_expect(c, s, err);
    case STEP_CERT:
        return check_cert(c, s, err);
    case STEP_AWAIT:
        return check_await(c, s, err);
    case STEP_AT:
    case STEP_DURING:
    case STEP_GROUP:
        break;
    }
    struct check within = *c;
    within.stands = inside[s->kind];
    check_steps(&within, s->steps, s->step_count);
    if (s->kind == STEP_DURING && s->from_ns >= s->to_ns)
        return error_set(err, ERROR_INPUT, "during needs a span such as during \"20s..50s\"");
    return s->kind == STEP_GROUP || check_window(c, s, err);
}

void check_steps(const struct check *c, struct step *steps, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        struct error err = {0};
        if (!wrong_place(c, &steps[i]) && !check_step(c, &steps[i], &err))
            errors_take(c->errors, steps[i].source, &err);
    }
}
