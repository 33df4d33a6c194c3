#include "certs/cert_store_json.h"

#include <jansson.h>
#include <stdlib.h>

#define VERSION 1

static json_t *print_place(const struct cert_place *p)
{
    json_t *sans = json_array(), *trusts = json_array();
    for (size_t i = 0; i < p->identity.san_count; i++)
        json_array_append_new(sans, json_string(p->identity.sans[i].text));
    for (size_t i = 0; i < p->trust_count; i++)
        json_array_append_new(trusts, json_string(p->trusts[i]));
    return json_pack("{s:s, s:o, s:s, s:s, s:I, s:o}", "name", p->name, "sans", sans, "root",
                     p->root, "kind", cert_kind_word(p->kind), "ttl_s", (json_int_t)p->ttl_s,
                     "trusts", trusts);
}

char *cert_store_print(const struct cert_store *s)
{
    json_t *roots = json_array(), *places = json_array();
    for (size_t i = 0; i < authority_root_count(s->authority); i++)
        json_array_append_new(roots, json_string(authority_root_name(s->authority, i)));
    for (size_t i = 0; i < s->place_count; i++)
        json_array_append_new(places, print_place(&s->places[i]));
    json_t *all =
        json_pack("{s:i, s:s, s:I, s:o, s:o}", "version", VERSION, "active", s->active, "counter",
                  (json_int_t)authority_counter(s->authority), "roots", roots, "places", places);
    char *text = all == NULL ? NULL : json_dumps(all, JSON_INDENT(2));
    INVARIANT(text != NULL); /* all of it is ours, and ASCII */
    json_decref(all);
    size_t len = strlen(text);
    text = check_realloc(text, len + 2);
    memcpy(text + len, "\n", 2);
    return text;
}

static bool take_name(const json_t *from, char *to, struct error *err)
{
    const char *name = json_string_value(from);
    if (name == NULL)
        return error_set(err, ERROR_INPUT, CERT_STORE_FILE ": a name is missing");
    if (!authority_name_check(name, err)) {
        error_prefix(err, CERT_STORE_FILE ": ");
        return false;
    }
    snprintf(to, AUTHORITY_NAME_MOST_BYTES, "%s", name);
    return true;
}

static bool take_names(const json_t *from, char (*to)[AUTHORITY_NAME_MOST_BYTES], size_t most,
                       size_t *ret_count, struct error *err)
{
    size_t count = json_array_size(from);
    *ret_count = 0;
    if (count == 0 || count > most)
        return error_set(err, ERROR_INPUT, CERT_STORE_FILE ": %zu roots; there are 1 to %zu", count,
                         most);
    for (; *ret_count < count; (*ret_count)++) {
        if (!take_name(json_array_get(from, *ret_count), to[*ret_count], err))
            return false;
    }
    return true;
}

static bool take_place(const json_t *from, struct cert_place *p, struct error *err)
{
    const char *kind = json_string_value(json_object_get(from, "kind"));
    const json_t *sans = json_object_get(from, "sans");
    json_int_t ttl = json_integer_value(json_object_get(from, "ttl_s"));
    *p = (struct cert_place){.ttl_s = ttl > 0 ? (uint64_t)ttl : 0};
    if (!take_name(json_object_get(from, "name"), p->name, err) ||
        !take_name(json_object_get(from, "root"), p->root, err) ||
        !cert_kind_parse(kind == NULL ? "" : kind, &p->kind, err) ||
        !take_names(json_object_get(from, "trusts"), p->trusts, CERT_STORE_ROOTS_MOST,
                    &p->trust_count, err))
        return false;
    for (size_t i = 0; i < json_array_size(sans); i++) {
        const char *san = json_string_value(json_array_get(sans, i));
        if (!identity_add(&p->identity, san == NULL ? "" : san, err))
            return false;
    }
    return true;
}

bool cert_store_parse(struct cert_store *s, const char *text,
                      char (*roots)[AUTHORITY_NAME_MOST_BYTES], size_t *ret_count,
                      struct error *err)
{
    json_error_t why;
    json_t *all = json_loads(text, JSON_REJECT_DUPLICATES, &why);
    const json_t *places = json_object_get(all, "places");
    size_t count = json_array_size(places);
    bool ok = true;
    *ret_count = 0;
    if (all == NULL)
        ok = error_set(err, ERROR_INPUT, CERT_STORE_FILE ":%d: %s", why.line, why.text);
    else if (json_integer_value(json_object_get(all, "version")) != VERSION)
        ok = error_set(err, ERROR_INPUT, CERT_STORE_FILE " is not of version %d", VERSION);
    else if (count > CERT_STORE_PLACES_MOST)
        ok = error_set(err, ERROR_LIMIT, CERT_STORE_FILE ": more than the %d places allowed",
                       CERT_STORE_PLACES_MOST);
    ok = ok && take_name(json_object_get(all, "active"), s->active, err) &&
         take_names(json_object_get(all, "roots"), roots, AUTHORITY_ROOTS_MOST, ret_count, err);
    for (; s->place_count < count && ok; s->place_count++)
        ok = take_place(json_array_get(places, s->place_count), &s->places[s->place_count], err);
    if (ok) {
        json_int_t counter = json_integer_value(json_object_get(all, "counter"));
        authority_set_counter(s->authority, counter > 0 ? (uint64_t)counter : 0);
    }
    json_decref(all);
    return ok;
}

static bool is_there(const struct cert_store *s, const char *root, struct error *err)
{
    return authority_has_root(s->authority, root) ||
           error_set(err, ERROR_INPUT, CERT_STORE_FILE " names root \"%s\", which is not there",
                     root);
}

bool cert_store_check(const struct cert_store *s, struct error *err)
{
    if (!is_there(s, s->active, err))
        return false;
    for (size_t i = 0; i < s->place_count; i++) {
        const struct cert_place *p = &s->places[i];
        if (!is_there(s, p->root, err))
            return false;
        for (size_t k = 0; k < p->trust_count; k++) {
            if (!is_there(s, p->trusts[k], err))
                return false;
        }
    }
    return true;
}
