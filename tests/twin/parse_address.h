/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#include <stdbool.h>
#include <sys/socket.h>

/* ADDRESS:PORT, [ADDRESS]:PORT, [ADDRESS%DEVICE]:PORT, unspec:PORT. Return: could it be read? */
bool parse_address(const char *text, struct sockaddr_storage *address, socklen_t *length);
