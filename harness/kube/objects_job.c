#include "kube/objects_inside.h"

/* The Job of spec/kubernetes.md 1.2. The name of its container is fixed: podFailurePolicy reads its
 * exit code by that name, so that an injected sidecar's never counts. */

json_t *objects_api_volume(void)
{
    json_t *sources = json_array(), *token = json_object(), *volume = json_object();
    set_text(token, "path", "token");
    set_count(token, "expirationSeconds", 3600);
    json_array_append_new(sources, json_pack("{s:o}", "serviceAccountToken", token));
    json_array_append_new(sources, json_pack("{s:{s:s, s:[{s:s, s:s}]}}", "configMap", "name",
                                             "kube-root-ca.crt", "items", "key", "ca.crt", "path",
                                             "ca.crt"));
    json_array_append_new(sources,
                          json_pack("{s:{s:[{s:s, s:{s:s}}]}}", "downwardAPI", "items", "path",
                                    "namespace", "fieldRef", "fieldPath", "metadata.namespace"));
    set_text(volume, "name", "api");
    set_new(volume, "projected", json_pack("{s:o}", "sources", sources));
    return volume;
}

static json_t *from_field(const char *name, const char *path)
{
    return json_pack("{s:s, s:{s:{s:s}}}", "name", name, "valueFrom", "fieldRef", "fieldPath",
                     path);
}

static json_t *environment(void)
{
    json_t *env = json_array();
    json_array_append_new(env, from_field("MESHPROOF_POD", "metadata.name"));
    json_array_append_new(env, from_field("MESHPROOF_POD_UID", "metadata.uid"));
    json_array_append_new(env, from_field("MESHPROOF_POD_IP", "status.podIP"));
    json_array_append_new(env,
                          from_field("MESHPROOF_RUN", "metadata.labels['" OBJECTS_RUN_LABEL "']"));
    json_array_append_new(
        env, from_field("MESHPROOF_JOB", "metadata.labels['batch.kubernetes.io/job-name']"));
    json_array_append_new(env, from_field("MESHPROOF_JOB_UID",
                                          "metadata.labels['batch.kubernetes.io/controller-uid']"));
    json_array_append_new(env, json_pack("{s:s, s:s}", "name", "TMPDIR", "value", "/data"));
    return env;
}

static json_t *conductor(const struct objects_run *r, const char *const *args)
{
    json_t *one = json_object(), *words = json_array();
    for (size_t i = 0; args[i] != NULL; i++)
        json_array_append_new(words, json_string(args[i]));
    set_text(one, "name", "conductor");
    set_text(one, "image", r->image);
    set_new(one, "args", words);
    set_new(one, "env", environment());
    set_new(one, "ports",
            json_pack("[{s:s, s:i}]", "name", "agents", "containerPort", OBJECTS_AGENT_PORT));
    set_new(one, "securityContext", objects_container_security());
    set_new(one, "resources", objects_resources("250m", "128Mi", "512Mi"));
    set_text(one, "terminationMessagePolicy", "FallbackToLogsOnError");
    set_new(one, "volumeMounts",
            json_pack("[{s:s, s:s, s:b}, {s:s, s:s}, {s:s, s:s, s:b}]", "name", "suite",
                      "mountPath", "/suite", "readOnly", 1, "name", "work", "mountPath", "/data",
                      "name", "api", "mountPath", "/var/run/secrets/kubernetes.io/serviceaccount",
                      "readOnly", 1));
    return one;
}

static json_t *failure_policy(void)
{
    json_t *rules = json_array();
    /* A verdict is a verdict: only exit 4, nothing asserted, is worth a second try. */
    json_array_append_new(rules,
                          json_pack("{s:s, s:[{s:s, s:s}]}", "action", "FailJob", "onPodConditions",
                                    "type", "DisruptionTarget", "status", "True"));
    json_array_append_new(rules, json_pack("{s:s, s:{s:s, s:s, s:[i]}}", "action", "FailJob",
                                           "onExitCodes", "containerName", "conductor", "operator",
                                           "NotIn", "values", 4));
    return json_pack("{s:o}", "rules", rules);
}

static json_t *pod_template(const struct objects_run *r, const char *const *args,
                            const char *suite_config_map)
{
    json_t *template = json_object(), *meta = json_object(), *labels = json_object();
    set_text(labels, OBJECTS_ROLE_LABEL, "conductor");
    set_text(labels, OBJECTS_RUN_LABEL, r->run);
    set_new(meta, "labels", labels);
    set_new(template, "metadata", meta);
    /* Never meshed; trap 7: these must be labels of the template itself. */
    objects_outside(r, template);
    set_text(labels, "istio.io/dataplane-mode", "none");
    json_t *spec = json_object(), *volumes = json_array(), *containers = json_array();
    set_text(spec, "serviceAccountName", "meshproof-conductor");
    set_true(spec, "automountServiceAccountToken", false);
    set_true(spec, "enableServiceLinks", false);
    set_text(spec, "restartPolicy", "Never");
    set_count(spec, "terminationGracePeriodSeconds", OBJECTS_JOB_GRACE_S);
    set_new(spec, "securityContext", objects_pod_security(true));
    json_array_append_new(containers, conductor(r, args));
    set_new(spec, "containers", containers);
    json_array_append_new(volumes, json_pack("{s:s, s:{s:s}}", "name", "suite", "configMap", "name",
                                             suite_config_map));
    json_array_append_new(
        volumes, json_pack("{s:s, s:{s:s}}", "name", "work", "emptyDir", "sizeLimit", "2Gi"));
    json_array_append_new(volumes, objects_api_volume());
    set_new(spec, "volumes", volumes);
    set_new(template, "spec", spec);
    return template;
}

json_t *objects_job(const struct objects_run *r, const char *const *args, uint32_t deadline_s,
                    const char *suite_config_map)
{
    char name[OBJECTS_NAME_MOST + 1];
    snprintf(name, sizeof(name), "meshproof-%s", r->run);
    json_t *job = objects_head(r, "batch/v1", "Job", name), *spec = json_object();
    set_count(spec, "backoffLimit", 1);
    set_count(spec, "activeDeadlineSeconds", deadline_s);
    set_count(spec, "ttlSecondsAfterFinished", 3600);
    set_text(spec, "podReplacementPolicy", "Failed");
    set_new(spec, "podFailurePolicy", failure_policy());
    set_new(spec, "template", pod_template(r, args, suite_config_map));
    set_new(job, "spec", spec);
    return job;
}
