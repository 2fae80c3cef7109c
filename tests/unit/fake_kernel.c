// SPDX-License-Identifier: Apache-2.0
/* fake_kernel - a scriptable stand-in for the kernel behind the table of pool/kernel.h, and for the clock. */
#include "fake_kernel.h"

#include "check.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Files are read in pieces, as a reader has to allow for. */
enum { READ_PIECE = 24, FIRST_BOUND_PORT = 50000, CALLS_WITHOUT_END = 1000000 };

struct fake_kernel fake;

static long enter(enum fake_call call, int option)
{
	if (++fake.calls[call] > CALLS_WITHOUT_END)
		abort();
	for (unsigned i = 0; i < fake.fault_count; i++) {
		struct fault *f = &fake.faults[i];
		if (f->call != call || (f->option && f->option != option))
			continue;
		if (f->skip) {
			f->skip--;
			continue;
		}
		if (!f->times)
			continue;
		f->times--;
		return -f->error;
	}
	return 0;
}

static struct fake_fd *look(int fd)
{
	if (fd < FAKE_FIRST_FD || fd >= FAKE_FIRST_FD + FAKE_FDS || !fake.fds[fd - FAKE_FIRST_FD].used)
		return NULL;
	return &fake.fds[fd - FAKE_FIRST_FD];
}

static struct fake_fd *look_socket(int fd)
{
	struct fake_fd *s = look(fd);
	return s && !s->file && !s->log_file ? s : NULL;
}

struct fake_fd *fake_fd(int fd)
{
	struct fake_fd *s = look(fd);
	if (!s)
		abort();
	return s;
}

static int new_fd(const struct fake_fd *what)
{
	for (int i = 0; i < FAKE_FDS; i++)
		if (!fake.fds[i].used && !fake.fds[i].time_wait) {
			fake.fds[i] = *what;
			fake.fds[i].used = true;
			fake.fds[i].cookie = ++fake.last_cookie;
			return FAKE_FIRST_FD + i;
		}
	return -EMFILE;
}

static bool listed(const struct address *list, unsigned count, const struct address *address)
{
	for (unsigned i = 0; i < count; i++)
		if (address_equal(&list[i], address))
			return true;
	return false;
}

static bool taken(const struct address *source, uint16_t port, const struct endpoint *to)
{
	for (int i = 0; i < FAKE_FDS; i++) {
		const struct fake_fd *s = &fake.fds[i];
		bool holds = s->time_wait || (s->used && (s->connected || s->connecting));
		if (holds && s->local.port == port && address_equal(&s->local.ip, source) &&
		    !memcmp(&s->peer, to, sizeof(*to)))
			return true;
	}
	return false;
}

static bool limit_reached(const struct address *source, const struct endpoint *to)
{
	for (unsigned i = 0; i < fake.limit_count; i++) {
		const struct fake_limit *l = &fake.limits[i];
		unsigned used = 0;
		if (!address_equal(&l->source, source) || memcmp(&l->to, to, sizeof(*to)))
			continue;
		for (uint32_t port = fake.low; port <= fake.high; port++)
			used += taken(source, (uint16_t)port, to);
		return used >= l->ports;
	}
	return false;
}

/* Each end of IP_LOCAL_PORT_RANGE counts only inside of the sysctl's range (ip(7)). */
static uint16_t pick_port(const struct fake_fd *s, const struct address *source, const struct endpoint *to)
{
	uint32_t low = s->range & 0xffff, high = s->range >> 16;

	low = low >= fake.low && low <= fake.high ? low : fake.low;
	high = high >= fake.low && high <= fake.high ? high : fake.high;
	if (limit_reached(source, to))
		return 0;
	for (uint32_t port = low; port <= high; port++)
		if (!taken(source, (uint16_t)port, to))
			return (uint16_t)port;
	return 0;
}

static long route(const struct fake_fd *s, const struct endpoint *to, struct address *source)
{
	bool local = address_is_loopback(&to->ip);

	if (fake.no_route)
		return -fake.no_route;
	*source = s->local.ip;
	if (address_is_unset(source) && local)
		*source = address_is_v4(&to->ip) ? ip("127.0.0.1") : to->ip;
	else if (address_is_unset(source))
		*source = address_is_v4(&to->ip) ? fake.natural_v4 : fake.natural_v6;
	if (address_is_loopback(source) && !local)
		return -EINVAL;
	return listed(fake.unroutable, fake.unroutable_count, source) ? -ENETUNREACH : 0;
}

static long bind_socket(int fd, const struct endpoint *local)
{
	struct fake_fd *s = look_socket(fd);

	if (!s)
		return -EBADF;
	if (s->local.port || s->connected)
		return -EINVAL;
	if (s->family == AF_INET && !address_is_unset(&local->ip) && !address_is_v4(&local->ip))
		return -EAFNOSUPPORT;
	if (listed(fake.not_local, fake.not_local_count, &local->ip))
		return -EADDRNOTAVAIL;
	s->local = *local;
	s->keeps_source |= !address_is_unset(&local->ip);
	if (!local->port && !s->no_port)
		s->local.port = (uint16_t)(FIRST_BOUND_PORT + fd);
	return 0;
}

/* Return: a port, or 0 if none is left. */
static uint16_t port_for(const struct fake_fd *s, const struct address *source, const struct endpoint *to)
{
	if (s->type != SOCK_STREAM)
		return 1;
	if (!s->local.port)
		return pick_port(s, source, to);
	return taken(source, s->local.port, to) ? 0 : s->local.port;
}

static long connect_socket(struct fake_fd *s, const struct endpoint *to)
{
	struct address source;

	if (s->connected)
		return -EISCONN;
	if (s->connecting)
		return -EALREADY;
	long rc = route(s, to, &source);
	if (rc)
		return rc;
	uint16_t port = port_for(s, &source, to);
	if (!port)
		rc = -EADDRNOTAVAIL;
	else if (s->type == SOCK_STREAM)
		rc = fake.connect_result;
	s->connected = !rc;
	s->connecting = rc == -EINPROGRESS || rc == -EINTR;
	s->tcp_state = s->connected ? TCP_ESTABLISHED : s->connecting ? TCP_SYN_SENT : TCP_CLOSE;
	if (s->connected || s->connecting) {
		s->local = (struct endpoint){ .ip = source, .port = port };
		s->peer = *to;
		s->to_recv = -EAGAIN;
	} else if (s->keeps_source) {
		s->local.ip = source;
	}
	return rc;
}

long fake_program_connect(void *argument)
{
	const struct fake_connect *c = argument;
	struct fake_fd *s = look_socket(c->fd);

	fake.program_connects++;
	if (fake.meanwhile)
		fake.meanwhile(fake.meanwhile_argument);
	fake.now_ns += fake.connect_ns;
	return s ? connect_socket(s, &c->to) : -EBADF;
}

long fake_program_bind(void *argument)
{
	const struct fake_bind *b = argument;
	return bind_socket(b->fd, &b->local);
}

static long fake_socket(int family, int type, int protocol)
{
	long rc = enter(CALL_SOCKET, 0);
	struct fake_fd s = { .family = family, .type = type & 0xf, .protocol = protocol };
	return rc ? rc : new_fd(&s);
}

static long fake_close(int fd)
{
	struct fake_fd *s = look(fd);
	/* As the kernel's, it closes even when it reports a failure (close(2)). */
	if (s)
		s->used = false;
	long rc = enter(CALL_CLOSE, 0);
	return rc ? rc : s ? 0 : -EBADF;
}

static long fake_bind(int fd, const void *sa, socklen_t length)
{
	struct endpoint local;
	long rc = enter(CALL_BIND, 0);
	if (rc)
		return rc;
	return endpoint_from_sockaddr(sa, length, &local) ? bind_socket(fd, &local) : -EINVAL;
}

static long fake_connect(int fd, const void *sa, socklen_t length)
{
	struct fake_fd *s = look_socket(fd);
	struct endpoint to;
	long rc = enter(CALL_CONNECT, 0);
	if (rc)
		return rc;
	return s && endpoint_from_sockaddr(sa, length, &to) ? connect_socket(s, &to) : -EINVAL;
}

static long fake_setsockopt(int fd, int level, int name, const void *value, socklen_t length)
{
	struct fake_fd *s = look_socket(fd);
	long rc = enter(CALL_SETSOCKOPT, name);
	if (rc)
		return rc;
	if (!s)
		return -EBADF;
	if (level != IPPROTO_IP || length != 4)
		return -EINVAL;
	if (name == IP_BIND_ADDRESS_NO_PORT)
		memcpy(&s->no_port, value, length);
	else if (name == IP_LOCAL_PORT_RANGE)
		memcpy(&s->range, value, length);
	else
		return -ENOPROTOOPT;
	return 0;
}

static long answer(void *value, socklen_t *length, const void *from, size_t size)
{
	if (*length > size)
		*length = (socklen_t)size;
	memcpy(value, from, *length);
	return 0;
}

static long fake_getsockopt(int fd, int level, int name, void *value, socklen_t *length)
{
	struct fake_fd *s = look_socket(fd);
	long rc = enter(CALL_GETSOCKOPT, name);
	if (rc)
		return rc;
	if (!s)
		return -EBADF;
	if (level == IPPROTO_TCP && name == TCP_INFO)
		return s->tcp_state ? answer(value, length, &s->tcp_state, 1) : -EOPNOTSUPP;
	if (level == SOL_SOCKET && name == SO_COOKIE)
		return answer(value, length, &s->cookie, sizeof(s->cookie));
	if (level == SOL_SOCKET && name == SO_PROTOCOL)
		return answer(value, length, &s->protocol, sizeof(int));
	if (level == SOL_SOCKET && name == SO_REUSEPORT)
		return answer(value, length, &s->reuse_port, sizeof(int));
	if (level == SOL_SOCKET && name == SO_LINGER)
		return answer(value, length, &s->linger, sizeof(s->linger));
	if (level == SOL_SOCKET && name == SO_BINDTODEVICE)
		return answer(value, length, s->device, *s->device ? strlen(s->device) + 1 : 0);
	if (level == IPPROTO_IP && name == IP_TRANSPARENT)
		return answer(value, length, &s->transparent, sizeof(int));
	if (level == IPPROTO_IP && name == IP_BIND_ADDRESS_NO_PORT)
		return answer(value, length, &s->no_port, sizeof(int));
	if (level == IPPROTO_IP && name == IP_LOCAL_PORT_RANGE)
		return answer(value, length, &s->range, sizeof(int));
	if (level != SOL_SOCKET || name != SO_ERROR)
		return -ENOPROTOOPT;
	int error = s->error;
	s->error = 0;
	return answer(value, length, &error, sizeof(error));
}

static long fake_getsockname(int fd, void *sa, socklen_t *length)
{
	struct fake_fd *s = look_socket(fd);
	struct sockaddr_storage local = { 0 };
	long rc = enter(CALL_GETSOCKNAME, 0);
	if (rc)
		return rc;
	if (!s)
		return -EBADF;
	return answer(sa, length, &local, endpoint_to_sockaddr(&s->local, s->family, &local));
}

static long fake_ioctl(int fd, unsigned long request, void *value)
{
	long rc = enter(CALL_IOCTL, 0);
	(void)fd, (void)request, (void)value;
	return rc ? rc : -ENOTTY;
}

static void append(char *to, const void *data, size_t size)
{
	size_t used = strlen(to);
	if (size >= FAKE_OUTPUT - used)
		size = FAKE_OUTPUT - used - 1;
	memcpy(to + used, data, size);
	to[used + size] = '\0';
}

static long fake_sendto(int fd, const void *data, size_t size, int flags, const void *sa, socklen_t length)
{
	struct fake_fd *s = look_socket(fd);
	long rc = enter(CALL_SENDTO, 0);
	(void)flags, (void)sa, (void)length;
	if (rc)
		return rc;
	if (!s)
		return -EBADF;
	if (s->family == AF_UNIX)
		append(fake.syslog, data, size);
	return (long)size;
}

/* One RTM_NEWADDR for each address, all in one message; then NLMSG_DONE in another. */
static long dump_addresses(struct fake_fd *s, char *out, size_t size)
{
	size_t used = 0;

	for (unsigned i = 0; i < fake.address_count && !s->in_dump; i++) {
		const struct fake_interface_address *a = &fake.addresses[i];
		bool v4 = address_is_v4(&a->address);
		size_t length = v4 ? 4 : 16;
		struct {
			struct nlmsghdr header;
			struct ifaddrmsg info;
			struct rtattr attribute;
			char address[16];
		} m = { .header.nlmsg_type = RTM_NEWADDR,
			.info = { .ifa_family = v4 ? AF_INET : AF_INET6,
				  .ifa_index = a->interface,
				  .ifa_scope = a->scope,
				  .ifa_flags = a->flags },
			.attribute = { .rta_type = v4 ? IFA_LOCAL : IFA_ADDRESS } };
		m.attribute.rta_len = (unsigned short)RTA_LENGTH(length);
		m.header.nlmsg_len = (uint32_t)(sizeof(m) - sizeof(m.address) + length);
		memcpy(m.address, v4 ? &a->address.v6.s6_addr[12] : a->address.v6.s6_addr, length);
		if (used + m.header.nlmsg_len > size)
			abort();
		memcpy(out + used, &m, m.header.nlmsg_len);
		used += m.header.nlmsg_len;
	}
	if (!used) {
		struct nlmsghdr done = { .nlmsg_len = sizeof(done), .nlmsg_type = NLMSG_DONE };
		memcpy(out, &done, sizeof(done));
		used = sizeof(done);
	}
	s->in_dump = true;
	return (long)used;
}

static long fake_recv(int fd, void *data, size_t size, int flags)
{
	struct fake_fd *s = look(fd);
	long rc = enter(CALL_RECV, 0);
	(void)flags;
	if (rc)
		return rc;
	if (!s)
		return -EBADF;
	if (s->file || s->log_file)
		return -ENOTSOCK;
	return s->family == AF_NETLINK ? dump_addresses(s, data, size) : s->to_recv;
}

static long fake_openat(int directory, const char *path, int flags, mode_t mode)
{
	long rc = enter(CALL_OPENAT, 0);
	(void)directory, (void)mode;
	if (rc)
		return rc;
	if (flags & O_WRONLY)
		return new_fd(&(struct fake_fd){ .log_file = true });
	for (unsigned i = 0; i < fake.file_count; i++)
		if (!strcmp(fake.files[i].path, path))
			return new_fd(&(struct fake_fd){ .file = &fake.files[i] });
	return -ENOENT;
}

static long fake_read(int fd, void *data, size_t size)
{
	struct fake_fd *s = look(fd);
	long rc = enter(CALL_READ, 0);
	if (rc)
		return rc;
	if (!s || !s->file)
		return -EBADF;
	size_t left = s->file->size - s->offset;
	size = size < left ? size : left;
	size = size < READ_PIECE ? size : READ_PIECE;
	memcpy(data, s->file->text + s->offset, size);
	s->offset += size;
	return (long)size;
}

static long fake_write(int fd, const void *data, size_t size)
{
	long rc = enter(CALL_WRITE, 0);
	if (rc)
		return rc;
	if (fd != 2 && (!look(fd) || !look(fd)->log_file))
		return -EBADF;
	append(fd == 2 ? fake.output : fake.log_file, data, size);
	return (long)size;
}

static long fake_fstat(int fd, struct stat *out)
{
	struct fake_fd *s = look(fd);
	long rc = enter(CALL_FSTAT, 0);
	if (rc)
		return rc;
	if (fd == 2 ? !fake.stderr_inode : !s)
		return -EBADF;
	*out = (struct stat){ .st_dev = 1, .st_ino = fake.stderr_inode };
	if (s && s->log_file)
		out->st_mode = fake.log_mode, out->st_nlink = fake.log_names;
	if (s && s->file) {
		out->st_mode = s->file->mode;
		out->st_size = (off_t)s->file->size;
	}
	return 0;
}

static long fake_fcntl(int fd, int command, long argument)
{
	long rc = enter(CALL_FCNTL, 0);
	(void)fd, (void)command, (void)argument;
	return rc ? rc : -EINVAL;
}

static long fake_ppoll(struct pollfd *fds, unsigned count, const struct timespec *timeout)
{
	long rc = enter(CALL_PPOLL, 0);
	(void)count, (void)timeout;
	if (rc)
		return rc;
	fds[0].revents = fake.stderr_ready;
	return fake.stderr_ready != 0;
}

static long fake_getpid(void)
{
	long rc = enter(CALL_GETPID, 0);
	return rc ? rc : FAKE_PID;
}

void fake_fail(enum fake_call call, int error)
{
	fake_fail_some(call, error, 0, UINT32_MAX);
}

void fake_fail_option(enum fake_call call, int option, int error)
{
	fake_fail(call, error);
	fake.faults[fake.fault_count - 1].option = option;
}

void fake_fail_some(enum fake_call call, int error, unsigned skip, unsigned times)
{
	if (fake.fault_count == FAKE_FAULTS)
		abort();
	fake.faults[fake.fault_count++] =
		(struct fault){ .call = call, .error = error, .skip = skip, .times = times };
}

void fake_recover(void)
{
	fake.fault_count = 0;
}

struct fake_file *fake_file(const char *path, const char *text)
{
	struct fake_file file = { .path = path, .text = text, .size = strlen(text), .mode = S_IFREG | 0644 };
	unsigned i = 0;

	while (i < fake.file_count && strcmp(fake.files[i].path, path))
		i++;
	if (i == FAKE_FILES)
		abort();
	if (i == fake.file_count)
		fake.file_count++;
	fake.files[i] = file;
	return &fake.files[i];
}

void fake_range(uint16_t low, uint16_t high, const char *reserved, int time_wait_reuse)
{
	enum { SIZE = sizeof(fake.sysctls[0]) };
	fake.low = low;
	fake.high = high;
	snprintf(fake.sysctls[0], SIZE, "%u\t%u\n", low, high);
	snprintf(fake.sysctls[1], SIZE, "%s\n", reserved);
	snprintf(fake.sysctls[2], SIZE, "%d\n", time_wait_reuse);
	fake_file("/proc/sys/net/ipv4/ip_local_port_range", fake.sysctls[0]);
	fake_file("/proc/sys/net/ipv4/ip_local_reserved_ports", fake.sysctls[1]);
	fake_file("/proc/sys/net/ipv4/tcp_tw_reuse", fake.sysctls[2]);
}

void fake_limit(const char *source, const char *to, unsigned ports)
{
	if (fake.limit_count == FAKE_LIMITS)
		abort();
	struct fake_limit *limit = &fake.limits[fake.limit_count++];
	*limit = (struct fake_limit){ .source = ip(source), .to = at(to), .ports = ports };
}

int fake_tcp_socket(int family)
{
	return new_fd(&(struct fake_fd){ .family = family,
					 .type = SOCK_STREAM,
					 .protocol = IPPROTO_TCP,
					 .tcp_state = TCP_CLOSE,
					 .to_recv = -ENOTCONN });
}

void fake_close_socket(int fd, bool time_wait)
{
	struct fake_fd *s = fake_fd(fd);
	s->used = s->connected = s->connecting = false;
	s->time_wait = time_wait;
}

unsigned fake_total_calls(void)
{
	unsigned total = 0;
	for (int i = 0; i < FAKE_CALLS; i++)
		total += fake.calls[i];
	return total;
}

unsigned fake_open_fds(void)
{
	unsigned open = 0;
	for (int i = 0; i < FAKE_FDS; i++)
		open += fake.fds[i].used;
	return open;
}

void fake_start(void)
{
	limit_time();
	memset(&fake, 0, sizeof(fake));
	fake.natural_v4 = ip("10.0.0.1");
	fake.natural_v6 = ip("fd00::1");
	fake.log_mode = S_IFREG | 0640;
	fake.log_names = 1;
	fake.stderr_inode = 7;
	fake.stderr_ready = POLLOUT;
	fake.clock_stopped = true;
	fake.now_ns = 1000 * 1000000000ull;
	fake.realtime_s = 1700000000;
	fake_range(40000, 40099, "", 0);
	kernel = (struct kernel_calls){
		.socket = fake_socket,
		.close = fake_close,
		.bind = fake_bind,
		.connect = fake_connect,
		.setsockopt = fake_setsockopt,
		.getsockopt = fake_getsockopt,
		.getsockname = fake_getsockname,
		.ioctl = fake_ioctl,
		.sendto = fake_sendto,
		.recv = fake_recv,
		.openat = fake_openat,
		.read = fake_read,
		.write = fake_write,
		.fstat = fake_fstat,
		.fcntl = fake_fcntl,
		.ppoll = fake_ppoll,
		.getpid = fake_getpid,
	};
}

void fake_stop(void)
{
	kernel = kernel_real;
	fake.clock_stopped = false;
}
