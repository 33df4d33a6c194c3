#include "policy/policy.h"

#include "base/text.h"

static const char *const names[] = {
    [MESH_NONE] = "none",
    [MESH_ISTIO] = "istio",
    [MESH_ISTIO_AMBIENT] = "istio-ambient",
    [MESH_LINKERD] = "linkerd",
    [MESH_GATEWAY_API] = "gateway-api",
};

static bool version_parse(const char *text, struct target *ret)
{
    uint64_t major = 0, minor = 0;
    struct bytes all = bytes_of(text);
    size_t dot = bytes_find(all, '.');
    if (dot == SIZE_MAX || !bytes_to_u64((struct bytes){all.at, dot}, &major) ||
        !bytes_to_u64((struct bytes){all.at + dot + 1, all.len - dot - 1}, &minor))
        return false;
    if (major == 0 || major > 1000 || minor > 10000)
        return false;
    ret->major = (uint32_t)major;
    ret->minor = (uint32_t)minor;
    return true;
}

bool target_parse(const char *text, struct target *ret, struct error *err)
{
    const char *at = strchr(text, '@');
    size_t len = at == NULL ? strlen(text) : (size_t)(at - text);
    struct target target = {0};
    bool found = false;
    for (size_t i = 0; i < COUNT_OF(names) && !found; i++) {
        found = strlen(names[i]) == len && strncmp(names[i], text, len) == 0;
        if (found)
            target.mesh = (enum mesh)i;
    }
    if (!found || (target.mesh == MESH_NONE && at != NULL))
        return error_set(err, ERROR_USAGE,
                         "target \"%.60s\" is not known; it must be one of istio@1.31, "
                         "istio-ambient@1.31, linkerd@2.19, gateway-api@1.6, none",
                         text);
    if (at != NULL && !version_parse(at + 1, &target))
        return error_set(err, ERROR_USAGE,
                         "target \"%.60s\" has no version such as %s@1.31 (MAJOR.MINOR)", text,
                         names[target.mesh]);
    *ret = target;
    return true;
}

const char *target_print(struct target target, char *to, size_t size)
{
    const char *name = (size_t)target.mesh < COUNT_OF(names) ? names[target.mesh] : "none";
    if (target.major == 0)
        snprintf(to, size, "%s", name);
    else
        snprintf(to, size, "%s@%u.%u", name, target.major, target.minor);
    return to;
}

bool target_since(struct target target, uint32_t major, uint32_t minor)
{
    if (target.major == 0)
        return true;
    return target.major > major || (target.major == major && target.minor >= minor);
}
