/* layer: world */

/* Any bytes as a ledger: frames out of it, or one sentence; what is torn off is cut, so that a
 * second look finds the same; nothing in it is ever undone that is no note of ours. */

#include "world/ledger.h"
#include "world/undo.h"

#include <fcntl.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void count_frame(void *cookie, const struct ledger_frame *frame)
{
    size_t *bytes = cookie;
    *bytes += LEDGER_HEAD_BYTES + frame->body.len;
}

static void ignore_line(void *cookie, const struct undo_line *line)
{
    (void)cookie;
    INVARIANT(line->word != NULL && line->what != NULL && line->how != NULL);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char path[64];
    size_t bytes = 0, good;
    struct error err = {0};
    enum ledger_end end = ledger_scan((struct bytes){data, size}, count_frame, &bytes, &good);
    INVARIANT(bytes == good && good <= size && (end == LEDGER_WHOLE) == (good == size));
    snprintf(path, sizeof(path), "/dev/shm/meshproof-fuzz-%d.ledger", (int)getpid());
    int fd = open(path, O_CREAT | O_TRUNC | O_WRONLY | O_CLOEXEC, 0600);
    INVARIANT(fd >= 0);
    bool written = write(fd, data, size) == (ssize_t)size;
    close(fd);
    INVARIANT(written);
    struct undo *u;
    struct undo_owner first, second;
    if (undo_take(path, &u, &first, &err)) {
        struct undo *again;
        INVARIANT(undo_take(path, &again, &second, &err));
        INVARIANT(first.outstanding == second.outstanding && first.damaged == second.damaged);
        if (!first.lives)
            INVARIANT(undo_list(path, ignore_line, NULL, &err));
        undo_close(again);
        undo_close(u);
    }
    unlink(path);
    return 0;
}
