#include "plan/cert_step.h"

#include "base/units.h"

#define TTL_FALLBACK_NS (UINT64_C(24) * 3600 * 1000000000)

bool cert_parties(const struct scenario *s, struct rotation *r, struct error *err)
{
    char name[ROTATION_NAME_BYTES];
    for (size_t i = 0; i < s->lab.service_count; i++) {
        const struct service_plan *service = &s->lab.services[i];
        for (uint32_t n = 1; n <= service->endpoints; n++) {
            int len = snprintf(name, sizeof(name), "%s/%u", service->name, n);
            if (len < 0 || (size_t)len >= sizeof(name))
                return error_set(err, ERROR_LIMIT,
                                 "service \"%.63s\": with lab tls a name has at most 57 bytes",
                                 service->name);
            if (rotation_join(r, name, err) == SIZE_MAX) {
                error_prefix(err, "the lab has ");
                return false;
            }
        }
    }
    if (rotation_join(r, CERT_STEP_CLIENT, err) != SIZE_MAX)
        return true;
    error_prefix(err, "the lab has ");
    return false;
}

size_t cert_party(const struct scenario *s, size_t service, uint32_t endpoint)
{
    size_t at = 0;
    for (size_t i = 0; i < service; i++)
        at += s->lab.services[i].endpoints;
    return at + endpoint - 1;
}

size_t cert_party_client(const struct scenario *s)
{
    return cert_party(s, s->lab.service_count, 1);
}

uint64_t cert_step_time(const struct step *s, const char *key, uint64_t fallback_ns)
{
    const char *text = json_string_value(json_object_get(s->keys, key));
    uint64_t ns;
    return text != NULL && units_parse_duration(text, &ns, NULL) ? ns : fallback_ns;
}

static bool add_party(struct cert_step *to, size_t party, const char *place, struct error *err)
{
    for (size_t i = 0; i < to->step.to_count; i++) {
        if (to->to[i] == party)
            return error_set(err, ERROR_INPUT, "to names \"%.100s\" twice", place);
    }
    INVARIANT(to->step.to_count < COUNT_OF(to->to));
    to->to[to->step.to_count++] = party;
    return true;
}

static bool add_service(const struct scenario *s, const struct place *place, struct cert_step *to,
                        struct error *err)
{
    for (size_t i = 0; i < s->lab.service_count; i++) {
        const struct service_plan *service = &s->lab.services[i];
        if (strcmp(service->name, place->to.service) != 0)
            continue;
        if (place->to.endpoint > service->endpoints)
            return error_set(err, ERROR_INPUT, "to is \"%.80s\"; \"%.60s\" has %u endpoints",
                             place->text, service->name, service->endpoints);
        for (uint32_t n = 1; n <= service->endpoints; n++) {
            if ((place->to.endpoint == 0 || place->to.endpoint == n) &&
                !add_party(to, cert_party(s, i, n), place->text, err))
                return false;
        }
        return true;
    }
    return error_set(err, ERROR_INPUT, "to names \"%.63s\": the lab has no such service",
                     place->to.service);
}

static bool add_place(const struct scenario *s, const char *text, struct cert_step *to,
                      struct error *err)
{
    struct arena arena;
    struct place place;
    arena_init(&arena, 64 * 1024);
    bool ok = place_parse(text, &arena, &place, err);
    if (!ok)
        error_prefix(err, "to ");
    else if (place.from.service != NULL || place.to.service == NULL || place.to.any ||
             place.to.subset != NULL || place.to.ns != NULL)
        ok = error_set(err, ERROR_INPUT,
                       "to is \"%.80s\"; it must be a service such as \"b\", an endpoint such as "
                       "\"b/2\", or \"client\"",
                       text);
    else if (strcmp(place.to.service, CERT_STEP_CLIENT) == 0 && place.to.endpoint == 0)
        ok = add_party(to, cert_party_client(s), text, err);
    else
        ok = add_service(s, &place, to, err);
    arena_release(&arena);
    return ok;
}

static bool add_places(const struct scenario *s, const json_t *list, struct cert_step *to,
                       struct error *err)
{
    size_t count = list == NULL ? 0 : json_is_array(list) ? json_array_size(list) : 1;
    for (size_t i = 0; i < count; i++) {
        const json_t *one = json_is_array(list) ? json_array_get(list, i) : list;
        if (!add_place(s, json_string_value(one), to, err))
            return false;
    }
    return list == NULL || count > 0 || error_set(err, ERROR_INPUT, "to names no place");
}

static enum rotation_verb verb_of(const struct step *s)
{
    return strcmp(s->word, "trust") == 0   ? ROTATION_TRUST
           : strcmp(s->word, "issue") == 0 ? ROTATION_ISSUE
                                           : ROTATION_ROTATE;
}

static enum cert_reconnect reconnect_of(const struct step *s)
{
    const char *text = json_string_value(json_object_get(s->keys, "reconnect"));
    if (strcmp(s->word, "rotate") != 0 || (text != NULL && strcmp(text, "none") == 0))
        return CERT_RECONNECT_NONE;
    return text != NULL && strcmp(text, "each") == 0 ? CERT_RECONNECT_EACH : CERT_RECONNECT_DRAIN;
}

bool cert_step_read(const struct scenario *s, const struct step *from, uint64_t at_ns,
                    struct cert_step *ret, struct error *err)
{
    *ret = (struct cert_step){.reconnect = reconnect_of(from)};
    ret->step = (struct rotation_step){
        .verb = verb_of(from),
        .add = json_string_value(json_object_get(from->keys, "add")),
        .drop = json_string_value(json_object_get(from->keys, "drop")),
        .root = json_string_value(json_object_get(from->keys, "root")),
        .to = ret->to,
        .at_ns = at_ns,
        .stagger_ns = cert_step_time(from, "stagger", 0),
        .ttl_ns = cert_step_time(from, "ttl", TTL_FALLBACK_NS),
        .overlap_ns = cert_step_time(from, "overlap", 0),
    };
    if (add_places(s, json_object_get(from->keys, "to"), ret, err))
        return true;
    error_prefix(err, "cert.%s: ", from->word);
    return false;
}

bool cert_steps_each(const struct step *steps, size_t count, uint64_t from_ns,
                     bool (*each)(void *cookie, const struct step *s, uint64_t from_ns),
                     void *cookie)
{
    for (size_t i = 0; i < count; i++) {
        const struct step *s = &steps[i];
        bool timed = s->kind == STEP_AT || s->kind == STEP_DURING;
        if (s->kind == STEP_CERT && !each(cookie, s, from_ns))
            return false;
        if (!cert_steps_each(s->steps, s->step_count, timed ? s->from_ns : from_ns, each, cookie))
            return false;
    }
    return true;
}
