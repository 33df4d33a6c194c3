#include "kube/api_inside.h"

#include <stdlib.h>

#define CONTINUE_MOST_BYTES ((size_t)8 * 1024) /* it goes into an URL */

bool list_again(struct api_call *c)
{
    bool before = c->restarted;
    json_decref(c->list);
    free(c->continues);
    c->list = NULL;
    c->continues = NULL;
    c->pages = c->list_bytes = 0;
    c->restarted = true;
    return !before;
}

enum list_step list_page(struct api_call *c, json_t *take_page, struct text *why)
{
    json_t *items = json_object_get(take_page, "items");
    json_t *meta = json_object_get(take_page, "metadata");
    const char *more = json_string_value(json_object_get(meta, "continue"));
    if (!json_is_array(items)) {
        /* Kubernetes writes null for no item at all. */
        if (items != NULL && !json_is_null(items)) {
            json_decref(take_page);
            text_add(why, "the API server's list has no items");
            return LIST_BAD;
        }
        items = json_array();
        json_object_set_new(take_page, "items", items);
    }
    c->list_bytes += c->received.len;
    if (c->list_bytes > API_BODY_MOST_BYTES || ++c->pages > API_PAGES_MOST) {
        json_decref(take_page);
        text_add(why, "the list of %s has more than %u pages or 64 MiB",
                 c->request.gvr != NULL ? c->request.gvr->resource : c->request.path,
                 API_PAGES_MOST);
        return LIST_BAD;
    }
    if (more != NULL && strlen(more) > CONTINUE_MOST_BYTES) {
        json_decref(take_page);
        text_add(why, "the API server's continuation of a list has more than 8 KiB");
        return LIST_BAD;
    }
    char *next = more != NULL && *more != '\0' ? check_strdup(more) : NULL;
    free(c->continues);
    c->continues = next;
    if (c->list == NULL) {
        c->list = take_page;
    } else {
        json_array_extend(json_object_get(c->list, "items"), items);
        json_decref(take_page);
    }
    if (next != NULL)
        return LIST_MORE;
    json_object_del(json_object_get(c->list, "metadata"), "continue");
    return LIST_WHOLE;
}
