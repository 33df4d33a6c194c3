#ifndef CLI_SERVE_ROUTES_H
#define CLI_SERVE_ROUTES_H

/* The front of `serve` (scenario-language.md section 6):
 *
 *     POST /v1/run             {"suite", "set": {}, "tags": [], "wait": "30m"}
 *     POST /v1/gate            a webhook's {"metadata": {"suite", "mode", "token", "set", "tags"}};
 *                              answers when decided
 *     POST /v1/halt            {}; answers when all is undone
 *     POST /v1/answer          {"number", "answer", "as"}: to a question of the run
 *     GET  /v1/runs/ID         what became of it
 *     GET  /v1/verdict/latest  of the run that ended last; in a pod of a cluster also of those that
 *                              others started there (serve_cluster.h)
 *
 * A run that is waited for answers by its outcome (serve_job_status); one that is not, or lasts
 * longer than `wait`, by 202. What is asked for while a run goes on gets 423. GETs answer 200:
 * their readers look into the body. A bearer token, or that of the metadata, where one is set. */

#include "cli/serve_job.h"
#include "net/http_server.h"

#define SERVE_WAITING_MOST 16
#define SERVE_BODY_MOST ((size_t)64 * 1024)

struct serve_routes;
struct serve_routes_config {
    struct loop *loop;
    const char *listen, *suites, *token; /* token NULL: loopback only, and no page of a browser */
};
bool serve_routes_open(const struct serve_routes_config *config, struct serve_routes **ret,
                       struct error *err) WARN_UNUSED;
void serve_routes_free(struct serve_routes *s);
const char *serve_routes_address(const struct serve_routes *s);
/* No new run; one that goes on is halted. ${on_drained} is called when none does. */
void serve_routes_drain(struct serve_routes *s, void (*on_drained)(void *cookie), void *cookie);

#endif
