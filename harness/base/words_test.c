/* Command lines of a user, split. */

#include "base/words.h"

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void assert_words(const char *command, const char *joined)
{
    char **words, got[200] = "";
    size_t used = 0;
    struct error err = {0};
    assert_true(words_split(command, &words, &err));
    for (size_t i = 0; words[i] != NULL; i++)
        used += (size_t)snprintf(got + used, sizeof(got) - used, "%s|", words[i]);
    assert_string_equal(got, joined);
    words_free(words);
}

static void they_are_split_as_a_shell_does(void **unused)
{
    (void)unused;
    assert_int_equal(setenv("PORT", "8080", 1), 0);
    assert_words("python3 app.py", "python3|app.py|");
    assert_words("  app --port $PORT --at 127.0.0.1:${PORT} ",
                 "app|--port|8080|--at|127.0.0.1:8080|");
    assert_words("sh -c 'exec app -p $PORT; true'", "sh|-c|exec app -p $PORT; true|");
    assert_words("app \"a b\" c\\ d ''", "app|a b|c d||");
}

static void refused(const char *command, const char *why)
{
    char **words = NULL;
    struct error err = {0};
    assert_false(words_split(command, &words, &err));
    assert_int_equal(err.kind, ERROR_INPUT);
    assert_non_null(strstr(err.text, why));
    assert_null(words);
}

static void what_only_a_shell_can_do_is_refused(void **unused)
{
    (void)unused;
    refused("app | tee log", "holds one of | &");
    refused("app > log", "holds one of | &");
    refused("app; rm -r /", "holds one of | &");
    refused("app $(date)", "command substitution");
    refused("app `date`", "command substitution");
    refused("app 'a", "not closed");
    refused("", "names no program");
    refused("   ", "names no program");
    refused("$NOT_SET_ANYWHERE", "names no program");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(they_are_split_as_a_shell_does),
        cmocka_unit_test(what_only_a_shell_can_do_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
