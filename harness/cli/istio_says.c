#include "cli/istio.h"

#include <string.h>

/* What Istio says of each object, as sentences. Its own texts stand as they are. */

static const char *word(const json_t *at, const char *key)
{
    const char *text = json_string_value(json_object_get(at, key));
    return text == NULL ? "" : text;
}

/* "Accepted True (Accepted): Route was valid", under whom it is said to. */
static size_t print_conditions(const json_t *list, const char *whom, struct text *to)
{
    const json_t *c;
    size_t i;
    json_array_foreach(list, i, c)
    {
        const char *message = word(c, "message");
        text_add(to, "      %s%s%s %s (%s)%s%s\n", whom, whom[0] == '\0' ? "" : ": ",
                 word(c, "type"), word(c, "status"), word(c, "reason"),
                 message[0] == '\0' ? "" : ": ", message);
    }
    return json_array_size(list);
}

/* Of each parent of a route, each ancestor of a policy, each listener of a Gateway. */
static size_t print_parts(const json_t *status, const char *key, const char *reference,
                          struct text *to)
{
    const json_t *part;
    size_t i, count = 0;
    json_array_foreach(json_object_get(status, key), i, part)
    {
        const json_t *whom = json_object_get(part, reference);
        char name[300];
        if (json_is_string(whom))
            snprintf(name, sizeof(name), "listener %.200s", json_string_value(whom));
        else
            snprintf(name, sizeof(name), "%.64s %.200s",
                     json_object_get(whom, "kind") == NULL ? "Gateway" : word(whom, "kind"),
                     word(whom, "name"));
        count += print_conditions(json_object_get(part, "conditions"), name, to);
    }
    return count;
}

static void print_status(const json_t *object, struct text *to)
{
    const json_t *status = json_object_get(object, "status");
    if (status == NULL)
        return;
    size_t count = print_conditions(json_object_get(status, "conditions"), "", to) +
                   print_parts(status, "parents", "parentRef", to) +
                   print_parts(status, "ancestors", "ancestorRef", to) +
                   print_parts(status, "listeners", "name", to);
    if (count == 0)
        text_add(
            to,
            "      no status: nothing that it names is known to Istio, so it governs nothing\n");
}

static void print_findings(const json_t *object, struct text *to)
{
    const json_t *one;
    size_t i;
    json_array_foreach(json_object_get(object, "warnings"), i, one)
        text_add(to, "      the webhook warns: %s\n", json_string_value(one));
    json_array_foreach(json_object_get(object, "analysis"), i, one)
        text_add(to, "      %s %s: %s\n", word(one, "code"), word(one, "level"), word(one, "text"));
}

static void print_object(const json_t *object, struct text *to)
{
    const char *refused = word(object, "refused"), *needs = word(object, "needs");
    const char *version = word(object, "api_version"), *kind = word(object, "kind");
    text_add(to, "  %s:%lld: %s %s\n", word(object, "file"),
             (long long)json_integer_value(json_object_get(object, "line")), kind,
             word(object, "name"));
    if (!json_is_true(json_object_get(object, "known")))
        text_add(to, "      neither Istio nor Kubernetes has a kind %s in %s%s\n", kind, version,
                 strstr(version, "istio.io/") != NULL ||
                         strstr(version, "networking.k8s.io/") != NULL
                     ? ": an API server refuses it"
                     : ": Istio does not read it");
    else if (refused[0] != '\0')
        text_add(to, "      refused by Istio's webhook: %s\n", refused);
    else if (needs[0] != '\0')
        text_add(to, "      not read: Istio reads this kind only where %s=true is set\n", needs);
    else if (!json_is_true(json_object_get(object, "read")))
        text_add(to, "      not read: it is none of the kinds that govern requests in Istio\n");
    else if (json_object_get(object, "status") == NULL)
        text_add(to, "      taken; Istio writes no status of this kind\n");
    print_status(object, to);
    print_findings(object, to);
}

void istio_says_print(const json_t *answer, struct text *to)
{
    const json_t *one;
    size_t i;
    if (json_object_get(answer, "istiod") != NULL) {
        text_add(to,
                 "the mesh was programmed by the istiod at %s (Istio %s); of the objects it says "
                 "nothing\n",
                 word(answer, "istiod"), word(answer, "istio"));
        return;
    }
    text_add(to, "what Istio %s itself says (its own code, of these files alone)\n",
             word(answer, "istio"));
    json_array_foreach(json_object_get(answer, "objects"), i, one) print_object(one, to);
    if (json_array_size(json_object_get(answer, "objects")) == 0)
        text_add(to, "  no object is in these files\n");
    json_array_foreach(json_object_get(answer, "assumed"), i, one)
        text_add(to, "%s%s%s", i == 0 ? "  Services that were taken as there: " : ", ",
                 json_string_value(one),
                 i + 1 == json_array_size(json_object_get(answer, "assumed")) ? "\n" : "");
}
