/* Lets Debian's User-Mode Linux start on processors whose register state is larger than it knows.
 *
 * UML keeps a process's vector registers in a buffer of fixed size (2696 bytes in 6.1: up to AVX-512 and
 * the protection keys). Linux takes PTRACE_SETREGSET of NT_X86_XSTATE only as a whole, and with AMX the
 * whole is some 11 KB, so UML ends with "ptrace set fp regs failed". Preloaded into UML, this makes the
 * buffer whole on the way to the host. What does not fit UML's buffer goes out in its initial state,
 * which is what it is in: a process must ask the kernel for AMX, and in UML nobody can.
 *
 * Build: cc -shared -fPIC -O2 -o uml-xstate.so uml-xstate.c
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <elf.h>
#include <errno.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/types.h>
#include <sys/uio.h>

/* Above any size processors have today; the kernel says the true one. */
#define WHOLE_MAX 65536
/* Intel SDM volume 1, 13.4: the legacy part and the header of an XSAVE area; the header begins with
 * XSTATE_BV, the components that are not in their initial state. */
#define HEADER_OFFSET 512
#define HEADER_END 576
/* x87, SSE, AVX, (MPX: 2), AVX-512 (3), PT, PKRU: what ends below 2696 bytes. */
#define KNOWN_COMPONENTS 0x3ffULL

/* Not on the stack: UML's kernel stacks are small. UML traces from one thread. */
static unsigned char whole[WHOLE_MAX];
/* What the host wants; 0 while UML's own size was never refused. */
static size_t whole_size;
static long (*next_ptrace)(int, pid_t, void *, void *);

long ptrace(enum __ptrace_request request, ...)
{
	va_list arguments;
	va_start(arguments, request);
	pid_t pid = va_arg(arguments, pid_t);
	void *address = va_arg(arguments, void *);
	void *data = va_arg(arguments, void *);
	va_end(arguments);

	if (!next_ptrace)
		next_ptrace = (long (*)(int, pid_t, void *, void *))dlsym(RTLD_NEXT, "ptrace");
	if (request != PTRACE_SETREGSET || (uintptr_t)address != NT_X86_XSTATE)
		return next_ptrace(request, pid, address, data);

	const struct iovec *given = data;
	struct iovec full = { whole, whole_size };
	if (!whole_size) {
		long done = next_ptrace(request, pid, address, data);
		if (done == 0 || errno != EFAULT)
			return done;
		full.iov_len = sizeof whole;
		if (given->iov_len < HEADER_END || next_ptrace(PTRACE_GETREGSET, pid, address, &full) != 0 ||
		    full.iov_len <= given->iov_len) {
			errno = EFAULT;
			return -1;
		}
		whole_size = full.iov_len;
	}
	memset(whole, 0, whole_size);
	memcpy(whole, given->iov_base, given->iov_len);
	uint64_t components;
	memcpy(&components, whole + HEADER_OFFSET, sizeof components);
	components &= KNOWN_COMPONENTS;
	memcpy(whole + HEADER_OFFSET, &components, sizeof components);
	return next_ptrace(request, pid, address, &full);
}
