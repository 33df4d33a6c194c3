/* layer: kube */

/* Any JSON of a cluster: as an answer of every status, as a policy to copy, as a run's journal, as
 * everything that preflight reads. */

#include "kube/answer.h"
#include "kube/copy.h"
#include "kube/manifest.h"
#include "kube/mirror.h"
#include "kube/preflight.h"
#include "kube/incumbent.h"
#include "kube/revert.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct objects_run run = {.run = "7f3a91c2",
                                       .namespace = "shop",
                                       .image = "i",
                                       .conductor = "c:1",
                                       .mesh = OBJECTS_ISTIO,
                                       .mode = OBJECTS_INTERPOSE};

static void answers(const json_t *body)
{
    static const uint32_t statuses[] = {200, 302, 400, 401, 403, 404, 409, 410, 422, 429, 500, 599};
    for (size_t i = 0; i < COUNT_OF(statuses); i++)
        for (int with_kind = 0; with_kind <= 1; with_kind++) {
            struct api_request request = {.verb = API_POST,
                                          .gvr = with_kind == 1 ? gvr_get(GVR_PODS) : NULL,
                                          .path = "/version"};
            struct answer_asked asked = {
                .request = &request, .account = "a", .namespace = "n", .run = "7f3a91c2"};
            struct text said;
            enum api_outcome outcome = answer_outcome(statuses[i], body);
            text_init(&said, ANSWER_SENTENCE_MOST_BYTES);
            answer_sentence(outcome, &asked, statuses[i], body, &said);
            INVARIANT((outcome == API_DONE) == (statuses[i] == 200));
            INVARIANT(outcome == API_DONE || said.len > 0 || said.full);
            for (size_t k = 0; k < said.len; k++)
                INVARIANT((unsigned char)said.at[k] >= 0x20 || said.at[k] == '\n');
            text_release(&said);
        }
}

static void copies(const json_t *object)
{
    struct copy_names names = {.service = "payments", .namespace = "shop"};
    struct text out;
    json_t *copy = copy_policy(&run, object, &names);
    json_t *annotations = copy_annotations(object);
    text_init(&out, MANIFEST_MOST_BYTES);
    manifest_print(object, &out);
    if (copy != NULL) {
        INVARIANT(objects_run_of(copy) != NULL);
        manifest_print(copy, &out);
    }
    text_release(&out);
    json_decref(copy);
    json_decref(annotations);
}

static void journals(const json_t *text)
{
    struct revert_journal *j;
    struct error err = {0};
    char *printed = json_dumps(text, JSON_ENCODE_ANY);
    json_t *anchor =
        json_pack("{s:{s:s, s:s, s:s, s:s}, s:{s:s}}", "metadata", "namespace", "shop", "name",
                  "mp-1", "uid", "u", "resourceVersion", "1", "data", "journal.json", printed);
    free(printed);
    if (anchor != NULL && revert_journal_read(anchor, &j, &err)) {
        char *again = revert_journal_print(j);
        INVARIANT(again != NULL && revert_outstanding(j) <= revert_journal_count(j));
        free(again);
        revert_journal_free(j);
    }
    json_decref(anchor);
}

/* The target's Service and EndpointSlices, of interpose. */
static void targets(const json_t *body)
{
    struct objects_service s = {.name = "payments", .endpoints = 1};
    struct error err = {0};
    bool is_target = incumbent_read(body, &s, &err);
    (void)is_target;
    json_decref(mirror_slice(&run, &s, 1, body, &err));
    incumbent_count_ready(json_object_get(body, "items"), false);
}

static void preflights(json_t *body)
{
    static const struct objects_service service = {.name = "payments", .endpoints = 1, .port = 80};
    struct preflight_findings found = {0};
    json_t *objects = objects_in_order(&run, &service, 1, NULL, 1, "k");
    struct preflight_view v = {
        .run = &run, .service = &service, .edits = true, .share_ppm = 1, .objects = objects};
    v.namespace = json_incref(body);
    v.lease = json_incref(body);
    v.dry_pods = json_incref(json_object_get(body, "items"));
    for (size_t i = 0; i < GVR_COUNT; i++)
        v.lists[i] = json_incref(body);
    preflight_check(&v, &found);
    preflight_findings_release(&found);
    preflight_view_release(&v);
    json_decref(objects);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    /* As the client parses. */
    json_t *body = json_loadb((const char *)data, size, 0, NULL);
    answers(body);
    if (body == NULL)
        return 0;
    if (json_is_object(body)) {
        copies(body);
        targets(body);
        preflights(body);
    }
    journals(body);
    json_decref(body);
    return 0;
}
