#include "base/words.h"

#include "base/check.h"

#include <stdlib.h>
#include <wordexp.h>

static const char *reason(int code)
{
    switch (code) {
    case WRDE_CMDSUB:
        return "it holds a command substitution";
    case WRDE_SYNTAX:
        return "a quote or a brace is not closed";
    case WRDE_NOSPACE:
        return "it is too long";
    default:
        return "it holds one of | & ; < > ( ) { }";
    }
}

bool words_split(const char *command, char ***ret, struct error *err)
{
    wordexp_t found = {0};
    int code = wordexp(command, &found, WRDE_NOCMD);
    if (code == 0 && (found.we_wordc == 0 || found.we_wordv[0][0] == '\0')) {
        wordfree(&found);
        return error_set(err, ERROR_INPUT, "\"%.120s\" names no program", command);
    }
    if (code != 0) {
        if (code == WRDE_NOSPACE)
            wordfree(&found);
        return error_set(err, ERROR_INPUT,
                         "\"%.120s\" is no program with its arguments: %s (sh -c '...' is one)",
                         command, reason(code));
    }
    *ret = check_alloc_zero(found.we_wordc + 1, sizeof(**ret));
    for (size_t i = 0; i < found.we_wordc; i++)
        (*ret)[i] = check_strdup(found.we_wordv[i]);
    wordfree(&found);
    return true;
}

void words_free(char **words)
{
    for (size_t i = 0; words != NULL && words[i] != NULL; i++)
        free(words[i]);
    free(words);
}
