#include "cli/people.h"

#include "engine/question.h"

#include <pwd.h>
#include <stdlib.h>
#include <unistd.h>

static bool check_role(const struct roles *roles, const char *what, const char *role,
                       struct source source, struct error *err)
{
    char list[160] = "";
    if (role == NULL || roles->count == 0)
        return true;
    for (size_t i = 0; i < roles->count; i++) {
        size_t used = strlen(list);
        if (strcmp(roles->at[i].name, role) == 0)
            return true;
        snprintf(list + used, sizeof(list) - used, " %s", roles->at[i].name);
    }
    return error_at(err, source, ERROR_INPUT,
                    "%s: role \"%.60s\" has nobody: roles of " CONFIG_NAME " has%s", what, role,
                    list);
}

static bool check_steps(const struct roles *roles, const struct step *steps, size_t count,
                        struct error *err)
{
    for (size_t i = 0; i < count; i++) {
        const struct step *s = &steps[i];
        const char *role = json_string_value(json_object_get(s->keys, "role"));
        bool human =
            (s->kind == STEP_AWAIT || s->kind == STEP_EXPECT) && strcmp(s->word, "human") == 0;
        if (human && !check_role(roles, s->kind == STEP_AWAIT ? "await.human" : "expect.human",
                                 role, s->source, err))
            return false;
        if (!check_steps(roles, s->steps, s->step_count, err))
            return false;
    }
    return true;
}

static bool check_scenario(const struct roles *roles, const struct scenario *s, struct error *err)
{
    for (size_t i = 0; i < s->guard_count; i++)
        if (s->guards[i].kind == GUARD_APPROVAL &&
            !check_role(roles, "guard.approval", s->guards[i].role, s->guards[i].source, err))
            return false;
    for (size_t i = 0; i < s->phase_count; i++)
        if (!check_steps(roles, s->phases[i].steps, s->phases[i].step_count, err))
            return false;
    return check_steps(roles, s->steps, s->step_count, err);
}

bool people_check(const struct plan *plan, const struct config *config, struct error *err)
{
    for (size_t i = 0; config != NULL && i < plan->scenario_count; i++)
        if (!check_scenario(&config->roles, &plan->scenarios[i], err))
            return false;
    return true;
}

const char *people_name(void)
{
    static const char *const variables[] = {"LOGNAME", "USER"};
    for (size_t i = 0; i < COUNT_OF(variables); i++) {
        const char *name = getenv(variables[i]);
        if (name != NULL && human_name_is_good(name))
            return name;
    }
    const struct passwd *login = getpwuid(getuid());
    return login != NULL && human_name_is_good(login->pw_name) ? login->pw_name : NULL;
}

void people_options(const struct arguments *args, struct engine_options *ret)
{
    ret->roles = args->config != NULL ? &args->config->roles : NULL;
    ret->user = people_name();
    ret->approve = arguments_has(args, "yes");
    /* In the background a read would stop us (SIGTTIN). */
    ret->has_terminal = isatty(STDIN_FILENO) == 1 && isatty(STDERR_FILENO) == 1 &&
                        tcgetpgrp(STDIN_FILENO) == getpgrp();
    ret->terminal_fd = STDIN_FILENO;
}
