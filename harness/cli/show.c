#include "cli/arguments.h"
#include "cli/run_find.h"

#include "reports/listing.h"

/* meshproof show: one request as a sequence diagram, or a listing of the evidence; with --json the
 * records that either speaks of. */

#define SEQUENCE_MOST_BYTES ((size_t)1024 * 1024)

static const struct option show_options[] = {
    {"request", 0, "ID", NULL, "Show", "one request: c-18f2, or a whole x-meshproof-id", NULL,
     false},
    {"first-fail", 0, "[CLAIM]", NULL, "Show",
     "the first request that made a claim, or this one, fail", NULL, false},
#define LISTING(file, argument, help) {#file, 0, argument, NULL, "Show", help, NULL, false},
#include "reports/listings.def"
#undef LISTING
    {"json", 0, NULL, NULL, "Show", "the records, one JSON object a line; without another: all",
     NULL, false},
};

/* What --json prints of one request: itself and its tries. */
struct request_id {
    uint64_t hi, lo;
};

static bool is_of_request(const void *cookie, enum record_kind kind, const void *row)
{
    const struct request_id *id = cookie;
    const struct attempt_row *attempt = row;
    const struct request_row *request = row;
    return kind == RECORD_ATTEMPT ? attempt->r.id_hi == id->hi && attempt->r.id_lo == id->lo
                                  : request->r.id_hi == id->hi && request->r.id_lo == id->lo;
}

static int print_records(const struct opened *o, const struct request_id *id)
{
    struct error err = {0};
    struct ndjson_pick pick = {.kinds = NDJSON_KIND(RECORD_ATTEMPT) | NDJSON_KIND(RECORD_REQUEST),
                               .keeps = is_of_request,
                               .cookie = id};
    return journal_print_picked(o->journal, &pick, stdout, &err) ? EXIT_PASS : command_fail(&err);
}

static int print_request(const struct opened *o, const struct request_id *id,
                         const struct judged *verdict, bool json)
{
    struct text t;
    struct error err = {0};
    int code = EXIT_PASS;
    text_init(&t, SEQUENCE_MOST_BYTES);
    if (!sequence_print(&o->report, id->hi, id->lo, verdict, &t)) {
        error_set(&err, ERROR_USAGE, "the journal has no such request");
        code = command_fail(&err);
    } else if (json) {
        code = print_records(o, id);
    } else {
        fputs(text_get(&t), stdout);
    }
    text_release(&t);
    return code;
}

static int show_request(const struct opened *o, const char *name, bool json)
{
    struct request_id id;
    struct error err = {0};
    if (!request_name_parse(o->journal, name, &id.hi, &id.lo)) {
        error_set(&err, ERROR_USAGE,
                  "--request is \"%.60s\"; it must be like c-18f2, a request of this run", name);
        return command_fail(&err);
    }
    for (size_t i = 0; i < o->judgement->verdict_count; i++) {
        const struct judged *d = &o->judgement->verdicts[i];
        if (d->verdict.kind == VERDICT_FAIL && d->verdict.witness_hi == id.hi &&
            d->verdict.witness_lo == id.lo)
            return print_request(o, &id, d, json);
    }
    return print_request(o, &id, NULL, json);
}

static bool is_claim(const struct claim_type *t, const char *claim)
{
    return strcmp(t->id, claim) == 0 || strcmp(t->word, claim) == 0;
}

static bool claim_exists(const char *claim)
{
    size_t count;
    const struct claim_type *const *types = claim_types(&count);
    for (size_t i = 0; i < count; i++)
        if (is_claim(types[i], claim))
            return true;
    return false;
}

/* ${claim}: "" any. */
static int show_first_fail(const struct opened *o, const char *claim, bool json)
{
    struct error err = {0};
    bool any = claim[0] == '\0';
    for (size_t i = 0; i < o->judgement->verdict_count; i++) {
        const struct judged *d = &o->judgement->verdicts[i];
        struct request_id id = {d->verdict.witness_hi, d->verdict.witness_lo};
        if (d->verdict.kind == VERDICT_FAIL && (id.hi != 0 || id.lo != 0) &&
            (any || is_claim(d->claim, claim)))
            return print_request(o, &id, d, json);
    }
    if (!any && !claim_exists(claim))
        error_set(&err, ERROR_USAGE, "there is no claim \"%.40s\": meshproof claims lists them",
                  claim);
    else
        error_set(&err, ERROR_USAGE, "no claim%s%s failed with a request as its witness",
                  any ? "" : " ", claim);
    return command_fail(&err);
}

static int show_listing(const struct opened *o, const struct listing *l, const char *of, bool json)
{
    struct error err = {0};
    struct scene *scene = scene_new(&o->report);
    bool good =
        json ? listing_json(l, scene, of, stdout, &err) : listing_write(l, scene, of, stdout, &err);
    scene_free(scene);
    return good ? EXIT_PASS : command_fail(&err);
}

static int show_all(const struct opened *o)
{
    struct error err = {0};
    return journal_print_ndjson(o->journal, stdout, &err) ? EXIT_PASS : command_fail(&err);
}

/* What was asked for; two of them contradict each other. */
static bool one_thing(const struct arguments *args, const struct listing **ret_listing,
                      struct error *err)
{
    size_t count, asked = 0;
    const struct listing *const *all = listings(&count);
    *ret_listing = NULL;
    for (size_t i = 0; i < count; i++) {
        if (!arguments_has(args, all[i]->name))
            continue;
        *ret_listing = all[i];
        asked++;
    }
    asked += arguments_has(args, "request");
    asked += arguments_has(args, "first-fail");
    if (asked > 1)
        return error_set(err, ERROR_USAGE,
                         "show shows one thing at a time: a request, or one listing");
    if (asked == 0 && !arguments_has(args, "json"))
        *ret_listing = all[0];
    return true;
}

static int run(const struct arguments *args)
{
    struct opened o;
    const struct listing *listing;
    struct error err = {0};
    bool json = arguments_has(args, "json");
    if (args->position_count != 1) {
        error_set(&err, ERROR_USAGE, "show needs one run: meshproof show last --first-fail");
        return command_fail(&err);
    }
    if (!one_thing(args, &listing, &err))
        return command_fail(&err);
    int code = run_open(args->positions[0], &(struct judge_options){0}, &o);
    if (code == EXIT_PASS) {
        if (arguments_has(args, "request"))
            code = show_request(&o, arguments_get(args, "request"), json);
        else if (arguments_has(args, "first-fail"))
            code = show_first_fail(&o, arguments_get(args, "first-fail"), json);
        else if (listing != NULL)
            code = show_listing(&o, listing, arguments_get(args, listing->name), json);
        else
            code = show_all(&o);
    }
    run_close(&o);
    return code;
}

const struct command command_show = {
    .name = "show",
    .about = "Show one request as a sequence diagram, or list the evidence.",
    .positions = "RUN",
    .options = show_options,
    .option_count = COUNT_OF(show_options),
    .exits = "0 shown  64 usage, or the run has no such thing  65 the journal is damaged",
    .example = "meshproof show last --first-fail retries",
    .run = run,
};
