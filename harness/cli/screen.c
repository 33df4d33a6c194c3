#include "cli/screen.h"

#include "base/text.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#define FRAME_MOST_BYTES ((size_t)1024 * 1024)
#define RESTORE_WAIT_MS 300

/* Another screen, no cursor, no wrapping at the right edge; and back. */
static const char enter_text[] = "\x1b[?1049h\x1b[?25l\x1b[?7l\x1b[2J";
static const char leave_text[] = "\x1b[0m\x1b[?7h\x1b[?25h\x1b[?1049l";
static const int crashes[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT, SIGSYS, SIGQUIT};

struct screen {
    struct loop *loop;
    struct screen_events events;
    struct watch watch;
    int fd;
    bool shown, gone;
    struct text frame; /* being written, from ${written} on */
    size_t written;
};

/* What a handler of a crash needs: it may use nothing else. */
static struct {
    volatile sig_atomic_t raw, shown;
    int fd;
    struct termios before;
    struct sigaction former[COUNT_OF(crashes)];
} terminal;
static struct screen *current; /* of the signals of the loop, which cannot be taken back */

/* May be called in a handler. It waits a little for a terminal that takes nothing, and not for
 * ever. */
static void write_now(const char *text, size_t len)
{
    struct pollfd p = {.fd = terminal.fd, .events = POLLOUT};
    while (len > 0) {
        ssize_t n = write(terminal.fd, text, len);
        if (n > 0) {
            text += n;
            len -= (size_t)n;
        } else if (n < 0 && errno == EAGAIN && poll(&p, 1, RESTORE_WAIT_MS) > 0) {
            continue;
        } else if (n >= 0 || errno != EINTR) {
            return;
        }
    }
}

static void restore(void)
{
    if (terminal.shown)
        write_now(leave_text, sizeof(leave_text) - 1);
    terminal.shown = 0;
    if (terminal.raw)
        tcsetattr(terminal.fd, TCSANOW, &terminal.before);
    terminal.raw = 0;
}

/* What would have happened without us happens then: a fault comes again, what somebody sent is sent
 * again. */
static void on_crash(int signo, siginfo_t *info, void *context)
{
    (void)context;
    restore();
    for (size_t i = 0; i < COUNT_OF(crashes); i++)
        if (crashes[i] == signo)
            sigaction(signo, &terminal.former[i], NULL);
    if (info->si_code <= 0 && signo != SIGABRT)
        raise(signo);
}

static void guard_crashes(bool on)
{
    struct sigaction act = {.sa_flags = SA_SIGINFO};
    act.sa_sigaction = on_crash;
    sigemptyset(&act.sa_mask);
    for (size_t i = 0; i < COUNT_OF(crashes); i++)
        sigaction(crashes[i], on ? &act : &terminal.former[i], on ? &terminal.former[i] : NULL);
}

bool screen_possible(void)
{
    const char *kind = getenv("TERM");
    return isatty(STDIN_FILENO) == 1 && isatty(STDERR_FILENO) == 1 && kind != NULL &&
           kind[0] != '\0' && strcmp(kind, "dumb") != 0 && tcgetpgrp(STDERR_FILENO) == getpgrp();
}

bool screen_size(size_t *ret_columns, size_t *ret_rows)
{
    struct winsize size;
    if (ioctl(STDERR_FILENO, TIOCGWINSZ, &size) != 0 || size.ws_col == 0 || size.ws_row == 0)
        return false;
    *ret_columns = size.ws_col;
    *ret_rows = size.ws_row;
    return true;
}

bool screen_is_utf8(void)
{
    static const char *const names[] = {"LC_ALL", "LC_CTYPE", "LANG"};
    for (size_t i = 0; i < COUNT_OF(names); i++) {
        const char *value = getenv(names[i]);
        if (value == NULL || value[0] == '\0')
            continue;
        const char *dot = strrchr(value, '.');
        return dot != NULL &&
               (strncasecmp(dot + 1, "utf-8", 5) == 0 || strncasecmp(dot + 1, "utf8", 4) == 0);
    }
    return false;
}

static bool make_raw(int fd)
{
    struct termios raw;
    if (tcgetattr(fd, &terminal.before) != 0)
        return false;
    raw = terminal.before;
    raw.c_lflag &= ~(tcflag_t)(ICANON | ECHO);
    raw.c_cc[VMIN] = 1;
    raw.c_cc[VTIME] = 0;
    /* Stopping us would leave faults in force with nobody there; Ctrl-C aborts. */
    raw.c_cc[VSUSP] = raw.c_cc[VQUIT] = _POSIX_VDISABLE;
    terminal.fd = fd;
    if (tcsetattr(fd, TCSANOW, &raw) != 0)
        return false;
    terminal.raw = 1;
    return true;
}

static void flush(struct screen *s)
{
    while (!s->gone && s->written < s->frame.len) {
        ssize_t n = write(s->fd, s->frame.at + s->written, s->frame.len - s->written);
        if (n > 0)
            s->written += (size_t)n;
        else if (n < 0 && errno == EINTR)
            continue;
        else if (n < 0 && errno == EAGAIN)
            return;
        else
            s->gone = true;
    }
    text_clear(&s->frame);
    s->written = 0;
    terminal.shown = s->shown;
}

/* Behind what is on its way, and without waiting: a terminal may be stopped. */
static void queue(struct screen *s, const char *text)
{
    text_add(&s->frame, "%s", text);
    flush(s);
}

/* Where the sequence at ${at}, an ESC, is over: CSI, SS3, or Alt and a key. An ESC alone is a key.
 */
static size_t sequence_end(const unsigned char *bytes, size_t at, size_t len)
{
    size_t end = at + 2;
    if (end > len)
        return at;
    if (bytes[at + 1] == '[')
        while (end < len && (bytes[end] < 0x40 || bytes[end] > 0x7e))
            end++;
    if (bytes[at + 1] == '[' || bytes[at + 1] == 'O')
        end++;
    return end < len ? end : len;
}

static void take_keys(struct screen *s, unsigned char *bytes, size_t len)
{
    size_t kept = 0;
    for (size_t i = 0; i < len;) {
        size_t end = bytes[i] == 0x1b ? sequence_end(bytes, i, len) : i;
        if (end == i)
            bytes[kept++] = bytes[i++];
        else
            i = end;
    }
    if (kept > 0)
        s->events.on_keys(s->events.cookie, bytes, kept);
}

static void on_event(struct watch *w, unsigned what)
{
    struct screen *s = (struct screen *)((char *)w - offsetof(struct screen, watch));
    unsigned char bytes[256];
    if ((what & WATCH_WRITE) != 0)
        flush(s);
    while ((what & WATCH_READ) != 0 && !s->gone) {
        ssize_t n = read(s->fd, bytes, sizeof(bytes));
        if (n > 0)
            take_keys(s, bytes, (size_t)n);
        else if (n < 0 && errno == EINTR)
            continue;
        else if (n < 0 && errno == EAGAIN)
            return;
        else
            s->gone = true; /* hung up */
    }
}

static void on_resize(int signo, void *cookie)
{
    (void)signo;
    (void)cookie;
    if (current != NULL && !current->gone)
        current->events.on_resize(current->events.cookie);
}

/* Stopped and let go on: a shell may have taken the terminal back in between. */
static void on_continue(int signo, void *cookie)
{
    (void)signo;
    (void)cookie;
    if (current == NULL || current->gone || tcgetpgrp(STDERR_FILENO) != getpgrp())
        return;
    struct termios before = terminal.before;
    make_raw(current->fd);
    terminal.before = before;
    if (current->shown) {
        current->shown = false;
        screen_back(current);
    }
    current->events.on_resize(current->events.cookie);
}

bool screen_open(struct loop *loop, const struct screen_events *events, struct screen **ret,
                 struct error *err)
{
    static bool at_exit;
    char path[256];
    int why = ttyname_r(STDERR_FILENO, path, sizeof(path));
    if (why != 0)
        return error_system(err, why, "the terminal has no name");
    /* A description of our own: one that does not wait, while that of the shell still does. */
    int fd = open(path, O_RDWR | O_NONBLOCK | O_CLOEXEC | O_NOCTTY);
    if (fd < 0)
        return error_system(err, errno, "%.200s", path);
    struct screen *s = check_alloc_zero(1, sizeof(*s));
    s->loop = loop;
    s->events = *events;
    s->fd = fd;
    text_init(&s->frame, FRAME_MOST_BYTES);
    if (!make_raw(fd) || !loop_watch_add(loop, &s->watch, fd, on_event, err) ||
        !loop_signal(loop, SIGWINCH, on_resize, NULL, err) ||
        !loop_signal(loop, SIGCONT, on_continue, NULL, err)) {
        screen_close(s);
        return error_set(err, ERROR_SYSTEM, "%.200s cannot be made a screen", path);
    }
    current = s;
    guard_crashes(true);
    if (!at_exit)
        atexit(restore);
    at_exit = true;
    *ret = s;
    return true;
}

void screen_close(struct screen *s)
{
    if (s == NULL)
        return;
    if (s->watch.event != NULL)
        loop_watch_remove(&s->watch);
    restore();
    if (current == s)
        guard_crashes(false);
    current = NULL;
    close(s->fd);
    text_release(&s->frame);
    free(s);
}

void screen_hide(struct screen *s)
{
    if (!s->shown)
        return;
    s->shown = false;
    queue(s, leave_text);
}

void screen_back(struct screen *s)
{
    if (s->shown)
        return;
    s->shown = true;
    terminal.shown = 1;
    queue(s, enter_text);
}

void screen_show(struct screen *s, const char *lines)
{
    if (s->gone || !s->shown || s->frame.len > 0) /* the one before is not out yet */
        return;
    text_add(&s->frame, "\x1b[H");
    while (*lines != '\0') {
        size_t len = strcspn(lines, "\n");
        text_add_bytes(&s->frame, (struct bytes){(const uint8_t *)lines, len});
        text_add(&s->frame, "\x1b[K%s", lines[len] == '\n' ? "\r\n" : "");
        lines += len + (lines[len] == '\n');
    }
    text_add(&s->frame, "\x1b[J");
    flush(s);
}
