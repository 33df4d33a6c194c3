#include "reports/html_meaning.h"

#include "journal/arm.h"
#include "policy/edge.h"

#define MAX_BYTES ((size_t)4 << 20)

void meaning_open(struct meaning *m, const struct journal *j)
{
    const json_t *row;
    size_t i;
    *m = (struct meaning){.edge_count = 0};
    arena_init(&m->arena, MAX_BYTES);
    json_array_foreach(json_object_get(j->policy, "edges"), i, row)
    {
        const char *arm = json_string_value(json_object_get(row, "arm"));
        struct error err = {0};
        if (!arm_is_subject(arm) || m->edge_count == MEANING_EDGES)
            continue;
        if (edge_policy_from_json(json_object_get(row, "edge"), &m->arena, &m->edges[m->edge_count],
                                  &err))
            m->edge_count++;
    }
}

void meaning_release(struct meaning *m)
{
    arena_release(&m->arena);
}

static bool is_at(const struct value *v, const char *file, uint64_t line)
{
    return v->set && v->source.file != NULL && v->source.line == line &&
           strcmp(v->source.file, file) == 0;
}

bool meaning_add(const struct meaning *m, const char *file, uint64_t line, struct text *to)
{
    size_t count;
    const struct edge_value *rows = edge_values(&count);
    struct text one, told;
    bool any = false;
    text_init(&one, 8192);
    text_init(&told, 65536);
    for (size_t e = 0; e < m->edge_count; e++) {
        for (size_t i = 0; i < count; i++) {
            char name[EDGE_NAME_SIZE];
            if (!is_at(edge_value_get(&m->edges[e], &rows[i]), file, line))
                continue;
            text_clear(&one);
            text_add(&one, "%s ", edge_value_name(&rows[i], name));
            edge_value_show(&m->edges[e], &rows[i], &one);
            text_add(&one, "\n");
            if (strstr(text_get(&told), text_get(&one)) != NULL)
                continue;
            text_add_bytes(&told, bytes_of(text_get(&one)));
            if (to != NULL) {
                text_add(to, any ? ", " : "");
                html_bytes(to, (struct bytes){(const uint8_t *)one.at, one.len - 1});
            }
            any = true;
        }
    }
    text_release(&one);
    text_release(&told);
    return any;
}
