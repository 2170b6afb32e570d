/* SPDX-License-Identifier: MIT */
#include "config/cidr.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdint.h>
#include <string.h>

#include "base/num.h"

bool cidr_is_valid(const char *text)
{
	char address[INET6_ADDRSTRLEN];
	const char *slash = strchr(text, '/');
	size_t len = slash != NULL ? (size_t)(slash - text) : strlen(text);
	struct in6_addr parsed;
	uint32_t bits, most = 32;

	if (len >= sizeof(address)) {
		return false;
	}
	memcpy(address, text, len);
	address[len] = '\0';
	if (inet_pton(AF_INET, address, &parsed) != 1) {
		most = 128;
		if (inet_pton(AF_INET6, address, &parsed) != 1) {
			return false;
		}
	}
	return slash == NULL || num_parse_u32(slash + 1, 0, most, &bits) == 0;
}
