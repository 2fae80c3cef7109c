// SPDX-License-Identifier: Apache-2.0
/* epoll - which epoll sets a socket is in. */
#ifndef HEADROOM_PRELOAD_HOOKS_EPOLL_H
#define HEADROOM_PRELOAD_HOOKS_EPOLL_H

/**
 * epoll_number_closed(), epoll_numbers_closed() - the numbers of epoll sets, maybe, are about to be closed
 */
void epoll_number_closed(int fd);
void epoll_numbers_closed(unsigned first, unsigned last);

/**
 * epoll_number_made() - this is the number of an epoll set
 */
void epoll_number_made(int fd);

/**
 * epoll_number_doubled() - this number is about to get another beside it
 *
 * From then on no socket that is in an epoll set is parked, or served from the pool.
 */
void epoll_number_doubled(int fd);

#endif
