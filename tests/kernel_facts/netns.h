// SPDX-License-Identifier: Apache-2.0
/* netns.h - a network namespace of its own for each platform program */
#ifndef PLATFORM_NETNS_H
#define PLATFORM_NETNS_H

struct nlmsghdr;

/* The range netns_enter() writes: 100 ports, even low end. */
#define RANGE_LOW  40000u
#define RANGE_HIGH 40099u

void netns_enter(void);
void netns_set_port_range(unsigned low, unsigned high);
void netns_sysctl(const char *name, const char *value);
void netns_link_up(const char *interface);
void netns_add_address4(const char *interface, const char *ip, const char *mask);
void netns_add_address6(const char *interface, const char *ip, unsigned prefix_length);
void netns_configure(struct nlmsghdr *request, const char *what);

#endif
