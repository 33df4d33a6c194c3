#include "cli/arguments.h"
#include "cli/complete_words.h"

#include <string.h>

/* meshproof complete: a script for a shell, which asks `complete --words` for what may stand next.
 */

static const struct option complete_options[] = {
    {"words", 0, NULL, NULL, "Scripts", "say what may stand next: complete --words -- run --se",
     NULL, false},
};

static const char bash_script[] =
    "_meshproof() {\n"
    "    local line files= IFS=$'\\n'\n"
    "    COMPREPLY=()\n"
    "    while IFS= read -r line; do\n"
    "        if [ \"$line\" = :files ]; then files=1; else COMPREPLY+=(\"$(printf %q "
    "\"$line\")\"); fi\n"
    "    done < <(meshproof complete --words -- \"${COMP_WORDS[@]:1:COMP_CWORD}\" 2>/dev/null)\n"
    "    if [ -n \"$files\" ]; then COMPREPLY+=($(compgen -f -- \"${COMP_WORDS[COMP_CWORD]}\" || "
    "true)); "
    "fi\n"
    "    case ${COMPREPLY[0]-} in *=) compopt -o nospace ;; esac\n"
    "    [ -z \"$files\" ] || compopt -o filenames\n"
    "}\n"
    "complete -F _meshproof meshproof\n";

static const char zsh_script[] =
    "#compdef meshproof\n"
    "_meshproof() {\n"
    "    local -a offered\n"
    "    local line files=\n"
    "    while IFS= read -r line; do\n"
    "        if [[ $line = :files ]]; then files=1; else offered+=(\"$line\"); fi\n"
    "    done < <(meshproof complete --words -- \"${(@)words[2,CURRENT]}\" 2>/dev/null)\n"
    "    (( ${#offered} )) && compadd -a offered\n"
    "    [[ -n $files ]] && _files\n"
    "}\n"
    "compdef _meshproof meshproof\n";

static const char fish_script[] =
    "function __meshproof_words\n"
    "    set -l words (commandline -opc) (commandline -ct)\n"
    "    for line in (meshproof complete --words -- $words[2..-1] 2>/dev/null)\n"
    "        if test \"$line\" = :files\n"
    "            __fish_complete_path (commandline -ct)\n"
    "        else\n"
    "            echo $line\n"
    "        end\n"
    "    end\n"
    "end\n"
    "complete -c meshproof -f -a '(__meshproof_words)'\n";

static int run(const struct arguments *args)
{
    static const struct {
        const char *shell, *script;
    } scripts[] = {{"bash", bash_script}, {"zsh", zsh_script}, {"fish", fish_script}};
    struct error err = {0};
    if (arguments_has(args, "words")) {
        struct text t;
        text_init(&t, (size_t)1024 * 1024);
        complete_words(args->positions, args->position_count, &t);
        fputs(text_get(&t), stdout);
        text_release(&t);
        return EXIT_PASS;
    }
    for (size_t i = 0; args->position_count == 1 && i < COUNT_OF(scripts); i++)
        if (strcmp(args->positions[0], scripts[i].shell) == 0) {
            fputs(scripts[i].script, stdout);
            return EXIT_PASS;
        }
    error_set(&err, ERROR_USAGE, "complete needs a shell: bash, zsh or fish");
    return command_fail(&err);
}

const struct command command_complete = {
    .name = "complete",
    .about = "Print the completion script of a shell.",
    .positions = "bash|zsh|fish",
    .options = complete_options,
    .option_count = COUNT_OF(complete_options),
    .exits = "0 printed  64 usage",
    .example = "meshproof complete bash > /etc/bash_completion.d/meshproof",
    .run = run,
};
