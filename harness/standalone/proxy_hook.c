#include "faults/hook.h"
#include "standalone/proxy_entry.h"

#include "base/log.h"

#include <ctype.h>

/* fault.hook in a proxy of a set: its runtime comes with the set's configuration, its lines go to
 * the set's recorder. */

/* An error switches the hook off: whoever has no journal must hear of it too. Its first line alone,
 * and printable, for it may hold what a peer sent. */
static void tell(const struct hook_line *line)
{
    char text[256];
    size_t len = 0;
    for (const char *at = line->text; *at != '\0' && *at != '\n' && len + 1 < sizeof(text); at++)
        text[len++] = isprint((unsigned char)*at) ? *at : '?';
    text[len] = '\0';
    log_error("hook", "%s: %s: the hook is switched off", line->source, text);
}

static void on_line(void *cookie, uint16_t fault, const struct hook_line *line)
{
    const struct armed *f = cookie;
    struct recorder *recorder = f->recorder;
    (void)fault; /* the number in the records was not known when it was opened */
    if (line->level == HOOK_ERROR)
        tell(line);
    if (recorder == NULL)
        return;
    struct hook_record r = {.at = line->at_ns,
                            .source = recorder_name(recorder, bytes_of(line->source)),
                            .text = recorder_name(recorder, bytes_of(line->text)),
                            .count = line->count,
                            .fault = f->use.id,
                            .level = line->level};
    recorder_emit(recorder, RECORD_HOOK, &r);
}

bool proxy_hook_open(const struct proxy_set *set, const char *name, struct armed *f,
                     struct error *err)
{
    struct hook_host host = {.begun_ns = set->begun_ns,
                             .hold_most_ns = HOOK_HOLD_MOST_NS,
                             .service = name,
                             .report = on_line,
                             .cookie = f};
    f->recorder = set->config.recorder;
    return hook_use_open(&f->use, set->config.hooks, &host, err);
}
