// SPDX-License-Identifier: Apache-2.0
/* option - setsockopt(): what the program wants its way; getsockopt(): what it is to see. */
#include "pool/base/hot.h"
#include "pool/base/kernel.h"
#include "pool/connect/pending.h"
#include "pool/reuse/reuse.h"
#include "pool/routes/options.h"
#include "pool/socket/facts.h"
#include "pool/socket/shown_port.h"
#include "preload/base/fdtable.h"
#include "preload/base/hooks.h"
#include "preload/base/process.h"
#include "preload/fds/deferred.h"
#include "preload/fds/renew.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>

/* Options that bear on which port a bind() may get: the port is chosen before they are set. */
static bool bears_on_port(int level, int name)
{
	switch (level) {
	case SOL_SOCKET:
		return name == SO_REUSEPORT || name == SO_REUSEADDR || name == SO_BINDTODEVICE;
	case IPPROTO_IP:
		return name == IP_TRANSPARENT || name == IP_FREEBIND || name == IP_LOCAL_PORT_RANGE ||
		       name == IP_BIND_ADDRESS_NO_PORT;
	case IPPROTO_IPV6:
		return name == IPV6_V6ONLY || name == IPV6_TRANSPARENT || name == IPV6_FREEBIND;
	default:
		return false;
	}
}

/* ip(7) options may be given as one byte or as an int. */
static bool is_on(const void *value, socklen_t length)
{
	int number = 0;
	if (value)
		memcpy(&number, value, length < sizeof(number) ? length : sizeof(number));
	return number != 0;
}

static bool aborts(const void *value, socklen_t length)
{
	struct linger linger = { 0 };
	if (value && length >= sizeof(linger))
		memcpy(&linger, value, sizeof(linger));
	return linger.l_onoff && !linger.l_linger;
}

/* Return: the flag the option stands for, 0 if none; and whether it is now set. */
static uint32_t flag_of(int fd, int level, int name, const void *value, socklen_t length, bool *set)
{
	*set = is_on(value, length);
	if (level == IPPROTO_IP && name == IP_BIND_ADDRESS_NO_PORT)
		return OWN_NO_PORT;
	if (level == IPPROTO_IP && name == IP_LOCAL_PORT_RANGE)
		return OWN_RANGE;
	if (level == IPPROTO_TCP && name == TCP_FASTOPEN_CONNECT) {
		*set = true;
		return LOOK_CLOSELY;
	}
	if (level == IPPROTO_TCP && name == TCP_LINGER2) {
		*set = socket_waits_not(fd);
		return NO_TIME_WAIT;
	}
	if (level != SOL_SOCKET)
		return 0;
	switch (name) {
	case SO_RCVLOWAT:
		*set = true;
		return LOOK_CLOSELY;
	case SO_REUSEPORT:
		return REUSES_PORT;
	case SO_LINGER:
		*set = aborts(value, length);
		return ABORTS_ON_CLOSE;
	default:
		return 0;
	}
}

/* For a connection that may be handed out one day: what it was set to, or ought to be. */
COLD static void note_option(int fd, int level, int name, const void *value, socklen_t length)
{
	if (!process_is_ours() || !shim_enter(&shim))
		return;
	struct tracked *tracked = fdtable_look(fd);
	struct reuse *reuse =
		tracked && tracked->state != SOCKET_PARKED ? reuse_of(&shim.reusing, tracked) : NULL;
	if (reuse)
		option_log_note(&reuse->options, level, name, value, length);
	shim_leave(&shim);
}

/* Before the connect() it says something of the port that was shown; later of nothing. Without the lock: what
 * another thread closes meanwhile, under a filter without us, may be the record of another by now, and either
 * answer will do; ThreadSanitizer is not to know. */
__attribute__((no_sanitize("thread"))) static bool is_unusual(int fd, int level, int name)
{
	struct tracked *tracked = fdtable_look(fd);
	return tracked && __atomic_load_n(&tracked->state, __ATOMIC_RELAXED) == SOCKET_FRESH &&
	       !shown_port_keeps(level, name);
}

static void remember(int fd, uint32_t flag, bool set)
{
	if (!process_is_ours() || !shim_enter(&shim))
		return;
	struct tracked *tracked = fdtable_look(fd);
	if (tracked) {
		tracked->flags = (set ? tracked->flags | flag : tracked->flags & ~flag);
		if (flag == OWN_RANGE)
			tracked->flags &= ~(uint32_t)RANGE_BY_US;
	}
	shim_leave(&shim);
}

/* What bears on the route. Where the new value is none, another option may still be set: the kernel is asked.
 */
COLD static void remember_routing(int fd, int level, int name, const void *value, socklen_t length)
{
	struct held held;
	uint32_t flags = PINNED, mask = PINNED;
	uint8_t class = 0;

	if (!fdtable_hold(fd, &held))
		return;
	if (traffic_class_option(level, name)) {
		flags = socket_class(fd, held.tracked->family, &class);
		mask = HAS_CLASS;
	} else if (!routing_option_set(level, name, value, length)) {
		flags = held.tracked->flags & PINNED && routing_options_of(fd) ? PINNED : 0;
	}
	if (shim_enter_held(&shim, &held)) {
		held.tracked->flags = (held.tracked->flags & ~mask) | flags;
		if (mask == HAS_CLASS)
			held.tracked->traffic_class = class;
		shim_leave(&shim);
	}
	fdtable_release(&held);
}

/* IPV6_ADDRFORM makes an IPv4 socket of one that is connected to a mapped address (ipv6(7)): from here on
 * bind() wants addresses of IPv4. */
COLD static void remember_family(int fd)
{
	if (!process_is_ours() || !shim_enter(&shim))
		return;
	struct tracked *tracked = fdtable_look(fd);
	if (tracked)
		tracked->family = AF_INET;
	shim_leave(&shim);
}

int hook_setsockopt(int fd, int level, int name, const void *value, socklen_t length)
{
	bool set;

	if (!fdtable_look(fd))
		return real.setsockopt(fd, level, name, value, length);
	if (bears_on_port(level, name))
		deferred_fd_make_real(fd);
	int rc = real.setsockopt(fd, level, name, value, length);
	if (rc == 0) {
		uint32_t flag = flag_of(fd, level, name, value, length, &set);
		if (unlikely(is_unusual(fd, level, name)))
			remember(fd, UNUSUAL, true);
		if (flag)
			remember(fd, flag, set);
		else if (unlikely(routing_option(level, name) || traffic_class_option(level, name)))
			remember_routing(fd, level, name, value, length);
		else if (unlikely(level == IPPROTO_IPV6 && name == IPV6_ADDRFORM))
			remember_family(fd);
		if (shim.settings.reuses)
			note_option(fd, level, name, value, length);
	}
	return rc;
}

/* What we set for the program, it did not set: it reads its own value, 0. */
static bool set_by_us(uint32_t flags, int name)
{
	return (name == IP_BIND_ADDRESS_NO_PORT && flags & NO_PORT_BY_US && !(flags & OWN_NO_PORT)) ||
	       (name == IP_LOCAL_PORT_RANGE && flags & RANGE_BY_US);
}

static void correct(int fd, int level, int name, void *value, const socklen_t *length)
{
	struct held held;
	int error = 0;

	if (!fdtable_hold(fd, &held))
		return;
	if (level == IPPROTO_IP && set_by_us(held.tracked->flags, name))
		memset(value, 0, *length);
	if (level == SOL_SOCKET && name == SO_ERROR && *length == sizeof(error)) {
		memcpy(&error, value, sizeof(error));
		if (error && held.tracked->watched & FIRST_SEND) {
			/* A new connection would not have died of what its past was. */
			if (renew_after_error(fd, &held))
				memset(value, 0, *length);
		} else if (error) {
			pending_error_read(&shim.spreading, &held, error);
		}
	}
	fdtable_release(&held);
}

int hook_getsockopt(int fd, int level, int name, void *value, socklen_t *length)
{
	int rc = real.getsockopt(fd, level, name, value, length);
	bool ours =
		(level == IPPROTO_IP && (name == IP_BIND_ADDRESS_NO_PORT || name == IP_LOCAL_PORT_RANGE)) ||
		(level == SOL_SOCKET && name == SO_ERROR);
	if (rc == 0 && ours && fdtable_look(fd))
		correct(fd, level, name, value, length);
	return rc;
}
