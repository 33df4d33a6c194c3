/* For linux.uml, by LD_PRELOAD. UML of Linux 6.1 keeps a process's registers in a buffer of fixed
 * size; a host whose processors have AMX has more of them, and refuses to set them from a buffer
 * that short (EFAULT). So: read all, lay what UML has over it, set all. */
#include <elf.h>
#include <errno.h>
#include <stdarg.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

long ptrace(enum __ptrace_request request, ...)
{
    static char all[65536] __attribute__((aligned(64)));
    va_list args;
    va_start(args, request);
    long pid = va_arg(args, long);
    void *at = va_arg(args, void *), *data = va_arg(args, void *);
    va_end(args);
    /* PEEK answers by the return value; the C library's own way. */
    long word = 0;
    int peeks =
        request == PTRACE_PEEKTEXT || request == PTRACE_PEEKDATA || request == PTRACE_PEEKUSER;
    long done = syscall(SYS_ptrace, request, pid, at, peeks ? &word : data);
    if (peeks && done >= 0) {
        errno = 0;
        return word;
    }
    if (done == 0 || request != PTRACE_SETREGSET || (long)at != NT_X86_XSTATE)
        return done;
    struct iovec has = *(struct iovec *)data, whole = {all, sizeof(all)};
    if (syscall(SYS_ptrace, PTRACE_GETREGSET, pid, at, &whole) != 0 || whole.iov_len < has.iov_len)
        return -1;
    memcpy(all, has.iov_base, has.iov_len);
    return syscall(SYS_ptrace, PTRACE_SETREGSET, pid, at, &whole);
}
