#include "cli/starter.h"

#include "cli/folders.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

size_t starter_there(const struct starter_file *files, size_t count, const char **ret)
{
    size_t there = 0;
    struct stat st;
    for (size_t i = 0; i < count; i++)
        if (lstat(files[i].path, &st) == 0)
            ret[there++] = files[i].path;
    return there;
}

static bool write_all(int fd, struct bytes content)
{
    size_t done = 0;
    while (done < content.len) {
        ssize_t n = write(fd, content.at + done, content.len - done);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return false;
        done += (size_t)n;
    }
    return true;
}

bool starter_write(const struct starter_file *files, size_t count, struct error *err)
{
    for (size_t i = 0; i < count; i++) {
        if (!folders_make(files[i].path, err))
            return false;
        int fd = open(files[i].path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
        bool ok = fd >= 0 && write_all(fd, files[i].content);
        int why = errno;
        ok = (fd < 0 || close(fd) == 0) && ok;
        if (!ok)
            return error_system(err, why, "%s", files[i].path);
    }
    return true;
}
