#include "cli/certs_show.h"

#include "base/clock.h"
#include "certs/cert_files.h"
#include "certs/cert_store.h"
#include "certs/cert_chain.h"

#include <jansson.h>
#include <stdlib.h>
#include <unistd.h>

struct shown {
    const char *dir;
    struct cert_store *store; /* NULL: a folder with tls.crt and no authority beside it */
    struct cert_texts texts[CERT_STORE_PLACES_MOST];
    size_t place_count;
    uint64_t wall_s;
    json_t *roots, *leaves, *problems;
};

static const char *place_name(const struct shown *v, size_t i)
{
    return v->store == NULL ? v->dir : v->store->places[i].name;
}

static void add_problem(struct shown *v, const char *place, const char *before, const char *text)
{
    json_array_append_new(
        v->problems, json_pack("{s:s, s:s?, s:s}", "place", place, "before", before, "text", text));
}

static bool show_leaf(struct shown *v, size_t i, struct error *err)
{
    struct cert_chain c;
    char from[CLOCK_TEXT_BYTES], to[CLOCK_TEXT_BYTES];
    const struct cert_texts *t = &v->texts[i];
    const char *name = place_name(v, i);
    if (t->chain_pem == NULL) {
        add_problem(v, name, NULL, "presents no certificate");
        return true;
    }
    if (!cert_chain_read(t->chain_pem, t->key_pem, NULL, v->wall_s, &c, err)) {
        error_prefix(err, "%.60s: ", name);
        return false;
    }
    if (c.problem[0] != '\0')
        add_problem(v, name, NULL, c.problem);
    if (v->store != NULL) {
        struct text declared;
        text_init(&declared, sizeof(c.sans));
        identity_print(&v->store->places[i].identity, &declared);
        if (strcmp(text_get(&declared), c.sans) != 0)
            add_problem(v, name, NULL, "its names are not those of its identity");
        text_release(&declared);
    }
    json_array_append_new(v->leaves,
                          json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:I}", "place", name, "serial",
                                    c.serial, "issuer", c.issuer, "sans", c.sans, "not_before",
                                    clock_print_wall(c.not_before_s, from), "not_after",
                                    clock_print_wall(c.not_after_s, to), "certificates",
                                    (json_int_t)c.certificate_count));
    return true;
}

/* Each root once; which places trust it. */
static bool show_bundle(struct shown *v, size_t i, struct error *err)
{
    struct cert_bundle b;
    char from[CLOCK_TEXT_BYTES], to[CLOCK_TEXT_BYTES];
    if (v->texts[i].bundle_pem == NULL)
        return true;
    if (!cert_bundle_read(v->texts[i].bundle_pem, &b, err)) {
        error_prefix(err, "%.60s: ", place_name(v, i));
        return false;
    }
    for (size_t k = 0; k < b.root_count; k++) {
        json_t *found = NULL, *one;
        size_t n;
        json_array_foreach(v->roots, n, one)
        {
            if (strcmp(json_string_value(json_object_get(one, "serial")), b.roots[k].serial) == 0)
                found = one;
        }
        if (found == NULL) {
            found = json_pack("{s:s, s:s, s:s, s:s, s:[]}", "name", b.roots[k].name, "serial",
                              b.roots[k].serial, "not_before",
                              clock_print_wall(b.roots[k].not_before_s, from), "not_after",
                              clock_print_wall(b.roots[k].not_after_s, to), "trusted_by");
            json_array_append_new(v->roots, found);
        }
        json_array_append_new(json_object_get(found, "trusted_by"), json_string(place_name(v, i)));
    }
    return true;
}

/* Each leaf before each other place's bundle: what a handshake of the two would come to. */
static bool show_pair(struct shown *v, size_t presenter, size_t verifier, struct error *err)
{
    struct cert_chain c;
    const struct cert_texts *p = &v->texts[presenter], *q = &v->texts[verifier];
    if ((presenter == verifier && v->place_count > 1) || p->chain_pem == NULL ||
        q->bundle_pem == NULL)
        return true;
    if (!cert_chain_read(p->chain_pem, NULL, q->bundle_pem, v->wall_s, &c, err))
        return false;
    if (c.problem[0] != '\0')
        add_problem(v, place_name(v, presenter), place_name(v, verifier), c.problem);
    return true;
}

static void print_shown(const struct shown *v)
{
    json_t *one, *place;
    size_t i, k;
    json_array_foreach(v->roots, i, one)
    {
        const char *name = json_string_value(json_object_get(one, "name"));
        printf("root %s%s  until %s  serial %s  trusted by", name,
               v->store != NULL && strcmp(v->store->active, name) == 0 ? " (active)" : "",
               json_string_value(json_object_get(one, "not_after")),
               json_string_value(json_object_get(one, "serial")));
        json_array_foreach(json_object_get(one, "trusted_by"), k, place)
            printf(" %s", json_string_value(place));
        puts("");
    }
    json_array_foreach(v->leaves, i, one)
        printf("leaf %s  %s  %s to %s  issuer \"%s\"  serial %s  chain of %d\n",
               json_string_value(json_object_get(one, "place")),
               json_string_value(json_object_get(one, "sans")),
               json_string_value(json_object_get(one, "not_before")),
               json_string_value(json_object_get(one, "not_after")),
               json_string_value(json_object_get(one, "issuer")),
               json_string_value(json_object_get(one, "serial")),
               (int)json_integer_value(json_object_get(one, "certificates")));
    json_array_foreach(v->problems, i, one)
    {
        const char *before = json_string_value(json_object_get(one, "before"));
        printf("problem %s%s%s: %s\n", json_string_value(json_object_get(one, "place")),
               before == NULL ? "" : " before ", before == NULL ? "" : before,
               json_string_value(json_object_get(one, "text")));
    }
}

static bool show_all(struct shown *v, bool as_json, struct error *err)
{
    for (size_t i = 0; i < v->place_count; i++) {
        char path[512];
        snprintf(path, sizeof(path), "%s%s%s", v->dir, v->store == NULL ? "" : "/",
                 v->store == NULL ? "" : v->store->places[i].name);
        if (!cert_files_read(path, &v->texts[i], err) || !show_bundle(v, i, err) ||
            !show_leaf(v, i, err))
            return false;
    }
    for (size_t i = 0; i < v->place_count; i++) {
        for (size_t k = 0; k < v->place_count; k++) {
            if (!show_pair(v, i, k, err))
                return false;
        }
    }
    if (!as_json) {
        print_shown(v);
        return true;
    }
    json_t *all =
        json_pack("{s:s?, s:O, s:O, s:O}", "active", v->store == NULL ? NULL : v->store->active,
                  "roots", v->roots, "leaves", v->leaves, "problems", v->problems);
    json_dumpf(all, stdout, JSON_INDENT(1));
    puts("");
    json_decref(all);
    return true;
}

bool certs_show(const char *dir, bool as_json, size_t *ret_problems, struct error *err)
{
    char path[512];
    struct shown v = {.dir = dir, .place_count = 1, .wall_s = clock_wall_ns() / NS_PER_S};
    snprintf(path, sizeof(path), "%s/authority.json", dir);
    bool alone = access(path, F_OK) != 0;
    snprintf(path, sizeof(path), "%s/tls.crt", dir);
    if (!alone || access(path, F_OK) != 0) {
        if (!cert_store_open(dir, false, &v.store, err))
            return false;
        v.place_count = v.store->place_count;
    }
    v.roots = json_array();
    v.leaves = json_array();
    v.problems = json_array();
    bool ok = show_all(&v, as_json, err);
    *ret_problems = json_array_size(v.problems);
    for (size_t i = 0; i < v.place_count; i++)
        cert_texts_release(&v.texts[i]);
    json_decref(v.roots);
    json_decref(v.leaves);
    json_decref(v.problems);
    cert_store_close(v.store);
    return ok;
}
