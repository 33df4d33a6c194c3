#include "mesh/envoy_tls.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#define TYPE "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3."
#define PATH_MOST 512

static json_t *file(const char *folder, const char *name)
{
    return json_pack("{s:o}", "filename", json_sprintf("%s/%s", folder, name));
}

static bool write_secret(const char *folder, const char *certs, const char *name, const char *kind,
                         json_t *take_what, struct error *err)
{
    char path[PATH_MOST];
    if ((size_t)snprintf(path, sizeof(path), "%s/%s.json", folder, name) >= sizeof(path)) {
        json_decref(take_what);
        return error_set(err, ERROR_LIMIT, "the folder's path is longer than the %d bytes allowed",
                         PATH_MOST);
    }
    json_object_set_new(take_what, "watched_directory", json_pack("{s:s}", "path", certs));
    json_t *secret =
        json_pack("{s:s, s:s, s:o}", "@type", TYPE "Secret", "name", name, kind, take_what);
    json_t *root = json_pack("{s:s, s:[o]}", "version_info", "0", "resources", secret);
    INVARIANT(root != NULL);
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    bool done = fd >= 0 && json_dumpfd(root, fd, JSON_INDENT(1)) == 0;
    int sys = errno;
    if (fd >= 0)
        close(fd);
    json_decref(root);
    return done || error_system(err, sys, "writing %s", path);
}

bool envoy_tls_write(const char *folder, const char *certs, struct error *err)
{
    return write_secret(folder, certs, "own", "tls_certificate",
                        json_pack("{s:o, s:o}", "certificate_chain", file(certs, "tls.crt"),
                                  "private_key", file(certs, "tls.key")),
                        err) &&
           write_secret(folder, certs, "ca", "validation_context",
                        json_pack("{s:o}", "trusted_ca", file(certs, "ca.crt")), err);
}

static json_t *sds(const char *folder, const char *name)
{
    return json_pack("{s:s, s:{s:s, s:{s:o}}}", "name", name, "sds_config", "resource_api_version",
                     "V3", "path_config_source", "path", json_sprintf("%s/%s.json", folder, name));
}

json_t *envoy_tls_socket(const char *folder, const char *san)
{
    json_t *trust = json_pack("{s:o}", "validation_context_sds_secret_config", sds(folder, "ca"));
    json_t *wanted = json_pack("{s:[{s:s, s:{s:s}}]}", "match_typed_subject_alt_names", "san_type",
                               "URI", "matcher", "exact", san);
    if (wanted != NULL)
        json_object_set_new(trust, "default_validation_context", wanted);
    /* Envoy's own most for a client is 1.2; Istio asks for 1.3 (defaultUpstreamCommonTLSContext).
     */
    json_t *socket =
        json_pack("{s:s, s:{s:s, s:{s:{s:s, s:s}, s:[o], s:o}}}", "name",
                  "envoy.transport_sockets.tls", "typed_config", "@type", TYPE "UpstreamTlsContext",
                  "common_tls_context", "tls_params", "tls_minimum_protocol_version", "TLSv1_2",
                  "tls_maximum_protocol_version", "TLSv1_3", "tls_certificate_sds_secret_configs",
                  sds(folder, "own"), "combined_validation_context", trust);
    INVARIANT(socket != NULL);
    return socket;
}
