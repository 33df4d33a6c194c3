/* Raw TCP (spec/verifier.md 1.3, 1.4): a mesh that knows no requests counts connects, and one that
 * was refused leaves no record on its host. It is told by the client's end, and by whose listener
 * was down all that time. */
#include "verify/track.h"

#include "base/map.h"

#include <stdlib.h>

#define DOWN_MOST 256

/* A listener that nobody could connect to. */
struct down {
    uint32_t endpoint;
    uint64_t from_ns, to_ns;
};

/* ${count}: how many there are in ${ret}; false: more than can be told apart. */
static bool downs_of(const struct track *t, struct down ret[DOWN_MOST], size_t *count)
{
    const struct journal *j = t->journal;
    *count = 0;
    for (size_t i = 0; i < j->world_count; i++) {
        const struct world_record *r = &j->worlds[i].r;
        const struct journal_proc *p = journal_proc_of(j, j->worlds[i].proc);
        bool ours = p != NULL && p->arm != NULL && p->service != NULL &&
                    strcmp(p->arm, t->arm) == 0 && strcmp(p->service, t->service) == 0;
        if (!ours || strncmp(journal_name(j, r->what), "listener_", 9) != 0)
            continue;
        if (strcmp(journal_name(j, r->what), "listener_up") == 0) {
            for (size_t k = 0; k < *count; k++)
                if (ret[k].endpoint == r->endpoint && ret[k].to_ns == UINT64_MAX)
                    ret[k].to_ns = r->at;
        } else if (*count == DOWN_MOST) {
            return false;
        } else {
            ret[(*count)++] = (struct down){r->endpoint, r->at + r->after, UINT64_MAX};
        }
    }
    return true;
}

/* The one endpoint that was down from ${from_ns} to ${to_ns}, while no other was; 0: there is none.
 */
static uint32_t refused_by(const struct down *downs, size_t count, uint64_t from_ns, uint64_t to_ns)
{
    uint32_t found = 0;
    for (size_t i = 0; i < count; i++) {
        if (downs[i].from_ns >= to_ns || downs[i].to_ns <= from_ns)
            continue;
        if (found != 0 || downs[i].from_ns > from_ns || downs[i].to_ns < to_ns)
            return 0;
        found = downs[i].endpoint;
    }
    return found;
}

bool track_is_refused(const struct try *x)
{
    return x->is_connection && x->r->id_hi != 0;
}

/* It had no answer, though it did connect to the mesh, and that by a connection of its own. */
static bool may_be_refused(const struct request *r)
{
    bool ended = r->r->end == END_EOF || r->r->end == END_RESET;
    return ended && r->r->first == 0 && (r->r->flags & REQUEST_CONNECT_NEW) != 0;
}

static void ids_of(const struct track *t, struct map *ids)
{
    map_init(ids, (size_t)t->try_count + 1);
    for (uint32_t i = 0; i < t->try_count; i++) {
        const struct attempt_record *a = t->tries[i].r;
        uint64_t *at = map_at(ids, (struct map_key){a->id_hi, a->id_lo}, NULL);
        if (at != NULL)
            *at = 1;
    }
}

static struct try try_of(struct attempt_record *made, const struct request *r, uint32_t endpoint)
{
    made->at = r->start_ns;
    made->out = 1;
    made->id_hi = r->r->id_hi;
    made->id_lo = r->r->id_lo;
    made->endpoint = (uint16_t)endpoint;
    made->outcome = OUTCOME_UPSTREAM_REFUSED;
    return (struct try){
        .r = made, .head_ns = r->start_ns, .out_ns = r->start_ns + 1, .is_connection = true};
}

/* Both are in order of time; so is what comes of them. */
static void merge(struct track *t, struct try *more, uint32_t count)
{
    struct try *all = check_alloc(((size_t)t->try_count + count + 1) * sizeof(*all));
    uint32_t i = 0, k = 0;
    while (i < t->try_count || k < count) {
        bool first = k == count || (i < t->try_count && t->tries[i].head_ns <= more[k].head_ns);
        all[i + k] = first ? t->tries[i] : more[k];
        i += first;
        k += !first;
    }
    free(t->tries);
    t->tries = all;
    t->try_count += count;
}

void track_add_refused(struct track *t)
{
    struct down downs[DOWN_MOST];
    size_t down_count;
    struct map ids;
    if (!t->is_raw || !downs_of(t, downs, &down_count) || down_count == 0)
        return;
    ids_of(t, &ids);
    t->refused = check_alloc_zero((size_t)t->request_count + 1, sizeof(*t->refused));
    struct try *more = check_alloc(((size_t)t->request_count + 1) * sizeof(*more));
    uint32_t count = 0;
    for (uint32_t i = 0; i < t->request_count; i++) {
        const struct request *r = &t->requests[i];
        uint32_t by =
            may_be_refused(r) && map_find(&ids, (struct map_key){r->r->id_hi, r->r->id_lo}) == NULL
                ? refused_by(downs, down_count, r->start_ns, r->done_ns)
                : 0;
        if (by != 0) {
            more[count] = try_of(&t->refused[count], r, by);
            count++;
        }
    }
    merge(t, more, count);
    free(more);
    map_release(&ids);
}

uint8_t track_rule_of_raw(const struct try *x)
{
    if (track_is_refused(x))
        return RULE_FAILS | RULE_FAILED;
    /* An RST at accept may come before the mesh has seen that its connect is through (1.4: a sixth
     * to a half of them). Of a connection that said nothing it is not known who had it. */
    if (x->is_connection || x->r->how_tied != TIED_RAW_LINE)
        return RULE_FAILS | RULE_CLEARS;
    return RULE_CLEARS | RULE_CLEARED; /* the bytes came: so the connect was through */
}
