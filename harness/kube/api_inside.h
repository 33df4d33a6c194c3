#ifndef KUBE_API_INSIDE_H
#define KUBE_API_INSIDE_H

/* What the client's files share. A call is WAITING in the list, ACTIVE in one of two transfers, or
 * over. Inside of api*.c only.
 *
 * api.c: the list, what comes after a try. api_transfer.c: one try by libcurl. api_pump.c: when
 * what may begin is begun, by a blocking poll or the loop. api_list.c: pages. */

#include "kube/answer.h"
#include "kube/api.h"
#include "kube/throttle.h"
#include "net/web_pump.h"

/* The second one is for urgent calls, which never wait behind a slow one. */
#define API_TRANSFERS 2

struct api_call {
    struct api *api;
    struct api_call *next; /* of the list, in the order of starting */
    struct api_request request;
    char *path;          /* without the query */
    char *query;         /* "" or "a=b&c=d" */
    char *body;          /* NULL: none */
    const char *refused; /* it cannot be sent: why; NULL: it can */
    void (*on_answer)(void *cookie, const struct api_answer *answer);
    void *cookie;

    uint64_t at_ns;    /* WAITING: not before */
    uint64_t first_ns; /* the first try began; 0: none has */
    unsigned tries, overloaded;
    bool refreshed; /* after a 401: the credentials are read once more */
    bool unsure;    /* an earlier try may have made the object */
    bool looking;   /* after a lost POST: GET by name */

    /* Of the try under way. */
    CURL *easy; /* NULL: WAITING */
    size_t transfer;
    struct curl_slist *headers, *connect_to;
    struct buffer received;
    uint64_t start_ns, after_ns;
    unsigned sends; /* heads of requests that left: libcurl sends again by itself on a dead
                       kept connection */
    char curl_error[CURL_ERROR_SIZE];

    /* API_LIST. */
    json_t *list; /* the first page, with the items of those after it */
    char *continues;
    size_t pages, list_bytes;
    bool restarted;
};

struct api {
    struct credentials *credentials;
    struct loop *loop;
    char *mode, *run;
    void (*on_record)(void *cookie, const struct api_record *record);
    void *cookie;
    struct web_pump pump;
    CURL *easy[API_TRANSFERS];
    struct api_call *active[API_TRANSFERS];
    struct api_call *calls;
    size_t call_count;
    struct throttle throttle;
    uint64_t connects;
    struct hold turn; /* on the loop: when to ask again what may begin */
};

/* --- api_transfer.c --- */
/* Starts a try; false: it cannot (${err}), and nothing was sent. */
bool transfer_begin(struct api_call *c, size_t transfer, struct error *err);
/* Takes the call out of its transfer and frees what the try had. Keeps the received bytes. */
void transfer_end(struct api_call *c);
/* No answer: what libcurl says, as a sentence. ${ret_final}: another try would say the same.
 * ${ret_sent}: the server may have acted. */
void transfer_failure(const struct api_call *c, CURLcode code, bool *ret_final, bool *ret_sent,
                      struct text *to);

/* --- api.c --- */
/* Begins what may begin; returns when it wants to be asked again (UINT64_MAX: after an answer). */
uint64_t api_turn(struct api *a);
/* A try is over. May call back. */
void api_tried(struct api_call *c, CURLcode code);

/* --- api_list.c --- */
enum list_step { LIST_MORE, LIST_WHOLE, LIST_BAD };
/* Takes a page's body (a new reference of it). LIST_MORE: ask again, with c->continues. */
enum list_step list_page(struct api_call *c, json_t *take_page, struct text *why);
/* From the beginning; false: it was begun again before. */
bool list_again(struct api_call *c);

/* --- api_pump.c --- */
/* Of net/web_pump.h. */
void pump_ended(void *cookie, CURL *easy, CURLcode code);
void pump_turned(void *cookie);
/* The loop's form: a turn then, or sooner. The blocking form asks by itself. */
void pump_wake(struct api *a, uint64_t at_ns);

#endif
