#include "script/script.h"

#include "base/clock.h"

#include <poll.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include <setjmp.h>
#include <cmocka.h>

#define LIMIT_NS (50 * NS_PER_MS)

static const struct script_config config = {.bytes_most = 1 << 20,
                                            .instructions_most = UINT64_MAX / 2,
                                            .time_most_ns = LIMIT_NS,
                                            .count_every = 100};

static int on_error(lua_State *L)
{
    (void)L;
    return 1;
}

/* As a machine does that has no time for us: the clock goes on, we do not. */
static int stand_still(lua_State *L)
{
    const struct itimerspec until = {.it_value = {.tv_nsec = 2 * LIMIT_NS}};
    (void)L;
    struct pollfd timer = {.fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC), .events = POLLIN};
    assert_true(timer.fd >= 0);
    assert_int_equal(timerfd_settime(timer.fd, 0, &until, NULL), 0);
    assert_int_equal(poll(&timer, 1, -1), 1);
    close(timer.fd);
    return 0;
}

static int run(struct script *s, const char *text)
{
    assert_int_equal(
        script_load(s->L, (struct bytes){(const uint8_t *)text, strlen(text)}, "=test"), LUA_OK);
    script_begin(s);
    return script_call(s, 0, 0, on_error);
}

static void time_is_of_the_scripts_own_work(void **state)
{
    struct script s;
    (void)state;
    assert_true(script_open(&s, &config));
    lua_pushcfunction(s.L, stand_still);
    script_define(s.L, "stand_still");
    assert_int_equal(run(&s, "stand_still() for i = 1, 1000 do local x = i end"), LUA_OK);
    assert_int_equal(s.stop, SCRIPT_GOES_ON);
    assert_int_not_equal(run(&s, "while true do pcall(function() while true do end end) end"),
                         LUA_OK);
    assert_int_equal(s.stop, SCRIPT_TIME);
    script_close(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(time_is_of_the_scripts_own_work),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
