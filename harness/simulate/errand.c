/* The mesh's side: a request from its arrival to its answer, decided by the models alone. The steps
 * are those of harness/mesh/forward.c, without sockets. */
#include "simulate/scene.h"

#define FAILFAST_NS (3 * NS_PER_S)
#define POLL_NS (20 * NS_PER_MS)
#define WRITE_NS (8 * NS_PER_US)
#define NO_VISIT UINT32_MAX

enum why { /* as the proxy's own replies tell (policy-semantics.md A8, D7) */
           WHY_NO_HOST,
           WHY_FAILFAST,
           WHY_REFUSED,
           WHY_RESET,
           WHY_EOF,
           WHY_OVERFLOW,
           WHY_REQUEST_TIMEOUT,
           WHY_TRY_TIMEOUT,
           WHY_RATE,
};

static void try_pick(struct scene *s, uint32_t index);

static uint32_t take_slot(struct scene *s)
{
    if (s->errand_free_count > 0)
        return s->errands_free[--s->errand_free_count];
    if (s->errand_count == s->errand_room) {
        s->errand_room = s->errand_room == 0 ? 64 : s->errand_room * 2;
        s->errands = check_realloc(s->errands, s->errand_room * sizeof(*s->errands));
        s->errands_free = check_realloc(s->errands_free, s->errand_room * sizeof(*s->errands_free));
    }
    s->errands[s->errand_count] = (struct errand){0};
    return s->errand_count++;
}

uint32_t errand_new(struct scene *s, uint32_t load, const char *tag, uint64_t due_ns)
{
    uint32_t index = take_slot(s), name = journal_add_name(s->journal, tag);
    struct errand *f = &s->errands[index];
    uint32_t life = f->life, epoch = f->epoch, alarm = f->alarm; /* slots are used again */
    *f = (struct errand){
        .r = {.due = due_ns,
              .id_hi = UINT64_C(7) << 32 | SCENE_PROC_LOAD,
              .id_lo = ++s->sent,
              .root_hi = UINT64_C(7) << 32 | SCENE_PROC_LOAD,
              .root_lo = s->sent,
              .tag = name,
              .edge = s->edge_name,
              .verb = s->loads[load].verb,
              .flags = tag == NULL ? 0 : REQUEST_TAGGED},
        .tried = BALANCE_TRIED_NONE,
        .state = ERRAND_WAITS,
        .life = life + 1,
        .epoch = epoch,
        .alarm = alarm,
        .load = load,
        .phase = s->phase_id,
        .visit = NO_VISIT,
        .grpc = s->loads[load].grpc,
    };
    f->r.path = s->loads[load].path;
    f->r.protocol = f->grpc ? REQUEST_HTTP2 : REQUEST_HTTP1;
    return index;
}

static uint64_t span_of(const struct errand *f, uint64_t t_ns)
{
    return t_ns > f->r.due ? t_ns - f->r.due : 1;
}

static void set_alarm(struct scene *s, uint32_t index)
{
    struct errand *f = &s->errands[index];
    uint64_t at_ns = timeout_request_at_ns(&s->model.timeout, &f->clock);
    f->alarm++;
    if (at_ns != TIMEOUT_NEVER_NS)
        scene_add(s, EVENT_EXPIRE, index, f->alarm, noise_timer_ns(&s->noise, at_ns, s->now_ns));
}

static void tell_health(struct scene *s, const struct errand *f)
{
    outlier_add(&s->outlier, f->host, model_outlier_result(&f->result), s->now_ns);
    accrual_add(&s->accrual[f->host], model_accrual_failed(&f->result), s->now_ns);
}

static void give_conn(struct scene *s, struct errand *f, bool kept)
{
    struct scene_host *h = &s->hosts[f->host];
    if (!f->has_conn)
        return;
    f->has_conn = false;
    if (f->grpc)
        return; /* shared: it stays */
    f->conn.carried++;
    if (kept && !pool_is_last(&s->model.pool, f->conn.carried) &&
        h->idle_count < COUNT_OF(h->idle)) {
        h->idle[h->idle_count++] = f->conn;
        return;
    }
    h->open_count--;
    s->cluster_open--;
}

static void drop_idle(struct scene *s, uint32_t host)
{
    struct scene_host *h = &s->hosts[host];
    h->open_count -= h->idle_count;
    s->cluster_open -= h->idle_count;
    h->idle_count = 0;
}

static bool take_conn(struct scene *s, struct errand *f)
{
    struct scene_host *h = &s->hosts[f->host];
    if (f->grpc) {
        stream_take(s, f);
        return true;
    }
    if (h->idle_count > 0) {
        f->conn = h->idle[--h->idle_count];
    } else {
        if (!pool_may_open(&s->model.pool, s->cluster_open, h->open_count))
            return false;
        f->conn = (struct scene_conn){.number = ++s->conn_count};
        h->open_count++;
        s->cluster_open++;
    }
    f->has_conn = true;
    return true;
}

/* The try is no longer out. What it may still bring is stale. */
static void try_release(struct scene *s, struct errand *f, bool kept)
{
    f->epoch++;
    f->visit = NO_VISIT;
    if (!f->in_requests)
        return;
    f->in_requests = false;
    balance_end(&s->balance, f->host, s->now_ns - f->clock.try_ns, s->now_ns);
    breaker_end_request(&s->breaker);
    give_conn(s, f, kept);
}

static void try_cancel(struct scene *s, struct errand *f)
{
    if (f->visit != NO_VISIT)
        visit_leave(s, f->visit, f->visit_life);
    try_release(s, f, false);
}

static void retry_resolved(struct scene *s, struct errand *f)
{
    if (f->in_retries)
        breaker_end_retry(&s->breaker);
    f->in_retries = false;
}

static void answer(struct scene *s, uint32_t index, uint16_t status, enum body_class body,
                   uint8_t marks, enum request_end end)
{
    struct errand *f = &s->errands[index];
    retry_resolved(s, f);
    f->state = ERRAND_OVER;
    f->alarm++;
    f->r.status = status;
    f->r.body_class = (uint16_t)body;
    f->r.marks = marks;
    f->r.end = (uint16_t)end;
    if (status >= 200 && status < 600)
        s->counted.by_class[status / 100]++;
    scene_add(s, EVENT_DONE, index, f->life, s->now_ns + noise_leg_ns(&s->noise));
}

static void answer_made(struct scene *s, uint32_t index, enum why why)
{
    static const struct {
        uint16_t envoy, linkerd;
        enum body_class body;
    } rows[] = {
        [WHY_NO_HOST] = {503, 503, BODY_NO_HEALTHY},
        [WHY_FAILFAST] = {503, 504, BODY_NO_HEALTHY},
        [WHY_REFUSED] = {503, 502, BODY_CONNECT_FAILURE},
        [WHY_RESET] = {503, 502, BODY_CONNECT_TERMINATED},
        [WHY_EOF] = {503, 500, BODY_CONNECT_TERMINATED},
        [WHY_OVERFLOW] = {503, 503, BODY_OVERFLOW},
        [WHY_REQUEST_TIMEOUT] = {504, 504, BODY_UPSTREAM_TIMEOUT},
        [WHY_TRY_TIMEOUT] = {504, 504, BODY_UPSTREAM_TIMEOUT},
        [WHY_RATE] = {429, 429, BODY_OTHER_PROXY},
    };
    bool linkerd = s->model.flavour == FLAVOUR_LINKERD;
    uint16_t status = linkerd ? rows[why].linkerd : rows[why].envoy;
    if (why == WHY_REQUEST_TIMEOUT)
        status = s->model.timeout_status;
    uint8_t marks = linkerd && status != 200 && why != WHY_RATE ? REQUEST_MARK_L5D_ERROR : 0;
    if (!linkerd && why == WHY_OVERFLOW)
        marks |= REQUEST_MARK_OVERLOADED;
    try_cancel(s, &s->errands[index]);
    answer(s, index, status, linkerd || status == 200 ? BODY_OWN : rows[why].body, marks,
           END_COMPLETE);
    if (s->errands[index].grpc)
        stream_made(&s->errands[index]);
}

static bool retry_follows(struct scene *s, uint32_t index)
{
    struct errand *f = &s->errands[index];
    retry_resolved(s, f);
    enum retry_decision decision =
        retry_decide(&f->retry, &s->model.retry, &f->result, f->r.verb == VERB_POST);
    f->clock.retries_left = f->retry.left;
    if (decision == RETRY_NOT_COVERED && !f->result.broke)
        budget_pay(&s->budget, s->now_ns);
    if (decision != RETRY_AGAIN || !budget_take(&s->budget, s->now_ns) ||
        !breaker_begin_retry(&s->breaker, s->waiting_count, s->now_ns))
        return false;
    f->in_retries = true;
    s->counted.retry++;
    uint64_t wait_ns = backoff_draw_ns(&s->model.backoff, f->retry.sent, &s->rng);
    f->state = ERRAND_BACKOFF;
    uint64_t at_ns = s->now_ns + wait_ns;
    /* Linkerd's timers are never early (measured). */
    if (s->model.flavour == FLAVOUR_LINKERD)
        at_ns += rng_below(&s->rng, NS_PER_MS);
    else
        at_ns = noise_timer_ns(&s->noise, at_ns, s->now_ns);
    scene_add(s, EVENT_TRY, index, f->life, at_ns);
    return true;
}

static void try_failed(struct scene *s, uint32_t index, enum try_end end, enum why why)
{
    struct errand *f = &s->errands[index];
    f->result =
        (struct try_result){.end = end, .grpc_status = TRY_NO_GRPC, .written = end != TRY_REFUSED};
    tell_health(s, f);
    if (!retry_follows(s, index))
        answer_made(s, index, why);
}

static void connected(struct scene *s, uint32_t index)
{
    struct errand *f = &s->errands[index];
    f->clock.try_ns = s->now_ns;
    f->clock.tries++;
    if (!breaker_begin_request(&s->breaker, s->now_ns)) {
        give_conn(s, f, true);
        answer_made(s, index, WHY_OVERFLOW);
        return;
    }
    f->in_requests = true;
    f->state = ERRAND_TRIES;
    f->epoch++;
    balance_begin(&s->balance, f->host, &f->tried);
    accrual_sent(&s->accrual[f->host]);
    if (s->model.timeout.request_restarts)
        set_alarm(s, index);
    uint64_t leg_ns = noise_leg_ns(&s->noise);
    uint64_t cut_ns = timeout_try_at_ns(&s->model.timeout, &f->clock);
    if (f->grpc && stream_is_lost(s, f)) {
        f->result = (struct try_result){.end = TRY_RESET, .grpc_status = TRY_NO_GRPC};
        scene_add(s, EVENT_ANSWER, index, f->epoch, s->hosts[f->host].lost_ns);
        return;
    }
    const struct rig *rig =
        f->grpc ? stream_connect(s, f) : rigs_connect(&s->rigs, f->host, s->now_ns);
    if (rig != NULL) {
        uint64_t ends_ns =
            rig->kind == RIG_ACCEPT ? visit_accept_reset(s, f->host, rig) : s->now_ns;
        f->result.end = rig->kind == RIG_ACCEPT ? TRY_RESET : TRY_REFUSED;
        scene_add(s, EVENT_REFUSED, index, f->epoch, ends_ns + leg_ns);
        return;
    }
    f->visit = visit_new(s, index, f->host);
    f->visit_life = s->visits[f->visit].own;
    scene_add(s, EVENT_HEAD, f->visit, f->visit_life, s->now_ns + leg_ns);
    if (cut_ns != TIMEOUT_NEVER_NS)
        scene_add(s, EVENT_CUT, index, f->epoch,
                  s->model.flavour == FLAVOUR_LINKERD
                      ? cut_ns + rng_below(&s->rng, 2 * NS_PER_MS)
                      : noise_timer_ns(&s->noise, cut_ns, s->now_ns));
}

/* Linkerd queues what no endpoint may take; after 3 s it fails fast. */
static void queue(struct scene *s, uint32_t index)
{
    struct errand *f = &s->errands[index];
    uint64_t next_ns = UINT64_MAX;
    f->queued_ns = f->queued_ns == 0 ? s->now_ns : f->queued_ns;
    if (s->now_ns >= f->queued_ns + FAILFAST_NS) {
        s->failfast = true;
        answer_made(s, index, WHY_FAILFAST);
        return;
    }
    for (uint32_t i = 0; i < s->host_count; i++) {
        uint64_t at_ns = accrual_next_ns(&s->accrual[i]);
        next_ns = at_ns < next_ns ? at_ns : next_ns;
    }
    if (next_ns == UINT64_MAX || next_ns < s->now_ns + POLL_NS / 4)
        next_ns = s->now_ns + POLL_NS;
    if (next_ns > f->queued_ns + FAILFAST_NS)
        next_ns = f->queued_ns + FAILFAST_NS;
    scene_add(s, EVENT_TRY, index, f->life, next_ns);
}

static void wait_for_conn(struct scene *s, uint32_t index)
{
    if (s->waiting_count < COUNT_OF(s->waiting) &&
        pool_may_wait(&s->model.pool, s->waiting_count)) {
        s->waiting[s->waiting_count].index = index;
        s->waiting[s->waiting_count++].life = s->errands[index].life;
        scene_add(s, EVENT_GIVE_UP, index, s->errands[index].life,
                  s->errands[index].r.due + s->edge_patience_ns);
        return;
    }
    s->counted.pending_overflow++;
    answer_made(s, index, WHY_OVERFLOW);
}

/* Those whose host has a connection to spare go on, in order. */
static void wake(struct scene *s)
{
    uint32_t kept = 0, count = s->waiting_count;
    for (uint32_t i = 0; i < count; i++) {
        uint32_t index = s->waiting[i].index;
        struct errand *f = &s->errands[index];
        if (f->state != ERRAND_WAITS || f->life != s->waiting[i].life)
            continue;
        if (take_conn(s, f))
            connected(s, index);
        else
            s->waiting[kept++] = s->waiting[i];
    }
    s->waiting_count = kept;
}

/* The endpoint's own proxy answers: to the caller's it is an answer like another. */
static void refused_by_rate(struct scene *s, uint32_t index)
{
    struct errand *f = &s->errands[index];
    f->result = (struct try_result){.end = TRY_ANSWERED, .status = 429, .grpc_status = TRY_NO_GRPC};
    s->counted.total++;
    tell_health(s, f);
    if (!retry_follows(s, index))
        answer_made(s, index, WHY_RATE);
}

static void try_pick(struct scene *s, uint32_t index)
{
    struct errand *f = &s->errands[index];
    bool may[BALANCE_HOSTS_MOST], any = false;
    outlier_advance(&s->outlier, s->now_ns);
    for (uint32_t i = 0; i < s->host_count; i++) {
        accrual_advance(&s->accrual[i], s->now_ns);
        may[i] = outlier_may_pick(&s->outlier, i) && accrual_may_send(&s->accrual[i]);
        any = any || may[i];
    }
    s->failfast = s->failfast && !any;
    f->state = ERRAND_WAITS;
    size_t host = balance_pick(&s->balance, may, &f->tried, s->now_ns);
    if (host == BALANCE_NONE && s->model.accrual.present && !s->failfast) {
        queue(s, index);
        return;
    }
    if (host == BALANCE_NONE) {
        answer_made(s, index, WHY_NO_HOST);
        return;
    }
    f->queued_ns = 0;
    f->host = (uint32_t)host;
    if (!rate_admit(&s->rate[host], s->now_ns)) {
        refused_by_rate(s, index);
        return;
    }
    if (!f->grpc && rigs_connect(&s->rigs, f->host, s->now_ns) != NULL)
        drop_idle(s, f->host);
    if (take_conn(s, f))
        connected(s, index);
    else
        wait_for_conn(s, index);
}

static void on_answer(struct scene *s, uint32_t index)
{
    struct errand *f = &s->errands[index];
    s->counted.total++;
    if (f->result.end == TRY_RESET || f->result.end == TRY_EOF) {
        enum try_end end = f->result.end;
        try_release(s, f, false);
        try_failed(s, index, end, end == TRY_RESET ? WHY_RESET : WHY_EOF);
        return;
    }
    tell_health(s, f);
    if (retry_follows(s, index)) {
        try_release(s, f, true);
        return;
    }
    f->state = ERRAND_ANSWERS;
}

/* The whole answer has passed, or what had begun is cut short. */
static void on_passed(struct scene *s, uint32_t index, bool broke)
{
    struct errand *f = &s->errands[index];
    uint8_t mark = s->model.flavour == FLAVOUR_ENVOY ? REQUEST_MARK_UPSTREAM_TIME : 0;
    try_release(s, f, !broke);
    if (broke) {
        f->result.broke = true;
        tell_health(s, f);
        if (retry_follows(s, index))
            return;
    }
    f->r.grpc_status = f->code;
    f->r.grpc_where = f->where;
    answer(s, index, f->result.status, BODY_OWN, mark, broke ? END_TRUNCATED : END_COMPLETE);
}

static void on_expire(struct scene *s, uint32_t index)
{
    struct errand *f = &s->errands[index];
    switch (f->state) {
    case ERRAND_BACKOFF:
        if (!timeout_cuts_backoff(&s->model.timeout)) {
            f->expired = true;
            return;
        }
        break;
    case ERRAND_TRIES:
        s->counted.timeout++;
        s->counted.total++;
        f->result =
            (struct try_result){.end = TRY_CUT, .grpc_status = TRY_NO_GRPC, .written = true};
        tell_health(s, f);
        break;
    case ERRAND_ANSWERS:
        on_passed(s, index, true);
        return;
    case ERRAND_WAITS:
        break;
    case ERRAND_FREE:
    case ERRAND_OVER:
        return;
    }
    answer_made(s, index, WHY_REQUEST_TIMEOUT);
}

static void on_done(struct scene *s, uint32_t index)
{
    struct errand *f = &s->errands[index];
    f->r.done = span_of(f, s->now_ns);
    if (f->r.end != END_CLIENT_TIMEOUT)
        f->r.first = f->r.head = f->r.done > NS_PER_US ? f->r.done - NS_PER_US / 2 : f->r.done;
    journal_add(s->journal, SCENE_PROC_LOAD, RECORD_REQUEST, &f->r);
    scene_load_next(s, f);
    f->life++;
    f->state = ERRAND_FREE;
    s->errands_free[s->errand_free_count++] = index;
}

/* The client goes: the mesh drops the try, which is no word on its host. */
static void on_give_up(struct scene *s, uint32_t index)
{
    struct errand *f = &s->errands[index];
    if (f->state == ERRAND_OVER)
        return;
    if (f->state == ERRAND_TRIES) {
        accrual_forget(&s->accrual[f->host]);
        s->counted.total++;
    }
    try_cancel(s, f);
    retry_resolved(s, f);
    f->state = ERRAND_OVER;
    f->alarm++;
    f->r.end = END_CLIENT_TIMEOUT;
    on_done(s, index);
}

static void on_life(struct scene *s, const struct event *e)
{
    struct errand *f = &s->errands[e->index];
    switch (e->kind) {
    case EVENT_SEND:
        f->start_ns = s->now_ns;
        f->r.start = s->now_ns == f->r.due ? 1 : span_of(f, s->now_ns);
        f->r.sent = f->r.start + WRITE_NS;
        scene_add(s, EVENT_ARRIVE, e->index, f->life, s->now_ns + noise_leg_ns(&s->noise));
        return;
    case EVENT_ARRIVE:
        f->clock.head_ns = f->clock.body_ns = s->now_ns;
        retry_init(&f->retry, &s->model.retry, 0);
        f->clock.retries_left = f->retry.left;
        set_alarm(s, e->index);
        try_pick(s, e->index);
        return;
    case EVENT_TRY:
        if (f->state != ERRAND_BACKOFF && f->state != ERRAND_WAITS)
            return;
        if (f->expired)
            answer_made(s, e->index, WHY_REQUEST_TIMEOUT);
        else
            try_pick(s, e->index);
        return;
    case EVENT_DONE:
        on_done(s, e->index);
        return;
    default:
        on_give_up(s, e->index);
        return;
    }
}

static void on_try(struct scene *s, const struct event *e)
{
    struct errand *f = &s->errands[e->index];
    switch (e->kind) {
    case EVENT_ANSWER:
        if (f->state != ERRAND_TRIES)
            return;
        on_answer(s, e->index);
        if (f->state == ERRAND_ANSWERS && f->epoch == e->epoch && (!f->breaks || f->broke))
            on_passed(s, e->index, f->broke);
        return;
    case EVENT_BREAK: /* after a stop of the mesh what waited comes in any order */
        f->broke = f->state == ERRAND_TRIES;
        if (f->state == ERRAND_ANSWERS)
            on_passed(s, e->index, true);
        return;
    case EVENT_REFUSED: {
        enum try_end end = f->result.end;
        s->counted.connect_fail++;
        try_release(s, f, false);
        try_failed(s, e->index, end, WHY_REFUSED);
        return;
    }
    default:
        if (f->state != ERRAND_TRIES)
            return;
        s->counted.try_timeout++;
        s->counted.total++;
        try_cancel(s, f);
        try_failed(s, e->index, TRY_CUT, WHY_TRY_TIMEOUT);
        return;
    }
}

void errand_event(struct scene *s, const struct event *e)
{
    const struct errand *f = &s->errands[e->index];
    switch (e->kind) {
    case EVENT_SEND:
    case EVENT_ARRIVE:
    case EVENT_TRY:
    case EVENT_DONE:
    case EVENT_GIVE_UP:
        if (f->life == e->epoch && f->state != ERRAND_FREE)
            on_life(s, e);
        break;
    case EVENT_EXPIRE:
        if (f->alarm == e->epoch)
            on_expire(s, e->index);
        break;
    default:
        if (f->epoch == e->epoch)
            on_try(s, e);
        break;
    }
    if (s->waiting_count > 0)
        wake(s);
}
