#include "standalone/admin_routes.h"

#include "faults/fault.h"
#include "standalone/proxy_spec.h"

#include <stdlib.h>

/* The OpenAPI description, made of the routes and of the faults' own rows. */

/* Keys that only suites have (proxy_spec.c refuses them). */
static bool is_for_suites(const struct param *row)
{
    return strcmp(row->name, "on") == 0 || strcmp(row->name, "mode") == 0 ||
           strcmp(row->name, "to_end_of") == 0;
}

static json_t *words_json(const struct param *row)
{
    json_t *words = json_array();
    for (size_t i = 0; row->words != NULL && row->words[i] != NULL; i++)
        json_array_append_new(words, json_string(row->words[i]));
    return words;
}

static json_t *row_json(const struct param *row)
{
    json_t *one =
        json_pack("{ss ss sb sb ss}", "name", row->name, "unit", param_unit_name(row->unit), "list",
                  (int)row->list, "required", (int)row->required, "help", row->help);
    if (row->fallback != NULL)
        json_object_set_new(one, "default", json_string(row->fallback));
    if (row->words != NULL)
        json_object_set_new(one, "words", words_json(row));
    return one;
}

json_t *admin_catalogue(void)
{
    size_t count;
    const struct fault_type *const *types = fault_types(&count);
    json_t *faults = json_array(), *common = json_array();
    for (size_t i = 0; i < count; i++) {
        json_t *keys = json_array();
        for (size_t k = 0; k < types[i]->param_count; k++)
            json_array_append_new(keys, row_json(&types[i]->params[k]));
        json_array_append_new(faults, json_pack("{ss ss sb ss so}", "word", types[i]->name, "help",
                                                types[i]->help, "whole_endpoint",
                                                (int)(types[i]->stream == NULL), "example",
                                                types[i]->example, "keys", keys));
    }
    for (size_t i = 0; i < fault_common_param_count; i++)
        if (!is_for_suites(&fault_common_params[i]))
            json_array_append_new(common, row_json(&fault_common_params[i]));
    return json_pack("{so so}", "faults", faults, "common", common);
}

/* What JSON a value is, before its unit is said. */
static json_t *type_schema(const struct param *row)
{
    if (row->list)
        return json_pack("{ss s{ss}}", "type", "array", "items", "type", "string");
    if (row->unit == UNIT_MAP && strcmp(row->name, "match") != 0)
        return json_pack("{ss s{ss}}", "type", "object", "additionalProperties", "type", "string");
    if (row->unit == UNIT_MAP)
        return json_pack("{ss}", "type", "object");
    if (row->unit == UNIT_COUNT)
        return json_pack("{ss si}", "type", "integer", "minimum", 0);
    return json_pack("{ss}", "type", "string");
}

static json_t *row_schema(const struct param *row)
{
    json_t *s = type_schema(row);
    json_object_set_new(s, "description", json_string(row->help));
    if (row->words != NULL)
        json_object_set_new(s, "enum", words_json(row));
    if (row->unit != UNIT_TEXT && row->unit != UNIT_COUNT && row->unit != UNIT_MAP &&
        row->unit != UNIT_WORD)
        json_object_set_new(s, "format", json_string(param_unit_name(row->unit)));
    if (row->fallback != NULL && row->unit != UNIT_COUNT)
        json_object_set_new(s, "default", json_string(row->fallback));
    return s;
}

static json_t *fault_schema(const struct fault_type *type)
{
    json_t *properties = json_object(), *required = json_pack("[s]", "word");
    for (size_t i = 0; i < fault_common_param_count; i++)
        if (!is_for_suites(&fault_common_params[i]))
            json_object_set_new(properties, fault_common_params[i].name,
                                row_schema(&fault_common_params[i]));
    for (size_t i = 0; i < type->param_count; i++) {
        json_object_set_new(properties, type->params[i].name, row_schema(&type->params[i]));
        if (type->params[i].required)
            json_array_append_new(required, json_string(type->params[i].name));
    }
    json_object_set_new(properties, "word", json_pack("{ss}", "const", type->name));
    json_object_set_new(properties, "id", json_pack("{ss sb}", "type", "integer", "readOnly", 1));
    json_object_set_new(properties, "fired",
                        json_pack("{ss sb}", "type", "integer", "readOnly", 1));
    json_object_set_new(properties, "text", json_pack("{ss sb}", "type", "string", "readOnly", 1));
    return json_pack("{ss ss so so sb}", "type", "object", "description", type->help, "properties",
                     properties, "required", required, "additionalProperties", 0);
}

static json_t *reference(const char *schema)
{
    char path[256];
    snprintf(path, sizeof(path), "#/components/schemas/%s", schema);
    return json_pack("{ss}", "$ref", path);
}

static json_t *list_of(const char *key, const char *schema)
{
    return json_pack("{ss s{s{ss so}} s[s]}", "type", "object", "properties", key, "type", "array",
                     "items", reference(schema), "required", key);
}

static json_t *text_schema(const char *fallback, const char *about)
{
    json_t *s = json_pack("{ss ss}", "type", "string", "description", about);
    if (fallback != NULL)
        json_object_set_new(s, "default", json_string(fallback));
    return s;
}

/* proxy_tls.h's two objects. Paths are of the proxy's machine. */
static json_t *tls_schema(bool serves)
{
    json_t *keys = json_object();
    json_object_set_new(keys, "cert", text_schema(NULL, "file: our leaf and its chain, PEM"));
    json_object_set_new(keys, "key", text_schema(NULL, "file: the key of that leaf, PEM"));
    json_object_set_new(keys, "trust",
                        text_schema(NULL, serves
                                              ? "file: roots; a client certificate is then required"
                                              : "file: roots; without it nothing is verified"));
    if (serves) {
        json_object_set_new(keys, "lab",
                            text_schema(NULL, "folder of meshproof certs new: for fault.cert"));
        json_object_set_new(keys, "identity", text_schema(NULL, "whose leaves that lab makes"));
    } else {
        json_object_set_new(keys, "name",
                            text_schema(NULL, "SNI; with trust, what the backend's leaf must be "
                                              "for"));
    }
    json_object_set_new(keys, "min",
                        json_pack("{s[ss] ss}", "enum", "1.2", "1.3", "default", "1.2"));
    json_object_set_new(keys, "max",
                        json_pack("{s[ss] ss}", "enum", "1.2", "1.3", "default", "1.3"));
    json_object_set_new(keys, "resumption", json_pack("{ss sb}", "type", "boolean", "default", 0));
    json_t *s =
        json_pack("{ss so sb}", "type", "object", "properties", keys, "additionalProperties", 0);
    json_object_set_new(s, "description",
                        json_string(serves ? "TLS towards clients; files are read when the proxy "
                                             "is put and at a reload"
                                           : "TLS towards the backend"));
    if (serves)
        return s;
    return json_pack("{s[o{sb}]}", "anyOf", s, "const", 1);
}

static json_t *proxy_schema(bool change)
{
    static const enum proxy_protocol protocols[] = {PROXY_HTTP, PROXY_HTTP1, PROXY_HTTP2, PROXY_TCP,
                                                    PROXY_TOXIC};
    json_t *words = json_array(), *keys = json_object();
    for (size_t i = 0; i < COUNT_OF(protocols); i++)
        json_array_append_new(words, json_string(proxy_spec_protocol(protocols[i])));
    json_object_set_new(keys, "name",
                        json_pack("{ss si}", "type", "string", "maxLength", PROXY_SET_NAME_MOST));
    json_object_set_new(
        keys, "listen",
        text_schema("127.0.0.1:0", "where clients connect; port 0: the kernel's choice"));
    json_object_set_new(keys, "to", text_schema(NULL, "the backend"));
    json_object_set_new(keys, "protocol", json_pack("{so ss}", "enum", words, "default", "http"));
    json_object_set_new(keys, "enabled", json_pack("{ss sb}", "type", "boolean", "default", 1));
    json_object_set_new(keys, "faults",
                        json_pack("{ss so}", "type", "array", "items", reference("Fault")));
    json_object_set_new(keys, "toxics",
                        json_pack("{ss s{ss} ss}", "type", "array", "items", "type", "object",
                                  "description", "of protocol toxic: as Toxiproxy's API has them"));
    json_object_set_new(keys, "tls", tls_schema(true));
    json_object_set_new(keys, "to_tls", tls_schema(false));
    json_t *s =
        json_pack("{ss so sb}", "type", "object", "properties", keys, "additionalProperties", 0);
    if (!change)
        json_object_set_new(s, "required", json_pack("[ss]", "name", "to"));
    return s;
}

static json_t *schemas(void)
{
    size_t count;
    const struct fault_type *const *types = fault_types(&count);
    json_t *all = json_object(), *one_of = json_array();
    char name[60];
    for (size_t i = 0; i < count; i++) {
        snprintf(name, sizeof(name), "fault.%s", types[i]->name);
        json_object_set_new(all, name, fault_schema(types[i]));
        json_array_append_new(one_of, reference(name));
    }
    json_object_set_new(
        all, "Fault",
        json_pack("{so s{ss}}", "oneOf", one_of, "discriminator", "propertyName", "word"));
    json_object_set_new(all, "Proxy", proxy_schema(false));
    json_object_set_new(all, "ProxyChange", proxy_schema(true));
    json_object_set_new(all, "Proxies", list_of("proxies", "Proxy"));
    json_object_set_new(all, "Faults", list_of("faults", "Fault"));
    json_object_set_new(all, "Any", json_pack("{ss}", "type", "object"));
    json_object_set_new(all, "Catalogue", json_pack("{ss}", "type", "object"));
    json_object_set_new(all, "Health",
                        json_pack("{ss s{s{ss} s{ss}}}", "type", "object", "properties", "status",
                                  "type", "string", "version", "type", "string"));
    json_object_set_new(all, "Error",
                        json_pack("{ss s{s{ss}} s[s]}", "type", "object", "properties", "error",
                                  "type", "string", "required", "error"));
    return all;
}

static json_t *body_of(json_t *take_schema)
{
    return json_pack("{s{so}}", "application/json", "schema", take_schema);
}

static json_t *operation(const struct admin_route *route)
{
    char status[8];
    json_t *parameters = json_array(), *responses = json_object(), *ok;
    static const char *const names[] = {"name", "fault"};
    snprintf(status, sizeof(status), "%u", route->status);
    ok = json_pack("{ss}", "description", route->about);
    if (route->gives != NULL)
        json_object_set_new(ok, "content", body_of(reference(route->gives)));
    else if (strcmp(route->id, "metrics") == 0)
        json_object_set_new(ok, "content",
                            json_pack("{s{s{ss}}}", "text/plain", "schema", "type", "string"));
    json_object_set_new(responses, status, ok);
    json_object_set_new(responses, "default",
                        json_pack("{ss so}", "description", "It was refused", "content",
                                  body_of(reference("Error"))));
    for (size_t i = 0; i < COUNT_OF(names); i++) {
        char part[16];
        snprintf(part, sizeof(part), "{%s}", names[i]);
        if (strstr(route->path, part) != NULL)
            json_array_append_new(parameters,
                                  json_pack("{ss ss sb s{ss}}", "name", names[i], "in", "path",
                                            "required", 1, "schema", "type", "string"));
    }
    json_t *o = json_pack("{ss ss so so}", "operationId", route->id, "summary", route->about,
                          "parameters", parameters, "responses", responses);
    if (route->takes != NULL)
        json_object_set_new(
            o, "requestBody",
            json_pack("{sb so}", "required", 1, "content", body_of(reference(route->takes))));
    return o;
}

json_t *admin_openapi(const char *version)
{
    size_t count;
    const struct admin_route *routes = admin_routes(&count);
    json_t *paths = json_object();
    for (size_t i = 0; i < count; i++) {
        char method[8];
        snprintf(method, sizeof(method), "%s", routes[i].method);
        for (char *p = method; *p != '\0'; p++)
            *p = (char)(*p + ('a' - 'A'));
        json_t *path = json_object_get(paths, routes[i].path);
        if (path == NULL) {
            path = json_object();
            json_object_set_new(paths, routes[i].path, path);
        }
        json_object_set_new(path, method, operation(&routes[i]));
    }
    return json_pack("{ss s{ss ss ss} so s{so s{s{ss ss}}} s[{s[]} {}]}", "openapi", "3.1.0",
                     "info", "title", "meshproof proxy", "version", version, "description",
                     "Fault proxies that can be opened, changed and closed while traffic goes on. "
                     "With a token (--token-env) every request but GET /healthz needs it.",
                     "paths", paths, "components", "schemas", schemas(), "securitySchemes", "token",
                     "type", "http", "scheme", "bearer", "security", "token");
}
