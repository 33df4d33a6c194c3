#include "engine/actor.h"

#include "base/clock.h"
#include "engine/agent.h"
#include "engine/fleet.h"
#include "journal/journal.h"
#include "net/socket.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

/* A real proxy agent in a process of its own, which dials; here its conductor's side. */
struct desk {
    struct loop *loop;
    struct store *store;
    struct intake *intake;
    struct psk psk;
    struct actor actor;
    struct hold deadline, commit, look;
    char folder[64], journal[96], key[96], health[32], endpoint[64], lost[256];
    pid_t pid;
    int kept; /* the port of its health, which nobody else is given */
    unsigned hellos, readies, armed, away, back, losses, ended;
    unsigned break_after; /* that ARMED breaks the connection; 0: none does */
    bool breaks_within;   /* ... in the middle of a message to the agent */
    unsigned drain_after; /* that ARMED is followed by DRAIN */
    enum { STOP_NEVER, STOP_ARMED, STOP_LOST, STOP_AWAY, STOP_ENDED, STOP_REFUSED } stop_at;
    uint64_t linger_ns;
};

static const char faults[] =
    "[{\"id\":1,\"word\":\"abort\",\"keys\":{\"on\":\"payments\",\"status\":503},\"endpoints\":[3],"
    "\"ttl_ns\":60000000000}]";

static void arm(struct desk *d)
{
    struct error err = {0};
    json_t *list = json_loads(faults, 0, NULL);
    d->actor.generation++;
    assert_true(actor_send(
        &d->actor, CONTROL_ARM,
        json_pack("{sI so}", "generation", (json_int_t)d->actor.generation, "faults", list), &err));
}

static void at(struct desk *d, int what)
{
    if ((int)d->stop_at == what)
        loop_stop(d->loop);
}

static void on_hello(void *cookie, struct actor *a)
{
    struct desk *d = cookie;
    struct error err = {0};
    d->hellos++;
    json_t *setup = json_pack("{ss s[{si ss ss}]}", "protocol", "http1", "endpoints", "number", 3,
                              "listen", "127.0.0.1:0", "upstream", "127.0.0.1:1");
    assert_true(actor_setup(a, setup, "7c1e4a90", 5, d->linger_ns, &err));
}

static void on_ready(void *cookie, struct actor *a)
{
    struct desk *d = cookie;
    d->readies++;
    assert_int_equal(a->address_count, 1);
    assert_true(a->rounds >= 5);
    snprintf(d->endpoint, sizeof(d->endpoint), "%s", a->addresses[0]);
    assert_memory_equal(d->endpoint, "127.0.0.1:", 10); /* where it dialled from */
    arm(d);
}

/* The agent has a few bytes of a message when it sees the end. */
static void break_within(struct actor *a)
{
    static const uint8_t piece[5] = {0};
    assert_int_equal(a->link.wire->send(a->link.wire, piece, sizeof(piece)), sizeof(piece));
    shutdown(a->link.wire->fd, SHUT_WR);
}

static void on_armed(void *cookie, struct actor *a, const json_t *armed)
{
    struct desk *d = cookie;
    (void)armed;
    d->armed++;
    if (d->armed == d->break_after && d->breaks_within)
        break_within(a);
    else if (d->armed == d->break_after)
        shutdown(a->link.wire->fd, SHUT_RDWR);
    if (d->armed == d->drain_after)
        actor_drain(a, NS_PER_S);
    at(d, STOP_ARMED);
}

static void on_away(void *cookie, struct actor *a)
{
    struct desk *d = cookie;
    (void)a;
    d->away++;
    at(d, STOP_AWAY);
}

static void on_back(void *cookie, struct actor *a)
{
    struct desk *d = cookie;
    (void)a;
    d->back++;
    arm(d);
}

static void on_lost(void *cookie, struct actor *a, const struct error *why)
{
    struct desk *d = cookie;
    (void)a;
    d->losses++;
    snprintf(d->lost, sizeof(d->lost), "%s", why->text);
    at(d, STOP_LOST);
}

static void on_ended(void *cookie, struct actor *a)
{
    struct desk *d = cookie;
    (void)a;
    d->ended++;
    at(d, STOP_ENDED);
}

static void on_broken(void *cookie, struct actor *a, const struct error *why)
{
    (void)cookie;
    (void)a;
    fail_msg("%s", why->text);
}

static void on_record(void *cookie, struct actor *a, uint8_t kind, struct bytes body)
{
    (void)cookie;
    (void)a;
    (void)kind;
    (void)body;
}

static const struct actor_events events = {.on_hello = on_hello,
                                           .on_ready = on_ready,
                                           .on_armed = on_armed,
                                           .on_ended = on_ended,
                                           .on_record = on_record,
                                           .on_broken = on_broken,
                                           .on_away = on_away,
                                           .on_back = on_back,
                                           .on_lost = on_lost};

static bool on_guest(void *cookie, const json_t *hello, struct carrier *wire, struct error *err)
{
    struct desk *d = cookie;
    return actor_admit(&d->actor, hello, d->intake, wire, "subject", false, err);
}

static void on_refused(void *cookie, const char *line)
{
    struct desk *d = cookie;
    snprintf(d->lost, sizeof(d->lost), "%s", line);
    at(d, STOP_REFUSED);
}

static void on_deadline(struct hold *h, uint64_t now_ns)
{
    (void)h;
    (void)now_ns;
    fail_msg("nothing happened for 30 s");
}

static void on_commit(struct hold *h, uint64_t now_ns)
{
    struct desk *d = (struct desk *)((char *)h - offsetof(struct desk, commit));
    struct error err = {0};
    loop_hold_add(d->loop, h, now_ns + 20 * NS_PER_MS, on_commit);
    assert_true(store_commit(d->store, &err));
    actor_commit(&d->actor);
}

static bool stays; /* of the next agent */

static pid_t start_agent(const struct desk *d)
{
    pid_t pid = fork();
    if (pid != 0)
        return pid;
    struct agent_options options = {.role = "proxy",
                                    .fd = -1,
                                    .id = "payments/3",
                                    .conductor = intake_address(d->intake),
                                    .psk_file = d->key,
                                    .listen = "0.0.0.0:0",
                                    .health = d->health,
                                    .stays = stays};
    for (int fd = 3; fd < 64; fd++) /* what exec would close */
        close(fd);
    _exit(agent_main(&options));
}

static void write_key(const struct desk *d)
{
    char text[PSK_TEXT_BYTES];
    psk_print(&d->psk, text);
    int fd = open(d->key, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
    assert_int_equal(write(fd, text, strlen(text)), strlen(text));
    close(fd);
}

static void desk_open(struct desk *d, uint64_t linger_ns)
{
    struct error err = {0};
    struct socket_address health;
    *d = (struct desk){.linger_ns = linger_ns};
    snprintf(d->folder, sizeof(d->folder), "/tmp/meshproof-test-XXXXXX");
    assert_non_null(mkdtemp(d->folder));
    snprintf(d->journal, sizeof(d->journal), "%s/run.db", d->folder);
    snprintf(d->key, sizeof(d->key), "%s/psk", d->folder);
    assert_true(loop_new(&d->loop, &err));
    assert_true(store_open(d->journal, &d->store, &err));
    assert_true(psk_make("7c1e4a90", &d->psk, &err));
    write_key(d);
    assert_true(socket_reserve("127.0.0.1:0", &d->kept, &err));
    assert_true(socket_own_address(d->kept, &health, &err));
    socket_print(&health, d->health, sizeof(d->health));
    struct intake_config config = {
        .listen = "127.0.0.1:0", .psk = &d->psk, .events = {on_guest, on_refused}, .cookie = d};
    assert_true(intake_open(d->loop, &config, &d->intake, &err));
    assert_true(actor_expect(&d->actor, d->loop, d->store, "proxy", "payments", "payments/3", 2, 0,
                             &events, d, &err));
    loop_hold_add(d->loop, &d->deadline, loop_now_ns(d->loop) + 30 * NS_PER_S, on_deadline);
    loop_hold_add(d->loop, &d->commit, loop_now_ns(d->loop), on_commit);
    d->pid = start_agent(d);
}

static void run(struct desk *d)
{
    struct error err = {0};
    assert_true(loop_run(d->loop, &err));
}

/* The conductor's end of everything. */
static void desk_die(struct desk *d)
{
    struct error err = {0};
    if (d->loop == NULL)
        return;
    loop_hold_remove(d->loop, &d->deadline);
    loop_hold_remove(d->loop, &d->commit);
    intake_close(d->intake);
    actor_release(&d->actor);
    assert_true(store_close(d->store, true, &err));
    loop_free(d->loop);
    intake_free(d->intake);
    d->loop = NULL;
}

static int desk_close(struct desk *d)
{
    int status = -1;
    desk_die(d);
    assert_int_equal(waitpid(d->pid, &status, 0), d->pid);
    close(d->kept);
    unlink(d->journal);
    unlink(d->key);
    assert_int_equal(rmdir(d->folder), 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + WTERMSIG(status);
}

static int connected(const char *address)
{
    struct socket_address to;
    struct error err = {0};
    struct timeval most = {.tv_sec = 10};
    assert_true(socket_parse(address, &to, &err));
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &most, sizeof(most));
    if (connect(fd, (const struct sockaddr *)&to.storage, to.len) == 0)
        return fd;
    close(fd);
    return -1;
}

static bool is_in_service(const struct desk *d)
{
    int fd = connected(d->health);
    if (fd >= 0)
        close(fd);
    return fd >= 0;
}

/* The status of a request at the endpoint; 0: the connection was ended. */
static int status_at(const struct desk *d)
{
    static const char get[] = "GET / HTTP/1.1\r\nhost: payments\r\n\r\n";
    char answer[256] = "";
    int fd = connected(d->endpoint);
    if (fd < 0)
        return -1;
    ssize_t n = send(fd, get, sizeof(get) - 1, MSG_NOSIGNAL);
    n = n > 0 ? recv(fd, answer, sizeof(answer) - 1, 0) : n;
    close(fd);
    return n > 12 ? (int)strtol(answer + 9, NULL, 10) : 0;
}

static void it_is_in_service_once_it_is_armed(void **state)
{
    struct desk d;
    (void)state;
    desk_open(&d, 0);
    assert_false(is_in_service(&d));
    d.stop_at = STOP_ARMED;
    run(&d);
    assert_int_equal(d.hellos, 1);
    assert_int_equal(d.readies, 1);
    assert_true(is_in_service(&d));
    assert_int_equal(status_at(&d), 503);
    actor_drain(&d.actor, NS_PER_S);
    d.stop_at = STOP_ENDED;
    run(&d);
    assert_int_equal(store_count(d.store, 2, RECORD_LOST), 0);
    assert_int_equal(store_count(d.store, 2, RECORD_ATTEMPT), 1);
    assert_int_equal(desk_close(&d), 0);
}

/* Both streams go on where they were: what it recorded while it was away is there once, and what it
 * was told is heard. */
static void goes_on_after_a_break(bool within)
{
    struct desk d;
    desk_open(&d, 0);
    d.break_after = 1;
    d.breaks_within = within;
    d.drain_after = 2;
    d.stop_at = STOP_ENDED;
    run(&d);
    assert_int_equal(d.hellos, 1); /* the same agent */
    assert_int_equal(d.away, 1);
    assert_int_equal(d.back, 1);
    assert_int_equal(d.armed, 2);
    assert_int_equal(d.losses, 0);
    /* Armed, disarmed by itself when the connection went, armed again: each told by the agent, and
     * its BYE's counts are ours. */
    assert_in_range(store_count(d.store, 2, RECORD_FAULT), 3, 4);
    assert_int_equal(store_count(d.store, 2, RECORD_LOST), 0);
    assert_int_equal(desk_close(&d), 0);
}

static void a_broken_connection_is_taken_up_again_without_a_loss(void **state)
{
    (void)state;
    goes_on_after_a_break(false);
}

static void one_that_broke_within_a_message_too(void **state)
{
    (void)state;
    goes_on_after_a_break(true);
}

static void without_a_conductor_it_disarms_at_once_and_leaves_service(void **state)
{
    struct desk d;
    (void)state;
    desk_open(&d, 4 * NS_PER_S);
    d.stop_at = STOP_ARMED;
    run(&d);
    assert_int_equal(status_at(&d), 503);
    uint64_t died_ns = clock_now_ns();
    desk_die(&d);
    int status = status_at(&d);
    while (status == 503) /* the end is on its way to it */
        status = status_at(&d);
    uint64_t disarmed_ns = clock_now_ns() - died_ns;
    assert_int_equal(status, 0); /* the backend's own refusal, relayed as it is */
    while (is_in_service(&d))
        ;
    uint64_t left_ns = clock_now_ns() - died_ns;
    assert_true(left_ns >= FLEET_BACK_WITHIN_NS);
    assert_true(disarmed_ns < FLEET_BACK_WITHIN_NS);
    assert_int_equal(status_at(&d), 0); /* and it relays on */
    assert_int_equal(desk_close(&d), 0);
}

/* The only endpoints that a Service has: out of it, they would be an outage. */
static void one_that_stays_relays_on_in_service(void **state)
{
    struct desk d;
    (void)state;
    stays = true;
    desk_open(&d, 5 * NS_PER_S);
    stays = false;
    d.stop_at = STOP_ARMED;
    run(&d);
    assert_int_equal(status_at(&d), 503);
    uint64_t died_ns = clock_now_ns();
    desk_die(&d);
    while (clock_now_ns() < died_ns + FLEET_BACK_WITHIN_NS + NS_PER_S)
        assert_true(is_in_service(&d));
    assert_int_equal(status_at(&d), 0); /* without its fault */
    assert_int_equal(desk_close(&d), 0);
}

static void one_that_is_killed_is_lost(void **state)
{
    struct desk d;
    (void)state;
    desk_open(&d, 0);
    d.stop_at = STOP_ARMED;
    run(&d);
    kill(d.pid, SIGKILL);
    d.stop_at = STOP_AWAY;
    run(&d);
    uint64_t away_ns = clock_now_ns();
    d.stop_at = STOP_LOST;
    run(&d);
    assert_true(clock_now_ns() - away_ns >= FLEET_BACK_WITHIN_NS - NS_PER_MS);
    assert_string_equal(d.lost, "the proxy agent payments/3 was lost");
    assert_int_equal(desk_close(&d), 1000 + SIGKILL);
}

static void whoever_knows_that_it_is_dead_need_not_wait(void **state)
{
    struct desk d;
    (void)state;
    desk_open(&d, 0);
    d.stop_at = STOP_ARMED;
    run(&d);
    kill(d.pid, SIGKILL);
    actor_give_up(&d.actor);
    assert_int_equal(d.losses, 1);
    assert_int_equal(desk_close(&d), 1000 + SIGKILL);
}

static void on_look(struct hold *h, uint64_t now_ns)
{
    struct desk *d = (struct desk *)((char *)h - offsetof(struct desk, look));
    if (d->actor.link.wire == NULL)
        loop_stop(d->loop);
    else
        loop_hold_add(d->loop, h, now_ns + 5 * NS_PER_MS, on_look);
}

/* Its end is no loss, and another process takes its name, once the end of its channel was seen. */
static void one_that_a_fault_killed_is_replaced(void **state)
{
    struct desk d;
    struct error err = {0};
    char first[64];
    int status;
    (void)state;
    desk_open(&d, 0);
    d.stop_at = STOP_ARMED;
    run(&d);
    snprintf(first, sizeof(first), "%s", d.endpoint);
    actor_expect_end(&d.actor);
    assert_false(actor_expect_again(&d.actor, 7, &err));
    assert_int_equal(err.kind, ERROR_NONE);
    kill(d.pid, SIGKILL);
    assert_int_equal(waitpid(d.pid, &status, 0), d.pid);
    loop_hold_add(d.loop, &d.look, loop_now_ns(d.loop), on_look);
    run(&d);
    assert_true(actor_expect_again(&d.actor, 7, &err));
    d.pid = start_agent(&d);
    run(&d);
    assert_int_equal(d.hellos, 2);
    assert_int_equal(d.readies, 2);
    assert_int_equal(d.away + d.losses, 0);
    assert_int_equal(d.actor.proc, 7);
    assert_int_equal(d.actor.former_count, 1);
    assert_string_equal(d.actor.former[0], first);
    actor_drain(&d.actor, NS_PER_S);
    d.stop_at = STOP_ENDED;
    run(&d);
    assert_int_equal(desk_close(&d), 0);
}

static void another_of_the_same_name_is_refused(void **state)
{
    struct desk d;
    int status;
    (void)state;
    desk_open(&d, 0);
    d.stop_at = STOP_ARMED;
    run(&d);
    pid_t second = start_agent(&d);
    d.stop_at = STOP_REFUSED;
    run(&d);
    assert_non_null(strstr(d.lost, "payments/3 is there already"));
    assert_int_equal(waitpid(second, &status, 0), second);
    assert_int_equal(WEXITSTATUS(status), 1);
    actor_drain(&d.actor, NS_PER_S);
    d.stop_at = STOP_ENDED;
    run(&d);
    assert_int_equal(d.hellos, 1);
    assert_int_equal(desk_close(&d), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_is_in_service_once_it_is_armed),
        cmocka_unit_test(a_broken_connection_is_taken_up_again_without_a_loss),
        cmocka_unit_test(one_that_broke_within_a_message_too),
        cmocka_unit_test(without_a_conductor_it_disarms_at_once_and_leaves_service),
        cmocka_unit_test(one_that_stays_relays_on_in_service),
        cmocka_unit_test(one_that_is_killed_is_lost),
        cmocka_unit_test(whoever_knows_that_it_is_dead_need_not_wait),
        cmocka_unit_test(one_that_a_fault_killed_is_replaced),
        cmocka_unit_test(another_of_the_same_name_is_refused),
    };
    signal(SIGPIPE, SIG_IGN);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
