#include "kube/credentials_inside.h"

#include "certs/mint.h"
#include "policy/yaml.h"

#include <jansson.h>
#include <openssl/evp.h>
#include <stdlib.h>

#define MEMORY_MOST ((size_t)64 << 20)

struct reading {
    struct credentials *c;
    const struct credentials_options *options;
    const char *file, *folder;
    bool files;
    struct error *err;
};

/* What we read of each part; another key would change where we go or who we are, so it is refused
 * by its name. */
static const char *const context_keys[] = {"cluster", "user", "namespace", "extensions", NULL};
static const char *const cluster_keys[] = {"server",
                                           "certificate-authority",
                                           "certificate-authority-data",
                                           "tls-server-name",
                                           "insecure-skip-tls-verify",
                                           "disable-compression",
                                           "extensions",
                                           NULL};
static const char *const user_keys[] = {"token",
                                        "tokenFile",
                                        "client-certificate",
                                        "client-certificate-data",
                                        "client-key",
                                        "client-key-data",
                                        "exec",
                                        "extensions",
                                        NULL};
static const char *const exec_keys[] = {
    "apiVersion",         "command",         "args",        "env",
    "provideClusterInfo", "interactiveMode", "installHint", NULL};

static bool known_only(const struct yaml_node *map, const char *const *keys, const char *what,
                       struct error *err)
{
    for (size_t i = 0; i < map->count; i++) {
        const struct yaml_pair *pair = &map->pairs[i];
        bool known = false,
             null = pair->value->kind == YAML_SCALAR && yaml_scalar_type(pair->value) == YAML_NULL;
        for (size_t k = 0; keys[k] != NULL; k++)
            known = known || strcmp(keys[k], pair->key) == 0;
        if (!known && !null)
            return error_at(err, pair->source, ERROR_INPUT,
                            "%s has %.60s, which meshproof does not read", what, pair->key);
    }
    return true;
}

/* The entry ${name} of a list of {name, KEY: {...}}. NULL with an error. */
static const struct yaml_node *named(struct reading *r, const struct yaml_node *root,
                                     const char *list, const char *key, const char *name)
{
    const struct yaml_node *all = yaml_get(root, list);
    for (size_t i = 0; i < yaml_count(all); i++) {
        const struct yaml_node *one = yaml_item(all, i);
        const char *own = yaml_get_text(one, "name");
        const struct yaml_node *found = yaml_get(one, key);
        if (own != NULL && strcmp(own, name) == 0 && found != NULL && found->kind == YAML_MAP)
            return found;
    }
    error_at(r->err, root->source, ERROR_INPUT, "%s has no %s \"%.80s\"", list, key, name);
    return NULL;
}

static const char *path_of(struct reading *r, const char *path)
{
    return *path == '/' ? path : arena_printf(&r->c->arena, "%s/%s", r->folder, path);
}

/* Base64 as kubectl writes it; line breaks are taken. NULL: it is none. */
static char *decode(const char *text)
{
    size_t length = strlen(text), n = 0;
    char *packed = check_alloc(length + 1);
    for (size_t i = 0; i < length; i++)
        if (strchr("\r\n\t ", text[i]) == NULL)
            packed[n++] = text[i];
    packed[n] = '\0';
    size_t pad = n > 0 && packed[n - 1] == '=' ? (n > 1 && packed[n - 2] == '=' ? 2 : 1) : 0;
    char *out = check_alloc_zero(n / 4 * 3 + 4, 1);
    int got = n % 4 != 0 || n > INT32_MAX
                  ? -1
                  : EVP_DecodeBlock((unsigned char *)out, (unsigned char *)packed, (int)n);
    mint_wipe(packed);
    if (got < 0 || (size_t)got < pad || strlen(out) != (size_t)got - pad) {
        free(out);
        return NULL;
    }
    return out;
}

/* KEY-data wins over KEY (client-go). ${ret} stays NULL where there is neither. */
static bool pem_of(struct reading *r, const struct yaml_node *map, const char *key,
                   const char *begins, char **ret, const char **ret_name)
{
    const char *data = yaml_get_text(map, arena_printf(&r->c->arena, "%s-data", key));
    const char *path = yaml_get_text(map, key);
    if (data != NULL) {
        *ret_name = arena_printf(&r->c->arena, "%s-data of %s", key, r->file);
        *ret = decode(data);
    } else if (path != NULL && *path != '\0') {
        *ret_name = path_of(r, path);
        if (!r->files)
            return true;
        *ret = credentials_file(*ret_name, CREDENTIALS_FILE_MOST_BYTES, r->err);
        if (*ret == NULL)
            return false;
    } else {
        return true;
    }
    if (*ret != NULL && strstr(*ret, begins) != NULL)
        return true;
    mint_wipe(*ret);
    *ret = NULL;
    return error_at(r->err, map->source, ERROR_INPUT, "%.150s holds no PEM text", *ret_name);
}

static bool read_cluster(struct reading *r, const struct yaml_node *cluster)
{
    struct credentials *c = r->c;
    const struct yaml_node *skip = yaml_get(cluster, "insecure-skip-tls-verify");
    const char *server = yaml_get_text(cluster, "server");
    char *ca = NULL;
    if (!known_only(cluster, cluster_keys, "the cluster", r->err))
        return false;
    if (server == NULL)
        return error_at(r->err, cluster->source, ERROR_INPUT, "the cluster has no server");
    if (!credentials_set_server(c, server, r->err))
        return false;
    if (skip != NULL && !yaml_read_bool(skip, &c->view.insecure, r->err)) {
        error_prefix(r->err, "insecure-skip-tls-verify ");
        return false;
    }
    if (c->view.insecure && !r->options->insecure)
        return error_at(r->err, skip->source, ERROR_INPUT,
                        "insecure-skip-tls-verify: anybody could play the API server and read the "
                        "token; --insecure takes it nevertheless");
    c->view.server_name = yaml_get_text(cluster, "tls-server-name");
    c->view.ca_name = "the system's authorities";
    if (!pem_of(r, cluster, "certificate-authority", "-----BEGIN CERTIFICATE-----", &ca,
                &c->view.ca_name))
        return false;
    c->view.ca_pem = ca != NULL ? arena_strdup(&c->arena, ca) : NULL;
    free(ca);
    return true;
}

/* Words of a list of texts, or of {name, value}. */
static bool words(struct reading *r, const struct yaml_node *list, bool pairs,
                  const char *const **ret)
{
    size_t count = yaml_count(list);
    const char **out = ARENA_ARRAY(&r->c->arena, const char *, count + 1);
    if (count > EXEC_PLUGIN_WORDS_MOST)
        return error_at(r->err, list->source, ERROR_LIMIT, "exec has %zu words, at most %d are",
                        count, EXEC_PLUGIN_WORDS_MOST);
    for (size_t i = 0; i < count; i++) {
        const struct yaml_node *one = yaml_item(list, i);
        const char *name = yaml_get_text(one, "name"), *value = yaml_get_text(one, "value");
        if (pairs && name != NULL && value != NULL)
            out[i] = arena_printf(&r->c->arena, "%s=%s", name, value);
        else if (pairs)
            return error_at(r->err, one->source, ERROR_INPUT, "exec.env wants name and value");
        else if (!yaml_read_text(one, &out[i], r->err)) {
            error_prefix(r->err, "exec.args ");
            return false;
        }
    }
    *ret = out;
    return true;
}

static const char *exec_info(struct reading *r, const char *version, bool cluster)
{
    const struct credentials_view *v = &r->c->view;
    json_t *root = json_pack("{s:s, s:s, s:{s:b}}", "apiVersion", version, "kind", "ExecCredential",
                             "spec", "interactive", 0);
    if (cluster) {
        json_t *of = json_pack("{s:s, s:b}", "server", v->server, "insecure-skip-tls-verify",
                               v->insecure ? 1 : 0);
        if (v->server_name != NULL)
            json_object_set_new(of, "tls-server-name", json_string(v->server_name));
        if (v->ca_pem != NULL) {
            size_t length = strlen(v->ca_pem);
            char *coded = check_alloc(length / 3 * 4 + 8);
            EVP_EncodeBlock((unsigned char *)coded, (const unsigned char *)v->ca_pem, (int)length);
            json_object_set_new(of, "certificate-authority-data", json_string(coded));
            free(coded);
        }
        json_object_set_new(json_object_get(root, "spec"), "cluster", of);
    }
    char *text = json_dumps(root, JSON_COMPACT);
    const char *kept = arena_strdup(&r->c->arena, text);
    free(text);
    json_decref(root);
    return kept;
}

static bool read_exec(struct reading *r, const struct yaml_node *exec)
{
    static const char *const versions[] = {"client.authentication.k8s.io/v1",
                                           "client.authentication.k8s.io/v1beta1"};
    struct credentials *c = r->c;
    const char *version = yaml_get_text(exec, "apiVersion");
    const char *command = yaml_get_text(exec, "command");
    const char *mode = yaml_get_text(exec, "interactiveMode");
    const struct yaml_node *wants = yaml_get(exec, "provideClusterInfo");
    bool cluster = false;
    if (exec->kind != YAML_MAP || !known_only(exec, exec_keys, "exec", r->err))
        return error_at(r->err, exec->source, ERROR_INPUT, "exec is no map");
    if (version == NULL || (strcmp(version, versions[0]) != 0 && strcmp(version, versions[1]) != 0))
        return error_at(r->err, exec->source, ERROR_INPUT,
                        "exec.apiVersion is %.60s, it must be %s",
                        version != NULL ? version : "not there", versions[0]);
    if (command == NULL || *command == '\0')
        return error_at(r->err, exec->source, ERROR_INPUT, "exec has no command");
    if (mode != NULL && strcmp(mode, "Always") == 0)
        return error_at(r->err, exec->source, ERROR_INPUT,
                        "exec.interactiveMode is Always: the plug-in wants a terminal, and gets "
                        "none here");
    if (wants != NULL && !yaml_read_bool(wants, &cluster, r->err)) {
        error_prefix(r->err, "exec.provideClusterInfo ");
        return false;
    }
    c->has_exec = true;
    /* A name is looked for in PATH; "./x" is beside the kubeconfig (client-go). */
    c->exec.command = strchr(command, '/') != NULL ? path_of(r, command) : command;
    c->exec.api_version = version;
    c->exec.install_hint = yaml_get_text(exec, "installHint");
    c->exec_info = exec_info(r, version, cluster);
    return words(r, yaml_get(exec, "args"), false, &c->exec.args) &&
           words(r, yaml_get(exec, "env"), true, &c->exec.env);
}

static bool read_user(struct reading *r, const struct yaml_node *user)
{
    struct credentials *c = r->c;
    const char *token = yaml_get_text(user, "token"), *file = yaml_get_text(user, "tokenFile");
    const struct yaml_node *exec = yaml_get(user, "exec");
    const char *name = NULL;
    if (!known_only(user, user_keys, "the user", r->err))
        return false;
    if (!pem_of(r, user, "client-certificate", "-----BEGIN CERTIFICATE-----", &c->cert_pem,
                &name) ||
        !pem_of(r, user, "client-key", "-----BEGIN ", &c->key_pem, &name))
        return false;
    if (r->files && (c->cert_pem == NULL) != (c->key_pem == NULL))
        return error_at(r->err, user->source, ERROR_INPUT,
                        "the user has a client certificate without its key, or the other way "
                        "round");
    c->view.cert_pem = c->cert_pem;
    c->view.key_pem = c->key_pem;
    if (file != NULL && *file != '\0')
        c->token_file = path_of(r, file);
    if (token != NULL && *token != '\0' && !credentials_set_token(c, token, "user.token", r->err))
        return false;
    if (exec == NULL || c->token != NULL || c->token_file != NULL)
        return true;
    return read_exec(r, exec);
}

static bool read_root(struct reading *r, const struct yaml_node *root)
{
    struct credentials *c = r->c;
    const char *name =
        r->options->context != NULL ? r->options->context : yaml_get_text(root, "current-context");
    if (name == NULL || *name == '\0')
        return error_at(r->err, root->source, ERROR_INPUT,
                        "there is no current-context, and none was named");
    const struct yaml_node *context = named(r, root, "contexts", "context", name), *cluster, *user;
    if (context == NULL || !known_only(context, context_keys, "the context", r->err))
        return false;
    const char *of = yaml_get_text(context, "cluster"), *by = yaml_get_text(context, "user");
    if (of == NULL || (cluster = named(r, root, "clusters", "cluster", of)) == NULL)
        return error_at(r->err, context->source, ERROR_INPUT, "the context names no cluster");
    const char *own = yaml_get_text(context, "namespace");
    c->view.namespace = own != NULL && *own != '\0' ? own : "default";
    c->view.account = by != NULL ? by : "nobody";
    if (!read_cluster(r, cluster))
        return false;
    if (by == NULL)
        return true;
    user = named(r, root, "users", "user", by);
    return user != NULL && read_user(r, user);
}

bool kubeconfig_read(struct credentials *c, struct bytes yaml, const char *file, const char *folder,
                     const struct credentials_options *options, bool files, struct error *err)
{
    arena_init(&c->arena, MEMORY_MOST);
    struct reading r = {c, options, arena_strdup(&c->arena, file), folder, files, err};
    const struct yaml_node **documents;
    size_t count, nodes = YAML_MAX_NODES;
    if (yaml.len > CREDENTIALS_FILE_MOST_BYTES)
        return error_set(err, ERROR_LIMIT, "%.120s has more than 1 MiB", file);
    bool ok = yaml_parse(yaml, r.file, &nodes, &c->arena, &documents, &count, err);
    if (ok && (count != 1 || documents[0]->kind != YAML_MAP))
        ok = error_set(err, ERROR_INPUT, "%.120s is no kubeconfig: it must be one map", file);
    ok = ok && read_root(&r, documents[0]);
    /* The arena goes with a failure; the caller's text stays. */
    if (!ok && err->source.file != NULL)
        err->source.file = file;
    return ok;
}
