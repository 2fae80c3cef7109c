// SPDX-License-Identifier: Apache-2.0
/* conntrack - does NAT, or connection tracking, of this network namespace drop new connections? */
#include "cli/ports/conntrack.h"

#include "pool/base/kernel.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { FIELDS_MAX = 32 };

static uint64_t read_number(const char *path)
{
	char text[32];

	return kernel_read_file(path, text, sizeof(text)) > 0 ? strtoull(text, NULL, 10) : 0;
}

/* A heading, then a line of hexadecimal numbers for each processor (ct_cpu_seq_show(),
 * net/netfilter/nf_conntrack_standalone.c). */
static void add_line(char *line, const int places[2], struct conntrack *out)
{
	char *rest = line, *word;

	for (int i = 0; (word = strsep(&rest, " \n"));) {
		if (!*word)
			continue;
		uint64_t number = strtoull(word, NULL, 16);
		out->insert_failed += i == places[0] ? number : 0;
		out->dropped += i == places[1] ? number : 0;
		i++;
	}
}

static void find_places(char *heading, int places[2])
{
	char *rest = heading, *word;

	for (int i = 0; (word = strsep(&rest, " \n"));) {
		if (!*word)
			continue;
		if (!strcmp(word, "insert_failed"))
			places[0] = i;
		if (!strcmp(word, "drop"))
			places[1] = i;
		i++;
	}
}

void conntrack_read(struct conntrack *out)
{
	int places[2] = { -1, -1 };
	char *line = NULL;
	size_t size = 0;

	*out = (struct conntrack){ 0 };
	/* That of this thread, as it may have entered another namespace (proc(5)). */
	FILE *file = fopen("/proc/thread-self/net/stat/nf_conntrack", "re");
	if (!file)
		return;
	if (getline(&line, &size, file) > 0)
		find_places(line, places);
	while (getline(&line, &size, file) > 0)
		add_line(line, places, out);
	free(line);
	fclose(file);
	out->count = read_number("/proc/sys/net/netfilter/nf_conntrack_count");
	out->most = read_number("/proc/sys/net/netfilter/nf_conntrack_max");
	out->known = out->count || out->insert_failed;
}
