#include "cli/small_file.h"

#include <errno.h>

bool small_file_read(const char *path, struct buffer *ret, struct error *err)
{
    buffer_init(ret, SMALL_FILE_MOST_BYTES);
    FILE *file = fopen(path, "rbe");
    if (file == NULL)
        return error_set(err, ERROR_INPUT, "reading %.120s: %s", path, strerror(errno));
    bool ok = true;
    for (size_t n = 1; ok && n > 0;) {
        uint8_t block[4096];
        n = fread(block, 1, sizeof(block), file);
        ok = buffer_add(ret, block, n, err);
    }
    if (ok && ferror(file) != 0)
        ok = error_set(err, ERROR_INPUT, "reading %.120s: %s", path, strerror(errno));
    fclose(file);
    return ok;
}
