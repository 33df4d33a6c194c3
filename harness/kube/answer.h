#ifndef KUBE_ANSWER_H
#define KUBE_ANSWER_H

/* What an answer of the API server means, and the sentence on it (the table of spec/kubernetes.md
 * section 4). Pure: bytes of a server that may be anything, and what was asked. */

#include "kube/api.h"

#define ANSWER_SENTENCE_MOST_BYTES ((size_t)8 * 1024)
#define ANSWER_CAUSES_MOST 20

/* What the sentence names besides the answer. */
struct answer_asked {
    const struct api_request *request;
    const char *account, *mode, *run; /* mode, run: NULL where there is none */
    const char *namespace;            /* where the request names none */
    bool in_cluster;
    unsigned overloaded; /* answers of 429 and 5xx so far */
    uint64_t took_ns;    /* since the first try */
};

/* "create" for a POST: Kubernetes' word for the right. */
const char *answer_verb(enum api_verb verb);
/* "GET": of HTTP. */
const char *answer_method(enum api_verb verb);
/* ${body} may be NULL (no JSON). Of 401, 429 and 5xx it says what is left when no further try is
 * made. */
enum api_outcome answer_outcome(uint32_t status, const json_t *body);
/* Adds the sentence; nothing for API_DONE. For API_UNREACHABLE and API_NOT_SENT the client has its
 * own. Control characters of the server become '?'. */
void answer_sentence(enum api_outcome outcome, const struct answer_asked *asked, uint32_t status,
                     const json_t *body, struct text *to);
/* Seconds of a Retry-After header as ns; 0: none, or a date, which we do not read. */
uint64_t answer_retry_after_ns(struct bytes value);

#endif
