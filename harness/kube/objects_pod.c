#include "kube/objects_inside.h"

/* 65532 is the image's user (harness/deploy/Dockerfile). */
#define USER 65532

json_t *objects_pod_security(bool with_group)
{
    json_t *security = json_object();
    set_true(security, "runAsNonRoot", true);
    set_count(security, "runAsUser", USER);
    set_count(security, "runAsGroup", USER);
    if (with_group)
        set_count(security, "fsGroup", USER);
    set_new(security, "seccompProfile", json_pack("{s:s}", "type", "RuntimeDefault"));
    return security;
}

json_t *objects_container_security(void)
{
    json_t *security = json_object();
    set_true(security, "allowPrivilegeEscalation", false);
    set_true(security, "readOnlyRootFilesystem", true);
    set_new(security, "capabilities", json_pack("{s:[s]}", "drop", "ALL"));
    return security;
}

json_t *objects_resources(const char *cpu, const char *memory, const char *memory_limit)
{
    return json_pack("{s:{s:s, s:s}, s:{s:s}}", "requests", "cpu", cpu, "memory", memory, "limits",
                     "memory", memory_limit);
}

void objects_outside(const struct objects_run *r, json_t *pod)
{
    json_t *labels = objects_labels(pod);
    /* Both meshes' injectors, whatever is declared: the other one may be in the cluster too. */
    set_text(labels, "sidecar.istio.io/inject", "false");
    if (r->mesh == OBJECTS_AMBIENT)
        set_text(labels, "istio.io/dataplane-mode", "none");
    set_text(objects_annotations(pod), "linkerd.io/inject", "disabled");
}

void objects_inside(const struct objects_run *r, json_t *pod)
{
    json_t *annotations;
    char port[16];
    snprintf(port, sizeof(port), "%u", OBJECTS_AGENT_PORT);
    switch (r->mesh) {
    case OBJECTS_NO_MESH:
    case OBJECTS_AMBIENT: /* the namespace's label is enough */
        return;
    case OBJECTS_ISTIO:
        annotations = objects_annotations(pod);
        set_text(objects_labels(pod), "sidecar.istio.io/inject", "true");
        set_text(annotations, "traffic.sidecar.istio.io/excludeOutboundPorts", port);
        set_text(annotations, "proxy.istio.io/config", "holdApplicationUntilProxyStarts: true");
        return;
    case OBJECTS_LINKERD:
        annotations = objects_annotations(pod);
        set_text(annotations, "linkerd.io/inject", "enabled");
        set_text(annotations, "config.linkerd.io/skip-outbound-ports", port);
        return;
    }
    UNREACHABLE();
}

/* metadata of a pod of ${role}; its labels are its own. */
static json_t *pod_head(const struct objects_run *r, const char *name, const char *role,
                        const char *service)
{
    json_t *pod = objects_head(r, "v1", "Pod", name);
    set_text(objects_labels(pod), OBJECTS_ROLE_LABEL, role);
    set_text(objects_labels(pod), OBJECTS_SERVICE_LABEL, service);
    return pod;
}

/* An Indexed Job gives its pods JOB_COMPLETION_INDEX, from 0. */
static json_t *agent_args(const char *role, const char *service, uint32_t n)
{
    char id[300];
    json_t *args = json_pack("[s, s, s]", "agent", role, "--id");
    if (n > 0) {
        snprintf(id, sizeof(id), "%s/%u", service, (unsigned)n);
        json_array_append_new(args, json_string(id));
        return args;
    }
    json_array_append_new(args, json_string(service));
    json_array_append_new(args, json_string("--index"));
    json_array_append_new(args, json_string("$(JOB_COMPLETION_INDEX)"));
    return args;
}

static json_t *spec_of(const struct objects_run *r, const char *account)
{
    json_t *spec = json_object();
    set_text(spec, "restartPolicy", "Never");
    set_text(spec, "serviceAccountName", account);
    set_true(spec, "automountServiceAccountToken", false);
    set_true(spec, "enableServiceLinks", false);
    set_count(spec, "terminationGracePeriodSeconds", 5);
    set_count(spec, "activeDeadlineSeconds", r->deadline_s);
    return spec;
}

static json_t *mount(const char *name, const char *path, bool read_only)
{
    json_t *one = json_object();
    set_text(one, "name", name);
    set_text(one, "mountPath", path);
    if (read_only)
        set_true(one, "readOnly", true);
    return one;
}

static json_t *container(const struct objects_run *r, json_t *take_args)
{
    json_t *one = json_object();
    set_text(one, "name", "agent");
    set_text(one, "image", r->image);
    json_t *args = take_args;
    json_array_append_new(args, json_string("--conductor"));
    json_array_append_new(args, json_string(r->conductor));
    json_array_append_new(args, json_string("--psk-file"));
    json_array_append_new(args, json_string("/run/meshproof/psk"));
    set_new(one, "args", args);
    return one;
}

/* What every agent's container ends with, and its volumes. */
static void finish(const struct objects_run *r, json_t *pod, json_t *spec, json_t *one,
                   const char *cpu, const char *memory, const char *memory_limit)
{
    char secret[OBJECTS_NAME_MOST + 1];
    snprintf(secret, sizeof(secret), "mp-%s-agents", r->run);
    set_new(one, "securityContext", objects_container_security());
    set_new(one, "resources", objects_resources(cpu, memory, memory_limit));
    json_t *mounts = json_array(), *volumes = json_array();
    json_array_append_new(mounts, mount("psk", "/run/meshproof", true));
    json_array_append_new(mounts, mount("tmp", "/tmp", false));
    json_array_append_new(
        volumes, json_pack("{s:s, s:{s:s}}", "name", "psk", "secret", "secretName", secret));
    json_array_append_new(
        volumes, json_pack("{s:s, s:{s:s}}", "name", "tmp", "emptyDir", "sizeLimit", "256Mi"));
    set_new(one, "volumeMounts", mounts);
    json_t *containers = json_array();
    json_array_append_new(containers, one);
    set_new(spec, "containers", containers);
    set_new(spec, "volumes", volumes);
    set_new(pod, "spec", spec);
    objects_own(r, pod);
}

/* Endpoints of a run on one node, where it can be: they then share a clock (section 7). */
static json_t *near(const struct objects_run *r)
{
    return json_pack("{s:{s:[{s:i, s:{s:s, s:{s:{s:s, s:s}}}}]}}", "podAffinity",
                     "preferredDuringSchedulingIgnoredDuringExecution", "weight", 100,
                     "podAffinityTerm", "topologyKey", "kubernetes.io/hostname", "labelSelector",
                     "matchLabels", OBJECTS_RUN_LABEL, r->run, OBJECTS_ROLE_LABEL, "endpoint");
}

/* The Service's labels on our pod, so that it is one of its endpoints; never the hash by which a
 * ReplicaSet would count it. */
static void join_service(json_t *pod, const json_t *selector)
{
    const char *key;
    json_t *value;
    json_object_foreach((json_t *)(uintptr_t)selector, key,
                        value) if (strcmp(key, "pod-template-hash") != 0)
        json_object_set(objects_labels(pod), key, value);
}

static uint16_t listen_port(const struct objects_service *s)
{
    return s->listen_port != 0 ? s->listen_port : OBJECTS_LISTEN_PORT;
}

uint16_t objects_endpoint_port(const struct objects_service *s, uint32_t n)
{
    return (uint16_t)(listen_port(s) + n - 1);
}

static json_t *ports_of_endpoint(const struct objects_run *r, const struct objects_service *s)
{
    const char *first = s->listen_name != NULL ? s->listen_name : "http";
    json_t *all =
        json_pack("[{s:s, s:i}, {s:s, s:i}]", "name", first, "containerPort", (int)listen_port(s),
                  "name", "health", "containerPort", OBJECTS_HEALTH_PORT);
    for (uint32_t n = 2; r->ports && n <= s->endpoints; n++)
        json_array_append_new(all, json_pack("{s:o, s:i}", "name", json_sprintf("http-%u", n),
                                             "containerPort", (int)objects_endpoint_port(s, n)));
    return all;
}

/* Below 1024 a port needs a capability, or this: one of the sysctls that restricted Pod Security
 * lets every pod set for itself. */
static json_t *endpoint_security(const struct objects_run *r, const struct objects_service *s)
{
    json_t *security = objects_pod_security(false);
    if (r->netem) {
        set_true(security, "runAsNonRoot", false);
        set_count(security, "runAsUser", 0);
        set_count(security, "runAsGroup", 0);
    }
    if (listen_port(s) < 1024)
        set_new(
            security, "sysctls",
            json_pack("[{s:s, s:s}]", "name", "net.ipv4.ip_unprivileged_port_start", "value", "0"));
    return security;
}

/* File capabilities are lost in an image, and allowPrivilegeEscalation: false would block them: so
 * it is uid 0 that has this one. */
static void add_net_admin(json_t *container)
{
    json_t *security = json_object_get(container, "securityContext");
    set_new(json_object_get(security, "capabilities"), "add", json_pack("[s]", "NET_ADMIN"));
}

json_t *objects_endpoint_pod(const struct objects_run *r, const struct objects_service *s,
                             uint32_t n)
{
    char name[OBJECTS_NAME_MOST + 1], listen[32];
    json_t *pod = pod_head(r, objects_name(r, s->name, n, name, sizeof(name)), "endpoint", s->name);
    objects_outside(r, pod);
    if (r->mode == OBJECTS_INTERPOSE && !r->swap)
        join_service(pod, s->selector);
    snprintf(listen, sizeof(listen), "0.0.0.0:%u", (unsigned)listen_port(s));
    json_t *args = agent_args("proxy", s->name, n);
    json_array_append_new(args, json_string("--listen"));
    json_array_append_new(args, json_string(listen));
    if (r->swap) /* a Service that is swapped has no other */
        json_array_append_new(args, json_string("--stay"));
    json_t *one = container(r, args), *spec = spec_of(r, "meshproof-agent");
    set_new(spec, "readinessGates", json_pack("[{s:s}]", "conditionType", OBJECTS_ARMED_GATE));
    set_new(spec, "securityContext", endpoint_security(r, s));
    set_new(spec, "affinity", near(r));
    set_new(one, "ports", ports_of_endpoint(r, s));
    set_new(one, "readinessProbe",
            json_pack("{s:{s:s}, s:i, s:i}", "tcpSocket", "port", "health", "periodSeconds", 1,
                      "failureThreshold", 1));
    finish(r, pod, spec, one, "100m", "64Mi", "256Mi");
    if (r->netem)
        add_net_admin(one);
    return pod;
}

json_t *objects_load_pod(const struct objects_run *r, uint32_t n)
{
    char name[OBJECTS_NAME_MOST + 1];
    json_t *pod = pod_head(r, objects_name(r, "load", n, name, sizeof(name)), "load", NULL);
    objects_inside(r, pod);
    json_t *one = container(r, agent_args("load", "load", n));
    json_t *spec = spec_of(r, "meshproof-agent");
    set_new(spec, "securityContext", objects_pod_security(false));
    finish(r, pod, spec, one, "200m", "64Mi", "256Mi");
    return pod;
}

/* The token that the guardian alone has: where the kubelet would put it, for automounting is off.
 */
static void give_token(json_t *pod)
{
    json_t *spec = json_object_get(pod, "spec");
    json_t *one = json_array_get(json_object_get(spec, "containers"), 0);
    json_array_append_new(json_object_get(one, "volumeMounts"),
                          mount("api", "/var/run/secrets/kubernetes.io/serviceaccount", true));
    json_array_append_new(json_object_get(spec, "volumes"), objects_api_volume());
}

json_t *objects_guardian_pod(const struct objects_run *r)
{
    char name[OBJECTS_NAME_MOST + 1];
    json_t *pod =
        pod_head(r, objects_name(r, OBJECTS_GUARDIAN, 0, name, sizeof(name)), "guardian", NULL);
    objects_outside(r, pod);
    json_t *one =
        container(r, json_pack("[s, s, s, s]", "agent", "guardian", "--id", "guardian/1"));
    /* The only agent with a right: it deletes the anchor when the conductor is lost. */
    json_t *spec = spec_of(r, "meshproof-conductor");
    set_count(spec, "terminationGracePeriodSeconds", OBJECTS_GUARDIAN_GRACE_S);
    set_new(spec, "securityContext", objects_pod_security(true));
    finish(r, pod, spec, one, "20m", "32Mi", "64Mi");
    give_token(pod);
    return pod;
}
