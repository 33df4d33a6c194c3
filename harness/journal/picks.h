#ifndef JOURNAL_PICKS_H
#define JOURNAL_PICKS_H

/* Which endpoints of a service have had tries lately, from the attempt records as they arrive: what
 * a running view and an await know of ejection. A pure function of what was fed and of the time
 * that is passed in. Quicker than the verifier's silences (verifier.md 2.3), and no verdict. */

#include "journal/record.h"

#define PICKS_WINDOW_MOST 65536
#define PICKS_ENDPOINTS_MOST 1000 /* of a service: the lab's own maximum */

/* What is known of one endpoint's attempts. */
struct pick_endpoint {
    uint64_t last_ns;     /* head of the newest attempt; 0: none yet */
    uint64_t elsewhere;   /* attempts at other endpoints with a later head */
    uint64_t mean_gap_ns; /* of its own attempts, silences left out */
    uint64_t lag_ns;      /* how late its records come (a held call is told at its end); fades */
    uint32_t in_window;
    uint64_t attempts;
    bool last_good;
};
/* The attempts at one service, by endpoint: the last ${size} of them, in order of arrival. */
struct picks {
    uint16_t endpoint_count;
    uint16_t *ring; /* endpoint numbers */
    size_t size, next, count;
    struct pick_endpoint endpoints[PICKS_ENDPOINTS_MOST];
};
void picks_init(struct picks *p, uint32_t endpoint_count);
void picks_release(struct picks *p);
/* ${now_ns}: when the record came. Endpoints beyond the count are left alone. */
void picks_add(struct picks *p, const struct attempt_record *attempt, uint64_t now_ns);
/* Nothing comes to endpoint ${number} while others are served: for >= 0.5 s beyond what a held call
 * explains, with the picks elsewhere that verifier.md 2.3 asks for, or, at a low rate, 16 of them
 * and 4 of its mean gaps. */
bool picks_silent(const struct picks *p, uint32_t number, uint64_t now_ns);

#endif
