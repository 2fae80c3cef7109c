// SPDX-License-Identifier: Apache-2.0
/* first_send - a connection that was handed out, and has died before the program sent anything on it. */
#ifndef HEADROOM_PRELOAD_FIRST_SEND_H
#define HEADROOM_PRELOAD_FIRST_SEND_H

/**
 * first_send_look() - something is about to be sent on a connection that was handed out
 *
 * If its peer has gone since, another is made in its place, as nothing was sent yet.
 */
void first_send_look(int fd);

#endif
