#include "kube/api_inside.h"

#include <stdlib.h>

bool api_answer_error(const struct api_answer *answer, struct error *err)
{
    if (answer->outcome == API_DONE)
        return true;
    return error_set(err, answer->outcome == API_INVALID ? ERROR_INPUT : ERROR_PEER, "%s",
                     answer->sentence);
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
    a->multi = curl_multi_init();
    INVARIANT(a->multi != NULL);
    for (size_t i = 0; i < API_TRANSFERS; i++) {
        a->easy[i] = curl_easy_init();
        INVARIANT(a->easy[i] != NULL);
    }
    throttle_init(&a->throttle, options->seed);
    if (!pump_open(a, err)) {
        api_close(a);
        return false;
    }
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
    curl_multi_cleanup(a->multi);
    pump_close(a);
    credentials_free(a->credentials);
    free(a->mode);
    free(a->run);
    free(a);
}

const struct credentials *api_credentials(const struct api *a)
{
    return a->credentials;
}
