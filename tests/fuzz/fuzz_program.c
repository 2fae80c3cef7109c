// SPDX-License-Identifier: Apache-2.0
/* fuzz_program - a file of any content, looked at before it is run: an answer, and a reason with every no */
#include "cli/shared/program.h"
#include "fuzz.h"

#include <sys/mman.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct program program;
	char path[32];
	int fd = memfd_create("program", MFD_CLOEXEC);

	fuzz_must(fd >= 0);
	for (size_t done = 0; done < size;) {
		ssize_t part = write(fd, data + done, size - done);
		fuzz_must(part > 0);
		done += (size_t)part;
	}
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	memset(&program, 0, sizeof(program));
	if (!program_check(path, &program))
		fuzz_must(*program.why);
	fuzz_must(memchr(program.why, '\0', PROGRAM_WHY_MAX) && memchr(program.path, '\0', PROGRAM_PATH_MAX));
	close(fd);
	return 0;
}
