// SPDX-License-Identifier: Apache-2.0
/* sanitized - how AddressSanitizer runs the unit tests. */

__attribute__((visibility("default"))) const char *__asan_default_options(void);

/* A cancelled thread leaves the marks of the frames that it was unwound from on its stack. When the runtime takes its
 * signal stack away at the thread's end, it may find a variable of its own among them (AsanThread::Destroy()). */
const char *__asan_default_options(void)
{
	return "use_sigaltstack=0";
}
