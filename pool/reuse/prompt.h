// SPDX-License-Identifier: Apache-2.0
/* prompt - what is sent in small pieces goes over a used connection as promptly as over a new one. */
#ifndef HEADROOM_POOL_REUSE_PROMPT_H
#define HEADROOM_POOL_REUSE_PROMPT_H

/* So many segments a new connection acknowledges at once: so often it is done in one use (TCP_MAX_QUICKACKS,
 * net/ipv4/tcp_input.c). */
enum { PROMPT_SEGMENTS = 16 };

/**
 * prompt_acknowledge() - a part of an answer was taken: acknowledge it now, if that is still to be done
 */
void prompt_acknowledge(int fd);

/**
 * prompt_push() - a request was sent in more than one piece: what the kernel holds back goes now
 *
 * Not where the program asks for that (TCP_CORK).
 */
void prompt_push(int fd);

#endif
