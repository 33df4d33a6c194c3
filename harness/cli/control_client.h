#ifndef CLI_CONTROL_CLIENT_H
#define CLI_CONTROL_CLIENT_H

/* The other end of a run's control socket (control.h), for the commands that steer a run. It
 * blocks, up to a deadline; what comes from the socket is bounded, and not trusted with a terminal.
 */

#include "cli/live_note.h"

#define CONTROL_FOR_EVER UINT64_MAX

struct control_client {
    int fd;
    char *in;
    size_t len;
};
enum control_read {
    CONTROL_LINE,
    CONTROL_LATE,  /* the deadline has passed */
    CONTROL_ENDED, /* the run's end of the socket is closed, or spoke nonsense */
};

/* False: the run does not listen (ERROR_SYSTEM): it has ended, or died. */
bool control_client_open(const struct live_note *note, struct control_client *ret,
                         struct error *err) WARN_UNUSED;
void control_client_close(struct control_client *c);
/* ${take_json}: the request. */
bool control_client_send(struct control_client *c, json_t *take_json,
                         struct error *err) WARN_UNUSED;
/* The next line, the caller's to release. ${until_ns}: on clock_now_ns. */
enum control_read control_client_read(struct control_client *c, uint64_t until_ns, json_t **ret);
/* One request, one answer within 5 s. False: none, or it was refused: with what the run said. */
bool control_client_ask(struct control_client *c, json_t *take_json, json_t **ret,
                        struct error *err) WARN_UNUSED;
/* A text of an answer, fit for a terminal. */
const char *control_client_text(const json_t *answer, const char *key, char *to, size_t size);

#endif
