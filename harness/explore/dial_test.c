/* Every dial against the fault that it belongs to. */

#include "explore/dial.h"

#include "base/text.h"
#include "faults/fault.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

static void set(json_t *keys, const struct dial *dial, uint64_t value)
{
    char text[40];
    uint64_t count;
    dial_print(dial, value, text, sizeof(text), &count);
    json_object_set_new(keys, dial->key,
                        count == UINT64_MAX ? json_string(text) : json_integer((json_int_t)count));
}

static void must_load(const struct drawable *d, json_t *keys)
{
    struct arena arena;
    struct fault_use use;
    struct error err = {0};
    arena_init(&arena, 1 << 20);
    if (!fault_use_from_json(d->word, keys, (struct source){0}, &arena, &use, &err))
        fail_msg("%s: %s", json_dumps(keys, 0), err.text);
    arena_release(&arena);
}

/* What the fault needs, each at its simplest. */
static json_t *needed(const struct drawable *d)
{
    json_t *keys = json_pack("{s:s}", "on", "b");
    for (size_t i = 0; i < d->dial_count; i++)
        if (d->dials[i].absent_percent == 0)
            set(keys, &d->dials[i], d->dials[i].kind == DIAL_CHOICE ? 0 : d->dials[i].least);
    return keys;
}

static void every_value_is_one_that_the_fault_takes(void **unused)
{
    size_t count;
    const struct drawable *all = drawables(&count);
    (void)unused;
    for (size_t i = 0; i < count; i++) {
        const struct drawable *d = &all[i];
        assert_true(d->dial_count <= DIALS_MOST);
        json_t *least = needed(d);
        must_load(d, least);
        json_decref(least);
        for (size_t k = 0; k < d->dial_count; k++) {
            const struct dial *dial = &d->dials[k];
            const uint64_t ends[] = {dial->least, dial->most};
            for (size_t n = 0; dial->kind == DIAL_CHOICE && dial->choices[n] != NULL; n++) {
                json_t *keys = needed(d);
                set(keys, dial, n);
                must_load(d, keys);
                json_decref(keys);
            }
            for (size_t n = 0; dial->kind != DIAL_CHOICE && n < 2; n++) {
                json_t *keys = needed(d);
                set(keys, dial, ends[n]);
                must_load(d, keys);
                json_decref(keys);
            }
        }
    }
}

/* As faults.def has them: one that is neither drawn nor left out on purpose was forgotten. */
static void every_fault_is_drawn_or_known_not_to_be(void **unused)
{
    static const char *const not_drawn[] = {"control_plane_cut", "hook", "netem"};
    const char *words[DRAWABLE_WORDS_MOST];
    size_t count = drawable_words(words, false), type_count;
    const struct fault_type *const *types = fault_types(&type_count);
    (void)unused;
    for (size_t i = 1; i < count; i++)
        assert_true(strcmp(words[i - 1], words[i]) < 0);
    for (size_t i = 0; i < type_count; i++) {
        bool known = false;
        for (size_t k = 0; k < count; k++)
            known = known || strcmp(words[k], types[i]->name) == 0;
        for (size_t k = 0; k < COUNT_OF(not_drawn); k++)
            known = known || strcmp(not_drawn[k], types[i]->name) == 0;
        if (!known)
            fail_msg("fault.%s is in no table of explore", types[i]->name);
    }
    assert_true(drawable_words(words, true) < count);
}

/* What fires in one run and not in the next is no smaller than what fires in every one. */
static void a_share_gets_no_rarer(void **unused)
{
    const struct dial share = {
        .key = "share", .kind = DIAL_SHARE, .least = 10000, .most = 900000, .absent_percent = 40};
    uint64_t simpler[DIAL_SIMPLER_MOST];
    (void)unused;
    assert_int_equal(dial_simpler(&share, 100000, simpler), 1);
    assert_true(simpler[0] == DIAL_ABSENT);
}

/* Shrinking ends: what is simpler is less, and stays within the dial. */
static void simpler_values_go_down(void **unused)
{
    size_t count;
    const struct drawable *all = drawables(&count);
    (void)unused;
    for (size_t i = 0; i < count; i++)
        for (size_t k = 0; k < all[i].dial_count; k++) {
            const struct dial *dial = &all[i].dials[k];
            uint64_t simpler[DIAL_SIMPLER_MOST], value = dial->most - dial->most / 7;
            size_t n = dial->kind == DIAL_CHOICE ? dial_simpler(dial, 0, simpler)
                                                 : dial_simpler(dial, value, simpler);
            assert_true(n <= DIAL_SIMPLER_MOST);
            for (size_t s = 0; s < n; s++) {
                if (simpler[s] == DIAL_ABSENT) {
                    assert_true(s == 0 && dial->absent_percent > 0);
                    continue;
                }
                assert_int_not_equal(dial->kind, DIAL_CHOICE);
                assert_true(simpler[s] >= dial->least && simpler[s] < value);
            }
            assert_int_equal(dial_simpler(dial, DIAL_ABSENT, simpler), 0);
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_value_is_one_that_the_fault_takes),
        cmocka_unit_test(every_fault_is_drawn_or_known_not_to_be),
        cmocka_unit_test(a_share_gets_no_rarer),
        cmocka_unit_test(simpler_values_go_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
