#include "world/undo_netem.h"

#include "world/netem.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct netem_note {
    const char *device, *boot;
    unsigned index;
    uint64_t inode;
};

json_t *undo_netem_note(struct netlink *n, const char *device, const struct process *holder,
                        struct error *err)
{
    struct netlink_link link;
    char boot[PROCESS_BOOT_BYTES];
    if (!netlink_link_find(n, device, &link, err))
        return NULL;
    process_boot_id(boot);
    return json_pack("{ss si sI ss ss so*}", "device", device, "index", (int)link.index, "netns",
                     (json_int_t)netlink_inode(n), "handle", "6d70:", "boot", boot, "holder",
                     holder == NULL ? NULL : process_note(holder));
}

static bool read_note(const json_t *note, struct netem_note *ret, struct error *err)
{
    const json_t *index = json_object_get(note, "index"), *inode = json_object_get(note, "netns");
    *ret = (struct netem_note){.device = json_string_value(json_object_get(note, "device")),
                               .boot = json_string_value(json_object_get(note, "boot")),
                               .index = (unsigned)json_integer_value(index),
                               .inode = (uint64_t)json_integer_value(inode)};
    return (ret->device != NULL && ret->boot != NULL && json_is_integer(index) &&
            json_is_integer(inode)) ||
           error_set(err, ERROR_INPUT, "the note of a netem lacks its device or its namespace");
}

/* --- The namespace --- */

/* -1: it is another, or not there, or not ours to look at (errno). */
static int open_if_it_is(int folder, const char *path, uint64_t inode)
{
    struct stat st;
    if (fstatat(folder, path, &st, 0) != 0)
        return -1;
    errno = 0;
    return (uint64_t)st.st_ino == inode ? openat(folder, path, O_RDONLY | O_CLOEXEC) : -1;
}

/* The first entry NUMBER of ${folder} for which NUMBER${below} is that namespace. */
static int search(const char *folder, const char *below, uint64_t inode)
{
    int found = -1;
    char path[300];
    const struct dirent *entry;
    DIR *all = opendir(folder);
    if (all == NULL)
        return -1;
    while (found < 0 && (entry = readdir(all)) != NULL) {
        if (!isdigit((unsigned char)entry->d_name[0]))
            continue;
        snprintf(path, sizeof(path), "%s%s", entry->d_name, below);
        found = open_if_it_is(dirfd(all), path, inode);
    }
    closedir(all);
    return found;
}

/* A file of another file system may have the namespace's inode: those of /proc/self/fd are asked
 * for their kind when they are entered, by setns. */
/* ${ret_denied}: its holder lives, and we may not look (no CAP_SYS_PTRACE). */
static int find_namespace(const json_t *note, uint64_t inode, bool *ret_denied)
{
    struct process holder;
    bool gone;
    char path[64];
    struct error unknown = {0};
    int fd = open_if_it_is(AT_FDCWD, "/proc/self/ns/net", inode);
    const json_t *at = json_object_get(note, "holder");
    *ret_denied = false;
    if (fd < 0 && at != NULL && process_from_note(at, &holder, &gone, &unknown) && !gone) {
        snprintf(path, sizeof(path), "/proc/%d/ns/net", (int)holder.pid);
        fd = open_if_it_is(AT_FDCWD, path, inode);
        *ret_denied = fd < 0 && (errno == EACCES || errno == EPERM);
    }
    *ret_denied = *ret_denied || unknown.kind != ERROR_NONE;
    if (fd < 0)
        fd = search("/proc", "/ns/net", inode);
    return fd >= 0 ? fd : search("/proc/self/fd", "", inode);
}

/* ${*ret} NULL: boot, namespace or device are gone. */
static bool open_device(const json_t *note, struct netem_note *as, struct netlink **ret,
                        struct error *err)
{
    char boot[PROCESS_BOOT_BYTES];
    struct netlink_link link;
    bool there;
    *ret = NULL;
    if (!read_note(note, as, err))
        return false;
    process_boot_id(boot);
    if (strcmp(boot, as->boot) != 0)
        return true;
    bool denied;
    int fd = find_namespace(note, as->inode, &denied);
    if (fd < 0 && denied)
        return error_set(err, ERROR_SYSTEM,
                         "the namespace of %.16s is that of a process that we may not look at: as "
                         "root, with CAP_SYS_PTRACE, in its container",
                         as->device);
    if (fd < 0)
        return true;
    bool ok = netlink_open(fd, ret, err);
    close(fd);
    if (!ok || !netlink_link_look(*ret, as->device, &there, &link, err)) {
        netlink_close(*ret);
        *ret = NULL;
        return false;
    }
    if (!there || link.index != as->index) {
        netlink_close(*ret);
        *ret = NULL;
    }
    return true;
}

/* --- The type --- */

static bool still_there(const json_t *note, bool *ret, struct error *err)
{
    struct netlink *n;
    struct netem_note as;
    struct netem_seen seen = {0};
    if (!open_device(note, &as, &n, err))
        return false;
    bool ok = n == NULL || netem_look(n, as.device, &seen, err);
    netlink_close(n);
    if (ok)
        *ret = seen.to.ours || seen.has_ifb;
    return ok;
}

static bool revert(const json_t *note, enum undo_result *ret_result, struct error *err)
{
    struct netlink *n;
    struct netem_note as;
    enum netem_cleared cleared = NETEM_WAS_CLEAR;
    if (!open_device(note, &as, &n, err))
        return false;
    bool ok = n == NULL || netem_clear(n, as.device, &cleared, err);
    netlink_close(n);
    if (!ok)
        return false;
    switch (cleared) {
    case NETEM_CLEARED:
        *ret_result = UNDO_DONE;
        break;
    case NETEM_WAS_CLEAR:
        *ret_result = UNDO_GONE;
        break;
    case NETEM_FOREIGN:
        *ret_result = UNDO_DIVERGED;
        break;
    }
    return true;
}

static void print(const json_t *note, char *to, size_t size)
{
    const char *device = json_string_value(json_object_get(note, "device"));
    snprintf(to, size, "netem %.16s handle 6d70:", device == NULL ? "?" : device);
}

const struct undo_type undo_netem = {
    .name = "netem",
    .back = "none",
    .revert = revert,
    .still_there = still_there,
    .print = print,
};
