#include "plan/guard_text.h"

#include "base/units.h"
#include "plan/limits.h"
#include "plan/probe.h"

const char *guard_spoken(uint64_t ns, char *to, size_t size)
{
    uint64_t s = (ns + 500000000) / 1000000000;
    if (ns < UINT64_C(1000000000))
        snprintf(to, size, "%llu ms", (unsigned long long)(ns / 1000000));
    else if (s <= 90)
        snprintf(to, size, "%llu s", (unsigned long long)s);
    else if (s % 60 == 0)
        snprintf(to, size, "%llu min", (unsigned long long)(s / 60));
    else
        snprintf(to, size, "%llu min %llu s", (unsigned long long)(s / 60),
                 (unsigned long long)(s % 60));
    return to;
}

void guard_quote(const char *words, struct text *to)
{
    text_add(to, " \"");
    text_add_clean(to, words);
    text_add(to, "\"");
}

/* "Mon-Thu 09:00-16:00, Fri 09:00-12:00". */
static void add_list(const char **list, size_t count, struct text *to)
{
    for (size_t i = 0; i < count; i++) {
        text_add(to, "%s", i == 0 ? " " : ", ");
        text_add_clean(to, list[i]);
    }
}

/* The services and namespaces of each guard: a step must be within them all. */
static void print_scope(const struct scenario *s, struct text *to)
{
    for (size_t i = 0; i < s->guard_count; i++) {
        const struct guard_plan *g = &s->guards[i];
        if (g->kind != GUARD_LIMITS)
            continue;
        if (g->service_count > 0) {
            text_add(to, "; only");
            add_list(g->services, g->service_count, to);
        }
        if (g->namespace_count > 0) {
            text_add(to, "; only namespace%s", g->namespace_count == 1 ? "" : "s");
            add_list(g->namespaces, g->namespace_count, to);
        }
    }
}

static bool has_limits(const struct scenario *s)
{
    for (size_t i = 0; i < s->guard_count; i++)
        if (s->guards[i].kind == GUARD_LIMITS)
            return true;
    return false;
}

/* They hold where no guard gives any: then they are the defaults. */
static void print_limits(const struct scenario *s, struct text *to)
{
    struct limits l;
    char share[32], delay[40], ttl[40], rate[32];
    limits_of(s, &l);
    text_add(to, "  limits   at most ");
    if (strcmp(l.endpoints, "one") == 0 || strcmp(l.endpoints, "1") == 0)
        text_add(to, "1 endpoint of a service at once");
    else
        text_add(to, "%s of a service's endpoints at once", l.endpoints);
    if (l.keep > 0)
        text_add(to, ", %u left alone", l.keep);
    text_add(
        to, "; %s of requests,\n           %s of delay, %s a fault; %s of load%s",
        units_print_share(l.share_ppm, share, sizeof(share)),
        guard_spoken(l.delay_ns, delay, sizeof(delay)), guard_spoken(l.ttl_ns, ttl, sizeof(ttl)),
        units_print_rate(l.requests_per_h, rate, sizeof(rate)), has_limits(s) ? "" : " (defaults)");
    print_scope(s, to);
    text_add(to, "\n");
    limits_print_raised(s, to);
}

/* "stop     orders below 5 for 30 s, or without a value for as long". */
static void print_stop(const struct scenario *s, const struct guard_plan *g, struct text *to)
{
    char label[160], over[40];
    const struct probe_plan *p = g->probe == NULL ? &g->own : probe_find(s, g->probe);
    text_add(to, "  stop     ");
    text_add_clean(to, p != NULL ? probe_label(p, label, sizeof(label)) : g->probe);
    if (p != NULL && p->kind == PROBE_CLIENT)
        text_add(to, " on %s", p->on.text);
    if (g->above != NULL)
        text_add(to, " above %s", g->above);
    if (g->below != NULL)
        text_add(to, "%s below %s", g->above != NULL ? " or" : "", g->below);
    text_add(to, " for %s%s", guard_spoken(g->over_ns, over, sizeof(over)),
             g->ignore_missing ? "; a probe without an answer stops nothing"
                               : ", or without an answer so long");
    if (g->note != NULL)
        guard_quote(g->note, to);
    text_add(to, "\n");
}

static void print_window(const struct guard_plan *g, struct text *to)
{
    text_add(to, "  window  ");
    if (g->allow_count == 0)
        text_add(to, " always");
    add_list(g->allow, g->allow_count, to);
    if (g->deny_count > 0) {
        text_add(to, ", but not");
        add_list(g->deny, g->deny_count, to);
    }
    text_add(to, " (%s)\n", g->zone != NULL ? g->zone : "UTC");
}

static void print_approval(const struct guard_plan *g, struct text *to)
{
    char within[40];
    text_add(to, "  approval");
    guard_quote(g->ask, to);
    text_add(to, "  %u %s%s, within %s: else nothing is done\n", g->people,
             g->role != NULL  ? g->role
             : g->people == 1 ? "person"
                              : "people",
             g->role != NULL && g->people > 1 ? "s" : "",
             guard_spoken(g->within_ns, within, sizeof(within)));
}

void guards_print_text(const struct scenario *s, struct text *to)
{
    print_limits(s, to);
    for (size_t i = 0; i < s->guard_count; i++)
        if (s->guards[i].kind == GUARD_STOP)
            print_stop(s, &s->guards[i], to);
    for (size_t i = 0; i < s->guard_count; i++)
        if (s->guards[i].kind == GUARD_WINDOW)
            print_window(&s->guards[i], to);
    for (size_t i = 0; i < s->guard_count; i++)
        if (s->guards[i].kind == GUARD_APPROVAL)
            print_approval(&s->guards[i], to);
}
