#include "engine/host.h"

#include "base/clock.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/statvfs.h>
#include <unistd.h>

#define TICK_NS_FALLBACK (10 * NS_PER_MS)

static bool read_file(const char *path, char *to, size_t size)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t n = fd < 0 ? -1 : read(fd, to, size - 1);
    if (fd >= 0)
        close(fd);
    to[n > 0 ? n : 0] = '\0';
    return n > 0;
}

/* The number after ${key} at the start of a line; 0 when it is not there. */
static uint64_t number_after(const char *text, const char *key)
{
    size_t len = strlen(key);
    for (const char *line = text; line != NULL; line = strchr(line, '\n')) {
        line += *line == '\n';
        if (strncmp(line, key, len) == 0)
            return strtoull(line + len, NULL, 10);
    }
    return 0;
}

/* The eighth number of /proc/stat's first line: steal, in ticks, of all processors. */
static uint64_t read_steal(void)
{
    char text[512];
    if (!read_file("/proc/stat", text, sizeof(text)))
        return 0;
    char *at = text + strcspn(text, " ");
    uint64_t value = 0;
    for (int i = 0; i < 8; i++)
        value = strtoull(at, &at, 10);
    return value;
}

static uint32_t read_load(void)
{
    char text[64];
    if (!read_file("/proc/loadavg", text, sizeof(text)))
        return 0;
    double load = strtod(text, NULL) * 100.0;
    return load > 0.0 && load < 1e9 ? (uint32_t)load : 0;
}

/* The folder of our own cgroup (v2, or the one line of v1's cpu controller is absent and all stays
 * 0). */
static void read_throttled(uint64_t *ret_us, uint64_t *ret_count)
{
    char line[1024], path[1200], text[1024];
    *ret_us = 0;
    *ret_count = 0;
    if (!read_file("/proc/self/cgroup", line, sizeof(line)) || strncmp(line, "0::", 3) != 0)
        return;
    line[strcspn(line, "\n")] = '\0';
    snprintf(path, sizeof(path), "/sys/fs/cgroup%s/cpu.stat", line + 3);
    if (!read_file(path, text, sizeof(text)) &&
        !read_file("/sys/fs/cgroup/cpu.stat", text, sizeof(text)))
        return;
    *ret_us = number_after(text, "throttled_usec ");
    *ret_count = number_after(text, "nr_throttled ");
}

static uint64_t less(uint64_t now, uint64_t before)
{
    return now > before ? now - before : 0;
}

bool host_look(struct host *h, struct host_record *ret)
{
    struct host now = {.steal_ticks = read_steal(), .known = true};
    long ticks = sysconf(_SC_CLK_TCK);
    uint64_t tick_ns = ticks > 0 ? NS_PER_S / (uint64_t)ticks : TICK_NS_FALLBACK;
    read_throttled(&now.throttled_us, &now.nr_throttled);
    *ret = (struct host_record){
        .at = clock_now_ns(),
        .throttled = less(now.throttled_us, h->throttled_us) * NS_PER_US,
        .steal = less(now.steal_ticks, h->steal_ticks) * tick_ns,
        .nr_throttled = (uint32_t)less(now.nr_throttled, h->nr_throttled),
        .load = read_load(),
    };
    bool was_known = h->known;
    *h = now;
    return was_known;
}

uint64_t host_disk_free(const char *path)
{
    struct statvfs disk;
    if (statvfs(path, &disk) != 0)
        return UINT64_MAX;
    return (uint64_t)disk.f_bavail * disk.f_frsize;
}
