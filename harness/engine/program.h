#ifndef ENGINE_PROGRAM_H
#define ENGINE_PROGRAM_H

/* A user's own program as one endpoint of a service (scenario-language.md 3, `run`). Its port is
 * known before it runs, since the proxies before it are told first; what it calls is known last.
 * It dies with its agent. */

#include "net/loop.h"

struct program;
struct program_config {
    const char *listen;          /* "127.0.0.1:0", or where it was in a former life */
    const char *command;         /* program and arguments, base/words.h */
    const char *folder;          /* it runs there; NULL: here */
    const char *log;             /* its standard output and error */
    uint64_t within_ns;          /* to accept a connection; 0: 60 s */
    void (*on_up)(void *cookie); /* once: it accepts connections */
    /* Once: it ended by itself, or did not accept in time. Not after program_stop. */
    void (*on_end)(void *cookie, const struct error *why);
    void *cookie;
};

/* Takes the port. ${config} is copied, but not its texts, which outlive the program. */
bool program_open(struct loop *loop, const struct program_config *config, struct program **ret,
                  struct error *err) WARN_UNUSED;
/* "127.0.0.1:43001"; lives as long as the program. */
const char *program_address(const struct program *p);
/* "CALL_PAYMENTS" for "payments", "CALL_A_B" for "a-b". */
void program_call_name(const char *service, char *to, size_t size);
/* Once. In its environment: ours, and PORT. */
bool program_start(struct program *p, struct error *err) WARN_UNUSED;
/* SIGTERM, and SIGKILL 2 s later. It is not started again, and nothing more is called. */
void program_stop(struct program *p);
void program_free(struct program *p);

#endif
