// SPDX-License-Identifier: Apache-2.0
/* pins - the folder in the BPF file system that keeps attachments alive: one folder for each, named by its
 * cgroup.
 *
 * An attachment is there when its folder has its last name and its config says `live`; all else is what a
 * killed command left, does nothing, and is removed by the next command (a child of `attach` does so at once,
 * where it lives on). The kernel gives back links and maps with their last pin. */
#ifndef HEADROOM_ATTACH_PINS_H
#define HEADROOM_ATTACH_PINS_H

#include "attach/layout.h"

#include <stdbool.h>
#include <stdint.h>

#define ATTACH_BPF_FS "/sys/fs/bpf"
#define ATTACH_PINS   ATTACH_BPF_FS "/headroom"

enum { ATTACH_PIN_NAME_MAX = 64 };

/**
 * attach_pins_open() - the folder, locked against other commands until it is closed; what killed ones left is
 * gone
 * @make:	make it, and mount the BPF file system, where there is none
 * @reason:	ATTACH_REASON_MAX bytes, filled on failure
 * Return: an fd, -ENOENT if there is none, or another negative errno
 */
int attach_pins_open(bool make, char *reason);

/**
 * attach_pins_close() - and remove the folder if nothing is left in it
 */
void attach_pins_close(int fd);

/**
 * attach_pin_name() - the folder of a cgroup's attachment
 * @out:	ATTACH_PIN_NAME_MAX bytes
 */
void attach_pin_name(uint64_t cgroup_id, char *out);

/**
 * attach_pin_open() - a map or link of an attachment
 * Return: an fd or a negative errno
 */
int attach_pin_open(const char *folder, const char *name);

/**
 * attach_pin_config() - read the config of an attachment
 */
bool attach_pin_config(const char *folder, struct attach_config *out);

/**
 * attach_pin_is_foreign() - was it attached by another version of the command, whose maps are others?
 */
bool attach_pin_is_foreign(const char *folder);

/**
 * attach_pin_set_live() - the one switch: the programs work, or do nothing
 * Return: 0 or a negative errno
 */
int attach_pin_set_live(const char *folder, bool live);

/**
 * attach_pin_set_range() - another ephemeral range, and what goes with it
 * @wanted:	has them
 * Return: 0 or a negative errno
 */
int attach_pin_set_range(const char *folder, const struct attach_config *wanted);

/**
 * attach_pin_remove() - end an attachment: its programs are gone from the cgroup when this is back
 * Return: 0 or a negative errno
 */
int attach_pin_remove(int pins, const char *folder);

/**
 * attach_pins_each() - call for the folder of each attachment; the first @take that is not 0 ends it
 * Return: what @take said last
 */
int attach_pins_each(int pins, int (*take)(const char *folder, void *context), void *context);

#endif
