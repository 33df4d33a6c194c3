#include "kube/api_inside.h"

#include <stdlib.h>

bool api_answer_error(const struct api_answer *answer, struct error *err)
{
    if (answer->outcome == API_DONE)
        return true;
    return error_set(err, answer->outcome == API_INVALID ? ERROR_INPUT : ERROR_PEER, "%s",
                     answer->sentence);
}

bool api_is_passing(enum api_outcome outcome)
{
    return outcome == API_UNREACHABLE || outcome == API_OVERLOADED || outcome == API_BAD_ANSWER ||
           outcome == API_EXPIRED || outcome == API_UNAUTHORISED;
}

bool api_open(const struct api_options *options, struct api **ret, struct error *err)
{
    static bool initialised;
    if (!initialised && curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
        return error_set(err, ERROR_SYSTEM, "libcurl cannot begin");
    initialised = true;
    struct api *a = check_alloc_zero(1, sizeof(*a));
    a->loop = options->loop;
    a->mode = options->mode != NULL ? check_strdup(options->mode) : NULL;
    a->run = options->run != NULL ? check_strdup(options->run) : NULL;
    a->on_record = options->on_record;
    a->cookie = options->cookie;
    a->pump = (struct web_pump){.on_end = pump_ended, .on_turn = pump_turned, .cookie = a};
    if (!web_pump_open(&a->pump, a->loop, err)) {
        free(a->mode);
        free(a->run);
        free(a);
        return false;
    }
    for (size_t i = 0; i < API_TRANSFERS; i++) {
        a->easy[i] = curl_easy_init();
        INVARIANT(a->easy[i] != NULL);
    }
    throttle_init(&a->throttle, options->seed);
    a->credentials = options->credentials;
    *ret = a;
    return true;
}

void api_close(struct api *a)
{
    if (a == NULL)
        return;
    while (a->calls != NULL)
        api_cancel(a->calls);
    for (size_t i = 0; i < API_TRANSFERS; i++)
        curl_easy_cleanup(a->easy[i]);
    web_pump_close(&a->pump);
    if (a->loop != NULL)
        loop_hold_remove(a->loop, &a->turn);
    credentials_free(a->credentials);
    free(a->mode);
    free(a->run);
    free(a);
}
