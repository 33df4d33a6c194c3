#ifndef LOAD_STUB_TASK_H
#define LOAD_STUB_TASK_H

/* Inside the stub: one request under work (stub.c), and the calls that it makes (stub_call.c). */

#include "base/map.h"
#include "load/stub.h"
#include "net/h2_client.h"
#include "net/h2_server.h"
#include "net/http_client.h"
#include "net/http_server.h"

struct stub_task;

/* State of one call of the service, over all of its requests. */
struct stub_breaker {
    uint32_t failures; /* in a row */
    uint64_t open_until_ns;
    bool trying; /* the one trial after the break */
};

/* One of the service's listeners. */
struct stub_port {
    struct stub *stub;
    struct http_server *server;
    struct h2_server *h2;   /* in its place, for http2 and grpc */
    struct stub_echo *echo; /* in its place, for tcp (stub_echo.h) */
    uint16_t number;
    uint32_t busy; /* slots in use */
    struct stub_task *first_waiting, **last_waiting;
};

struct stub_channel; /* stub_call_h2.c */

struct stub {
    struct loop *loop;
    struct recorder *recorder;
    struct stub_config config; /* its lists are copies in ${arena} */
    struct arena arena;
    const struct service_plan *service;
    struct http_client *client;
    struct stub_channel *channels; /* in its place, to services of http2 and grpc */
    struct stub_port *ports;
    struct stub_breaker *breakers;
    struct stub_task *tasks;
    struct text body;
    struct buffer message; /* gRPC: the body in its frame */
    bool grpc;
    struct map seen, seen_before; /* arrivals of an id here, in two generations: bounded */
    uint64_t service_hash, seed_of_work, seq;
    struct stub_counts counts;
};

/* One call of one task; its tries are one after the other. */
struct stub_call {
    struct stub_task *task;
    const struct call_plan *plan;
    size_t index;
    struct hold timeout, pause; /* pause: back-off, or an end that must not come at once */
    struct http_call *on_wire;
    struct h2_ask *stream; /* in its place */
    uint32_t server;       /* of its answer: for the record */
    uint8_t marks;
    uint64_t deadline_ns, due_ns, id_lo;
    uint32_t tries;
    bool trial; /* the try that may close the breaker again */
    bool open;
};

/* Everything that the task needs of its request is copied: the client may leave, the work goes on.
 */
struct stub_task {
    struct stub *stub;
    struct stub_port *port;
    struct stub_task *prev, *next, *next_waiting;
    struct http_exchange *exchange; /* NULL: the client has left */
    struct h2_exchange *stream;     /* in its place, for http2 and grpc */
    struct hold work;
    struct loop_task gone;
    struct text pass_on; /* header lines for its calls */
    struct field echo;   /* the effect header of the answer; in ${arena} */
    struct arena arena;
    uint64_t id_hi, id_lo, root_hi, root_lo;
    uint32_t attempt;
    bool working;
    uint16_t status; /* of the answer: the service's, a fallback's, or 502 */
    const char *fallback_body;
    const char *failed; /* the service that could not be called */
    size_t next_call, calls_open;
    struct stub_call *calls;
};

/* How a try ended, for its record. */
struct stub_outcome {
    uint16_t status, grpc_status;
    uint8_t grpc_where, protocol, marks;
    bool fresh;
    uint32_t server;
    uint64_t bytes_in;
    struct bytes sample; /* of the body */
    struct http_stamps stamps;
};

/* "http1", "http2" or "grpc": what the called service speaks. */
const char *stub_call_protocol(const struct stub_call *c);
/* A try has ended by itself. ${status}: what the call takes it for. */
void stub_call_tried(struct stub_call *c, const struct stub_outcome *outcome, uint16_t status,
                     enum request_end end);
/* A try on HTTP/2, of the head that HTTP/1.1 would send. */
void stub_call_h2_start(struct stub_call *c, const char *method, struct bytes head);
/* Ends it (RST_STREAM); what there was of it. */
struct stub_outcome stub_call_h2_cut(struct stub_call *c);
void stub_channels_free(struct stub *s);

/* Begins the task's next calls: one, or a row of those that go together. stub_task_called follows
 * when they are over, in a later turn. */
void stub_call_begin_next(struct stub_task *t);
/* Ends calls under way without a record. */
void stub_call_cancel_all(struct stub_task *t);
/* In stub.c: the calls that were begun are over. */
void stub_task_called(struct stub_task *t);

#endif
