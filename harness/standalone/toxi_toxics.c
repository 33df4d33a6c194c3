/* The toxics of Toxiproxy's API. */

#include "standalone/toxi_body.h"
#include "standalone/toxi_list.h"
#include "standalone/toxi_routes.h"

#include <math.h>

static const char *text_at(const json_t *of, const char *key)
{
    const char *text = json_string_value(json_object_get(of, key));
    return text == NULL ? "" : text;
}

static bool is_upstream(const json_t *toxic)
{
    enum side side;
    return toxi_list_side(text_at(toxic, "stream"), &side) && side == SIDE_REQUEST;
}

json_t *toxi_toxics_of(const json_t *described)
{
    json_t *ret = json_array(), *one;
    const json_t *all = json_object_get(described, "toxics");
    for (int up = 1; up >= 0; up--) {
        for (size_t i = 0; i < json_array_size(all); i++) {
            one = json_array_get(all, i);
            if (is_upstream(one) == (up == 1))
                json_array_append(ret, one);
        }
    }
    return ret;
}

static json_t *need_proxy(struct toxi_call *c)
{
    json_t *described = proxy_set_describe(c->toxi->set, c->proxy);
    if (described == NULL)
        toxi_reply_error(c->reply, 404, "proxy not found");
    return described;
}

static size_t index_of(const json_t *toxics, const char *name)
{
    size_t i = 0;
    while (i < json_array_size(toxics) &&
           strcmp(text_at(json_array_get(toxics, i), "name"), name) != 0)
        i++;
    return i;
}

/* The toxics of ${described}; what is changed there is what put_back puts. */
static json_t *toxics_in(json_t *described)
{
    json_t *toxics = json_object_get(described, "toxics");
    if (toxics == NULL) {
        toxics = json_array();
        json_object_set_new(described, "toxics", toxics);
    }
    return toxics;
}

static bool put_back(struct toxi_call *c, const json_t *described)
{
    struct error err = {0};
    if (proxy_set_put(c->toxi->set, described, &err))
        return true;
    toxi_refuse(c, &err);
    return false;
}

static bool bad_body(struct toxi_call *c, const struct error *err)
{
    toxi_reply_error(c->reply, 400, "bad request body: %s", err->text);
    return false;
}

void toxi_toxic_index(struct toxi_call *c)
{
    json_t *described = need_proxy(c);
    if (described != NULL)
        c->reply->json = toxi_toxics_of(described);
    json_decref(described);
}

void toxi_toxic_show(struct toxi_call *c)
{
    json_t *described = need_proxy(c);
    const json_t *toxics = json_object_get(described, "toxics");
    size_t at = index_of(toxics, c->toxic);
    if (described != NULL && at < json_array_size(toxics))
        c->reply->json = json_incref(json_array_get(toxics, at));
    else if (described != NULL)
        toxi_reply_error(c->reply, 404, "toxic not found");
    json_decref(described);
}

/* 1.0 is "1" in Go's JSON; toxicity is a float32 there. */
static json_t *number_of(double value)
{
    bool whole = value >= -1e6 && value <= 1e6 && floor(value) >= value;
    return whole ? json_integer((json_int_t)value) : json_real(value);
}

/* Puts what the body has of the type's attributes over those of ${toxic}. */
static bool read_attributes(const json_t *body, json_t *toxic, struct error *err)
{
    static const char *const structs[TOXIC_KINDS] = {
        "NoopToxic",    "LatencyToxic", "BandwidthToxic", "SlowCloseToxic",
        "TimeoutToxic", "ResetToxic",   "SlicerToxic",    "LimitDataToxic"};
    enum toxic_kind kind = toxi_list_kind(text_at(toxic, "type"));
    const json_t *from = toxi_body_get(body, "attributes");
    json_t *values = json_object_get(toxic, "attributes");
    char of[40];
    snprintf(of, sizeof(of), "%s.attributes", structs[kind]);
    if (from != NULL && !json_is_object(from))
        return error_set(err, ERROR_INPUT,
                         "json: cannot unmarshal %s into Go struct field .attributes of type "
                         "toxics.%s",
                         toxi_body_kind(from), structs[kind]);
    for (size_t i = 0; i < TOXIC_VALUES_MOST && toxic_types[kind].values[i] != NULL; i++) {
        const char *key = toxic_types[kind].values[i];
        json_int_t value = json_integer_value(json_object_get(values, key));
        if (!toxi_body_integer(from, of, key, &value, err))
            return false;
        json_object_set_new(values, key, json_integer(value));
    }
    return true;
}

struct wanted {
    const char *name, *type, *stream;
    double toxicity;
};

static bool read_wanted(const json_t *body, struct wanted *w, struct error *err)
{
    if (!json_is_object(body))
        return error_set(err, ERROR_INPUT,
                         "json: cannot unmarshal %s into Go value of type toxics.ToxicWrapper",
                         toxi_body_kind(body));
    return toxi_body_text(body, "ToxicWrapper", "name", &w->name, err) &&
           toxi_body_text(body, "ToxicWrapper", "type", &w->type, err) &&
           toxi_body_text(body, "ToxicWrapper", "stream", &w->stream, err) &&
           toxi_body_number(body, "ToxicWrapper", "toxicity", &w->toxicity, err);
}

static json_t *toxic_of(const struct wanted *w)
{
    char name[TOXI_NAME_MOST + 1];
    snprintf(name, sizeof(name), "%.100s_%.40s", w->type, w->stream);
    return json_pack("{s{} ss ss ss so}", "attributes", "name", w->name[0] == '\0' ? name : w->name,
                     "type", w->type, "stream", w->stream, "toxicity", number_of(w->toxicity));
}

static void add(struct toxi_call *c, json_t *described, const json_t *body, const struct wanted *w)
{
    json_t *toxics = toxics_in(described), *toxic = NULL;
    struct error err = {0};
    enum side side;
    if (!toxi_list_side(w->stream, &side)) {
        toxi_reply_error(c->reply, 400, "stream was invalid, can be either upstream or downstream");
        return;
    }
    if (toxi_list_kind(w->type) == TOXIC_KINDS) {
        toxi_reply_error(c->reply, 400, "invalid toxic type");
        return;
    }
    toxic = toxic_of(w);
    if (index_of(toxics, text_at(toxic, "name")) < json_array_size(toxics)) {
        toxi_reply_error(c->reply, 409, "toxic already exists");
    } else if (!read_attributes(body, toxic, &err)) {
        bad_body(c, &err);
    } else {
        json_array_append(toxics, toxic);
        if (put_back(c, described))
            c->reply->json = json_incref(toxic);
    }
    json_decref(toxic);
}

void toxi_toxic_create(struct toxi_call *c)
{
    struct wanted w = {.name = "", .type = "", .stream = "downstream", .toxicity = 1};
    struct error err = {0};
    json_t *described = need_proxy(c), *body = NULL;
    if (described == NULL)
        return;
    if (toxi_body_parse(c->body, &body, &err) && read_wanted(body, &w, &err))
        add(c, described, body, &w);
    else
        bad_body(c, &err);
    json_decref(body);
    json_decref(described);
}

static void update(struct toxi_call *c, json_t *described, json_t *toxic)
{
    struct error err = {0};
    json_t *body = NULL;
    double toxicity = json_number_value(json_object_get(toxic, "toxicity"));
    bool ok = toxi_body_parse(c->body, &body, &err) &&
              toxi_body_number(body, "", "toxicity", &toxicity, &err) &&
              read_attributes(body, toxic, &err);
    if (!ok) {
        bad_body(c, &err);
    } else {
        json_object_set_new(toxic, "toxicity", number_of(toxicity));
        if (put_back(c, described))
            c->reply->json = json_incref(toxic);
    }
    json_decref(body);
}

void toxi_toxic_update(struct toxi_call *c)
{
    json_t *described = need_proxy(c);
    if (described == NULL)
        return;
    json_t *toxics = toxics_in(described);
    size_t at = index_of(toxics, c->toxic);
    if (at < json_array_size(toxics))
        update(c, described, json_array_get(toxics, at));
    else
        toxi_reply_error(c->reply, 404, "toxic not found");
    json_decref(described);
}

void toxi_toxic_delete(struct toxi_call *c)
{
    json_t *described = need_proxy(c);
    if (described == NULL)
        return;
    json_t *toxics = toxics_in(described);
    size_t at = index_of(toxics, c->toxic);
    if (at == json_array_size(toxics)) {
        toxi_reply_error(c->reply, 404, "toxic not found");
    } else {
        json_array_remove(toxics, at);
        if (put_back(c, described))
            c->reply->status = 204;
    }
    json_decref(described);
}
