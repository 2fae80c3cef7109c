// SPDX-License-Identifier: Apache-2.0
/* shim_path - where libheadroom.so is. */
#ifndef HEADROOM_CLI_SHARED_SHIM_PATH_H
#define HEADROOM_CLI_SHARED_SHIM_PATH_H

/**
 * shim_path_find() - the shim that belongs to this command, by a path that the loader can preload from
 * @out:	PATH_MAX bytes
 * Return: STATUS_FINE, or STATUS_USAGE after a complaint
 */
int shim_path_find(char *out);

#endif
