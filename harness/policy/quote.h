#ifndef POLICY_QUOTE_H
#define POLICY_QUOTE_H

/* What the journal keeps of the policy's text, so that a report can show the lines that its
 * verdicts rest on. Kept are whole documents of the kinds that are read here (VirtualService,
 * HTTPRoute, ...): never a Secret, a ConfigMap, a workload or what is in a `kind: List`. In them
 * the value of a key that sounds like a secret (authorization, token, password, ...) is replaced,
 * with all that is deeper than that key. Lines keep their numbers. */

#include "policy/policy.h"
#include "policy/yaml.h"

#define QUOTE_FILE_BYTES ((size_t)64 << 10)
#define QUOTE_BYTES ((size_t)256 << 10) /* of all files */
#define QUOTE_LINE_BYTES 400
#define QUOTE_HIDDEN "(hidden)"

/* One run of lines of a file. */
struct quote {
    const char *file, *text;
    uint32_t from; /* number of its first line */
    bool cut;      /* a maximum was reached: the rest of the file is not here */
};

/* Keeps what may be kept of ${yaml}, whose ${documents} have been read into the objects of ${p}
 * from
 * ${first_object} on. */
void quote_add(struct policy *p, struct bytes yaml, const char *file,
               const struct yaml_node *const *documents, size_t count, size_t first_object);
/* [{"file": "k8s/payments.yaml", "parts": [{"from": 1, "text": "..."}], "cut": true}]: the key cut
 * only where it is so. */
json_t *policy_quotes_to_json(const struct policy *p);

#endif
