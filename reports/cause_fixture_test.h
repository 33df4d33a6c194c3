#ifndef REPORTS_CAUSE_FIXTURE_TEST_H
#define REPORTS_CAUSE_FIXTURE_TEST_H

/* A journal whose claim FAILs, and the cause that is offered for it. */

#include "reports/cause.h"
#include "verify/limits_fixture_test.h"

/* ${wanted} NULL: none is offered. */
static inline void cause_fixture(struct limits *l, const char *claim, const char *wanted)
{
    struct text t;
    const struct judged *d = NULL;
    assert_int_equal(limits_judge(l, claim)->kind, VERDICT_FAIL);
    struct report report = {.journal = l->j, .judgement = l->judgement, .plan = l->plan};
    for (size_t i = 0; i < l->judgement->verdict_count; i++)
        if (strcmp(l->judgement->verdicts[i].claim->id, claim) == 0)
            d = &l->judgement->verdicts[i];
    struct scene *s = scene_new(&report);
    text_init(&t, 1024);
    bool offered = cause_add(s, d, &t);
    assert_int_equal(offered, wanted != NULL);
    if (wanted != NULL && strcmp(text_get(&t), wanted) != 0)
        fail_msg("it says: %s", text_get(&t));
    if (wanted == NULL)
        assert_string_equal(text_get(&t), "");
    text_release(&t);
    scene_free(s);
    limits_close(l);
}

#endif
