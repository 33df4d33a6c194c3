#include "engine/protocol.h"

#include "journal/frame.h"
#include "journal/record.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

struct control_field {
    const char *name;
    char type; /* t text, u number from 0, i any whole number, o object, a array, b true or false */
    bool needed;
};
#define CONTROL_FIELDS_MOST 24
struct control_type {
    const char *name;
    uint8_t kind, from;
    struct control_field fields[CONTROL_FIELDS_MOST];
};

static const struct control_type control_types[] = {
    {"COMMITTED", CONTROL_COMMITTED, FROM_CONDUCTOR, {{"at", 'u', true}}},
    {"HELLO",
     CONTROL_HELLO,
     FROM_AGENT,
     {{"version", 'u', true},
      {"digest", 'i', true},
      {"role", 't', true},
      {"pid", 'u', true},
      {"boot_id", 't', true},
      {"time_ns_inode", 'i', true},
      {"build", 't', false},
      {"cpu_milli", 'u', false},
      {"id", 't', false},
      {"instance", 'i', false},
      {"took", 'u', false},
      {"token", 'u', false}}},
    {"HELLO",
     CONTROL_HELLO,
     FROM_CONDUCTOR,
     {{"at", 'u', false}, {"token", 'u', false}, {"stub", 'b', false}, {"refused", 't', false}}},
    {"SETUP",
     CONTROL_SETUP,
     FROM_CONDUCTOR,
     {{"run", 't', true},           {"proc", 'u', true},
      {"seed", 'i', true},          {"service", 't', false},
      {"linger_ns", 'u', true},     {"boot_id", 't', true},
      {"time_ns_inode", 'i', true}, {"plan", 'o', false},
      {"endpoints", 'a', false},    {"edges", 'a', false},
      {"addresses", 'o', false},    {"defects", 'a', false},
      {"hosts", 'o', false},        {"log", 't', false},
      {"driver", 't', false},       {"control_plane", 'b', false},
      {"proxy", 't', false},        {"tls", 'o', false},
      {"endpoint", 'u', false},     {"protocol", 't', false},
      {"part", 'b', false},         {"shard", 'u', false},
      {"shards", 'u', false},       {"impairs", 'a', false}}},
    {"READY", CONTROL_READY, FROM_AGENT, {{"addresses", 'a', true}}},
    {"FAILED", CONTROL_FAILED, FROM_AGENT, {{"error", 't', true}}},
    {"START",
     CONTROL_START,
     FROM_CONDUCTOR,
     {{"phase", 'u', true},
      {"ordinal", 'u', true},
      {"seed", 'i', true},
      {"calm", 'a', false},
      {"in_ns", 'u', false}}},
    {"STOP", CONTROL_STOP, FROM_CONDUCTOR, {{"number", 'u', false}}},
    {"ARM",
     CONTROL_ARM,
     FROM_CONDUCTOR,
     {{"generation", 'u', true},
      {"faults", 'a', true},
      {"moved", 'a', false},
      {"backend", 't', false}}},
    {"ARMED",
     CONTROL_ARMED,
     FROM_AGENT,
     {{"generation", 'u', true},
      {"at", 'u', true},
      {"held", 'u', true},
      {"seen", 'b', false},
      {"netem", 'o', false},
      {"addresses", 'a', false}}},
    {"CLOCK",
     CONTROL_CLOCK,
     FROM_CONDUCTOR | FROM_AGENT,
     {{"t1", 'u', true},
      {"t2", 'u', false},
      {"t3", 'u', false},
      {"lo", 'i', false},
      {"hi", 'i', false},
      {"took", 'u', false}}},
    {"ROUTE", CONTROL_ROUTE, FROM_CONDUCTOR, {{"addresses", 'o', true}}},
    {"DONE", CONTROL_DONE, FROM_AGENT, {{"phase", 'u', true}, {"stopped", 'u', false}}},
    {"DRAIN", CONTROL_DRAIN, FROM_CONDUCTOR, {{"within_ns", 'u', true}}},
    {"CERT",
     CONTROL_CERT,
     FROM_CONDUCTOR,
     {{"step", 'u', true},
      {"endpoint", 'u', false},
      {"tls", 'o', false},
      {"what", 't', false},
      {"before", 't', false},
      {"place", 't', false},
      {"reconnect", 't', false}}},
    {"CERT_SET",
     CONTROL_CERT_SET,
     FROM_AGENT,
     {{"step", 'u', true}, {"taken", 'b', false}, {"withheld", 'b', false}, {"late", 'b', false}}},
    {"BYE", CONTROL_BYE, FROM_AGENT, {{"counts", 'o', true}}},
};

/* Of that side; of the other, when this side has none of the kind. */
static const struct control_type *type_of(uint8_t kind, unsigned from)
{
    const struct control_type *found = NULL;
    for (size_t i = 0; i < COUNT_OF(control_types); i++)
        if (control_types[i].kind == kind && (found == NULL || (control_types[i].from & from) != 0))
            found = &control_types[i];
    return found;
}

const char *control_name(uint8_t kind)
{
    const struct control_type *type = type_of(kind, 0);
    return type == NULL ? "?" : type->name;
}

static bool has_type(const json_t *value, char type)
{
    switch (type) {
    case 't':
        return json_is_string(value);
    case 'u':
        return json_is_integer(value) && json_integer_value(value) >= 0;
    case 'i':
        return json_is_integer(value);
    case 'o':
        return json_is_object(value);
    case 'a':
        return json_is_array(value);
    case 'b':
        return json_is_boolean(value);
    default:
        return false;
    }
}

static const char *type_text(char type)
{
    switch (type) {
    case 't':
        return "text";
    case 'u':
        return "a number from 0 on";
    case 'i':
        return "a whole number";
    case 'o':
        return "an object";
    case 'a':
        return "a list";
    default:
        return "true or false";
    }
}

static bool check_fields(const struct control_type *type, const json_t *body, struct error *err)
{
    for (size_t i = 0; i < CONTROL_FIELDS_MOST && type->fields[i].name != NULL; i++) {
        const struct control_field *field = &type->fields[i];
        const json_t *value = json_object_get(body, field->name);
        if (value == NULL && !field->needed)
            continue;
        if (value == NULL)
            return error_set(err, ERROR_PEER, "%s has no \"%s\"", type->name, field->name);
        if (!has_type(value, field->type))
            return error_set(err, ERROR_PEER, "%s: \"%s\" is not %s", type->name, field->name,
                             type_text(field->type));
    }
    return true;
}

bool control_parse(uint8_t kind, struct bytes body, enum control_from from, json_t **ret,
                   struct error *err)
{
    const struct control_type *type = type_of(kind, from);
    json_error_t why;
    if (type == NULL)
        return error_set(err, ERROR_PEER, "a control message of kind %u is not known", kind);
    if ((type->from & from) == 0)
        return error_set(err, ERROR_PEER, "%s came from the wrong side", type->name);
    json_t *parsed = json_loadb((const char *)body.at, body.len, JSON_REJECT_DUPLICATES, &why);
    if (parsed == NULL)
        return error_set(err, ERROR_PEER, "%s: %.150s", type->name, why.text);
    if (!json_is_object(parsed)) {
        json_decref(parsed);
        return error_set(err, ERROR_PEER, "%s is not an object", type->name);
    }
    if (!check_fields(type, parsed, err)) {
        json_decref(parsed);
        return false;
    }
    *ret = parsed;
    return true;
}

bool control_add(struct buffer *to, uint8_t kind, json_t *take_json, struct error *err)
{
    char *text = json_dumps(take_json, JSON_COMPACT);
    json_decref(take_json);
    INVARIANT(text != NULL);
    bool ok = frame_add_control(to, kind, bytes_of(text), err);
    free(text);
    return ok;
}

const char *control_text(const json_t *body, const char *field)
{
    const char *text = json_string_value(json_object_get(body, field));
    return text == NULL ? "" : text;
}

uint64_t control_number(const json_t *body, const char *field)
{
    return (uint64_t)json_integer_value(json_object_get(body, field));
}

bool control_flag(const json_t *body, const char *field)
{
    return json_is_true(json_object_get(body, field));
}

void clock_identity_read(struct clock_identity *ret)
{
    struct stat status;
    *ret = (struct clock_identity){0};
    int fd = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);
    ssize_t n = fd < 0 ? 0 : read(fd, ret->boot_id, sizeof(ret->boot_id) - 1);
    ret->boot_id[n > 0 ? n : 0] = '\0';
    ret->boot_id[strcspn(ret->boot_id, "\n")] = '\0';
    if (fd >= 0)
        close(fd);
    /* Kernels without time namespaces have one clock: 0 for all. */
    if (stat("/proc/self/ns/time", &status) == 0)
        ret->time_ns_inode = (uint64_t)status.st_ino;
}

/* What the control group allows, in thousandths of a processor; 0: no quota, or none known. */
static uint64_t cpu_quota_milli(void)
{
    char text[64] = "";
    uint64_t quota = 0, period = 0;
    int fd = open("/sys/fs/cgroup/cpu.max", O_RDONLY | O_CLOEXEC);
    ssize_t n = fd < 0 ? 0 : read(fd, text, sizeof(text) - 1);
    if (fd >= 0)
        close(fd);
    struct bytes all = bytes_trim((struct bytes){(const uint8_t *)text, n > 0 ? (size_t)n : 0});
    while (all.len > 0 && all.at[all.len - 1] == '\n')
        all.len--;
    size_t space = bytes_find(all, ' ');
    if (space == SIZE_MAX || !bytes_to_u64((struct bytes){all.at, space}, &quota) ||
        !bytes_to_u64((struct bytes){all.at + space + 1, all.len - space - 1}, &period) ||
        period == 0 || quota > UINT64_MAX / 1000)
        return 0; /* "max 100000" */
    return quota * 1000 / period;
}

json_t *hello_make(const char *role)
{
    struct clock_identity clock;
    clock_identity_read(&clock);
    json_t *hello =
        json_pack("{sI sI ss sI ss sI ss sI}", "version", (json_int_t)PROTOCOL_VERSION, "digest",
                  (json_int_t)record_digest(), "role", role, "pid", (json_int_t)getpid(), "boot_id",
                  clock.boot_id, "time_ns_inode", (json_int_t)clock.time_ns_inode, "build",
                  MESHPROOF_VERSION, "cpu_milli", (json_int_t)cpu_quota_milli());
    INVARIANT(hello != NULL);
    return hello;
}

void hello_add(json_t *hello, const struct hello_dialled *said)
{
    json_object_set_new(hello, "id", json_string(said->id));
    json_object_set_new(hello, "instance", json_integer((json_int_t)said->instance));
    json_object_set_new(hello, "took", json_integer((json_int_t)said->took));
    json_object_set_new(hello, "token", json_integer((json_int_t)said->token));
}

/* A build's own words differ from ours in what we cannot see. */
static bool check_build(const json_t *hello, struct error *err)
{
    uint64_t version = control_number(hello, "version");
    if (version != PROTOCOL_VERSION)
        return error_set(err, ERROR_PEER,
                         "the agent speaks version %llu of the protocol; it must be %d",
                         (unsigned long long)version, PROTOCOL_VERSION);
    return control_number(hello, "digest") == record_digest() ||
           error_set(err, ERROR_PEER, "the agent is of another build: its record table differs");
}

bool hello_check_dialled(const json_t *hello, uint64_t our_token, struct error *err)
{
    const char *build = control_text(hello, "build");
    if (!check_build(hello, err))
        return false;
    if (strcmp(build, MESHPROOF_VERSION) != 0)
        return error_set(err, ERROR_PEER, "the agent is meshproof %.40s; the conductor is %s",
                         build[0] == '\0' ? "of no known version" : build, MESHPROOF_VERSION);
    uint64_t token = control_number(hello, "token");
    return token <= our_token ||
           error_set(err, ERROR_PEER,
                     "the agent has served a conductor with the fencing token %llu; ours is %llu: "
                     "another run has taken over",
                     (unsigned long long)token, (unsigned long long)our_token);
}

bool hello_answer_check(const json_t *answer, uint64_t seen_token, struct error *err)
{
    const char *refused = control_text(answer, "refused");
    uint64_t token = control_number(answer, "token");
    if (refused[0] != '\0')
        return error_set(err, ERROR_PEER, "the conductor refused: %.200s", refused);
    return token >= seen_token ||
           error_set(err, ERROR_PEER,
                     "the conductor has the fencing token %llu; one with %llu was here: it is not "
                     "the run's any more",
                     (unsigned long long)token, (unsigned long long)seen_token);
}

bool hello_check(const json_t *hello, const char *role, int64_t pid, struct error *err)
{
    if (!check_build(hello, err))
        return false;
    if (strcmp(control_text(hello, "role"), role) != 0)
        return error_set(err, ERROR_PEER, "the agent says that it is \"%.40s\"; it must be \"%s\"",
                         control_text(hello, "role"), role);
    if (pid != 0 && control_number(hello, "pid") != (uint64_t)pid)
        return error_set(err, ERROR_PEER,
                         "the agent says that it is process %llu; %lld was started",
                         (unsigned long long)control_number(hello, "pid"), (long long)pid);
    return true;
}
