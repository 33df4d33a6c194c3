#include "kube/revert.h"

#include "kube/fake_cluster_test.h"

/* An anchor of run 7f3a91c2, and the user's Service payments. */
struct rig {
    struct fake_cluster f;
    struct revert_journal *journal;
    json_t *before; /* the user's objects as they were */
};

static json_t *find_service(struct rig *r)
{
    return fake_find(&r->f, GVR_SERVICES, "shop", "payments");
}

static json_t *find_anchor(struct rig *r)
{
    return fake_find(&r->f, GVR_CONFIGMAPS, "shop", "mp-7f3a91c2");
}

static struct revert_journal *journal_of(struct rig *r)
{
    struct revert_journal *j;
    struct error err = {0};
    if (!revert_journal_read(find_anchor(r), &j, &err))
        fail_msg("%s", err.text);
    return j;
}

static void rig_open(struct rig *r)
{
    *r = (struct rig){0};
    fake_open(&r->f);
    fake_put(&r->f, GVR_CONFIGMAPS,
             json_pack("{s:{s:s, s:s}, s:{s:s}}", "metadata", "namespace", "shop", "name",
                       "mp-7f3a91c2", "data", "journal.json", "[]"));
    fake_put(&r->f, GVR_SERVICES,
             json_pack("{s:{s:s, s:s, s:{s:s}}, s:{s:{s:s, s:s}, s:[i]}}", "metadata", "namespace",
                       "shop", "name", "payments", "annotations", "team", "a", "spec", "selector",
                       "app", "payments", "tier", "back", "ports", 80));
    r->before = json_deep_copy(json_object_get(find_service(r), "spec"));
    r->journal = journal_of(r);
}

static void rig_close(struct rig *r)
{
    revert_journal_free(r->journal);
    json_decref(r->before);
    fake_close(&r->f);
}

static json_t *our_selector(void)
{
    return json_pack("{s:s, s:s}", "app", "payments", "meshproof.io/run", "7f3a91c2");
}

static struct revert_edit edit_of(struct rig *r, const char *path, json_t *take_new)
{
    struct revert_edit e;
    struct error err = {0};
    assert_true(revert_edit_patch(&e, r->journal, gvr_get(GVR_SERVICES), "shop", "payments", path,
                                  take_new, &err));
    return e;
}

/* To its end; the caller releases it. */
static struct revert_all revert_now(struct rig *r, struct revert_journal *j)
{
    struct revert_all all;
    revert_all_init(&all, j);
    fake_run(&r->f, &all.chore, 60 * NS_PER_S);
    assert_true(all.over);
    return all;
}

static struct revert_edit edit_at(struct rig *r, const char *path, json_t *take_new)
{
    struct revert_edit e = edit_of(r, path, take_new);
    fake_run(&r->f, &e.chore, 60 * NS_PER_S);
    assert_true(e.over);
    return e;
}

static struct revert_edit edit_now(struct rig *r)
{
    return edit_at(r, "/spec/selector", our_selector());
}

static bool is_as_before(struct rig *r)
{
    return json_equal(json_object_get(find_service(r), "spec"), r->before);
}

static void an_edit_is_promised_before_it_is_made_and_comes_back(void **state)
{
    struct rig r;
    (void)state;
    rig_open(&r);
    struct revert_edit e = edit_now(&r);
    assert_true(e.over && e.made);
    assert_string_equal(r.f.trace, "GET payments 0\n"        /* what is there */
                                   "PATCH payments 0\n"      /* dry run */
                                   "PATCH mp-7f3a91c2 0\n"   /* intended */
                                   "PATCH payments 0\n"      /* the edit */
                                   "PATCH mp-7f3a91c2 0\n"); /* done */
    json_t *now = json_object_get(json_object_get(find_service(&r), "spec"), "selector");
    json_t *meant = our_selector();
    /* tier is gone, though a merge patch would leave it: the patch says so by null. */
    assert_true(json_equal(now, meant));
    json_decref(meant);
    const struct revert_entry *entry = revert_journal_entry(r.journal, 0);
    assert_int_equal(entry->state, REVERT_DONE);
    assert_string_equal(entry->uid, "uid-2");
    assert_int_equal(revert_outstanding(r.journal), 1);
    revert_edit_release(&e);

    /* By another process, from what the cluster has. */
    struct revert_journal *found = journal_of(&r);
    struct revert_all all = revert_now(&r, found);
    assert_int_equal(all.reverted, 1);
    assert_int_equal(all.diverged + all.failed, 0);
    assert_true(is_as_before(&r));
    assert_int_equal(revert_outstanding(found), 0);
    revert_all_release(&all);
    /* And once more: there is nothing to do. */
    unsigned calls = r.f.calls;
    revert_all_init(&all, found);
    fake_run(&r.f, &all.chore, 60 * NS_PER_S);
    assert_true(all.over);
    assert_int_equal(r.f.calls, calls);
    revert_all_release(&all);
    revert_journal_free(found);
    rig_close(&r);
}

/* The run is killed after each of its calls, answered or not; what the anchor says is enough. */
static void killed_between_any_two_steps_it_comes_back(void **state)
{
    (void)state;
    for (unsigned steps = 0; steps <= 5; steps++) {
        struct rig r;
        rig_open(&r);
        struct revert_edit e = edit_of(&r, "/spec/selector", our_selector());
        for (unsigned i = 0; i < steps; i++)
            assert_true(fake_step(&r.f, &e.chore, UINT64_MAX));
        struct revert_journal *found = journal_of(&r);
        struct revert_all all = revert_now(&r, found);
        assert_int_equal(all.diverged + all.failed, 0);
        assert_true(is_as_before(&r));
        assert_int_equal(revert_outstanding(found), 0);
        assert_int_equal(revert_journal_count(found), steps >= 3 ? 1 : 0);
        revert_all_release(&all);
        revert_journal_free(found);
        revert_edit_release(&e);
        rig_close(&r);
    }
}

/* Killed while it reverts, too. */
static void a_revert_that_is_killed_goes_on_later(void **state)
{
    (void)state;
    for (unsigned steps = 0; steps <= 4; steps++) {
        struct rig r;
        rig_open(&r);
        struct revert_edit e = edit_now(&r);
        struct revert_all all;
        revert_all_init(&all, r.journal);
        for (unsigned i = 0; i < steps; i++)
            fake_step(&r.f, &all.chore, UINT64_MAX);
        revert_all_release(&all);
        struct revert_journal *found = journal_of(&r);
        revert_all_init(&all, found);
        fake_run(&r.f, &all.chore, 60 * NS_PER_S);
        assert_true(is_as_before(&r));
        assert_int_equal(revert_outstanding(found), 0);
        revert_all_release(&all);
        revert_journal_free(found);
        revert_edit_release(&e);
        rig_close(&r);
    }
}

struct meddler {
    struct rig *rig;
    unsigned times;   /* how often still */
    const char *what; /* "annotation", "selector"; of the anchor: "halt", "journal", "ours" */
};

/* The first of two tries of ours has arrived, and its answer was lost. */
static void meddle_ours(json_t *anchor, const struct api_request *q)
{
    json_t *data = json_object_get(anchor, "data");
    json_object_set(data, "journal.json",
                    json_object_get(json_object_get(q->body, "data"), "journal.json"));
}

/* Somebody else, just before our patch arrives. */
static void meddle(struct fake_cluster *f, const struct api_request *q, void *cookie)
{
    struct meddler *m = cookie;
    bool service_is_meant = strcmp(m->what, "annotation") == 0 || strcmp(m->what, "selector") == 0;
    bool ours = q->verb == API_PATCH_MERGE && !q->dry_run &&
                (strcmp(q->name, "payments") == 0) == service_is_meant;
    char value[16];
    if (!ours || m->times == 0)
        return;
    m->times--;
    snprintf(value, sizeof(value), "%u", m->times);
    json_t *service = find_service(m->rig), *anchor = find_anchor(m->rig);
    if (strcmp(m->what, "annotation") == 0) {
        json_object_set_new(json_object_get(fake_meta(service), "annotations"), "x",
                            json_string(value));
        fake_touch(f, service);
    } else if (strcmp(m->what, "selector") == 0) {
        json_object_set_new(json_object_get(json_object_get(service, "spec"), "selector"), "app",
                            json_string("theirs"));
        fake_touch(f, service);
    } else if (strcmp(m->what, "halt") == 0) {
        json_object_set_new(fake_meta(anchor), "annotations", json_pack("{s:s}", "halt", value));
        fake_touch(f, anchor);
    } else if (strcmp(m->what, "ours") == 0) {
        meddle_ours(anchor, q);
        fake_touch(f, anchor);
    } else if (strcmp(m->what, "journal") == 0) {
        json_object_set_new(json_object_get(anchor, "data"), "journal.json", json_string("[ ]"));
        fake_touch(f, anchor);
    }
}

static void meddle_with(struct rig *r, struct meddler *m)
{
    m->rig = r;
    r->f.before = meddle;
    r->f.cookie = m;
}

static struct revert_all revert_with(struct rig *r, struct meddler *m)
{
    struct revert_edit e = edit_now(r);
    assert_true(e.made);
    revert_edit_release(&e);
    meddle_with(r, m);
    return revert_now(r, r->journal);
}

/* Trap 5: the strict patch is refused although the field is ours; so it is read again. */
static void an_unrelated_change_in_between_does_not_hinder(void **state)
{
    struct rig r;
    struct meddler m = {.times = 2, .what = "annotation"};
    (void)state;
    rig_open(&r);
    struct revert_all all = revert_with(&r, &m);
    assert_int_equal(m.times, 0);
    assert_int_equal(all.reverted, 1);
    assert_true(is_as_before(&r));
    assert_string_equal(json_string_value(json_object_get(
                            json_object_get(fake_meta(find_service(&r)), "annotations"), "x")),
                        "0");
    revert_all_release(&all);
    rig_close(&r);
}

static void one_that_is_changed_all_the_time_is_given_up_and_said(void **state)
{
    struct rig r;
    struct meddler m = {.times = 1000, .what = "annotation"};
    (void)state;
    rig_open(&r);
    struct revert_all all = revert_with(&r, &m);
    assert_int_equal(all.failed, 1);
    assert_int_equal(1000 - m.times, REVERT_TRIES_MOST + 1);
    assert_int_equal(revert_outstanding(r.journal), 1);
    revert_all_release(&all);
    rig_close(&r);
}

static void a_value_that_is_no_longer_ours_is_left_alone_with_its_diff(void **state)
{
    struct rig r;
    struct meddler m = {.times = 1, .what = "selector"};
    (void)state;
    rig_open(&r);
    struct revert_all all = revert_with(&r, &m);
    assert_int_equal(all.diverged, 1);
    assert_int_equal(all.reverted, 0);
    assert_false(is_as_before(&r));
    assert_string_equal(
        all.err.text,
        "Service payments /spec/selector is "
        "{\"app\":\"theirs\",\"meshproof.io/run\":\"7f3a91c2\"}; "
        "it was {\"app\":\"payments\",\"tier\":\"back\"} before the run, and the run made it "
        "{\"app\":\"payments\",\"meshproof.io/run\":\"7f3a91c2\"}");
    assert_int_equal(revert_journal_entry(r.journal, 0)->state, REVERT_DIVERGED);
    revert_all_release(&all);
    rig_close(&r);
}

/* An edit goes well while the anchor is ${what}. */
static void edit_while(const char *what)
{
    struct rig r;
    struct meddler m = {.times = 2, .what = what};
    rig_open(&r);
    meddle_with(&r, &m);
    struct revert_edit e = edit_now(&r);
    assert_true(e.made);
    assert_int_equal(e.err.kind, ERROR_NONE);
    assert_int_equal(m.times, 0);
    revert_edit_release(&e);
    struct revert_all all = revert_now(&r, r.journal);
    assert_int_equal(all.reverted, 1);
    revert_all_release(&all);
    rig_close(&r);
}

static void the_anchors_halt_annotation_does_not_stop_the_journal(void **state)
{
    (void)state;
    edit_while("halt");
}

static void a_write_of_the_journal_whose_answer_was_lost_is_found(void **state)
{
    (void)state;
    edit_while("ours");
}

static void a_second_writer_of_the_journal_is_refused_and_nothing_is_edited(void **state)
{
    struct rig r;
    struct meddler m = {.times = 1, .what = "journal"};
    (void)state;
    rig_open(&r);
    meddle_with(&r, &m);
    struct revert_edit e = edit_now(&r);
    assert_false(e.made);
    assert_string_equal(e.err.text, "somebody else has written the journal of mp-7f3a91c2");
    assert_true(is_as_before(&r));
    revert_edit_release(&e);
    rig_close(&r);
}

static void an_object_that_was_made_again_is_not_touched(void **state)
{
    struct rig r;
    (void)state;
    rig_open(&r);
    struct revert_edit e = edit_now(&r);
    revert_edit_release(&e);
    json_t *other = json_deep_copy(find_service(&r));
    fake_put(&r.f, GVR_SERVICES, other);
    struct revert_all all = revert_now(&r, r.journal);
    assert_int_equal(all.gone, 1);
    assert_false(is_as_before(&r));
    revert_all_release(&all);
    rig_close(&r);
}

static json_t *our_slice(void)
{
    return json_pack("{s:{s:s, s:s, s:{s:s}}}", "metadata", "namespace", "shop", "name", "mp-slice",
                     "labels", "meshproof.io/run", "7f3a91c2");
}

/* A slice is made, as far as so many steps go. */
static struct revert_edit make_slice(struct rig *r, unsigned steps)
{
    struct revert_edit e;
    struct error err = {0};
    rig_open(r);
    assert_true(revert_edit_create(&e, r->journal, gvr_get(GVR_ENDPOINTSLICES), our_slice(), &err));
    for (unsigned i = 0; i < steps; i++)
        fake_step(&r->f, &e.chore, UINT64_MAX);
    return e;
}

static void a_made_object_goes_again_whenever_the_run_died(void **state)
{
    (void)state;
    for (unsigned steps = 0; steps <= 4; steps++) {
        struct rig r;
        struct revert_edit e = make_slice(&r, steps);
        struct revert_journal *found = journal_of(&r);
        struct revert_all all = revert_now(&r, found);
        assert_int_equal(all.failed + all.diverged, 0);
        assert_null(fake_find(&r.f, GVR_ENDPOINTSLICES, "shop", "mp-slice"));
        revert_all_release(&all);
        revert_journal_free(found);
        revert_edit_release(&e);
        rig_close(&r);
    }
    /* Another's of that name stays. */
    struct rig r;
    struct revert_edit e = make_slice(&r, 2); /* the trial, and the promise */
    fake_put(&r.f, GVR_ENDPOINTSLICES,
             json_pack("{s:{s:s, s:s}}", "metadata", "namespace", "shop", "name", "mp-slice"));
    struct revert_all all = revert_now(&r, r.journal);
    assert_non_null(fake_find(&r.f, GVR_ENDPOINTSLICES, "shop", "mp-slice"));
    assert_int_equal(all.gone, 1);
    revert_all_release(&all);
    revert_edit_release(&e);
    rig_close(&r);
}

static void many_edits_come_back_newest_first(void **state)
{
    struct rig r;
    (void)state;
    rig_open(&r);
    /* Two edits of one field: only the newest is what is there. */
    for (unsigned i = 0; i < 2; i++) {
        struct revert_edit e = edit_at(&r, "/metadata/annotations/mesh.io~1retry",
                                       json_string(i == 0 ? "one" : "two"));
        assert_true(e.made);
        revert_edit_release(&e);
    }
    json_t *all_of_it = json_object_get(fake_meta(find_service(&r)), "annotations");
    assert_string_equal(json_string_value(json_object_get(all_of_it, "mesh.io/retry")), "two");
    struct revert_all all = revert_now(&r, r.journal);
    assert_int_equal(all.reverted, 2);
    all_of_it = json_object_get(fake_meta(find_service(&r)), "annotations");
    assert_null(json_object_get(all_of_it, "mesh.io/retry"));
    assert_string_equal(json_string_value(json_object_get(all_of_it, "team")), "a");
    revert_all_release(&all);
    rig_close(&r);
}

static void a_journal_that_would_not_fit_is_refused_before_the_edit(void **state)
{
    struct rig r;
    (void)state;
    rig_open(&r);
    char *big = check_alloc_zero(REVERT_JOURNAL_MOST_BYTES + 1, 1);
    memset(big, 'x', REVERT_JOURNAL_MOST_BYTES);
    struct revert_edit e = edit_at(&r, "/spec/externalName", json_string(big));
    assert_false(e.made);
    assert_int_equal(e.err.kind, ERROR_LIMIT);
    assert_int_equal(revert_journal_count(r.journal), 0);
    assert_true(is_as_before(&r));
    revert_edit_release(&e);
    free(big);
    rig_close(&r);
}

static void paths_that_cannot_come_back_are_refused(void **state)
{
    static const char *const bad[] = {
        "/metadata/labels/a", "/status/x", "/spec", "/spec/", "spec/a", "/spec//a"};
    struct rig r;
    (void)state;
    rig_open(&r);
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        struct error err = {0};
        struct revert_edit e;
        assert_false(revert_edit_patch(&e, r.journal, gvr_get(GVR_SERVICES), "shop", "payments",
                                       bad[i], json_true(), &err));
        assert_int_equal(err.kind, ERROR_INPUT);
    }
    /* Below what is not there: the maps would stay behind. */
    struct revert_edit e = edit_at(&r, "/spec/none/such", json_true());
    assert_false(e.made);
    assert_int_equal(e.err.kind, ERROR_INPUT);
    revert_edit_release(&e);
    rig_close(&r);
}

static void a_journal_that_is_none_is_refused_with_its_reason(void **state)
{
    static const char *const bad[] = {
        "{}",
        "nonsense",
        "[{\"n\":2,\"verb\":\"create\",\"state\":\"done\",\"gvr\":\"/v1/services\",\"name\":\"a\","
        "\"namespace\":\"b\"}]",
        "[{\"n\":1,\"verb\":\"patch\",\"state\":\"done\",\"gvr\":\"/v1/services\",\"name\":\"a\","
        "\"namespace\":\"b\"}]",
        "[{\"n\":1,\"verb\":\"patch\",\"state\":\"done\",\"gvr\":\"/v1/services\",\"name\":\"a\","
        "\"namespace\":\"b\",\"uid\":\"u\",\"path\":\"/metadata/finalizers\"}]",
        "[{\"n\":1,\"verb\":\"create\",\"state\":\"done\",\"gvr\":\"/v1/"
        "clusterroles\",\"name\":\"a\","
        "\"namespace\":\"b\"}]",
        "[7]"};
    (void)state;
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        struct revert_journal *j;
        struct error err = {0};
        json_t *anchor =
            json_pack("{s:{s:s, s:s, s:s, s:s}, s:{s:s}}", "metadata", "namespace", "a", "name",
                      "mp-1", "uid", "u", "resourceVersion", "1", "data", "journal.json", bad[i]);
        assert_false(revert_journal_read(anchor, &j, &err));
        assert_int_equal(strncmp(err.text, "the journal of mp-1: ", 21), 0);
        json_decref(anchor);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_edit_is_promised_before_it_is_made_and_comes_back),
        cmocka_unit_test(killed_between_any_two_steps_it_comes_back),
        cmocka_unit_test(a_revert_that_is_killed_goes_on_later),
        cmocka_unit_test(an_unrelated_change_in_between_does_not_hinder),
        cmocka_unit_test(one_that_is_changed_all_the_time_is_given_up_and_said),
        cmocka_unit_test(a_value_that_is_no_longer_ours_is_left_alone_with_its_diff),
        cmocka_unit_test(the_anchors_halt_annotation_does_not_stop_the_journal),
        cmocka_unit_test(a_write_of_the_journal_whose_answer_was_lost_is_found),
        cmocka_unit_test(a_second_writer_of_the_journal_is_refused_and_nothing_is_edited),
        cmocka_unit_test(an_object_that_was_made_again_is_not_touched),
        cmocka_unit_test(a_made_object_goes_again_whenever_the_run_died),
        cmocka_unit_test(many_edits_come_back_newest_first),
        cmocka_unit_test(a_journal_that_would_not_fit_is_refused_before_the_edit),
        cmocka_unit_test(paths_that_cannot_come_back_are_refused),
        cmocka_unit_test(a_journal_that_is_none_is_refused_with_its_reason),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
