#include "cli/cluster.h"

#include "cli/small_file.h"
#include "kube/body.h"
#include "kube/copy.h"
#include "policy/quote.h"
#include "policy/yaml.h"

#include <stdlib.h>

/* What the user's files give the canary: copies of the policy's objects under names of their own,
 * and of the Service's own YAML its port and the annotations that Linkerd reads there. */

static void take_service(struct cluster *c, struct objects_service *s, const json_t *object)
{
    const json_t *meta = json_object_get(object, "metadata");
    json_t *port = json_array_get(json_object_get(json_object_get(object, "spec"), "ports"), 0);
    json_int_t number = json_integer_value(json_object_get(port, "port"));
    json_t *annotations = copy_annotations(object);
    json_array_append_new(c->kept, annotations);
    s->annotations = annotations;
    if (port == NULL)
        return;
    json_array_append(c->kept, port);
    if (number > 0 && number < 65536)
        s->port = (uint16_t)number;
    if (body_text(port, "name")[0] != '\0')
        s->port_name = body_text(port, "name");
    if (body_text(port, "appProtocol")[0] != '\0')
        s->app_protocol = body_text(port, "appProtocol");
    if (body_text(json_object_get(meta, "labels"), "istio.io/use-waypoint")[0] != '\0') {
        json_array_append(c->kept, json_object_get(meta, "labels"));
        s->waypoint = body_text(json_object_get(meta, "labels"), "istio.io/use-waypoint");
    }
}

static void take_object(struct cluster *c, const json_t *object)
{
    const char *namespace = body_meta_text(object, "namespace");
    for (size_t i = 0; i < c->options.service_count; i++) {
        struct objects_service *s = &c->services[i];
        const struct copy_names names = {
            .service = s->name,
            .namespace = namespace[0] != '\0' ? namespace : c->options.run.namespace};
        if (strcmp(body_text(object, "kind"), "Service") == 0) {
            if (strcmp(body_meta_text(object, "name"), s->name) == 0)
                take_service(c, s, object);
            continue;
        }
        json_t *copy = copy_policy(&c->options.run, object, &names);
        if (copy != NULL)
            json_array_append_new(c->policies, copy);
    }
}

/* Services first. */
static bool take_file(struct cluster *c, const char *path, bool services, struct error *err)
{
    struct arena arena;
    struct buffer bytes;
    size_t nodes = YAML_MAX_NODES, count = 0;
    const struct yaml_node **documents = NULL;
    arena_init(&arena, (size_t)64 * 1024 * 1024);
    bool ok = small_file_read(path, &bytes, err) &&
              yaml_parse(buffer_view(&bytes), path, &nodes, &arena, &documents, &count, err);
    for (size_t i = 0; ok && i < count; i++) {
        json_t *object = copy_json(documents[i]);
        if ((strcmp(body_text(object, "kind"), "Service") == 0) == services)
            take_object(c, object);
        json_decref(object);
    }
    buffer_release(&bytes);
    arena_release(&arena);
    return ok;
}

/* The files that the first scenario's policy was read from; all scenarios of a run share a mesh. */
bool cluster_policies(struct cluster *c, struct error *err)
{
    json_t *files = json_object();
    const char *path;
    const json_t *row;
    size_t k;
    bool ok = true;
    c->policies = json_array();
    c->options.policies = c->policies;
    if (c->options.run.mesh == OBJECTS_NO_MESH) { /* nobody in the cluster would read them */
        json_decref(files);
        return true;
    }
    for (size_t i = 0; i < c->prepared->plan->scenario_count; i++) {
        json_t *quotes = policy_quotes_to_json(c->prepared->scenarios[i].policy);
        json_array_foreach(quotes, k, row)
        {
            json_object_set_new(files, body_text(row, "file"), json_true());
        }
        json_decref(quotes);
    }
    for (int pass = 0; ok && pass < 2; pass++) {
        json_object_foreach(files, path, row)
        {
            if (ok && strcmp(path, "stdin") == 0)
                ok = error_set(err, ERROR_USAGE,
                               "a policy from standard input cannot be copied to "
                               "a cluster: give a file");
            ok = ok && take_file(c, path, pass == 0, err);
        }
    }
    json_decref(files);
    return ok;
}
