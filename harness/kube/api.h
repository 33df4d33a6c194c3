#ifndef KUBE_API_H
#define KUBE_API_H

/* The API server's client (spec/kubernetes.md section 4): libcurl and jansson. It sends one request
 * at a time on a kept connection, tries again by the specification's rule, limits itself, and says
 * what an answer means in one sentence. It knows no object; those are objects.h's.
 *
 * Two forms of one machine. Without a loop, api_call blocks (guardian, plan, recover). With a loop,
 * api_start returns at once and answers in the loop: a slow API server never stalls the loop that
 * stamps times. */

#include "kube/credentials.h"
#include "kube/gvr.h"
#include "net/loop.h"

#include <jansson.h>

#define API_BODY_MOST_BYTES ((size_t)64 << 20) /* of an answer, all pages of a list together */
#define API_SENT_MOST_BYTES ((size_t)2 << 20)  /* of a request */
#define API_CONNECT_MOST_S 5
#define API_CALL_MOST_S 10
#define API_TRIES_MOST 5
#define API_WAITING_MOST ((size_t)512) /* started and not yet answered */
#define API_PAGE 500                   /* items of a list a call */
#define API_PAGES_MOST 200

enum api_verb {
    API_GET,
    API_LIST, /* all pages: limit=API_PAGE, continue; an expired continuation begins again, once */
    API_POST,
    API_PUT,
    API_PATCH_MERGE,     /* application/merge-patch+json */
    API_PATCH_STRATEGIC, /* application/strategic-merge-patch+json: pod conditions */
    API_DELETE,
};

/* All of it is borrowed for the call, and copied by api_start. */
struct api_request {
    enum api_verb verb;
    const struct gvr *gvr;                      /* NULL: ${path} as it stands */
    const char *path;                           /* "/version" */
    const char *namespace, *name, *subresource; /* NULL where there is none */
    const char *selector;                       /* API_LIST: labelSelector, not yet encoded */
    const json_t
        *body;       /* POST, PUT, PATCH; of DELETE: see uid. The anchor's journal, a Lease ... */
    const char *uid; /* API_DELETE: precondition. Required: else it could hit another object */
    const char *version; /* API_DELETE: resourceVersion precondition too; NULL: none */
    bool dry_run;        /* ?dryRun=All */
    bool once;           /* no second try, whatever comes (the caller has a rule of its own) */
    bool urgent;         /* never waits behind another call: the Lease, gates, the anchor */
};

/* What an answer means; a caller branches on it, people read ${sentence}. */
enum api_outcome {
    API_DONE,         /* 2xx */
    API_NOT_FOUND,    /* 404 of an object: it is not there */
    API_NO_KIND,      /* 404 of the path: the cluster has no such kind */
    API_EXISTS,       /* 409 AlreadyExists */
    API_CONFLICT,     /* 409: resourceVersion or uid precondition */
    API_EXPIRED,      /* 410 */
    API_FORBIDDEN,    /* 403, and no rule of Pod Security */
    API_POD_SECURITY, /* 403 "violates PodSecurity" */
    API_UNAUTHORISED, /* 401 twice */
    API_INVALID,      /* 400, 422, and other 4xx */
    API_OVERLOADED,   /* 429, 5xx to the end */
    API_UNREACHABLE,  /* no answer: route, refused, timeout, TLS, cut */
    API_BAD_ANSWER,   /* an answer that cannot be read: no JSON, past API_BODY_MOST_BYTES */
    API_NOT_SENT,     /* ours: past a limit, a file of credentials that cannot be read */
};

struct api_answer {
    enum api_outcome outcome;
    uint32_t status;      /* 0: none came */
    const json_t *body;   /* NULL: none. Borrowed for the callback; json_incref to keep it */
    const char *sentence; /* of what is not API_DONE: one or more lines; never a secret */
    unsigned tries;
    bool found_again; /* a POST whose answer was lost, and whose object is there with our label */
};
/* It says nothing of what was asked, and another call may be answered: an API server that is away
 * or overloaded, a proxy before it, credentials that change. */
bool api_is_passing(enum api_outcome outcome);
/* As an error: ERROR_PEER (exit 4) with the sentence; the kind is ERROR_INPUT for API_INVALID. */
bool api_answer_error(const struct api_answer *answer, struct error *err);

/* One of these a try, for the journal: never a header, never a body. */
struct api_record {
    const char *verb; /* "GET", "PATCH" */
    const char *path; /* with the query, without the server */
    uint32_t status;  /* 0: no answer */
    uint64_t start_ns, took_ns;
    uint64_t connects; /* new connections so far */
};

struct api_options {
    struct credentials *credentials; /* the client's from api_open on */
    struct loop *loop;               /* NULL: the blocking form */
    const char *mode; /* "canary": in the sentence on a missing right, the role to add it to */
    const char *run;  /* its label tells our own object after a lost answer; NULL: none */
    void (*on_record)(void *cookie, const struct api_record *record); /* may be NULL */
    void *cookie;
    uint64_t seed; /* of the back-off's jitter */
};

struct api;
struct api_call; /* one that was started; gone once its callback has returned */

/* Makes no connection yet. On failure the credentials stay the caller's. */
bool api_open(const struct api_options *options, struct api **ret, struct error *err) WARN_UNUSED;
/* Drops what was started without a callback. Not within one. */
void api_close(struct api *a);

/* The blocking form. ${ret_body} (may be NULL) is the caller's to json_decref, NULL where there is
 * none. False with api_answer_error's ${err} for all but API_DONE; ${ret_outcome} may be NULL. */
bool api_call(struct api *a, const struct api_request *request, json_t **ret_body,
              enum api_outcome *ret_outcome, struct error *err) WARN_UNUSED;
/* The same with the whole answer, whose sentence may be longer than an error's; ${on_answer} is
 * called before it returns. */
void api_ask(struct api *a, const struct api_request *request,
             void (*on_answer)(void *cookie, const struct api_answer *answer), void *cookie);
/* Waits without a call, at most until ${until_ns} of CLOCK_MONOTONIC. The blocking form. */
void api_wait(struct api *a, uint64_t until_ns);

/* The form on the loop (a kubeconfig's credential plug-in blocks it while it runs; a pod has none).
 * Never calls back before it returns. Within the callback others may be
 * started and cancelled. */
struct api_call *api_start(struct api *a, const struct api_request *request,
                           void (*on_answer)(void *cookie, const struct api_answer *answer),
                           void *cookie);
/* Ends it without a callback. Whether the server acted is then not known. */
void api_cancel(struct api_call *c);

#endif
