#include "cli/confirmation.h"

#include "verify/judge.h"

size_t confirmation_asks(const char *path, uint32_t scenario, const char *arm, uint32_t done,
                         uint32_t *ret_ordinals, size_t most)
{
    struct journal *journal = NULL;
    struct judgement *judgement = NULL;
    struct judge_options options = {.partial = true};
    size_t count = 0;
    struct error err = {0};
    if (journal_open_sliced(path, JOURNAL_KEEP_BYTES, &journal, &err) &&
        judge_sliced(journal, &options, &judgement, &err))
        count = judge_repeats(judgement, scenario, arm, done, ret_ordinals, most);
    judgement_free(judgement);
    journal_free(journal);
    return count;
}
