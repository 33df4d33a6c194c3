#include "plan/check.h"

#include "certs/authority.h"
#include "plan/cert_step.h"
#include "plan/words.h"

#include <stdlib.h>

/* What a suite may say of certificates: the words cert.*, and the TLS that they need. */

static bool is_of_certs(const struct step *steps, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        bool asks = steps[i].kind == STEP_EXPECT &&
                    (strcmp(steps[i].word, "mtls") == 0 || strcmp(steps[i].word, "rotation") == 0);
        if (steps[i].kind == STEP_CERT || asks ||
            (steps[i].kind == STEP_FAULT && strcmp(steps[i].word, "cert") == 0) ||
            is_of_certs(steps[i].steps, steps[i].step_count))
            return true;
    }
    return false;
}

bool plan_asks_certs(const struct scenario *s)
{
    bool asks = is_of_certs(s->steps, s->step_count);
    for (size_t i = 0; i < s->phase_count; i++)
        asks = asks || is_of_certs(s->phases[i].steps, s->phases[i].step_count);
    return asks;
}

bool plan_lab_tls(const struct scenario *s)
{
    if (s->lab.driver == DRIVER_EXTERNAL) /* what its proxies speak is their owner's */
        return false;
    if (s->lab.tls != NULL)
        return strcmp(s->lab.tls, "mutual") == 0;
    if (s->lab.driver != DRIVER_ENVOY)
        return false;
    return plan_asks_certs(s);
}

bool check_cert_tls(const struct check *c, const struct step *s, struct error *err)
{
    const char *family = s->kind == STEP_FAULT ? "fault" : s->kind == STEP_AWAIT ? "await" : "cert";
    if (plan_lab_tls(c->scenario) || c->scenario->lab.service_count == 0)
        return true;
    if (c->scenario->lab.driver == DRIVER_ENVOY)
        return error_set(err, ERROR_INPUT, "%s.%s needs lab tls, which is \"off\"", family,
                         s->word);
    return error_set(err, ERROR_INPUT,
                     "%s.%s needs lab tls: write lab { driver = \"envoy\", tls = \"mutual\", ... }",
                     family, s->word);
}

void check_lab_tls(const struct scenario *s, struct errors *errors)
{
    static const char *const names[] = {"builtin", "envoy", "istio", "external"};
    if (plan_lab_tls(s) && s->lab.driver != DRIVER_ENVOY)
        errors_add(errors, s->lab.source, ERROR_INPUT,
                   "lab: tls = \"mutual\" needs driver = \"envoy\": the %s mesh has no TLS of ours",
                   names[s->lab.driver]);
}

static bool check_root(const struct step *s, const char *key, struct error *err)
{
    const char *name = json_string_value(json_object_get(s->keys, key));
    struct error why = {0};
    if (name == NULL || authority_name_check(name, &why))
        return true;
    return error_set(err, ERROR_INPUT, "%s.%s: %s: %.200s",
                     s->kind == STEP_AWAIT ? "await" : "cert", s->word, key, why.text);
}

static bool check_trust(const struct step *s, struct error *err)
{
    const char *add = json_string_value(json_object_get(s->keys, "add")),
               *drop = json_string_value(json_object_get(s->keys, "drop"));
    if (strcmp(s->word, "trust") != 0)
        return true;
    if (add == NULL && drop == NULL)
        return error_set(err, ERROR_INPUT, "cert.trust needs add or drop");
    if (add != NULL && drop != NULL && strcmp(add, drop) == 0)
        return error_set(err, ERROR_INPUT, "cert.trust: add and drop are both \"%.63s\"", add);
    return true;
}

static bool check_ttl(const struct step *s, struct error *err)
{
    uint64_t ttl_ns = cert_step_time(s, "ttl", UINT64_MAX);
    struct error why = {0};
    if (ttl_ns == UINT64_MAX)
        return true;
    if (ttl_ns < 1000000000)
        return error_set(err, ERROR_INPUT, "cert.%s: ttl must be at least 1s", s->word);
    if (authority_ttl_check(ttl_ns / 1000000000, &why))
        return true;
    return error_set(err, ERROR_INPUT, "cert.%s: %.200s", s->word, why.text);
}

bool check_cert(const struct check *c, const struct step *s, struct error *err)
{
    struct cert_step read;
    if (!word_check(word_type_find("cert", s->word), s->keys, err) || !check_root(s, "add", err) ||
        !check_root(s, "drop", err) || !check_root(s, "root", err) || !check_trust(s, err) ||
        !check_ttl(s, err) || !check_cert_tls(c, s, err))
        return false;
    return c->scenario->lab.service_count == 0 || cert_step_read(c->scenario, s, 0, &read, err);
}

bool check_await_cert(const struct check *c, const struct step *s, struct error *err)
{
    if (!check_root(s, "root", err))
        return false;
    if (s->on.from.service != NULL || s->on.to.any)
        return error_set(err, ERROR_INPUT,
                         "await.cert: on is \"%s\"; it must be a service such as \"b\", an "
                         "endpoint such as \"b/2\", or \"client\", the mesh's own side",
                         s->on.text);
    return check_cert_tls(c, s, err);
}

struct order {
    const struct scenario *scenario;
    struct rotation *rotation;
    struct errors *errors;
};

static bool plan_one(void *cookie, const struct step *s, uint64_t from_ns)
{
    struct order *o = cookie;
    struct cert_step read;
    struct error err = {0};
    if (cert_step_read(o->scenario, s, from_ns, &read, &err) &&
        rotation_plan(o->rotation, &read.step, &err) && rotation_check(o->rotation, &err))
        return true;
    errors_take(o->errors, s->source, &err);
    return false;
}

void check_cert_order(const struct scenario *s, struct errors *errors)
{
    struct error err = {0};
    if (!plan_lab_tls(s) || s->lab.service_count == 0)
        return;
    struct order o = {s, check_alloc(sizeof(*o.rotation)), errors};
    rotation_init(o.rotation, AUTHORITY_FIRST_ROOT);
    bool ok = cert_parties(s, o.rotation, &err);
    if (!ok)
        errors_take(errors, s->lab.source, &err);
    for (size_t i = 0; ok && i < s->phase_count; i++) {
        ok = cert_steps_each(s->phases[i].steps, s->phases[i].step_count, 0, plan_one, &o);
        struct rotation_change change;
        while (ok && rotation_advance(o.rotation, UINT64_MAX, &change))
            ;
    }
    free(o.rotation);
}
