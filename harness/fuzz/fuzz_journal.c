/* layer: journal */

/* Any bytes as a journal file: a journal that prints as JSON, or one sentence. The same bytes as an
 * agent's stream: whole frames out, none invented. Seeds have pages of 512 bytes, to be short. */

#include "journal/frame.h"
#include "journal/journal.h"

#include <fcntl.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool count_frame(void *cookie, const struct frame *frame, struct bytes body,
                        struct error *err)
{
    size_t *bytes = cookie;
    (void)err;
    if (frame->kind >= 16)
        INVARIANT(body.len == frame->len);
    *bytes += body.len;
    return true;
}

static void as_stream(const uint8_t *data, size_t size)
{
    size_t whole = 0, cut = 0;
    struct error err = {0}, cut_err = {0};
    struct frame_reader r;
    frame_reader_init(&r, count_frame, &whole);
    bool ok = frame_reader_feed(&r, (struct bytes){data, size}, &err);
    frame_reader_release(&r);
    frame_reader_init(&r, count_frame, &cut);
    bool cut_ok = true;
    for (size_t at = 0, n; at < size && cut_ok; at += n) {
        n = size - at < 7 ? size - at : 7;
        cut_ok = frame_reader_feed(&r, (struct bytes){data + at, n}, &cut_err);
    }
    frame_reader_release(&r);
    INVARIANT(ok == cut_ok && whole == cut && whole <= size);
}

/* Bytes may say "WAL": what SQLite then lays beside the file must not reach the next input. */
static void remove_files(const char *path)
{
    static const char *const tails[] = {"", "-wal", "-shm", "-journal"};
    for (size_t i = 0; i < COUNT_OF(tails); i++) {
        char file[80];
        snprintf(file, sizeof(file), "%s%s", path, tails[i]);
        unlink(file);
    }
}

static void as_file(const uint8_t *data, size_t size)
{
    char path[64];
    struct journal *j = NULL;
    struct error err = {0};
    snprintf(path, sizeof(path), "/dev/shm/meshproof-fuzz-%d.db", (int)getpid());
    int fd = open(path, O_CREAT | O_TRUNC | O_WRONLY | O_CLOEXEC, 0600);
    INVARIANT(fd >= 0);
    bool written = write(fd, data, size) == (ssize_t)size;
    close(fd);
    INVARIANT(written);
    if (journal_open(path, &j, &err)) {
        FILE *to = fopen("/dev/null", "w");
        INVARIANT(to != NULL && journal_print_ndjson(j, to, &err));
        fclose(to);
        journal_free(j);
    } else {
        INVARIANT(err.kind == ERROR_INPUT || err.kind == ERROR_LIMIT);
    }
    remove_files(path);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    as_stream(data, size);
    as_file(data, size);
    return 0;
}
