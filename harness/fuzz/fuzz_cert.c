/* layer: certs */

/* Any bytes as what a lab authority reads back from a disk: PEM of a chain before a bundle (cut at
 * the first NUL), or authority.json. First byte: which. Nothing may crash or leak; what was read
 * prints again, and reads back the same. */

#include "certs/cert_chain.h"
#include "certs/cert_store_json.h"

#include <stdlib.h>

#define WALL_S UINT64_C(1764000000)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void chain(const char *pem, const char *bundle_pem)
{
    struct cert_chain ret;
    struct cert_bundle bundle;
    struct error err = {0};
    if (cert_chain_read(pem, NULL, bundle_pem, WALL_S, &ret, &err))
        INVARIANT(ret.certificate_count > 0 && ret.certificate_count <= CERT_CHAIN_MOST);
    else
        INVARIANT(err.kind != ERROR_NONE);
    err = (struct error){0};
    if (cert_bundle_read(bundle_pem, &bundle, &err))
        INVARIANT(bundle.root_count > 0 && bundle.root_count <= CERT_CHAIN_MOST);
    else
        INVARIANT(err.kind != ERROR_NONE);
}

static bool parse(struct cert_store *s, const char *text)
{
    char(*roots)[AUTHORITY_NAME_MOST_BYTES] =
        check_alloc_zero(AUTHORITY_ROOTS_MOST, sizeof(*roots));
    struct error err = {0};
    size_t count = 0;
    *s =
        (struct cert_store){.fd = -1,
                            .authority = authority_new(),
                            .places = check_alloc_zero(CERT_STORE_PLACES_MOST, sizeof(*s->places))};
    bool ok = cert_store_parse(s, text, roots, &count, &err);
    INVARIANT(ok == (err.kind == ERROR_NONE) && (!ok || count > 0));
    free(roots);
    return ok;
}

static void release(struct cert_store *s)
{
    authority_free(s->authority);
    free(s->places);
}

static void store(const char *text)
{
    struct cert_store s, again;
    if (parse(&s, text)) {
        /* without its keys it has no roots, which a state must name: so only the places come back
         */
        char *printed = cert_store_print(&s);
        INVARIANT(!parse(&again, printed));
        release(&again);
        free(printed);
    }
    release(&s);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 1 || size > 64 * 1024)
        return 0;
    char *text = check_alloc(size);
    memcpy(text, data + 1, size - 1);
    text[size - 1] = '\0';
    size_t first = strlen(text);
    if (data[0] % 2 == 0)
        store(text);
    else
        chain(text, first + 1 < size ? text + first + 1 : text);
    free(text);
    return 0;
}
