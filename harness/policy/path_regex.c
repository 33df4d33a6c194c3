#include "policy/path_regex.h"

#include <string.h>

/* Thompson's construction: a program of steps, whose jumps are relative so that a part can be moved
 * to put a step before it; it is walked with all of its states at once. */

#define STEPS_MOST 256
#define GROUPS_MOST 24
#define NOBODY UINT32_MAX

enum op { OP_BYTE, OP_SPLIT, OP_JUMP, OP_END };

struct step {
    enum op op;
    int32_t a, b;    /* OP_SPLIT: both; OP_JUMP: a; from this step on */
    uint8_t set[32]; /* OP_BYTE: which bytes */
};

struct path_regex {
    uint32_t count;
    struct step steps[];
};

struct compiler {
    const char *at;
    uint32_t depth, count;
    struct step steps[STEPS_MOST];
};

static void set_add(uint8_t *set, uint32_t from, uint32_t to)
{
    for (uint32_t c = from; c <= to; c++)
        set[c / 8] = (uint8_t)(set[c / 8] | 1U << (c % 8));
}

static bool set_has(const uint8_t *set, uint8_t c)
{
    return (set[c / 8] >> (c % 8) & 1) != 0;
}

static bool emit(struct compiler *c, struct step step)
{
    if (c->count >= STEPS_MOST - 1) /* the last one is the end's */
        return false;
    c->steps[c->count++] = step;
    return true;
}

/* Puts a step before those from ${start} on. */
static bool insert(struct compiler *c, uint32_t start, struct step step)
{
    if (!emit(c, step))
        return false;
    memmove(&c->steps[start + 1], &c->steps[start],
            (size_t)(c->count - 1 - start) * sizeof(struct step));
    c->steps[start] = step;
    return true;
}

/* Behind a backslash: a class, or a mark that stands for itself. */
static bool read_escape(char c, uint8_t *set)
{
    switch (c) {
    case 'd':
        set_add(set, '0', '9');
        return true;
    case 'w':
        set_add(set, '0', '9');
        set_add(set, 'A', 'Z');
        set_add(set, 'a', 'z');
        set_add(set, '_', '_');
        return true;
    case 's':
        set_add(set, '\t', '\r');
        set_add(set, ' ', ' ');
        return true;
    default:
        if (c == '\0' || strchr("\\.+*?()|[]{}^$/-#&~", c) == NULL)
            return false;
        set_add(set, (uint8_t)c, (uint8_t)c);
        return true;
    }
}

/* One member of a class, ASCII only: ${ret} is it, or 0 where it is a class of its own. */
static bool read_member(struct compiler *c, uint8_t *set, uint8_t *ret)
{
    *ret = 0;
    if (*c->at == '\\') {
        char of = c->at[1];
        c->at += of == '\0' ? 1 : 2;
        if (of != 'd' && of != 'w' && of != 's')
            *ret = (uint8_t)of;
        return read_escape(of, set);
    }
    if (*c->at == '[' || *c->at == '\0' || (uint8_t)*c->at >= 0x80 ||
        (c->at[0] == '&' && c->at[1] == '&'))
        return false;
    *ret = (uint8_t)*c->at++;
    set_add(set, *ret, *ret);
    return true;
}

static bool read_class(struct compiler *c, uint8_t *set)
{
    uint8_t found[32] = {0}, from = 0, to = 0;
    bool negated = *c->at == '^';
    c->at += negated;
    if (*c->at == ']')
        return false; /* a bracket in the first place is read differently by different engines */
    while (*c->at != ']') {
        if (!read_member(c, found, &from))
            return false;
        if (*c->at != '-' || c->at[1] == ']')
            continue;
        c->at++;
        if (from == 0 || !read_member(c, found, &to) || to < from)
            return false;
        set_add(found, from, to);
    }
    c->at++;
    for (size_t i = 0; i < sizeof(found); i++)
        set[i] = negated ? (uint8_t)~found[i] : found[i];
    return true;
}

static bool read_any(struct compiler *c);

static bool read_atom(struct compiler *c)
{
    struct step step = {.op = OP_BYTE};
    char first = *c->at++;
    switch (first) {
    case '(':
        if (c->at[0] == '?') {
            if (c->at[1] != ':')
                return false;
            c->at += 2;
        }
        return read_any(c) && *c->at++ == ')';
    case '[':
        return read_class(c, step.set) && emit(c, step);
    case '.':
        set_add(step.set, 0, UINT8_MAX);
        return emit(c, step);
    case '\\':
        if (!read_escape(*c->at, step.set))
            return false;
        c->at++;
        return emit(c, step);
    default:
        if (strchr("*+?{}^$])", first) != NULL)
            return false;
        set_add(step.set, (uint8_t)first, (uint8_t)first);
        return emit(c, step);
    }
}

static bool read_repeat(struct compiler *c, uint32_t start)
{
    int32_t len = (int32_t)(c->count - start);
    char mark = *c->at;
    if (mark != '*' && mark != '+' && mark != '?')
        return mark != '{';
    c->at++;
    c->at += *c->at == '?'; /* lazy: the same texts, as all of the text is to be taken */
    if (*c->at == '*' || *c->at == '+' || *c->at == '?' || *c->at == '{')
        return false;
    if (mark == '+')
        return emit(c, (struct step){.op = OP_SPLIT, .a = -len, .b = 1});
    if (mark == '?')
        return insert(c, start, (struct step){.op = OP_SPLIT, .a = 1, .b = len + 1});
    return insert(c, start, (struct step){.op = OP_SPLIT, .a = 1, .b = len + 2}) &&
           emit(c, (struct step){.op = OP_JUMP, .a = -(len + 1)});
}

static bool read_row(struct compiler *c)
{
    while (*c->at != '\0' && *c->at != '|' && *c->at != ')') {
        uint32_t start = c->count;
        if (c->at[0] == '$' && c->at[1] == '\0') {
            c->at++;
            return c->depth == 1; /* the anchor that is there anyway */
        }
        if (!read_atom(c) || !read_repeat(c, start))
            return false;
    }
    return true;
}

static bool read_any(struct compiler *c)
{
    uint32_t start = c->count;
    if (++c->depth > GROUPS_MOST || !read_row(c))
        return false;
    if (*c->at == '|') {
        c->at++;
        if (!insert(c, start, (struct step){.op = OP_SPLIT, .a = 1}))
            return false;
        uint32_t jump = c->count;
        if (!emit(c, (struct step){.op = OP_JUMP}))
            return false;
        c->steps[start].b = (int32_t)(c->count - start);
        if (!read_any(c))
            return false;
        c->steps[jump].a = (int32_t)(c->count - jump);
    }
    c->depth--;
    return true;
}

bool path_regex_parse(const char *pattern, struct arena *arena, const struct path_regex **ret)
{
    struct compiler c = {.at = pattern};
    size_t n = strlen(pattern);
    bool anchored = pattern[0] == '^' || (n > 0 && pattern[n - 1] == '$');
    /* "^a|b$" anchors each side of the bar alone. */
    if (anchored && strchr(pattern, '|') != NULL)
        return false;
    c.at += pattern[0] == '^';
    if (!read_any(&c) || *c.at != '\0')
        return false;
    c.steps[c.count++] = (struct step){.op = OP_END};
    struct path_regex *to = arena_take(arena, sizeof(*to) + c.count * sizeof(struct step));
    to->count = c.count;
    memcpy(to->steps, c.steps, c.count * sizeof(struct step));
    *ret = to;
    return true;
}

struct states {
    uint32_t at[STEPS_MOST], count;
    bool in[STEPS_MOST];
};

/* Adds a state and all that it leads to without a byte. */
static void states_add(const struct path_regex *r, struct states *s, uint32_t state)
{
    uint32_t todo[2 * STEPS_MOST + 2], left = 0;
    todo[left++] = state;
    while (left > 0) {
        uint32_t i = todo[--left];
        const struct step *step = &r->steps[i];
        if (s->in[i])
            continue;
        s->in[i] = true;
        s->at[s->count++] = i;
        if (step->op == OP_SPLIT || step->op == OP_JUMP)
            todo[left++] = (uint32_t)((int32_t)i + step->a);
        if (step->op == OP_SPLIT)
            todo[left++] = (uint32_t)((int32_t)i + step->b);
    }
}

bool path_regex_matches(const struct path_regex *regex, struct bytes text)
{
    struct states now = {0};
    states_add(regex, &now, 0);
    for (size_t k = 0; k < text.len && now.count > 0; k++) {
        struct states next = {0};
        for (uint32_t i = 0; i < now.count; i++) {
            const struct step *step = &regex->steps[now.at[i]];
            if (step->op == OP_BYTE && set_has(step->set, text.at[k]))
                states_add(regex, &next, now.at[i] + 1);
        }
        now = next;
    }
    return now.in[regex->count - 1];
}

/* A byte of the set that a path may well have; 0: none. */
static char byte_of(const uint8_t *set)
{
    static const char often[] =
        "abcdefghijklmnopqrstuvwxyz0123456789/-_.~ABCDEFGHIJKLMNOPQRSTUVWXYZ"
        "!$&'()*+,;=:@%";
    for (const char *c = often; *c != '\0'; c++) {
        if (set_has(set, (uint8_t)*c))
            return *c;
    }
    return '\0';
}

const char *path_regex_sample(const struct path_regex *regex, struct arena *arena)
{
    /* Breadth first: the states that take a byte, each with the one before it. */
    uint32_t queue[STEPS_MOST], before[STEPS_MOST], head = 0, tail = 0, last = NOBODY;
    struct states seen = {0};
    states_add(regex, &seen, 0);
    for (uint32_t i = 0; i < seen.count; i++) {
        before[seen.at[i]] = NOBODY;
        queue[tail++] = seen.at[i];
    }
    while (head < tail && !seen.in[regex->count - 1]) {
        uint32_t at = queue[head++], known = seen.count;
        const struct step *step = &regex->steps[at];
        if (step->op != OP_BYTE || byte_of(step->set) == '\0')
            continue;
        states_add(regex, &seen, at + 1);
        for (uint32_t i = known; i < seen.count; i++) {
            before[seen.at[i]] = at;
            queue[tail++] = seen.at[i];
        }
        last = at;
    }
    if (!seen.in[regex->count - 1])
        return NULL;
    char text[STEPS_MOST + 1];
    uint32_t n = STEPS_MOST;
    text[n] = '\0';
    for (uint32_t at = last; at != NOBODY; at = before[at])
        text[--n] = byte_of(regex->steps[at].set);
    return arena_strdup(arena, text + n);
}
