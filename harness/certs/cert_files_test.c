#include "certs/cert_files.h"

#include "certs/authority.h"
#include "certs/certs_test.h"

#include <dirent.h>
#include <sys/inotify.h>

static struct text bundle_a, bundle_both;
static struct issued leaf_a, leaf_b;

static int make_leaves(void **state)
{
    struct authority *a = authority_new();
    struct identity id = {0};
    struct error err = {0};
    const char *const roots[] = {"root-a", "root-b"};
    struct leaf_order order = {.identity = &id, .root = "root-a", .wall_s = WALL_S, .ttl_s = 3600};
    (void)state;
    text_init(&bundle_a, 65536);
    text_init(&bundle_both, 65536);
    bool ok = authority_add_root(a, "root-a", WALL_S, &err) &&
              authority_add_root(a, "root-b", WALL_S, &err) &&
              identity_add(&id, "spiffe://td/ns/x/sa/y", &err) &&
              authority_issue(a, &order, &leaf_a, &err) &&
              authority_bundle(a, roots, 1, &bundle_a, &err) &&
              authority_bundle(a, roots, 2, &bundle_both, &err);
    order.root = "root-b";
    ok = ok && authority_issue(a, &order, &leaf_b, &err);
    authority_free(a);
    return !ok;
}

static int free_leaves(void **state)
{
    (void)state;
    text_release(&bundle_a);
    text_release(&bundle_both);
    issued_release(&leaf_a);
    issued_release(&leaf_b);
    return 0;
}

static bool put(void **state, const struct issued *leaf, const char *bundle, uint64_t wall_ns,
                bool *ret_changed, struct error *err)
{
    const struct cert_files files = {
        .chain_pem = leaf->chain_pem, .key_pem = leaf->key_pem, .bundle_pem = bundle};
    return cert_files_write(scratch_path(state, "certs"), &files, wall_ns, ret_changed, err);
}

static size_t versions(void **state)
{
    DIR *d = opendir(scratch_path(state, "certs"));
    const struct dirent *e;
    size_t count = 0;
    while ((e = readdir(d)) != NULL)
        count += strncmp(e->d_name, "..2", 3) == 0;
    closedir(d);
    return count;
}

static void the_layout_is_that_of_a_mounted_secret(void **state)
{
    struct error err = {0};
    bool changed;
    char target[100] = "";
    struct stat st;
    assert_true(put(state, &leaf_a, text_get(&bundle_a), WALL_NS + 5, &changed, &err));
    assert_true(changed);
    assert_true(readlink(scratch_path(state, "certs/..data"), target, sizeof(target) - 1) > 0);
    assert_string_equal(target, "..2026_11_18_11_06_40.000000005");
    memset(target, 0, sizeof(target));
    assert_true(readlink(scratch_path(state, "certs/tls.key"), target, sizeof(target) - 1) > 0);
    assert_string_equal(target, "..data/tls.key");
    assert_int_equal(stat(scratch_path(state, "certs/tls.key"), &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    struct cert_texts t;
    assert_true(cert_files_read(scratch_path(state, "certs"), &t, &err));
    assert_string_equal(t.chain_pem, leaf_a.chain_pem);
    assert_string_equal(t.key_pem, leaf_a.key_pem);
    assert_string_equal(t.bundle_pem, text_get(&bundle_a));
    cert_texts_release(&t);
}

/* What Envoy watches: moves in the directory. Nothing else may be one. */
static size_t moves(int fd)
{
    char events[8192] __attribute__((aligned(8)));
    ssize_t n = read(fd, events, sizeof(events));
    size_t count = 0;
    for (ssize_t at = 0; n > 0 && at < n;) {
        const struct inotify_event *e = (const void *)(events + at);
        assert_string_equal(e->name, "..data");
        count++;
        at += (ssize_t)(sizeof(*e) + e->len);
    }
    return count;
}

static void a_swap_is_one_move_and_equal_bytes_are_none(void **state)
{
    struct error err = {0};
    bool changed;
    assert_true(put(state, &leaf_a, text_get(&bundle_a), WALL_NS, &changed, &err));
    int fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
    assert_true(inotify_add_watch(fd, scratch_path(state, "certs"), IN_MOVED_TO) >= 0);
    assert_true(put(state, &leaf_a, text_get(&bundle_a), WALL_NS + 1, &changed, &err));
    assert_false(changed);
    assert_int_equal(moves(fd), 0);
    assert_true(put(state, &leaf_b, text_get(&bundle_both), WALL_NS + 2, &changed, &err));
    assert_true(changed);
    assert_int_equal(moves(fd), 1);
    close(fd);
}

/* A reader that opened the folder of a version, as one that followed ..data just now, always finds
 * a leaf with its own key: the version is never written to again. */
static void a_version_is_never_half_another(void **state)
{
    struct error err = {0};
    bool changed;
    assert_true(put(state, &leaf_a, text_get(&bundle_a), WALL_NS, &changed, &err));
    int held = open(scratch_path(state, "certs/..data"), O_RDONLY | O_DIRECTORY);
    char *crt = cert_file_read(held, "tls.crt", &err);
    assert_true(put(state, &leaf_b, text_get(&bundle_a), WALL_NS + 1, &changed, &err));
    char *key = cert_file_read(held, "tls.key", &err);
    assert_string_equal(crt, leaf_a.chain_pem);
    assert_non_null(key);
    assert_string_equal(key, leaf_a.key_pem);
    free(crt);
    free(key);
    close(held);
}

static void old_versions_and_those_of_a_killed_writer_go(void **state)
{
    struct error err = {0};
    bool changed;
    assert_true(put(state, &leaf_a, text_get(&bundle_a), WALL_NS, &changed, &err));
    assert_int_equal(mkdir(scratch_path(state, "certs/..2020_01_01_00_00_00.1"), 0700), 0);
    assert_int_equal(symlink("nowhere", scratch_path(state, "certs/..data_tmp")), 0);
    for (unsigned i = 1; i < 6; i++)
        assert_true(put(state, i % 2 == 0 ? &leaf_a : &leaf_b, text_get(&bundle_a), WALL_NS + i,
                        &changed, &err));
    assert_int_equal(versions(state), 2);
}

static void half_a_pair_is_refused_and_the_old_one_stays(void **state)
{
    struct error err = {0};
    bool changed;
    struct cert_texts t;
    assert_true(put(state, &leaf_a, text_get(&bundle_a), WALL_NS, &changed, &err));
    const struct {
        struct cert_files files;
        const char *says;
    } rows[] = {
        {{leaf_a.chain_pem, leaf_b.key_pem, text_get(&bundle_a)}, "the key is another certificate"},
        {{leaf_a.chain_pem, NULL, text_get(&bundle_a)}, "a chain without its key"},
        {{leaf_a.chain_pem, "rubbish", text_get(&bundle_a)}, "the key is not PEM"},
        {{"", leaf_a.key_pem, text_get(&bundle_a)}, "certificate 1 of the chain is not PEM"},
        {{leaf_a.chain_pem, leaf_a.key_pem, ""}, "certificate 1 of the bundle is not PEM"},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        err = (struct error){0};
        assert_false(cert_files_write(scratch_path(state, "certs"), &rows[i].files, WALL_NS + i + 1,
                                      &changed, &err));
        assert_false(changed);
        if (strstr(err.text, rows[i].says) == NULL)
            fail_msg("%s", err.text);
    }
    err = (struct error){0};
    assert_true(cert_files_read(scratch_path(state, "certs"), &t, &err));
    assert_string_equal(t.key_pem, leaf_a.key_pem);
    cert_texts_release(&t);
}

static void a_cut_bundle_is_refused(void **state)
{
    struct error err = {0};
    bool changed;
    char *cut = strdup(text_get(&bundle_both));
    cut[strlen(cut) - 60] = '\0';
    assert_false(put(state, &leaf_a, cut, WALL_NS, &changed, &err));
    assert_non_null(strstr(err.text, "certificate 2 of the bundle is not PEM"));
    free(cut);
}

static void a_leaf_can_go_and_come(void **state)
{
    struct error err = {0};
    bool changed;
    const struct issued none = {0};
    struct cert_texts t;
    assert_true(put(state, &leaf_a, text_get(&bundle_a), WALL_NS, &changed, &err));
    assert_true(put(state, &none, text_get(&bundle_a), WALL_NS + 1, &changed, &err));
    assert_true(changed);
    assert_true(cert_files_read(scratch_path(state, "certs"), &t, &err));
    assert_null(t.chain_pem);
    assert_non_null(t.bundle_pem);
    cert_texts_release(&t);
    assert_int_not_equal(access(scratch_path(state, "certs/tls.key"), F_OK), 0);
    assert_true(put(state, &leaf_a, text_get(&bundle_a), WALL_NS + 2, &changed, &err));
    assert_int_equal(access(scratch_path(state, "certs/tls.key"), F_OK), 0);
}

static void a_link_in_the_way_is_not_followed(void **state)
{
    struct error err = {0};
    int dir = open(*state, O_RDONLY | O_DIRECTORY);
    assert_int_equal(symlink("target", scratch_path(state, "link")), 0);
    assert_false(cert_file_create(dir, "link", "secret", 0600, &err));
    assert_int_not_equal(access(scratch_path(state, "target"), F_OK), 0);
    close(dir);
}

#define ON_DISK(test) cmocka_unit_test_setup_teardown(test, scratch_make, scratch_remove)

int main(void)
{
    const struct CMUnitTest tests[] = {
        ON_DISK(the_layout_is_that_of_a_mounted_secret),
        ON_DISK(a_swap_is_one_move_and_equal_bytes_are_none),
        ON_DISK(a_version_is_never_half_another),
        ON_DISK(old_versions_and_those_of_a_killed_writer_go),
        ON_DISK(half_a_pair_is_refused_and_the_old_one_stays),
        ON_DISK(a_cut_bundle_is_refused),
        ON_DISK(a_leaf_can_go_and_come),
        ON_DISK(a_link_in_the_way_is_not_followed),
    };
    return cmocka_run_group_tests(tests, make_leaves, free_leaves);
}
