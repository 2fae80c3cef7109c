// SPDX-License-Identifier: Apache-2.0
/* fuzz_destination - text of addresses, endpoints and the destinations of rules; raw socket addresses */
#include "fuzz.h"
#include "pool/rules/file.h"

/* What a program hands to connect(): any bytes, any length. */
static void as_socket_address(const uint8_t *data, size_t size)
{
	char text[ENDPOINT_TEXT_MAX];
	struct sockaddr_storage sa;
	struct endpoint e, again;
	uint8_t *exact = malloc(size ? size : 1);

	fuzz_must(exact);
	if (size)
		memcpy(exact, data, size);
	if (endpoint_from_sockaddr(exact, (socklen_t)size, &e)) {
		endpoint_format(&e, text);
		fuzz_must(strlen(text) < sizeof(text) && !e.reserved_zero);
		socklen_t length = endpoint_to_sockaddr(&e, AF_INET6, &sa);
		fuzz_must(endpoint_from_sockaddr(&sa, length, &again) && !memcmp(&e, &again, sizeof(e)));
	}
	free(exact);
}

static void as_text(const char *text, size_t size)
{
	char written[ADDRESS_TEXT_MAX], reason[REASON_MAX] = "";
	struct pattern pattern;
	struct address a, again;

	if (address_parse(text, size, &a)) {
		address_format(&a, written);
		fuzz_must(address_parse(written, strlen(written), &again) && address_equal(&a, &again));
		fuzz_must(address_prefix_match(&a, &again, 128));
	}
	if (!pattern_parse(text, &pattern, reason))
		fuzz_must(*reason);
	else
		fuzz_must(pattern.bits <= 128 && memchr(pattern.process, '\0', PROCESS_NAME_MAX));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = fuzz_text(data, size);

	as_socket_address(data, size < 200 ? size : 200);
	as_text(text, size);
	free(text);
	return 0;
}
