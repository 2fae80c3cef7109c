// SPDX-License-Identifier: Apache-2.0
/* shim_path - where libheadroom.so is: several may be installed, one for each machine. */
#ifndef HEADROOM_CLI_SHARED_SHIM_PATH_H
#define HEADROOM_CLI_SHARED_SHIM_PATH_H

/**
 * shim_path_find() - the shim that belongs to this command, by a path that the loader can preload from
 * @machine:	the program's, as program_check() found it; 0: this command's own
 * @out:	PATH_MAX bytes
 *
 * That for another machine is in the folder that Debian has beside ours (lib/aarch64-linux-gnu).
 * Return: STATUS_FINE, or STATUS_USAGE after a complaint
 */
int shim_path_find(unsigned machine, char *out);

#endif
