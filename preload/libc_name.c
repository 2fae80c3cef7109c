// SPDX-License-Identifier: Apache-2.0
/* libc_name - stands in for the C library when the shim is linked: it has the library's name and none of its
 * symbols.
 *
 * Theory of operation
 *
 * libheadroom.so is linked with this empty library: so its symbols have no version, and the loader of
 * glibc gives it the oldest or the default one, that of musl its own. It may take what glibc 2.17 and musl
 * 1.2.3 both have; what one of them lacks is a weak symbol, and the shim does without (tests/abi/symbols,
 * which system/test_exports.py holds it against). Where the two differ:
 *
 *   is there one thread?, cancellation                               pool/libc/threads.h
 *   texts of errors                                                  pool/libc/error_text.h
 *   dlsym(), in libdl before glibc 2.34; names that one libc lacks   preload/base/real.c
 *   sizes in messages, which musl pads                               preload/base/message.h
 *   handlers of fork()                                               preload/start.c
 *
 * A program that has a loader and no library at all (Go without cgo) is told by its dynamic section, and
 * the shim stands down. tests/abi runs all of it. */
extern const int libc_name;
const int libc_name = 6;
