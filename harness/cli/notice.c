#include "cli/notice.h"

#include "base/clock.h"
#include "base/text.h"
#include "base/units.h"
#include "journal/record.h"

#include <stdlib.h>
#include <string.h>

/* Bytes, so that the longest body, every character escaped, fits teller.h's TELLER_MOST. */
#define TEXT_MOST 400
#define NAME_MOST 200 /* of a suite, a scenario */
#define TAG_MOST 40
#define TAGS_MOST 10

/* UTF-8 without control characters, of at most ${most} bytes. */
static void clean(const char *from, size_t most, char to[TEXT_MOST + 1])
{
    size_t len = from == NULL ? 0 : strlen(from);
    if (len > most)
        for (len = most; len > 0 && ((unsigned char)from[len] & 0xC0) == 0x80;)
            len--;
    if (len > 0)
        memcpy(to, from, len);
    to[len] = '\0';
    record_clean_text(to, len);
    for (char *c = to; *c != '\0'; c++)
        if ((unsigned char)*c < ' ' || *c == 0x7f)
            *c = ' ';
}

static json_t *string(const char *text, size_t most)
{
    char line[TEXT_MOST + 1];
    clean(text, most, line);
    return json_string(line);
}

/* The three characters by which Slack's texts make mentions and links, and pages make elements. */
static void add_inert(struct text *to, const char *text, size_t most)
{
    char line[TEXT_MOST + 1];
    clean(text, most, line);
    for (const char *c = line; *c != '\0'; c++) {
        const char *inert = *c == '&' ? "&amp;" : *c == '<' ? "&lt;" : *c == '>' ? "&gt;" : NULL;
        if (inert != NULL)
            text_add(to, "%s", inert);
        else
            text_add(to, "%c", *c);
    }
}

static json_t *webhook(const struct notice *n)
{
    return json_pack("{si ss ss so so so so sI sI}", "v", 1, "event", n->event, "what",
                     n->what != NULL ? n->what : n->event, "run", string(n->run, NAME_MOST),
                     "suite", string(n->suite, NAME_MOST), "scenario",
                     string(n->scenario, NAME_MOST), "text", string(n->text, TEXT_MOST), "t_ns",
                     (json_int_t)n->since_start_ns, "wall_ms",
                     (json_int_t)(n->wall_ns / NS_PER_MS));
}

static json_t *slack(const struct notice *n)
{
    struct text t;
    char at[32];
    text_init(&t, 16 * (size_t)TEXT_MOST);
    text_add(&t, "meshproof %s  ", n->run);
    add_inert(&t, n->scenario != NULL ? n->scenario : n->suite, NAME_MOST);
    text_add(&t, "\n%s  ", units_print_time(n->since_start_ns, at, sizeof(at)));
    add_inert(&t, n->text, TEXT_MOST);
    json_t *body = json_pack("{ss}", "text", text_get(&t));
    text_release(&t);
    return body;
}

static json_t *grafana(const struct notify_plan *to, const struct notice *n)
{
    struct text t;
    json_t *tags = json_pack("[s]", "meshproof");
    json_array_append_new(tags, string(n->run, NAME_MOST));
    for (size_t i = 0; i < to->tag_count && i < TAGS_MOST; i++)
        json_array_append_new(tags, string(to->tags[i], TAG_MOST));
    text_init(&t, 16 * (size_t)TEXT_MOST);
    add_inert(&t, n->scenario, NAME_MOST);
    text_add(&t, ": ");
    add_inert(&t, n->text, TEXT_MOST);
    uint64_t until_ns = n->until_ns == 0 ? n->wall_ns : n->until_ns;
    json_t *body =
        json_pack("{sI sI so ss}", "time", (json_int_t)(n->wall_ns / NS_PER_MS), "timeEnd",
                  (json_int_t)(until_ns / NS_PER_MS), "tags", tags, "text", text_get(&t));
    text_release(&t);
    return body;
}

/* Reasons are one word in CamelCase, as the cluster's own are. */
static json_t *kubernetes_event(const struct notice *n)
{
    static const struct {
        const char *event, *what, *reason, *type;
    } rows[] = {{"start", NULL, "RunStarted", "Normal"},
                {"phase", "phase.start", "PhaseStarted", "Normal"},
                {"phase", "phase.end", "PhaseEnded", "Normal"},
                {"fault", "fault.armed", "FaultArmed", "Warning"},
                {"fault", "fault.expired", "FaultExpired", "Normal"},
                {"human", "question", "QuestionAsked", "Normal"},
                {"human", "answer", "QuestionAnswered", "Normal"},
                {"guard", NULL, "GuardTripped", "Warning"},
                {"abort", NULL, "RunAborted", "Warning"},
                {"verdict", NULL, "Verdict", "Warning"},
                {"end", NULL, "RunEnded", "Normal"}};
    size_t i = 0;
    while (i + 1 < COUNT_OF(rows) &&
           (strcmp(rows[i].event, n->event) != 0 ||
            (rows[i].what != NULL && (n->what == NULL || strcmp(rows[i].what, n->what) != 0))))
        i++;
    struct text t;
    char line[TEXT_MOST + 1];
    text_init(&t, 16 * (size_t)TEXT_MOST);
    clean(n->scenario != NULL ? n->scenario : n->suite, NAME_MOST, line);
    text_add(&t, "meshproof %s, %s: ", n->run, line);
    clean(n->text, TEXT_MOST, line);
    text_add(&t, "%s", line);
    json_t *body = json_pack("{ss ss ss}", "reason", rows[i].reason, "type", rows[i].type,
                             "message", text_get(&t));
    text_release(&t);
    return body;
}

json_t *notice_body(const struct notify_plan *to, const struct notice *n)
{
    switch (to->kind) {
    case NOTIFY_WEBHOOK:
        return webhook(n);
    case NOTIFY_KUBERNETES_EVENT:
        return kubernetes_event(n);
    case NOTIFY_SLACK:
        return slack(n);
    case NOTIFY_GRAFANA:
        return grafana(to, n);
    }
    UNREACHABLE();
}
