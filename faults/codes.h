#ifndef FAULTS_CODES_H
#define FAULTS_CODES_H

/* The names that RFCs give to the codes that faults send: what people write, and what goes out. */

#include <stdint.h>

/* HTTP/2 error codes by number (RFC 9113 7), NULL at the end. */
#define CODES_H2 14
extern const char *const codes_h2[CODES_H2 + 1];

/* TLS alerts (RFC 8446 6): words, NULL at the end, and the number of each. */
#define CODES_ALERTS 27
extern const char *const codes_alert_words[CODES_ALERTS + 1];
extern const uint8_t codes_alert_numbers[CODES_ALERTS];

#endif
