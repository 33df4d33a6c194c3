/* layer: engine */

/* Any lines as requests over a run's control socket: each gets an answer that says ok, or not with
 * a sentence; who and why reach the journal bounded and without control characters. */

#include "engine/steer.h"

#include "base/bytes.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(const char *text, size_t most)
{
    INVARIANT(strlen(text) <= most);
    for (; *text != '\0'; text++)
        INVARIANT((unsigned char)*text >= 0x20 && *text != 0x7f);
}

static bool on_abort(void *cookie, const struct error *why, struct error *err)
{
    (void)cookie;
    check(why->text, sizeof(why->text) - 1);
    return strlen(why->text) % 2 == 0 || error_set(err, ERROR_INPUT, "the run is ending already");
}

static bool on_pause(void *cookie, const char *who, struct error *err)
{
    (void)cookie;
    check(who, STEER_WHO_BYTES);
    return strlen(who) % 2 == 0 || error_set(err, ERROR_INPUT, "the run is paused already");
}

static void take_line(struct steer *s, const uint8_t *at, size_t len)
{
    json_t *ask = json_loadb((const char *)at, len, JSON_REJECT_DUPLICATES, NULL);
    if (ask == NULL)
        return;
    json_t *answer = steer_ask(s, ask);
    const json_t *ok = json_object_get(answer, "ok"), *why = json_object_get(answer, "error");
    INVARIANT(json_is_boolean(ok));
    INVARIANT(json_is_true(ok) || (json_is_string(why) && json_string_length(why) > 0));
    json_decref(answer);
    json_decref(ask);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct steer_acts acts = {on_abort, on_pause, on_pause};
    struct steer *s = steer_new(&acts, NULL);
    for (struct bytes rest = {data, size}; rest.len > 0;) {
        size_t end = bytes_find(rest, '\n');
        size_t len = end == SIZE_MAX ? rest.len : end;
        take_line(s, rest.at, len);
        rest.at += end == SIZE_MAX ? len : len + 1;
        rest.len -= end == SIZE_MAX ? len : len + 1;
    }
    steer_free(s);
    return 0;
}
