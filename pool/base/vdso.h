// SPDX-License-Identifier: Apache-2.0
/* vdso - functions of the kernel's that every process has in its memory (vdso(7)). */
#ifndef HEADROOM_POOL_BASE_VDSO_H
#define HEADROOM_POOL_BASE_VDSO_H

/**
 * vdso_find() - look a function up in an image that is loaded as the kernel loads it
 * @image:	its ELF header, from getauxval(AT_SYSINFO_EHDR); NULL: there is none
 * @name:	such as "__vdso_clock_gettime"; each name is there in one version only
 * Return: its address, or NULL
 */
const void *vdso_find(const void *image, const char *name);

#endif
