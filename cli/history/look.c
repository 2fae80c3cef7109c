// SPDX-License-Identifier: Apache-2.0
/* look - what one look of `headroom record` keeps. */
#include "cli/history/look.h"

#include <stdio.h>
#include <string.h>

_Static_assert(sizeof(struct look_host) + sizeof(((struct look *)0)->spaces) +
			       sizeof(((struct look *)0)->owners) <=
		       LOOK_BYTES_MAX,
	       "all of it has room");

size_t look_write(const struct look *look, void *out)
{
	size_t spaces = look->host.space_count * sizeof(*look->spaces);
	size_t owners = look->host.owner_count * sizeof(*look->owners);
	char *at = out;

	memcpy(at, &look->host, sizeof(look->host));
	memcpy(at + sizeof(look->host), look->spaces, spaces);
	memcpy(at + sizeof(look->host) + spaces, look->owners, owners);
	return sizeof(look->host) + spaces + owners;
}

/* Whoever wrote the file may not be whom one trusts. */
static void tame(char *text, size_t size)
{
	text[size - 1] = '\0';
	for (; *text; text++)
		if (*text < ' ' || *text > '~')
			*text = '?';
}

bool look_read(const void *data, size_t size, struct look *out)
{
	const char *at = data;

	*out = (struct look){ 0 };
	if (size < sizeof(out->host))
		return false;
	memcpy(&out->host, at, sizeof(out->host));
	struct look_host *host = &out->host;
	size_t spaces = host->space_count * sizeof(*out->spaces);
	size_t owners = host->owner_count * sizeof(*out->owners);
	if (host->version != LOOK_VERSION || host->space_count > LOOK_SPACES_MAX ||
	    host->owner_count > LOOK_OWNERS_MAX || size != sizeof(*host) + spaces + owners ||
	    host->verdict > VERDICT_EXHAUSTED || host->high < host->low)
		return false;
	memcpy(out->spaces, at + sizeof(*host), spaces);
	memcpy(out->owners, at + sizeof(*host) + spaces, owners);
	tame(host->host, sizeof(host->host));
	tame(host->kernel, sizeof(host->kernel));
	for (unsigned i = 0; i < host->space_count; i++) {
		tame(out->spaces[i].device, sizeof(out->spaces[i].device));
		if (out->spaces[i].verdict > VERDICT_EXHAUSTED)
			return false;
	}
	for (unsigned i = 0; i < host->owner_count; i++) {
		tame(out->owners[i].group, sizeof(out->owners[i].group));
		if (out->owners[i].space != LOOK_BLOCKERS && out->owners[i].space >= host->space_count)
			return false;
	}
	return true;
}

const struct look_space *look_find(const struct look *look, const struct look_space *space)
{
	for (unsigned i = 0; i < look->host.space_count; i++) {
		const struct look_space *other = &look->spaces[i];
		if (endpoint_equal(&other->to, &space->to) && address_equal(&other->source, &space->source) &&
		    !strcmp(other->device, space->device))
			return other;
	}
	return NULL;
}

const char *look_source(const struct look_space *space, char *out)
{
	char address[ADDRESS_TEXT_MAX];

	snprintf(out, LOOK_SOURCE_MAX, "%s%s%.*s", address_format(&space->source, address),
		 *space->device ? "%" : "", IF_NAMESIZE - 1, space->device);
	return out;
}
