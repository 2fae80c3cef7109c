// SPDX-License-Identifier: Apache-2.0
/* libc_name - stands in for the C library when the shim is linked: it has the library's name and none of its symbols. */
extern const int libc_name;
const int libc_name = 6;
