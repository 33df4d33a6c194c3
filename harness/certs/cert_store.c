#include "certs/cert_store.h"

#include "base/clock.h"
#include "certs/cert_files.h"
#include "certs/cert_store_json.h"
#include "certs/mint.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#define PATH_MOST 512

static struct cert_store *store_of(const char *dir, int fd)
{
    struct cert_store *s = check_alloc_zero(1, sizeof(*s));
    s->dir = check_strdup(dir);
    s->fd = fd;
    s->authority = authority_new();
    s->places = check_alloc_zero(CERT_STORE_PLACES_MOST, sizeof(*s->places));
    return s;
}

void cert_store_close(struct cert_store *s)
{
    if (s == NULL)
        return;
    close(s->fd); /* and the lock with it */
    authority_free(s->authority);
    free(s->places);
    free(s->dir);
    free(s);
}

static bool lock(const char *dir, bool alone, int *ret, struct error *err)
{
    *ret = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (*ret < 0)
        return error_system(err, errno, "opening %.150s", dir);
    if (flock(*ret, (alone ? LOCK_EX : LOCK_SH) | LOCK_NB) == 0)
        return true;
    error_set(err, ERROR_SYSTEM, "%.150s: another meshproof is at work there", dir);
    close(*ret);
    return false;
}

static bool make_dir(int at, const char *path, mode_t mode, struct error *err)
{
    return mkdirat(at, path, mode) == 0 || errno == EEXIST ||
           error_system(err, errno, "making %.150s", path);
}

static bool save_root(struct cert_store *s, const char *name, struct error *err)
{
    char path[PATH_MOST];
    struct root_pems pems;
    if (!authority_export(s->authority, name, &pems, err))
        return false;
    const struct {
        const char *name, *text;
        unsigned mode;
    } files[] = {{"root.key", pems.root_key, 0600},
                 {"root.crt", pems.root, 0644},
                 {"intermediate.key", pems.intermediate_key, 0600},
                 {"intermediate.crt", pems.intermediate, 0644}};
    snprintf(path, sizeof(path), "roots/%s", name);
    bool ok = make_dir(s->fd, "roots", 0700, err) && make_dir(s->fd, path, 0700, err);
    for (size_t i = 0; i < COUNT_OF(files) && ok; i++) {
        snprintf(path, sizeof(path), "roots/%s/%s", name, files[i].name);
        unlinkat(s->fd, path, 0); /* of a writer that was killed before it named the root */
        ok = cert_file_create(s->fd, path, files[i].text, files[i].mode, err);
    }
    root_pems_release(&pems);
    return ok;
}

static char *root_file(struct cert_store *s, const char *name, const char *file, struct error *err)
{
    char path[PATH_MOST];
    snprintf(path, sizeof(path), "roots/%s/%s", name, file);
    char *text = cert_file_read(s->fd, path, err);
    if (text == NULL)
        error_set(err, ERROR_INPUT, "%s is not there", path);
    return text;
}

static bool load_root(struct cert_store *s, const char *name, struct error *err)
{
    struct root_pems p = {0};
    bool ok = authority_name_check(name, err) &&
              (p.root = root_file(s, name, "root.crt", err)) != NULL &&
              (p.root_key = root_file(s, name, "root.key", err)) != NULL &&
              (p.intermediate = root_file(s, name, "intermediate.crt", err)) != NULL &&
              (p.intermediate_key = root_file(s, name, "intermediate.key", err)) != NULL &&
              authority_import(s->authority, name, &p, err);
    root_pems_release(&p);
    if (!ok)
        error_prefix(err, "root %.60s: ", name);
    return ok;
}

static bool save(struct cert_store *s, struct error *err)
{
    char *text = cert_store_print(s);
    unlinkat(s->fd, CERT_STORE_FILE ".next", 0);
    bool ok = cert_file_create(s->fd, CERT_STORE_FILE ".next", text, 0644, err) &&
              (renameat(s->fd, CERT_STORE_FILE ".next", s->fd, CERT_STORE_FILE) == 0 ||
               error_system(err, errno, "renaming " CERT_STORE_FILE));
    free(text);
    return ok;
}

static bool add_root(struct cert_store *s, const char *name, uint64_t wall_s, struct error *err)
{
    return authority_has_root(s->authority, name) ||
           (authority_add_root(s->authority, name, wall_s, err) && save_root(s, name, err));
}

bool cert_store_new(const char *dir, const char *first_root, uint64_t wall_ns,
                    struct cert_store **ret, struct error *err)
{
    int fd;
    if (!authority_name_check(first_root, err) || !make_dir(AT_FDCWD, dir, 0755, err) ||
        !lock(dir, true, &fd, err))
        return false;
    struct cert_store *s = store_of(dir, fd);
    bool ok = faccessat(fd, CERT_STORE_FILE, F_OK, 0) != 0 ||
              error_set(err, ERROR_INPUT,
                        "there is a lab authority already: meshproof certs show prints it");
    snprintf(s->active, sizeof(s->active), "%s", first_root);
    if (ok && add_root(s, first_root, wall_ns / NS_PER_S, err) && save(s, err)) {
        *ret = s;
        return true;
    }
    cert_store_close(s);
    error_prefix(err, "%.100s: ", dir);
    return false;
}

bool cert_store_open(const char *dir, bool to_change, struct cert_store **ret, struct error *err)
{
    int fd;
    char(*roots)[AUTHORITY_NAME_MOST_BYTES] =
        check_alloc_zero(AUTHORITY_ROOTS_MOST, sizeof(*roots));
    size_t count = 0;
    if (!lock(dir, to_change, &fd, err)) {
        free(roots);
        return false;
    }
    struct cert_store *s = store_of(dir, fd);
    char *text = cert_file_read(fd, CERT_STORE_FILE, err);
    bool ok = text != NULL || error_set(err, ERROR_INPUT,
                                        "there is no " CERT_STORE_FILE
                                        "; meshproof certs new makes a lab authority");
    ok = ok && cert_store_parse(s, text, roots, &count, err);
    for (size_t i = 0; i < count && ok; i++)
        ok = load_root(s, roots[i], err);
    if (ok)
        ok = cert_store_check(s, err);
    free(text);
    free(roots);
    if (ok) {
        *ret = s;
        return true;
    }
    cert_store_close(s);
    error_prefix(err, "%.100s: ", dir);
    return false;
}

struct cert_place *cert_store_find(struct cert_store *s, const char *name)
{
    for (size_t i = 0; i < s->place_count; i++) {
        if (strcmp(s->places[i].name, name) == 0)
            return &s->places[i];
    }
    return NULL;
}

/* Swaps the files of a place: its leaf when there is a new one, else only the bundle. */
static bool write_place(struct cert_store *s, const struct cert_place *p,
                        const struct issued *issued, uint64_t wall_ns, bool *ret_changed,
                        struct error *err)
{
    char path[PATH_MOST];
    const char *names[CERT_STORE_ROOTS_MOST];
    struct text bundle;
    struct cert_texts old = {0};
    for (size_t i = 0; i < p->trust_count; i++)
        names[i] = p->trusts[i];
    text_init(&bundle, CERT_FILES_MOST_BYTES);
    snprintf(path, sizeof(path), "%.400s/%s", s->dir, p->name);
    bool ok = authority_bundle(s->authority, names, p->trust_count, &bundle, err) &&
              (issued != NULL || cert_files_read(path, &old, err));
    struct cert_files files = {.chain_pem = issued != NULL ? issued->chain_pem : old.chain_pem,
                               .key_pem = issued != NULL ? issued->key_pem : old.key_pem,
                               .bundle_pem = text_get(&bundle)};
    ok = ok && cert_files_write(path, &files, wall_ns, ret_changed, err);
    cert_texts_release(&old);
    text_release(&bundle);
    return ok;
}

static bool issue(struct cert_store *s, const struct cert_place *p, const struct cert_step *step,
                  struct issued *ret, struct error *err)
{
    const struct leaf_order order = {.identity = &p->identity,
                                     .root = p->root,
                                     .kind = p->kind,
                                     .wall_s = step->wall_ns / NS_PER_S,
                                     .ttl_s = p->ttl_s,
                                     .by_s = step->by_s,
                                     .omit_authority_key = step->omit_authority_key};
    return authority_issue(s->authority, &order, ret, err);
}

/* The state first, then the files: a step that was cut short is done by doing it again. */
static bool issue_and_write(struct cert_store *s, const struct cert_place *p,
                            const struct cert_step *step, bool *ret_changed, struct error *err)
{
    struct issued issued;
    if (!issue(s, p, step, &issued, err))
        return false;
    bool ok = save(s, err) && write_place(s, p, &issued, step->wall_ns, ret_changed, err);
    issued_release(&issued);
    return ok;
}

bool cert_store_place_check(const char *name, struct error *err)
{
    if (strcmp(name, "roots") == 0 || strcmp(name, CERT_STORE_FILE) == 0)
        return error_set(err, ERROR_INPUT, "a place cannot be called %s: the authority is there",
                         name);
    return authority_name_check(name, err);
}

bool cert_store_add_place(struct cert_store *s, const char *name, const struct identity *identity,
                          uint64_t ttl_s, uint64_t wall_ns, struct error *err)
{
    bool changed;
    if (!cert_store_place_check(name, err))
        return false;
    if (cert_store_find(s, name) != NULL)
        return error_set(err, ERROR_INPUT, "there are two places \"%s\"", name);
    if (s->place_count == CERT_STORE_PLACES_MOST)
        return error_set(err, ERROR_LIMIT, "more than the %d places allowed",
                         CERT_STORE_PLACES_MOST);
    struct cert_place *p = &s->places[s->place_count++];
    *p = (struct cert_place){.identity = *identity, .ttl_s = ttl_s, .trust_count = 1};
    snprintf(p->name, sizeof(p->name), "%s", name);
    snprintf(p->root, sizeof(p->root), "%s", s->active);
    snprintf(p->trusts[0], sizeof(p->trusts[0]), "%s", s->active);
    if (issue_and_write(s, p, &(struct cert_step){.wall_ns = wall_ns}, &changed, err))
        return true;
    s->place_count--;
    return false;
}

static bool is_meant(const struct cert_step *step, const struct cert_place *p)
{
    for (size_t i = 0; i < step->place_count; i++) {
        if (strcmp(step->places[i], p->name) == 0)
            return true;
    }
    return step->place_count == 0;
}

static bool check_places(struct cert_store *s, const struct cert_step *step, struct error *err)
{
    for (size_t i = 0; i < step->place_count; i++) {
        if (cert_store_find(s, step->places[i]) == NULL)
            return error_set(err, ERROR_INPUT,
                             "there is no place \"%.63s\": meshproof certs show lists them",
                             step->places[i]);
    }
    return true;
}

static size_t trust_index(const struct cert_place *p, const char *root)
{
    size_t i = 0;
    while (i < p->trust_count && strcmp(p->trusts[i], root) != 0)
        i++;
    return i;
}

bool cert_store_skew(const struct cert_store *s, size_t *presenter, size_t *verifier)
{
    for (; *presenter < s->place_count; (*presenter)++, *verifier = 0) {
        const struct cert_place *p = &s->places[*presenter];
        for (; *verifier < s->place_count; (*verifier)++) {
            const struct cert_place *v = &s->places[*verifier];
            if (p != v && p->kind == CERT_GOOD && trust_index(v, p->root) == v->trust_count)
                return true;
        }
    }
    return false;
}

static size_t skew_count(const struct cert_store *s)
{
    size_t presenter = 0, verifier = 0, count = 0;
    for (; cert_store_skew(s, &presenter, &verifier); verifier++)
        count++;
    return count;
}

/* Puts ${places} back when the step parts more pairs than were parted before. */
static bool check_skew(struct cert_store *s, const struct cert_step *step, size_t before,
                       const struct cert_place *places, struct error *err)
{
    size_t presenter = 0, verifier = 0;
    if (step->skew || skew_count(s) <= before || !cert_store_skew(s, &presenter, &verifier))
        return true;
    error_set(
        err, ERROR_INPUT,
        "%s would present a leaf of %s, which %s would not trust; --skew does it all the same",
        s->places[presenter].name, s->places[presenter].root, s->places[verifier].name);
    memcpy(s->places, places, s->place_count * sizeof(*places));
    return false;
}

static bool trust_one(struct cert_place *p, const struct cert_step *step, struct error *err)
{
    if (trust_index(p, step->root) < p->trust_count)
        return true;
    if (p->trust_count == CERT_STORE_ROOTS_MOST)
        return error_set(err, ERROR_LIMIT, "%s trusts the %d roots allowed already", p->name,
                         CERT_STORE_ROOTS_MOST);
    snprintf(p->trusts[p->trust_count++], AUTHORITY_NAME_MOST_BYTES, "%s", step->root);
    return true;
}

static bool drop_one(struct cert_place *p, const struct cert_step *step, struct error *err)
{
    size_t at = trust_index(p, step->root);
    if (at == p->trust_count)
        return true;
    if (p->trust_count == 1)
        return error_set(err, ERROR_INPUT, "%s trusts %s alone; without it, it would trust nobody",
                         p->name, step->root);
    p->trust_count--;
    memmove(p->trusts[at], p->trusts[at + 1], (p->trust_count - at) * AUTHORITY_NAME_MOST_BYTES);
    return true;
}

static bool issue_one(struct cert_place *p, const struct cert_step *step, struct error *err)
{
    (void)err;
    snprintf(p->root, sizeof(p->root), "%s", step->root);
    p->kind = step->kind;
    p->ttl_s = step->ttl_s == 0 ? p->ttl_s : step->ttl_s;
    return true;
}

/* The state of all places that are meant; undone when one of them cannot. */
static bool change(struct cert_store *s, const struct cert_step *step,
                   bool (*one)(struct cert_place *, const struct cert_step *, struct error *),
                   struct error *err)
{
    size_t before = skew_count(s), bytes = s->place_count * sizeof(*s->places);
    struct cert_place *places = check_alloc(bytes + 1);
    bool ok = true;
    memcpy(places, s->places, bytes);
    for (size_t i = 0; i < s->place_count && ok; i++)
        ok = !is_meant(step, &s->places[i]) || one(&s->places[i], step, err);
    if (!ok)
        memcpy(s->places, places, bytes);
    ok = ok && check_skew(s, step, before, places, err);
    free(places);
    return ok;
}

static bool write_bundles(struct cert_store *s, const struct cert_step *step, size_t *ret_changed,
                          struct error *err)
{
    *ret_changed = 0;
    if (!save(s, err))
        return false;
    for (size_t i = 0; i < s->place_count; i++) {
        bool changed = false;
        if (!is_meant(step, &s->places[i]))
            continue;
        if (!write_place(s, &s->places[i], NULL, step->wall_ns, &changed, err))
            return false;
        *ret_changed += changed;
    }
    return true;
}

bool cert_store_trust(struct cert_store *s, const struct cert_step *step, size_t *ret_changed,
                      struct error *err)
{
    return check_places(s, step, err) && add_root(s, step->root, step->wall_ns / NS_PER_S, err) &&
           change(s, step, trust_one, err) && write_bundles(s, step, ret_changed, err);
}

bool cert_store_drop(struct cert_store *s, const struct cert_step *step, size_t *ret_changed,
                     struct error *err)
{
    if (!authority_has_root(s->authority, step->root))
        return error_set(err, ERROR_INPUT,
                         "there is no root \"%.63s\": meshproof certs show lists them", step->root);
    return check_places(s, step, err) && change(s, step, drop_one, err) &&
           write_bundles(s, step, ret_changed, err);
}

bool cert_store_issue(struct cert_store *s, const struct cert_step *step, size_t *ret_changed,
                      struct error *err)
{
    *ret_changed = 0;
    if (!check_places(s, step, err) || !add_root(s, step->root, step->wall_ns / NS_PER_S, err) ||
        !change(s, step, issue_one, err))
        return false;
    if (step->place_count == 0 && step->kind == CERT_GOOD)
        snprintf(s->active, sizeof(s->active), "%s", step->root);
    for (size_t i = 0; i < s->place_count; i++) {
        bool changed = false;
        const struct cert_place *p = &s->places[i];
        if (!is_meant(step, p))
            continue;
        if (!issue_and_write(s, p, step, &changed, err))
            return false;
        *ret_changed += changed;
    }
    return true;
}
