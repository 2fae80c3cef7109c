// SPDX-License-Identifier: Apache-2.0
/* fuzz_sources - a list of sources of any content is taken whole, or refused with a reason and left out whole
 */
#include "fuzz.h"
#include "pool/rules/source_list.h"

static void check_items(const struct source_list *list)
{
	char text[ADDRESS_TEXT_MAX];
	struct address again;

	fuzz_must(list->count <= SOURCE_LIST_MAX && list->count <= list->room);
	for (unsigned i = 0; i < list->count; i++) {
		address_format(&list->items[i], text);
		fuzz_must(address_parse(text, strlen(text), &again) &&
			  address_equal(&again, &list->items[i]));
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char reason[REASON_MAX] = "";
	struct arena arena = { 0 };
	struct source_list list = { 0 };
	char *text = fuzz_text(data, size);

	if (!source_list_parse(&arena, &list, text, reason)) {
		fuzz_must(*reason && memchr(reason, '\0', sizeof(reason)));
		list = (struct source_list){ 0 };
	}
	check_items(&list);
	*reason = '\0';
	fuzz_must(source_list_complete(&list, reason) || *reason);
	/* "auto" stands alone. */
	bool takes_more = !list.automatic && list.named < SOURCE_LIST_MAX;
	fuzz_must(source_list_extend(&arena, &list, "192.0.2.1", reason) || !takes_more);
	unsigned before = list.count;
	if (!source_list_extend(&arena, &list, text, reason))
		fuzz_must(list.count == before);
	check_items(&list);
	arena_release(&arena);
	free(text);
	return 0;
}
