#include "reports/report.h"
#include "journal/arm.h"

/* The sender: "c", "c2", ... for the load generators of the subject in order of process, else the
 * service of the stub that made the call. Processes of a control arm put the arm before it:
 * "right/c". */
static void sender(const struct journal *j, const struct journal_proc *proc, char *to, size_t size)
{
    unsigned nth = 1;
    bool control = proc->arm != NULL && strcmp(proc->arm, ARM_SUBJECT) != 0;
    const char *arm = control ? arm_shown(proc->arm) : "", *slash = control ? "/" : "";
    if (proc->role == NULL || proc->arm == NULL || strcmp(proc->role, "load") != 0) {
        snprintf(to, size, "%s%s%s", arm, slash, proc->service == NULL ? "?" : proc->service);
        return;
    }
    for (size_t i = 0; i < j->proc_count; i++) {
        const struct journal_proc *other = &j->procs[i];
        if (other->proc < proc->proc && other->role != NULL && other->arm != NULL &&
            strcmp(other->role, "load") == 0 && strcmp(other->arm, proc->arm) == 0)
            nth++;
    }
    if (nth == 1)
        snprintf(to, size, "%s%sc", arm, slash);
    else
        snprintf(to, size, "%s%sc%u", arm, slash, nth);
}

void request_name_print(const struct journal *j, uint64_t id_hi, uint64_t id_lo, char *to,
                        size_t size)
{
    char name[96];
    const struct journal_proc *proc = journal_proc_of(j, (uint32_t)id_hi);
    if (proc == NULL) {
        record_id_print(id_hi, id_lo, to, size);
        return;
    }
    sender(j, proc, name, sizeof(name));
    snprintf(to, size, "%s-%llx", name, (unsigned long long)id_lo);
}

bool request_name_parse(const struct journal *j, const char *text, uint64_t *ret_hi,
                        uint64_t *ret_lo)
{
    char name[96];
    uint64_t seq;
    const char *dash = strrchr(text, '-');
    if (record_id_parse(bytes_of(text), ret_hi, ret_lo))
        return true;
    if (dash == NULL || !bytes_hex_to_u64(bytes_of(dash + 1), &seq))
        return false;
    struct bytes wanted = {(const uint8_t *)text, (size_t)(dash - text)};
    for (size_t i = 0; i < j->request_count; i++) {
        const struct request_record *r = &j->requests[i].r;
        const struct journal_proc *proc;
        if (r->id_lo != seq || (proc = journal_proc_of(j, (uint32_t)r->id_hi)) == NULL)
            continue;
        sender(j, proc, name, sizeof(name));
        if (bytes_equal(wanted, bytes_of(name))) {
            *ret_hi = r->id_hi;
            *ret_lo = r->id_lo;
            return true;
        }
    }
    return false;
}
