// SPDX-License-Identifier: Apache-2.0
/* asan_first - programs built with AddressSanitizer run under a preload.
 *
 * The runtime wants to be the first library, before any that replaces malloc() or what it checks, and else
 * ends the program. It comes before libc all the same, as the program needs it directly, and what the shim
 * replaces goes on to the runtime's own wrappers (RTLD_NEXT). So we say that its place is all right: the
 * runtime asks this function for options of the program's before it looks (asan_flags.cpp,
 * InitializeFlags()). A program that has such a function of its own, and ASAN_OPTIONS, count more. */
__attribute__((visibility("default"))) const char *__asan_default_options(void);

const char *__asan_default_options(void)
{
	return "verify_asan_link_order=0";
}
