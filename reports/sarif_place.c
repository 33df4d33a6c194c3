#include "reports/sarif_place.h"

#include "base/text.h"

#include <ctype.h>

char *sarif_uri(const char *path)
{
    struct text t;
    text_init(&t, (size_t)64 * 1024);
    while (strncmp(path, "./", 2) == 0)
        path += 2;
    text_add(&t, "%s", path[0] == '/' ? "file://" : "");
    for (; *path != '\0'; path++) {
        unsigned char c = (unsigned char)*path;
        if (isalnum(c) || strchr("/-._~", c) != NULL)
            text_add(&t, "%c", c);
        else
            text_add(&t, "%%%02X", c);
    }
    return text_take(&t);
}

json_t *sarif_location(const struct source *at, const char *uri)
{
    json_t *artifact = json_pack("{s:s}", "uri", uri);
    if (uri[0] != 'f' || strncmp(uri, "file://", 7) != 0)
        json_object_set_new(artifact, "uriBaseId", json_string("%SRCROOT%"));
    json_t *physical = json_pack("{s:o}", "artifactLocation", artifact);
    if (at->line > 0) {
        json_t *region = json_pack("{s:I}", "startLine", (json_int_t)at->line);
        if (at->column > 0)
            json_object_set_new(region, "startColumn", json_integer((json_int_t)at->column));
        json_object_set_new(physical, "region", region);
    }
    return json_pack("{s:o}", "physicalLocation", physical);
}
