#include "cli/starter.h"

#include "embed/examples.h"

#include <stdio.h>
#include <string.h>

/* The examples of suites/examples, carried by the program (harness/cmake/embed.cmake). */

const struct example_file *example_files(size_t *ret_count)
{
    *ret_count = embed_examples_count;
    return embed_examples;
}

bool example_name(const struct example_file *file, char *to, size_t size)
{
    const char *own = file->path;
    size_t n = strlen(own);
    if (strchr(own, '/') != NULL || n < 5 || strcmp(own + n - 4, ".lua") != 0)
        return false;
    size_t digits = strspn(own, "0123456789");
    if (digits > 0 && own[digits] == '_')
        own += digits + 1;
    snprintf(to, size, "%.*s", (int)(strlen(own) - 4), own);
    return true;
}

const struct example_file *example_find(const char *name)
{
    char own[80];
    for (size_t i = 0; i < embed_examples_count; i++)
        if (example_name(&embed_examples[i], own, sizeof(own)) && strcmp(own, name) == 0)
            return &embed_examples[i];
    return NULL;
}

/* An example without a comment is told by what it returns: scenario "slow payments ...". */
static void add_returned(const char *content, struct text *to)
{
    static const char *const words[] = {"return scenario \"", "return suite \""};
    for (size_t i = 0; i < COUNT_OF(words); i++) {
        const char *at = strstr(content, words[i]);
        if (at != NULL)
            text_add(to, "%.*s", (int)strcspn(at + strlen(words[i]), "\""), at + strlen(words[i]));
    }
}

void example_about(const struct example_file *file, struct text *to)
{
    const char *line = (const char *)file->content;
    if (strncmp(line, "-- ", 3) != 0)
        add_returned(line, to);
    for (bool more = true; more && strncmp(line, "-- ", 3) == 0;) {
        size_t n = strcspn(line += 3, "\n");
        for (size_t i = 0; i < n && more; i++) {
            text_add(to, "%c", line[i]);
            more = line[i] != '.' || (i + 1 < n && line[i + 1] != ' ');
        }
        line += n + (line[n] == '\n');
        if (more && strncmp(line, "-- ", 3) == 0)
            text_add(to, " ");
    }
}

/* ${text} names ${part} in quotes, from there: "k8s/" of { "../k8s/" } too is not meant. */
static bool quotes(const char *text, const char *part, size_t size)
{
    for (const char *at = strchr(text, '"'); at != NULL; at = strchr(at + 1, '"'))
        if (strncmp(at + 1, part, size) == 0)
            return true;
    return false;
}

bool example_reads(const struct example_file *suite, const struct example_file *file)
{
    const char *text = (const char *)suite->content, *slash = strchr(file->path, '/');
    size_t n = strlen(file->path);
    if (slash == NULL)
        return n > 5 && strcmp(file->path + n - 5, ".yaml") == 0 && quotes(text, file->path, n);
    if (n > 4 && strcmp(file->path + n - 4, ".lua") == 0) {
        bool hook = strncmp(file->path, "hooks/", 6) == 0;
        return quotes(text, file->path, hook ? n : n - 4);
    }
    /* A policy: all of the folder that it names, or names a file of. */
    return quotes(text, file->path, (size_t)(strrchr(file->path, '/') - file->path) + 1);
}
