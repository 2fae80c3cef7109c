// SPDX-License-Identifier: Apache-2.0
/* hooks - the one list of hooked libc calls: result, name, parameters, arguments.
 *
 * From it come the prototypes of the hooks, the table of the real calls and its resolver. To add a hook, add
 * a line here and write hook_NAME() in the file of its family. The hook's symbol is NAME; in C it is called
 * hook_NAME, so that libc's own declarations, with their transparent unions, do not stand in the way.
 *
 *  - KERNEL_HOOKS if the kernel has a call of that name and arguments, else LIBC_HOOKS.
 *  - First the cheapest way out: fdtable_look(fd). Save errno around what is ours.
 *  - Names that libc has besides (__close): TWIN. Variadic calls are written by hand (hooks/process.c).
 *  - A case in tests/system/calls_*.c. tests/system/test_exports.py compares the list with what the
 *    library exports. */
#ifndef HEADROOM_PRELOAD_BASE_HOOKS_H
#define HEADROOM_PRELOAD_BASE_HOOKS_H

#include <dirent.h>
#include <netdb.h>
#include <netinet/in.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <sys/uio.h>

/* Calls the kernel has under the same name: before the shim is ready they go straight to it, and for ever
 * where libc has none of the name. */
#define KERNEL_HOOKS(HOOK)                                                                                   \
	HOOK(int, socket, (int family, int type, int protocol), (family, type, protocol))                    \
	HOOK(int, connect, (int fd, const struct sockaddr *address, socklen_t length),                       \
	     (fd, address, length))                                                                          \
	HOOK(int, bind, (int fd, const struct sockaddr *address, socklen_t length), (fd, address, length))   \
	HOOK(int, listen, (int fd, int backlog), (fd, backlog))                                              \
	HOOK(int, shutdown, (int fd, int how), (fd, how))                                                    \
	HOOK(int, getsockname, (int fd, struct sockaddr *address, socklen_t *length), (fd, address, length)) \
	HOOK(int, setsockopt, (int fd, int level, int name, const void *value, socklen_t length),            \
	     (fd, level, name, value, length))                                                               \
	HOOK(int, getsockopt, (int fd, int level, int name, void *value, socklen_t *length),                 \
	     (fd, level, name, value, length))                                                               \
	HOOK(ssize_t, sendto,                                                                                \
	     (int fd, const void *data, size_t size, int flags, const struct sockaddr *address,              \
	      socklen_t length),                                                                             \
	     (fd, data, size, flags, address, length))                                                       \
	HOOK(ssize_t, sendmsg, (int fd, const struct msghdr *message, int flags), (fd, message, flags))      \
	HOOK(int, sendmmsg, (int fd, struct mmsghdr *messages, unsigned count, int flags),                   \
	     (fd, messages, count, flags))                                                                   \
	HOOK(ssize_t, recvfrom,                                                                              \
	     (int fd, void *data, size_t size, int flags, struct sockaddr *address, socklen_t *length),      \
	     (fd, data, size, flags, address, length))                                                       \
	HOOK(ssize_t, recvmsg, (int fd, struct msghdr *message, int flags), (fd, message, flags))            \
	HOOK(int, recvmmsg,                                                                                  \
	     (int fd, struct mmsghdr *messages, unsigned count, int flags, struct timespec *timeout),        \
	     (fd, messages, count, flags, timeout))                                                          \
	HOOK(ssize_t, read, (int fd, void *data, size_t size), (fd, data, size))                             \
	HOOK(ssize_t, readv, (int fd, const struct iovec *pieces, int count), (fd, pieces, count))           \
	HOOK(ssize_t, write, (int fd, const void *data, size_t size), (fd, data, size))                      \
	HOOK(ssize_t, writev, (int fd, const struct iovec *pieces, int count), (fd, pieces, count))          \
	HOOK(ssize_t, sendfile, (int to, int from, off_t *offset, size_t size), (to, from, offset, size))    \
	HOOK(ssize_t, splice, (int from, off_t *from_at, int to, off_t *to_at, size_t size, unsigned flags), \
	     (from, from_at, to, to_at, size, flags))                                                        \
	HOOK(int, epoll_ctl, (int epoll, int operation, int fd, struct epoll_event *event),                  \
	     (epoll, operation, fd, event))                                                                  \
	HOOK(int, accept4, (int fd, struct sockaddr *address, socklen_t *length, int flags),                 \
	     (fd, address, length, flags))                                                                   \
	HOOK(int, pipe2, (int *fds, int flags), (fds, flags))                                                \
	HOOK(int, socketpair, (int family, int type, int protocol, int *fds), (family, type, protocol, fds)) \
	HOOK(int, epoll_create1, (int flags), (flags))                                                       \
	HOOK(int, openat, (int directory, const char *path, int flags, mode_t mode),                         \
	     (directory, path, flags, mode))                                                                 \
	HOOK(int, close, (int fd), (fd))                                                                     \
	HOOK(int, close_range, (unsigned first, unsigned last, int flags), (first, last, flags))             \
	HOOK(int, dup, (int fd), (fd))                                                                       \
	HOOK(int, dup3, (int fd, int target, int flags), (fd, target, flags))                                \
	HOOK(int, prctl, (int option, long a, long b, long c, long d), (option, a, b, c, d))                 \
	HOOK(int, chroot, (const char *path), (path))                                                        \
	HOOK(int, unshare, (int flags), (flags))                                                             \
	HOOK(int, setns, (int fd, int kind), (fd, kind))                                                     \
	HOOK(int, fcntl, (int fd, int command, long argument), (fd, command, argument))                      \
	HOOK(int, ioctl, (int fd, unsigned long request, void *argument), (fd, request, argument))           \
	HOOK(int, execveat,                                                                                  \
	     (int directory, const char *path, char *const argv[], char *const envp[], int flags),           \
	     (directory, path, argv, envp, flags))                                                           \
	HOOK(int, memfd_create, (const char *name, unsigned flags), (name, flags))

/* The rest is looked up when it is first called, if that is before the shim is ready. */
#define LIBC_HOOKS(HOOK)                                                                                    \
	HOOK(ssize_t, recv, (int fd, void *data, size_t size, int flags), (fd, data, size, flags))          \
	HOOK(ssize_t, send, (int fd, const void *data, size_t size, int flags), (fd, data, size, flags))    \
	HOOK(ssize_t, sendfile64, (int to, int from, off_t *offset, size_t size), (to, from, offset, size)) \
	HOOK(ssize_t, preadv2, (int fd, const struct iovec *pieces, int count, off_t at, int flags),        \
	     (fd, pieces, count, at, flags))                                                                \
	HOOK(ssize_t, pwritev2, (int fd, const struct iovec *pieces, int count, off_t at, int flags),       \
	     (fd, pieces, count, at, flags))                                                                \
	HOOK(ssize_t, __read_chk, (int fd, void *data, size_t size, size_t room), (fd, data, size, room))   \
	HOOK(ssize_t, __recv_chk, (int fd, void *data, size_t size, size_t room, int flags),                \
	     (fd, data, size, room, flags))                                                                 \
	HOOK(ssize_t, __recvfrom_chk,                                                                       \
	     (int fd, void *data, size_t size, size_t room, int flags, struct sockaddr *address,            \
	      socklen_t *length),                                                                           \
	     (fd, data, size, room, flags, address, length))                                                \
	HOOK(int, accept, (int fd, struct sockaddr *address, socklen_t *length), (fd, address, length))     \
	HOOK(int, bindresvport, (int fd, struct sockaddr_in *address), (fd, address))                       \
	HOOK(int, pipe, (int *fds), (fds))                                                                  \
	HOOK(int, epoll_create, (int size), (size))                                                         \
	HOOK(int, eventfd, (unsigned value, int flags), (value, flags))                                     \
	HOOK(int, open, (const char *path, int flags, mode_t mode), (path, flags, mode))                    \
	HOOK(int, open64, (const char *path, int flags, mode_t mode), (path, flags, mode))                  \
	HOOK(int, openat64, (int directory, const char *path, int flags, mode_t mode),                      \
	     (directory, path, flags, mode))                                                                \
	HOOK(int, dup2, (int fd, int target), (fd, target))                                                 \
	HOOK(int, fcntl64, (int fd, int command, long argument), (fd, command, argument))                   \
	HOOK(void, closefrom, (int first), (first))                                                         \
	HOOK(int, fclose, (FILE * stream), (stream))                                                        \
	HOOK(FILE *, freopen, (const char *path, const char *mode, FILE *stream), (path, mode, stream))     \
	HOOK(FILE *, freopen64, (const char *path, const char *mode, FILE *stream), (path, mode, stream))   \
	HOOK(int, execve, (const char *path, char *const argv[], char *const envp[]), (path, argv, envp))   \
	HOOK(int, execv, (const char *path, char *const argv[]), (path, argv))                              \
	HOOK(int, execvp, (const char *file, char *const argv[]), (file, argv))                             \
	HOOK(int, execvpe, (const char *file, char *const argv[], char *const envp[]), (file, argv, envp))  \
	HOOK(int, fexecve, (int fd, char *const argv[], char *const envp[]), (fd, argv, envp))              \
	HOOK(int, posix_spawn,                                                                              \
	     (pid_t * pid, const char *path, const posix_spawn_file_actions_t *actions,                     \
	      const posix_spawnattr_t *attributes, char *const argv[], char *const envp[]),                 \
	     (pid, path, actions, attributes, argv, envp))                                                  \
	HOOK(int, posix_spawnp,                                                                             \
	     (pid_t * pid, const char *file, const posix_spawn_file_actions_t *actions,                     \
	      const posix_spawnattr_t *attributes, char *const argv[], char *const envp[]),                 \
	     (pid, file, actions, attributes, argv, envp))                                                  \
	HOOK(int, system, (const char *command), (command))                                                 \
	HOOK(FILE *, popen, (const char *command, const char *mode), (command, mode))                       \
	HOOK(pid_t, _Fork, (void), ())                                                                      \
	HOOK(void, _exit, (int status), (status))

/* Hooked for reuse alone: what needs an fd, and what takes rights. */
#define REUSE_HOOKS(HOOK)                                                                        \
	HOOK(int, timerfd_create, (int clock, int flags), (clock, flags))                        \
	HOOK(int, signalfd, (int fd, const sigset_t *mask, int flags), (fd, mask, flags))        \
	HOOK(int, inotify_init, (void), ())                                                      \
	HOOK(int, inotify_init1, (int flags), (flags))                                           \
	HOOK(int, creat, (const char *path, mode_t mode), (path, mode))                          \
	HOOK(int, creat64, (const char *path, mode_t mode), (path, mode))                        \
	HOOK(int, posix_openpt, (int flags), (flags))                                            \
	HOOK(int, mkstemp, (char *pattern), (pattern))                                           \
	HOOK(int, mkstemp64, (char *pattern), (pattern))                                         \
	HOOK(int, mkostemp, (char *pattern, int flags), (pattern, flags))                        \
	HOOK(int, mkostemp64, (char *pattern, int flags), (pattern, flags))                      \
	HOOK(FILE *, fopen, (const char *path, const char *mode), (path, mode))                  \
	HOOK(FILE *, fopen64, (const char *path, const char *mode), (path, mode))                \
	HOOK(FILE *, tmpfile, (void), ())                                                        \
	HOOK(FILE *, tmpfile64, (void), ())                                                      \
	HOOK(DIR *, opendir, (const char *path), (path))                                         \
	HOOK(int, getaddrinfo,                                                                   \
	     (const char *node, const char *service, const struct addrinfo *hints,               \
	      struct addrinfo **results),                                                        \
	     (node, service, hints, results))                                                    \
	HOOK(int, setuid, (uid_t uid), (uid))                                                    \
	HOOK(int, setgid, (gid_t gid), (gid))                                                    \
	HOOK(int, seteuid, (uid_t uid), (uid))                                                   \
	HOOK(int, setegid, (gid_t gid), (gid))                                                   \
	HOOK(int, setreuid, (uid_t uid, uid_t effective), (uid, effective))                      \
	HOOK(int, setregid, (gid_t gid, gid_t effective), (gid, effective))                      \
	HOOK(int, setresuid, (uid_t uid, uid_t effective, uid_t saved), (uid, effective, saved)) \
	HOOK(int, setresgid, (gid_t gid, gid_t effective, gid_t saved), (gid, effective, saved)) \
	HOOK(int, setgroups, (size_t count, const gid_t *groups), (count, groups))               \
	HOOK(int, initgroups, (const char *user, gid_t group), (user, group))                    \
	HOOK(int, setfsuid, (uid_t uid), (uid))                                                  \
	HOOK(int, setfsgid, (gid_t gid), (gid))                                                  \
	HOOK(int, capset, (void *header, const void *data), (header, data))

/* Hooked by code of their own: variadic (execl, execlp, execle, clone), or unlike any C function (vfork,
 * syscall: trampoline_*.S). */

#define ALL_HOOKS(HOOK) KERNEL_HOOKS(HOOK) LIBC_HOOKS(HOOK) REUSE_HOOKS(HOOK)

#define EXPORTED __attribute__((visibility("default")))

#define DECLARE_HOOK(result, name, parameters, arguments) \
	EXPORTED result hook_##name parameters __asm__(#name);
ALL_HOOKS(DECLARE_HOOK)
#undef DECLARE_HOOK

/* GCC warns of a twin without the attributes that libc's headers give the other; clang knows no `copy`. */
#if __has_attribute(copy)
#define SAME_ATTRIBUTES(of) __attribute__((copy(of)))
#else
#define SAME_ATTRIBUTES(of)
#endif

/* libc has some calls under a second name; it stands beside the hook: TWIN(int, __close, (int fd), close). */
#define TWIN(result, name, parameters, of)                                                       \
	EXPORTED extern result hook_##name parameters __asm__(#name) __attribute__((alias(#of))) \
	SAME_ATTRIBUTES(hook_##of);

/* The real calls: libc's, or those of a library preloaded behind ours. Usable at any time. */
#define DECLARE_POINTER(result, name, parameters, arguments) result(*name) parameters;
struct real_calls {
	ALL_HOOKS(DECLARE_POINTER)
	int (*clone)(int (*function)(void *), void *stack, int flags, void *argument, ...);
	void *vfork; /* jumped to, not called */
};
#undef DECLARE_POINTER

extern struct real_calls real;
extern void *real_syscall; /* jumped to, by trampoline_*.S */

/**
 * real_find() - dlsym(RTLD_NEXT) from this library
 * Return: NULL if nothing behind this library has the name
 */
void *real_find(const char *name);

/**
 * real_find_first() - dlsym(RTLD_DEFAULT)
 */
void *real_find_first(const char *name);

/**
 * real_resolve() - from now on each is looked up at its first call; where only dlsym() can, all of them now
 */
void real_resolve(void);

/**
 * real_before_forks() - look up those that no call has needed so far: each of many children would do that
 */
void real_before_forks(void);

#endif
