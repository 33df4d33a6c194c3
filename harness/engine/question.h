#ifndef ENGINE_QUESTION_H
#define ENGINE_QUESTION_H

/* What a run asks of people (scenario-language.md 1.7 and section 2, rule 9): approvals, awaits and
 * expectations, numbered from 1 in the order in which they are asked. It keeps who may answer what,
 * and until when; it reads no clock, no terminal and no socket, writes no journal and stops
 * nothing: whoever owns it does so when it is told. */

#include "base/error.h"
#include "plan/human.h"

#include <stdint.h>

struct walk;

#define QUESTIONS_MOST 1000 /* of one run */

/* One of `roles` in .meshproof.yaml. */
struct role {
    const char *name;
    const char *const *people;
    size_t count;
};
struct roles {
    const struct role *at;
    size_t count; /* 0: none configured, anyone may answer anything */
};
/* Somebody of that name may answer for the role; NULL: no role is asked for. A role that none of
 * them names has nobody. */
bool roles_allow(const struct roles *roles, const char *role, const char *who);

enum question_state {
    QUESTION_OPEN,
    QUESTION_ANSWERED, /* agreed, for an approval */
    QUESTION_REFUSED,  /* an approval alone: one person said no */
    QUESTION_LATE,
    QUESTION_DROPPED, /* the run did not wait for it any more */
};
/* Texts are the asker's, and stay his. */
struct question_ask {
    enum human_kind kind;
    const char *ask, *role; /* role NULL: anyone */
    const char *expected;   /* HUMAN_EXPECT: what it is compared with */
    uint32_t people;        /* HUMAN_APPROVAL: how many must agree */
    uint64_t within_ns;
    uint32_t scenario, phase; /* index in the plan; phase of the journal, 0: none */
    struct source source;
    uint32_t step;      /* HUMAN_EXPECT: the how-manyth expect.human of its phase, from 1 */
    struct walk *owner; /* HUMAN_AWAIT: who goes on; NULL: nobody */
};
struct question {
    uint32_t number; /* from 1 */
    struct question_ask asked;
    enum question_state state;
    uint64_t asked_ns;
    char agreed[HUMAN_PEOPLE_MOST][HUMAN_NAME_MOST + 1]; /* who has said yes to an approval */
    size_t agreed_count;
};
struct human_answer {
    const char *text; /* cleaned; "yes" and "no" are written out */
    const char *who;
    const char *channel; /* "terminal", "socket", "page", "--yes" */
};

struct question_events {
    void (*on_asked)(void *cookie, const struct question *q);
    /* An answer that counts as one; the state is what it made of the question. */
    void (*on_answer)(void *cookie, const struct question *q, const struct human_answer *a);
    /* It is open no more; after on_answer where an answer did it. */
    void (*on_closed)(void *cookie, const struct question *q);
    void *cookie;
};
struct questions;
/* ${roles} is borrowed. */
struct questions *questions_new(const struct roles *roles, const struct question_events *events);
void questions_free(struct questions *q);
/* Asks; calls on_asked. ERROR_LIMIT beyond QUESTIONS_MOST. ${ret_number} may be NULL. */
bool question_ask(struct questions *q, const struct question_ask *ask, uint64_t now_ns,
                  uint32_t *ret_number, struct error *err) WARN_UNUSED;
/* Takes an answer; ${number} 0: to the oldest that is open. ERROR_USAGE, with a sentence for
 * whoever answered, when there is no such question, it is answered, the person may not, or the
 * answer is none: nothing has changed then. The texts are foreign: what is no UTF-8 or a control
 * character is refused. A no to HUMAN_AWAIT is told (on_answer), and leaves it open. */
bool question_answer(struct questions *q, uint32_t number, const struct human_answer *answer,
                     uint64_t now_ns, struct error *err) WARN_UNUSED;
/* --yes: an open approval is given by one person, whatever its role and its count. */
void question_overrule(struct questions *q, uint32_t number, const struct human_answer *answer);
/* Closes those whose time is over as QUESTION_LATE: approvals and expectations. Of an await the
 * walk says when. */
void questions_expire(struct questions *q, uint64_t now_ns);
/* When questions_expire has something to do; UINT64_MAX: nothing is waited for. */
uint64_t questions_due_ns(const struct questions *q);
/* Nobody waits for these any more: one of an owner (NULL: everybody's). */
void questions_drop(struct questions *q, const void *owner, enum question_state as);
/* The ${n}th open one; NULL: there is none. */
const struct question *questions_open(const struct questions *q, size_t n);
/* NULL: none of that number. */
const struct question *question_find(const struct questions *q, uint32_t number);
/* An approval of the same words was given in this run: it is not asked again. */
bool questions_approved(const struct questions *q, const struct question_ask *ask);
/* It takes a text; else yes or no alone. */
bool question_is_free(const struct question *q);
/* "2 (observer) Has the alert fired? [yes/no]": one line for people, fit for a terminal. Returns
 * ${to}. */
const char *question_print(const struct question *q, char *to, size_t size);

#endif
