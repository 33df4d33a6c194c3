#ifndef NET_REFUSAL_H
#define NET_REFUSAL_H

/* Why a connection, or one try on it, is ended for what its peer has sent: the journal's `refusal`
 * record. Whoever finds it out says so here, just before it ends what is to end. The words are the
 * parser's own, or ours with the limit in them; none of them holds bytes of a peer but within
 * REFUSAL_DETAILS_MOST, for each is a name of the journal and their number is bounded. Ends
 * nothing itself. */

#include "net/call.h"

/* Reasons that quote a peer, of one process: those that follow are said without the quotation. */
#define REFUSAL_DETAILS_MOST 1000

/* The try that ends with it. */
struct refusal_try {
    const struct conn *mesh;   /* its connection from the mesh */
    uint32_t stream, sequence; /* both 0: all tries of that connection */
};
/* ${from}'s peer has sent it. ${of} NULL: no try ends. */
void refusal_note(const struct conn *from, const struct refusal_try *of, enum refusal_about about,
                  const char *reason);
/* The same for the try ${call} on HTTP/1.1, whose ${side} it came on. ${err}: what http1.h said;
 * ERROR_LIMIT makes it a limit's. */
void refusal_of_call(const struct call *call, enum side side, const struct error *err);
/* The same for a limit of ours. */
void refusal_of_limit(const struct call *call, enum side side, const char *reason);
/* May one more reason quote its peer? Counts it. */
bool refusal_may_quote(struct proxy *p);

#endif
