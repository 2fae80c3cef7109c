// SPDX-License-Identifier: Apache-2.0
/* fuzz_history - a file of any content in place of the history: nothing of it is trusted */
#include "cli/history/look.h"
#include "cli/history/ring.h"
#include "fuzz.h"

#include <sys/mman.h>
#include <unistd.h>

static void see(const void *data, size_t size, void *context)
{
	static struct look look;

	(void)context;
	if (!look_read(data, size, &look))
		return;
	for (unsigned i = 0; i < look.host.owner_count; i++)
		fuzz_must(memchr(look.owners[i].group, '\0', LOOK_GROUP_MAX) &&
			  (look.owners[i].space == LOOK_BLOCKERS ||
			   look.owners[i].space < look.host.space_count));
	for (unsigned i = 0; i < look.host.space_count; i++) {
		char text[LOOK_SOURCE_MAX];
		fuzz_must(strlen(look_source(&look.spaces[i], text)) < LOOK_SOURCE_MAX);
		fuzz_must(look_find(&look, &look.spaces[i]));
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char path[32];
	int fd = memfd_create("history", MFD_CLOEXEC);

	see(data, size, NULL);
	fuzz_must(fd >= 0);
	for (size_t done = 0; done < size;) {
		ssize_t part = write(fd, data + done, size - done);
		fuzz_must(part > 0);
		done += (size_t)part;
	}
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	ring_read(path, see, NULL);
	close(fd);
	return 0;
}
