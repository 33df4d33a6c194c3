#include "verify/track.h"

#include "base/clock.h"
#include "base/map.h"

#include <stdlib.h>

#define ATTRIBUTE_LOOK_BACK 4096
#define IDS_SPARSE 4 /* a table of ids is at most so many times as long as there are requests */

enum { PROC_OF_ARM = 1, PROC_OF_SERVICE = 2 };

/* Rows are in order of process: the last answer is nearly always the next one. */
struct proc_look {
    const struct track *track;
    uint32_t proc;
    unsigned is;
    bool known;
};

static unsigned proc_is(struct proc_look *look, uint32_t proc)
{
    if (look->known && look->proc == proc)
        return look->is;
    const struct journal_proc *p = journal_proc_of(look->track->journal, proc);
    look->proc = proc;
    look->known = true;
    look->is = 0;
    if (p != NULL && p->arm != NULL && strcmp(p->arm, look->track->arm) == 0) {
        look->is = PROC_OF_ARM;
        if (p->service != NULL && strcmp(p->service, look->track->service) == 0)
            look->is |= PROC_OF_SERVICE;
    }
    return look->is;
}

static uint64_t stamp(uint64_t at_ns, uint64_t span_ns)
{
    return span_ns == 0 ? 0 : at_ns + span_ns;
}

static bool failed_at_accept(const struct connection_record *c)
{
    return c->side == 0 && c->requests == 0 && c->fault != 0;
}

static struct try try_of_attempt(const struct attempt_record *r)
{
    return (struct try){
        .r = r,
        .head_ns = r->at,
        .out_ns = stamp(r->at, r->out),
        .left_ns = stamp(r->at, r->left),
    };
}

/* A stand-in for the try that the failed connection was. */
static struct try try_of_connection(struct attempt_record *r, const struct connection_record *c)
{
    r->at = c->at;
    r->out = c->close;
    r->conn = c->conn;
    r->endpoint = c->endpoint;
    r->fault = c->fault;
    r->outcome = OUTCOME_RESET_BY_FAULT;
    return (struct try){
        .r = r,
        .head_ns = c->at,
        .out_ns = c->at + c->close,
        .is_connection = true,
    };
}

static size_t key_tries(const struct track *t, struct track_key *keys)
{
    const struct journal *j = t->journal;
    struct proc_look look = {.track = t};
    size_t count = 0;
    for (size_t i = 0; i < j->attempt_count; i++) {
        const struct attempt_record *r = &j->attempts[i].r;
        if (r->at >= t->from_ns && r->at < t->to_ns &&
            (proc_is(&look, j->attempts[i].proc) & PROC_OF_SERVICE) != 0)
            keys[count++] = (struct track_key){r->at, r->k, (uint32_t)i};
    }
    for (size_t i = 0; i < j->connection_count; i++) {
        const struct connection_record *c = &j->connections[i].r;
        if (failed_at_accept(c) && c->at >= t->from_ns && c->at < t->to_ns &&
            (proc_is(&look, j->connections[i].proc) & PROC_OF_SERVICE) != 0)
            keys[count++] = (struct track_key){c->at, 0, (uint32_t)(j->attempt_count + i)};
    }
    return count;
}

/* Keys are sorted, then tries are built in their order: they are large. */
static void collect_tries(struct track *t)
{
    const struct journal *j = t->journal;
    size_t failed = 0, made = 0;
    for (size_t i = 0; i < j->connection_count; i++)
        failed += failed_at_accept(&j->connections[i].r);
    INVARIANT(j->attempt_count + j->connection_count < TRACK_NONE);
    struct track_key *keys = check_alloc((j->attempt_count + failed + 1) * sizeof(*keys));
    size_t count = key_tries(t, keys);
    track_sort(keys, count);
    t->tries = check_alloc((count + 1) * sizeof(*t->tries));
    t->made = check_alloc_zero(failed + 1, sizeof(*t->made));
    t->try_count = (uint32_t)count;
    for (size_t i = 0; i < count; i++) {
        size_t at = keys[i].at;
        t->tries[i] =
            at < j->attempt_count
                ? try_of_attempt(&j->attempts[at].r)
                : try_of_connection(&t->made[made++], &j->connections[at - j->attempt_count].r);
    }
    free(keys);
}

static bool edge_is_to(const char *edge, const char *service)
{
    const char *arrow = strstr(edge, " -> ");
    return arrow != NULL && strcmp(arrow + 4, service) == 0;
}

static size_t key_requests(const struct track *t, struct track_key *keys)
{
    const struct journal *j = t->journal;
    struct proc_look look = {.track = t};
    size_t count = 0;
    uint8_t *edges =
        check_alloc_zero(j->name_count + 1, 1); /* by name: 0 not asked yet, 1 no, 2 yes */
    for (size_t i = 0; i < j->request_count; i++) {
        const struct request_record *r = &j->requests[i].r;
        uint64_t start = r->due + r->start;
        if (start < t->from_ns || start >= t->to_ns || r->edge >= j->name_count + 1 ||
            (proc_is(&look, j->requests[i].proc) & PROC_OF_ARM) == 0)
            continue;
        if (edges[r->edge] == 0)
            edges[r->edge] = edge_is_to(journal_name(j, r->edge), t->service) ? 2 : 1;
        if (edges[r->edge] == 2)
            keys[count++] = (struct track_key){start, 0, (uint32_t)i};
    }
    free(edges);
    return count;
}

static void collect_requests(struct track *t)
{
    const struct journal *j = t->journal;
    INVARIANT(j->request_count < TRACK_NONE);
    struct track_key *keys = check_alloc((j->request_count + 1) * sizeof(*keys));
    size_t count = key_requests(t, keys);
    track_sort(keys, count);
    t->requests = check_alloc((count + 1) * sizeof(*t->requests));
    t->request_count = (uint32_t)count;
    for (size_t i = 0; i < count; i++) {
        const struct request_record *r = &j->requests[keys[i].at].r;
        t->requests[i] = (struct request){
            .r = r,
            .start_ns = keys[i].t_ns,
            .sent_ns = stamp(r->due, r->sent),
            .head_ns = stamp(r->due, r->head),
            .done_ns = stamp(r->due, r->done),
            .first = TRACK_NONE,
            .last = TRACK_NONE,
        };
    }
    free(keys);
}

/* Order of arrival is the order of tries, but where the mesh's own count says otherwise, the count
 * is right and our reading was late. */
static void tie_try(struct track *t, uint32_t index, struct request *request)
{
    struct try *x = &t->tries[index];
    x->request = (uint32_t)(request - t->requests);
    request->seen++;
    x->place = request->seen;
    if (x->r->n_mesh > request->n_mesh)
        request->n_mesh = x->r->n_mesh;
    if (request->first == TRACK_NONE) {
        request->first = index;
    } else {
        struct try *before = &t->tries[request->last];
        before->next = index;
        if (x->r->n_mesh != 0 && before->r->n_mesh > x->r->n_mesh)
            x->late_read = before->late_read = true;
    }
    request->last = index;
}

/* Requests by id: a table where one process gave its ids out one after the other, else a map. */
struct ids {
    uint64_t hi, least;
    uint32_t *table; /* of id_lo - least: a request, from 1; 0: none */
    uint64_t span;
    struct map map;
};

static bool ids_are_dense(struct ids *ids, const struct track *t)
{
    uint64_t most = 0;
    ids->least = UINT64_MAX;
    ids->hi = t->request_count == 0 ? 0 : t->requests[0].r->id_hi;
    for (uint32_t i = 0; i < t->request_count; i++) {
        const struct request_record *r = t->requests[i].r;
        if (r->id_hi != ids->hi)
            return false;
        ids->least = r->id_lo < ids->least ? r->id_lo : ids->least;
        most = r->id_lo > most ? r->id_lo : most;
    }
    ids->span = most < ids->least ? 0 : most - ids->least;
    return ids->span < IDS_SPARSE * (uint64_t)t->request_count;
}

static void ids_fill(struct ids *ids, const struct track *t)
{
    if (ids_are_dense(ids, t)) {
        ids->table = check_alloc_zero((size_t)ids->span + 1, sizeof(*ids->table));
        for (uint32_t i = t->request_count; i > 0; i--) /* of two with one id the first stays */
            ids->table[t->requests[i - 1].r->id_lo - ids->least] = i;
        return;
    }
    map_init(&ids->map, (size_t)t->request_count + 1);
    map_reserve(&ids->map, t->request_count);
    for (uint32_t i = 0; i < t->request_count; i++) {
        const struct request_record *r = t->requests[i].r;
        uint64_t *at = map_at(&ids->map, (struct map_key){r->id_hi, r->id_lo}, NULL);
        if (at != NULL && *at == 0)
            *at = (uint64_t)i + 1;
    }
}

/* The request of that id, from 1; 0: none. */
static uint32_t ids_find(const struct ids *ids, uint64_t hi, uint64_t lo)
{
    if (ids->table != NULL)
        return hi == ids->hi && lo - ids->least <= ids->span ? ids->table[lo - ids->least] : 0;
    const uint64_t *at = map_find(&ids->map, (struct map_key){hi, lo});
    return at == NULL ? 0 : (uint32_t)*at;
}

static void tie(struct track *t)
{
    struct ids ids = {0};
    ids_fill(&ids, t);
    for (uint32_t i = 0; i < t->try_count; i++) {
        struct try *x = &t->tries[i];
        x->request = x->next = TRACK_NONE;
        x->place = 1;
        bool refused = x->is_connection && track_is_refused(x);
        if (x->is_connection && !refused)
            continue;
        uint32_t found = ids_find(&ids, x->r->id_hi, x->r->id_lo);
        if (refused && found != 0) {
            x->request = found - 1;
            t->requests[x->request].refused++;
        }
        if (refused)
            continue;
        /* The span of a left try of 1 ns or less: the mesh had gone when we read it. */
        x->late_read = x->left_ns != 0 && x->left_ns <= x->head_ns + 1;
        if (found != 0)
            tie_try(t, i, &t->requests[found - 1]);
    }
    free(ids.table);
    map_release(&ids.map);
}

static void find_done_before(struct track *t)
{
    t->done_before = check_alloc_zero((size_t)t->request_count + 1, sizeof(*t->done_before));
    for (uint32_t i = 0; i < t->request_count; i++) {
        uint64_t done_ns = t->requests[i].done_ns == 0 ? UINT64_MAX : t->requests[i].done_ns;
        t->done_before[i + 1] = done_ns > t->done_before[i] ? done_ns : t->done_before[i];
    }
}

/* A failed connection is a request's when exactly one was in flight (1.4 b), however long ago it
 * began; where our loops stood still, since they did. */
static void attribute(struct track *t, struct try *x)
{
    uint64_t from = spans_begin(&t->stalls, x->head_ns);
    if (x->head_ns - from < TRACK_LATE_NS)
        from = x->head_ns > TRACK_LATE_NS ? x->head_ns - TRACK_LATE_NS : 0;
    uint32_t end = track_request_at(t, x->out_ns + 1), found = TRACK_NONE, seen = 0;
    for (uint32_t i = end; i > 0 && t->done_before[i] >= from; i--) {
        const struct request *r = &t->requests[i - 1];
        if (seen++ == ATTRIBUTE_LOOK_BACK)
            return;
        if (r->done_ns != 0 && r->done_ns < from)
            continue;
        if (found != TRACK_NONE)
            return;
        found = i - 1;
    }
    if (found == TRACK_NONE)
        return;
    /* A mesh that counts its tries has told of all that came before an endpoint's own answer: one
     * more is another request's, and was read late. */
    struct request *r = &t->requests[found];
    if (r->n_mesh != 0 && r->r->body_class == BODY_OWN && r->seen + r->refused >= r->n_mesh)
        return;
    r->refused++;
    x->request = found;
}

static void index_hosts(struct track *t, uint32_t endpoints)
{
    t->host_count = endpoints;
    for (uint32_t i = 0; i < t->try_count; i++)
        if (t->tries[i].r->endpoint > t->host_count)
            t->host_count = t->tries[i].r->endpoint;
    t->hosts = check_alloc_zero(t->host_count + 1, sizeof(*t->hosts));
    for (uint32_t i = 0; i < t->try_count; i++)
        if (t->tries[i].r->endpoint != 0)
            t->hosts[t->tries[i].r->endpoint - 1].count++;
    for (uint32_t h = 0; h < t->host_count; h++) {
        t->hosts[h].tries = check_alloc_zero((size_t)t->hosts[h].count + 1, sizeof(uint32_t));
        t->hosts[h].count = 0;
    }
    for (uint32_t i = 0; i < t->try_count; i++) {
        struct try *x = &t->tries[i];
        x->position = TRACK_NONE;
        if (x->r->endpoint == 0)
            continue;
        struct track_host *host = &t->hosts[x->r->endpoint - 1];
        x->position = host->count;
        host->tries[host->count++] = i;
    }
}

static void list_faulted(struct track *t)
{
    t->faulted = check_alloc(((size_t)t->try_count + 1) * sizeof(*t->faulted));
    for (uint32_t i = 0; i < t->try_count; i++) {
        const struct attempt_record *r = t->tries[i].r;
        if ((r->fired | r->guarded) != 0 || r->fault != 0)
            t->faulted[t->faulted_count++] = i;
    }
}

/* Processes that say where their clock ticks must all say the same; one that says nothing is on
 * this machine (only remote agents have another). */
static bool clocks_agree(const struct track *t, unsigned whose)
{
    const struct journal *j = t->journal;
    struct proc_look look = {.track = t};
    const struct clock_record *first = NULL;
    for (size_t i = 0; i < j->clock_count; i++) {
        const struct clock_record *c = &j->clocks[i].r;
        if ((proc_is(&look, j->clocks[i].proc) & whose) == 0)
            continue;
        if (first == NULL)
            first = c;
        else if (c->boot_id != first->boot_id || c->time_ns_inode != first->time_ns_inode)
            return false;
    }
    return true;
}

struct track *track_new(const struct journal *j, const struct track_options *options)
{
    struct track *t = check_alloc_zero(1, sizeof(*t));
    t->journal = j;
    t->arm = options->arm;
    t->service = options->service;
    t->flavour = options->flavour;
    t->from_ns = options->span.from_ns;
    t->to_ns = options->span.to_ns;
    t->retries = options->retries;
    t->unseen_ns = options->unseen_ns == 0 ? UINT64_MAX : options->unseen_ns;
    t->try_timeout_ns = options->try_timeout_ns;
    t->request_timeout_ns = options->request_timeout_ns;
    collect_tries(t);
    collect_requests(t);
    t->is_raw = t->request_count > 0 && t->requests[0].r->protocol == REQUEST_TCP;
    if (!options->limited)
        track_add_refused(t);
    tie(t);
    track_find_stalls(t);
    find_done_before(t);
    for (uint32_t i = 0; i < t->try_count; i++)
        if (t->tries[i].is_connection && !track_is_refused(&t->tries[i]))
            attribute(t, &t->tries[i]);
    t->same_clock = clocks_agree(t, PROC_OF_ARM);
    t->same_endpoint_clock = clocks_agree(t, PROC_OF_SERVICE);
    index_hosts(t, options->endpoints);
    list_faulted(t);
    t->smin = check_alloc_zero(2 * (size_t)t->try_count + 1, sizeof(*t->smin));
    t->smax = check_alloc_zero(2 * (size_t)t->try_count + 1, sizeof(*t->smax));
    track_class(t);
    track_find_clear(t);
    track_count_hidden(t);
    track_find_taint(t);
    track_find_silences(t, options->baseline);
    track_find_gaps(t);
    track_find_past(t);
    track_find_metrics(t);
    return t;
}

uint64_t track_active_ns(const struct track *t, uint64_t from_ns, uint64_t to_ns)
{
    return to_ns <= from_ns ? 0 : to_ns - from_ns - spans_within(&t->gaps, from_ns, to_ns);
}

void track_free(struct track *t)
{
    if (t == NULL)
        return;
    for (uint32_t h = 0; h < t->host_count; h++) {
        free(t->hosts[h].tries);
        free(t->hosts[h].past);
    }
    free(t->tries);
    free(t->requests);
    free(t->hosts);
    free(t->calm_before);
    free(t->hidden_before);
    free(t->done_before);
    free(t->smin);
    free(t->smax);
    free(t->faulted);
    free(t->stalls.at);
    free(t->lags.at);
    free(t->gaps.at);
    free(t->taint.at);
    free(t->raw.at);
    free(t->silences);
    free(t->made);
    free(t->refused);
    free(t->counters);
    free(t->gauges);
    free(t);
}

uint32_t track_try_at(const struct track *t, uint64_t t_ns)
{
    uint32_t low = 0, high = t->try_count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (t->tries[middle].head_ns < t_ns)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

uint32_t track_request_at(const struct track *t, uint64_t t_ns)
{
    uint32_t low = 0, high = t->request_count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (t->requests[middle].start_ns < t_ns)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

uint64_t track_picks(const struct track *t, uint64_t from_ns, uint64_t to_ns)
{
    if (to_ns <= from_ns)
        return 0;
    return t->calm_before[track_try_at(t, to_ns)] - t->calm_before[track_try_at(t, from_ns)];
}
