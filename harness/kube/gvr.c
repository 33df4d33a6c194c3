#include "kube/gvr.h"

static const struct gvr rows[GVR_COUNT] = {
#define GVR(ID, group, version, resource, kind, scope, install, parts) \
    {GVR_##ID, group, version, resource, kind, scope, install, parts},
#include "kube/gvrs.def"
#undef GVR
};

const struct gvr *gvr_get(enum gvr_id id)
{
    INVARIANT(id < GVR_COUNT);
    return &rows[id];
}

bool gvr_has(enum gvr_id id, enum gvr_part part)
{
    return (gvr_get(id)->parts & (unsigned)part) == (unsigned)part;
}

const struct gvr *gvr_find(const char *group, const char *resource)
{
    for (size_t i = 0; i < GVR_COUNT; i++)
        if (strcmp(rows[i].group, group) == 0 && strcmp(rows[i].resource, resource) == 0)
            return &rows[i];
    return NULL;
}

const struct gvr *gvr_of(const char *api_version, const char *kind)
{
    char mine[96];
    for (size_t i = 0; i < GVR_COUNT; i++)
        if (strcmp(rows[i].kind, kind) == 0 &&
            strcmp(gvr_api_version(&rows[i], mine, sizeof(mine)), api_version) == 0)
            return &rows[i];
    return NULL;
}

const struct gvr *gvr_of_kind(const char *api_version, const char *kind)
{
    const char *slash = strchr(api_version, '/');
    size_t group = slash != NULL ? (size_t)(slash - api_version) : 0;
    for (size_t i = 0; i < GVR_COUNT; i++)
        if (strcmp(rows[i].kind, kind) == 0 && strlen(rows[i].group) == group &&
            strncmp(rows[i].group, api_version, group) == 0)
            return &rows[i];
    return NULL;
}

const char *gvr_api_version(const struct gvr *g, char *to, size_t size)
{
    snprintf(to, size, "%s%s%s", g->group, *g->group == '\0' ? "" : "/", g->version);
    return to;
}

void gvr_path(const struct gvr *g, const char *namespace, const char *name, const char *subresource,
              struct text *to)
{
    if (*g->group == '\0')
        text_add(to, "/api/%s", g->version);
    else
        text_add(to, "/apis/%s/%s", g->group, g->version);
    if (g->namespaced && namespace != NULL)
        text_add(to, "/namespaces/%s", namespace);
    text_add(to, "/%s", g->resource);
    if (name != NULL)
        text_add(to, "/%s", name);
    if (subresource != NULL)
        text_add(to, "/%s", subresource);
}
