#include "world/process.h"

#include "base/bytes.h"
#include "base/clock.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define START_FIELD 22
#define STATE_FIELD 3
#define READ_BACK_NS (2 * NS_PER_S)
#define LOOK_MS 1

static ssize_t read_file(const char *path, char *to, size_t size)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return -1;
    ssize_t n = read(fd, to, size - 1);
    close(fd);
    if (n >= 0)
        to[n] = '\0';
    return n;
}

/* The name of the program stands in brackets and may have any bytes, so fields count from behind
 * the last one. */
static bool read_stat(pid_t pid, char *ret_state, uint64_t *ret_start)
{
    char path[64], text[1024];
    snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
    if (read_file(path, text, sizeof(text)) <= 0)
        return false;
    const char *at = strrchr(text, ')');
    if (at == NULL || at[1] != ' ' || at[2] == '\0')
        return false;
    at += 2;
    *ret_state = *at;
    for (int field = STATE_FIELD; field < START_FIELD; field++) {
        at = strchr(at, ' ');
        if (at == NULL)
            return false;
        at++;
    }
    return bytes_to_u64((struct bytes){(const uint8_t *)at, strcspn(at, " \n")}, ret_start);
}

bool process_read(pid_t pid, struct process *ret, struct error *err)
{
    char state;
    *ret = (struct process){.pid = pid};
    if (pid > 0 && read_stat(pid, &state, &ret->start_ticks))
        return true;
    return error_set(err, ERROR_SYSTEM, "there is no process %d", (int)pid);
}

char process_state(const struct process *p)
{
    char state;
    uint64_t start;
    if (p->pid <= 0 || !read_stat(p->pid, &state, &start) || start != p->start_ticks)
        return 0;
    return state;
}

bool process_lives(const struct process *p)
{
    char state = process_state(p);
    return state != 0 && state != 'Z' && state != 'X';
}

bool process_signal(const struct process *p, int signo, struct error *err)
{
    int fd = p->pid > 0 ? (int)syscall(SYS_pidfd_open, p->pid, 0U) : -1;
    if (fd < 0)
        return error_set(err, ERROR_SYSTEM, "process %d has ended", (int)p->pid);
    /* The descriptor is of whoever has the pid now; only then is its start compared. */
    bool same = process_lives(p);
    bool sent = same && syscall(SYS_pidfd_send_signal, fd, signo, NULL, 0U) == 0;
    int sys = errno;
    close(fd);
    if (sent)
        return true;
    if (!same || sys == ESRCH)
        return error_set(err, ERROR_SYSTEM, "process %d has ended", (int)p->pid);
    return error_system(err, sys, "sending %s to process %d", strsignal(signo), (int)p->pid);
}

static bool wait_for(const struct process *p, bool stopped, struct error *err)
{
    uint64_t until_ns = clock_now_ns() + READ_BACK_NS;
    for (;;) {
        char state = process_state(p);
        if (state == 0 || state == 'Z' || state == 'X')
            return error_set(err, ERROR_SYSTEM, "process %d has ended", (int)p->pid);
        if ((state == 'T') == stopped)
            return true;
        if (clock_now_ns() >= until_ns)
            return error_set(err, ERROR_SYSTEM, "process %d is %s stopped", (int)p->pid,
                             stopped ? "not" : "still");
        poll(NULL, 0, LOOK_MS);
    }
}

bool process_stop(const struct process *p, struct error *err)
{
    return process_signal(p, SIGSTOP, err) && wait_for(p, true, err);
}

bool process_go_on(const struct process *p, struct error *err)
{
    return process_signal(p, SIGCONT, err) && wait_for(p, false, err);
}

bool process_wait_end(const struct process *p, uint64_t within_ns, struct error *err)
{
    int fd = (int)syscall(SYS_pidfd_open, p->pid, 0U);
    if (fd < 0 || !process_lives(p)) {
        if (fd >= 0)
            close(fd);
        return true;
    }
    struct pollfd end = {.fd = fd, .events = POLLIN};
    int n;
    do
        n = poll(&end, 1, (int)(within_ns / NS_PER_MS));
    while (n < 0 && errno == EINTR);
    close(fd);
    return n > 0 || error_set(err, ERROR_SYSTEM, "process %d has not ended", (int)p->pid);
}

/* The kernel's list of each thread: "12 34 ". */
static void add_children(const char *path, struct process **list, size_t *count)
{
    char text[4096];
    struct error unread = {0};
    if (read_file(path, text, sizeof(text)) <= 0)
        return;
    for (char *at = text, *end;; at = end) {
        long pid = strtol(at, &end, 10);
        if (end == at)
            return;
        *list = check_realloc(*list, (*count + 1) * sizeof(**list));
        *count += process_read((pid_t)pid, &(*list)[*count], &unread);
    }
}

bool process_children(const struct process *p, struct process **ret, size_t *ret_count,
                      struct error *err)
{
    char path[64];
    struct dirent *entry;
    *ret = NULL;
    *ret_count = 0;
    snprintf(path, sizeof(path), "/proc/%d/task", (int)p->pid);
    DIR *tasks = process_lives(p) ? opendir(path) : NULL;
    if (tasks == NULL)
        return error_set(err, ERROR_SYSTEM, "process %d has ended", (int)p->pid);
    while ((entry = readdir(tasks)) != NULL) {
        char list[400];
        snprintf(list, sizeof(list), "%s/%s/children", path, entry->d_name);
        if (entry->d_name[0] != '.')
            add_children(list, ret, ret_count);
    }
    closedir(tasks);
    return true;
}

void process_boot_id(char to[PROCESS_BOOT_BYTES])
{
    if (read_file("/proc/sys/kernel/random/boot_id", to, PROCESS_BOOT_BYTES) <= 0)
        to[0] = '\0';
    to[strcspn(to, "\n")] = '\0';
}

/* Numbers of processes mean something in one of these only; 0: it cannot be told. */
static uint64_t pid_namespace(void)
{
    struct stat st;
    return stat("/proc/self/ns/pid", &st) == 0 ? (uint64_t)st.st_ino : 0;
}

json_t *process_note(const struct process *p)
{
    char boot[PROCESS_BOOT_BYTES];
    process_boot_id(boot);
    return json_pack("{sI sI ss sI}", "pid", (json_int_t)p->pid, "start",
                     (json_int_t)p->start_ticks, "boot", boot, "pidns",
                     (json_int_t)pid_namespace());
}

bool process_from_note(const json_t *note, struct process *ret, bool *ret_gone, struct error *err)
{
    char boot[PROCESS_BOOT_BYTES];
    const json_t *pid = json_object_get(note, "pid"), *start = json_object_get(note, "start");
    const char *boot_then = json_string_value(json_object_get(note, "boot"));
    if (!json_is_integer(pid) || !json_is_integer(start) || boot_then == NULL ||
        json_integer_value(pid) <= 0 || json_integer_value(pid) > INT32_MAX)
        return error_set(err, ERROR_INPUT, "the note names no process");
    *ret = (struct process){.pid = (pid_t)json_integer_value(pid),
                            .start_ticks = (uint64_t)json_integer_value(start)};
    process_boot_id(boot);
    const json_t *space = json_object_get(note, "pidns");
    if (strcmp(boot, boot_then) == 0 && json_is_integer(space) &&
        (uint64_t)json_integer_value(space) != pid_namespace())
        return error_set(err, ERROR_SYSTEM,
                         "process %d is of another PID namespace (a container's): ask there",
                         (int)ret->pid);
    *ret_gone = strcmp(boot, boot_then) != 0 || !process_lives(ret);
    return true;
}
