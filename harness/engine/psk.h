#ifndef ENGINE_PSK_H
#define ENGINE_PSK_H

/* The key of a run's agents: what its conductor and every agent of it know, and nobody else. It is
 * TLS 1.3's external pre-shared key (RFC 8446 2.2, 4.2.11). As text, in the file or Secret that an
 * agent reads: "RUN:64 HEX DIGITS", the form that stunnel's PSKsecrets and others have
 * (IDENTITY:KEY); the identity is the run. */

#include "base/error.h"

#define PSK_KEY_BYTES 32
#define PSK_IDENTITY_BYTES 65
#define PSK_TEXT_BYTES (PSK_IDENTITY_BYTES + 1 + 2 * PSK_KEY_BYTES + 2)

struct psk {
    char identity[PSK_IDENTITY_BYTES];
    uint8_t key[PSK_KEY_BYTES];
};

/* A fresh one. ERROR_SYSTEM when the kernel gives no random bytes. */
bool psk_make(const char *run, struct psk *ret, struct error *err) WARN_UNUSED;
/* With a newline at its end. */
void psk_print(const struct psk *p, char to[PSK_TEXT_BYTES]);
/* ERROR_INPUT with what is wrong, never with the key. White space around it is left out. */
bool psk_parse(const char *text, size_t len, struct psk *ret, struct error *err) WARN_UNUSED;
bool psk_read(const char *path, struct psk *ret, struct error *err) WARN_UNUSED;
/* Overwrites the key. */
void psk_wipe(struct psk *p);

#endif
