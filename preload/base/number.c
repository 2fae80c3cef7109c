// SPDX-License-Identifier: Apache-2.0
/* number - strtoul() and strtoull() as they were before C23: headers of glibc 2.38 and later give them names
 * that neither an older glibc has nor musl. What they read besides, 0b11, is not wanted here. */
#define HIDDEN __attribute__((visibility("hidden")))

extern unsigned long plain_strtoul(const char *text, char **end, int base) __asm__("strtoul");
extern unsigned long long plain_strtoull(const char *text, char **end, int base) __asm__("strtoull");
HIDDEN unsigned long later_strtoul(const char *text, char **end, int base) __asm__("__isoc23_strtoul");
HIDDEN unsigned long long later_strtoull(const char *text, char **end, int base) __asm__("__isoc23_strtoull");

unsigned long later_strtoul(const char *text, char **end, int base)
{
	return plain_strtoul(text, end, base);
}

unsigned long long later_strtoull(const char *text, char **end, int base)
{
	return plain_strtoull(text, end, base);
}
