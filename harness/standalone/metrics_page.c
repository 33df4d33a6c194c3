#include "standalone/metrics_page.h"

#include "base/clock.h"
#include "standalone/proxy_stats.h"

/* One family: a number of each proxy, or one for each key of an object of numbers. */
struct family {
    const char *name, *type, *help;
    const char *key;   /* of the stats */
    const char *label; /* the object's keys as values of this label; NULL: it is a number */
};

static const struct family families[] = {
    {"connections_total", "counter", "Client connections accepted.", "connections", NULL},
    {"connections_open", "gauge", "Client connections that are open.", "connections_open", NULL},
    {"calls_begun_total", "counter", "Calls begun (HTTP requests, TCP connections).", "begun",
     NULL},
    {"calls_active", "gauge", "Calls that have not ended.", "active", NULL},
    {"call_records_total", "counter", "Calls ended, each with its record.", "records", NULL},
    {"calls_total", "counter", "Calls ended, by how.", "outcome", "outcome"},
    {"answers_total", "counter", "Answers written, by status.", "status", "status"},
    {"handshakes_total", "counter", "TLS handshakes ended, by how.", "handshake", "result"},
    {"faults_fired_total", "counter", "Times that a fault chose a call, by word.", "fired",
     "fault"},
    {"request_body_bytes_total", "counter", "Bytes of request bodies.", "body_in", NULL},
    {"response_body_bytes_total", "counter", "Bytes of answer bodies.", "body_out", NULL},
};

/* A label's value: backslash, quote and line end are escaped. */
static void add_value(struct text *to, const char *value)
{
    for (; *value != '\0'; value++) {
        if (*value == '\\' || *value == '"')
            text_add(to, "\\%c", *value);
        else if (*value == '\n')
            text_add(to, "\\n");
        else
            text_add(to, "%c", *value);
    }
}

static void add_head(struct text *to, const char *name, const char *type, const char *help)
{
    text_add(to, "# HELP meshproof_%s %s\n# TYPE meshproof_%s %s\n", name, help, name, type);
}

static void add_sample(struct text *to, const char *name, const char *proxy, const char *label,
                       const char *of, json_int_t number)
{
    text_add(to, "meshproof_%s{proxy=\"", name);
    add_value(to, proxy);
    if (label != NULL) {
        text_add(to, "\",%s=\"", label);
        add_value(to, of);
    }
    text_add(to, "\"} %" JSON_INTEGER_FORMAT "\n", number);
}

static void add_family(struct text *to, const struct family *f, const json_t *proxies)
{
    const char *proxy, *of;
    json_t *one, *number;
    add_head(to, f->name, f->type, f->help);
    json_object_foreach((json_t *)(uintptr_t)proxies, proxy, one)
    {
        json_t *value = json_object_get(one, f->key);
        if (f->label == NULL) {
            add_sample(to, f->name, proxy, NULL, NULL, json_integer_value(value));
            continue;
        }
        json_object_foreach(value, of, number)
        {
            add_sample(to, f->name, proxy, f->label, of, json_integer_value(number));
        }
    }
}

/* How late holds ended: cumulative buckets, as the format wants them. */
static void add_lateness(struct text *to, const json_t *proxies)
{
    const char *proxy;
    json_t *one;
    char bound[32], key[24];
    add_head(to, "hold_late_seconds", "histogram", "How long after its deadline a hold ended.");
    json_object_foreach((json_t *)(uintptr_t)proxies, proxy, one)
    {
        json_int_t sum = 0;
        for (size_t i = 0; i == 0 || proxy_stats_bound_ns(i - 1) != 0; i++) {
            uint64_t ns = proxy_stats_bound_ns(i);
            snprintf(bound, sizeof(bound), ns == 0 ? "+Inf" : "%g", (double)ns / (double)NS_PER_S);
            snprintf(key, sizeof(key), "%zu", i);
            sum += json_integer_value(json_object_get(json_object_get(one, "late"), key));
            add_sample(to, "hold_late_seconds_bucket", proxy, "le", bound, sum);
        }
        text_add(to, "meshproof_hold_late_seconds_sum{proxy=\"");
        add_value(to, proxy);
        text_add(to, "\"} %.9f\n",
                 (double)json_integer_value(json_object_get(one, "late_ns")) / (double)NS_PER_S);
        add_sample(to, "hold_late_seconds_count", proxy, NULL, NULL, sum);
    }
}

void metrics_page_print(const json_t *stats, const char *version, struct text *to)
{
    const json_t *proxies = json_object_get(stats, "proxies"),
                 *process = json_object_get(stats, "process");
    add_head(to, "build_info", "gauge", "The version, in a label.");
    text_add(to, "meshproof_build_info{version=\"%s\"} 1\n", version);
    for (size_t i = 0; i < COUNT_OF(families); i++)
        add_family(to, &families[i], proxies);
    add_lateness(to, proxies);
    add_head(to, "records_total", "counter", "Records of calls, of all proxies that ever were.");
    text_add(to, "meshproof_records_total %" JSON_INTEGER_FORMAT "\n",
             json_integer_value(json_object_get(process, "records")));
    add_head(to, "records_lost_total", "counter", "Those of them that the journal did not take.");
    text_add(to, "meshproof_records_lost_total %" JSON_INTEGER_FORMAT "\n",
             json_integer_value(json_object_get(process, "lost")));
}
