/* layer: mesh */

/* Any bytes as a page of counters: samples whose views lie in the page, or one sentence; and each
 * sample as one of two edges. */

#include "mesh/prometheus.h"
#include "mesh/scrape.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct mesh_edge edges[] = {
    {.policy = {.from = "client", .to = "payments"}},
    {.policy = {.from = "client", .to = "orders"}},
};

static void is_within(struct bytes page, struct bytes part)
{
    INVARIANT(part.at >= page.at && part.at + part.len <= page.at + page.len);
}

static void on_sample(void *cookie, const struct prometheus_sample *s)
{
    const struct bytes *page = cookie;
    INVARIANT(s->label_count <= PROMETHEUS_LABELS_MOST && s->name.len > 0);
    is_within(*page, s->name);
    for (size_t i = 0; i < s->label_count; i++) {
        is_within(*page, s->labels[i].name);
        is_within(*page, s->labels[i].value);
    }
    size_t edge = scrape_edge_of(s, "client", edges, COUNT_OF(edges));
    INVARIANT(edge == SIZE_MAX || edge < COUNT_OF(edges));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct bytes page = {data, size};
    struct error err = {0};
    if (!prometheus_parse(page, on_sample, &page, &err))
        INVARIANT(err.kind != ERROR_NONE && strchr(err.text, '\n') == NULL);
    return 0;
}
