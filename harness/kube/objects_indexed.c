#include "kube/objects_inside.h"

/* Agents of a scenario that has many (spec/kubernetes.md section 7): one Indexed Job of each
 * service, and one of the load. A single call makes them all, and each pod learns its number from
 * its Job. */

/* As the pods' own: with its largest number it is a host's name, a DNS label. */
static const char *job_name(const struct objects_run *r, const char *service, char *to, size_t size)
{
    objects_name(r, service, OBJECTS_ENDPOINTS_MOST, to, size);
    *strrchr(to, '-') = '\0';
    return to;
}

static json_t *template_of(const json_t *pod)
{
    static const char *const kept[] = {"labels", "annotations"};
    json_t *meta = json_object(), *template = json_object();
    for (size_t i = 0; i < COUNT_OF(kept); i++)
        json_object_set(meta, kept[i], json_object_get(json_object_get(pod, "metadata"), kept[i]));
    set_new(template, "metadata", meta);
    json_object_set(template, "spec", json_object_get(pod, "spec"));
    return template;
}

/* An index that has failed is never made again: another pod would have another address and another
 * state at the mesh. The others go on, for how many may be missing is the run's to judge: the Job's
 * own failure would end them all. */
static json_t *job_of(const struct objects_run *r, const char *service, uint32_t count,
                      json_t *take_pod)
{
    static const char *const kept[] = {OBJECTS_ROLE_LABEL, OBJECTS_SERVICE_LABEL};
    char name[OBJECTS_NAME_MOST + 1];
    json_t *job = objects_head(r, "batch/v1", "Job", job_name(r, service, name, sizeof(name)));
    json_t *spec = json_object();
    for (size_t i = 0; i < COUNT_OF(kept); i++)
        json_object_set(objects_labels(job), kept[i],
                        json_object_get(objects_labels(take_pod), kept[i]));
    objects_own(r, job);
    set_text(spec, "completionMode", "Indexed");
    set_count(spec, "completions", count);
    set_count(spec, "parallelism", count);
    set_count(spec, "backoffLimitPerIndex", 0);
    set_text(spec, "podReplacementPolicy", "Failed");
    set_new(spec, "template", template_of(take_pod));
    set_new(job, "spec", spec);
    json_decref(take_pod);
    return job;
}

json_t *objects_endpoint_job(const struct objects_run *r, const struct objects_service *s)
{
    return job_of(r, s->name, s->endpoints, objects_endpoint_pod(r, s, 0));
}

json_t *objects_load_job(const struct objects_run *r, uint32_t count)
{
    return job_of(r, "load", count, objects_load_pod(r, 0));
}

/* At an address of documentation (RFC 5737); a dry run stores nothing. */
static json_t *sample_slice(const struct objects_run *r, const struct objects_service *s)
{
    static const struct objects_address nowhere = {.ip = "192.0.2.1"};
    struct error none = {0};
    return objects_slice(r, s->name, 1, objects_endpoint_port(s, 1), "http", &nowhere, 1, &none);
}

json_t *objects_samples(const struct objects_run *r, const struct objects_service *services,
                        size_t service_count, uint32_t loads)
{
    json_t *all = json_array();
    for (size_t i = 0; r->indexed && !r->ports && i < service_count; i++)
        json_array_append_new(all, objects_endpoint_pod(r, &services[i], 1));
    if (r->ports && service_count > 0)
        json_array_append_new(all, sample_slice(r, &services[0]));
    if (r->indexed && loads > 0)
        json_array_append_new(all, objects_load_pod(r, 1));
    return all;
}
