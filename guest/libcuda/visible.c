// SPDX-License-Identifier: Apache-2.0
#include "visible.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

static void uuid_text(const unsigned char uuid[16], char text[37])
{
	for (int i = 0; i < 16; i++) {
		if (i == 4 || i == 6 || i == 8 || i == 10)
			*text++ = '-';
		text += sprintf(text, "%02x", uuid[i]);
	}
}

static bool names_uuid(const char *entry, const unsigned char uuid[16])
{
	size_t n = strcspn(entry, ", \t\n");
	char text[37];

	if (n <= 4 || strncmp(entry, "GPU-", 4) != 0)
		return false;
	uuid_text(uuid, text);
	return n - 4 <= strlen(text) && strncasecmp(entry + 4, text, n - 4) == 0;
}

static bool names_ordinal(const char *entry)
{
	char *end;

	return strtol(entry, &end, 10) == 0 && end != entry;
}

int vg_visible(const char *list, const unsigned char uuid[16])
{
	bool by_uuid;
	int count = 0;

	if (!list)
		return 1;
	list += strspn(list, " \t\n");
	by_uuid = strncmp(list, "GPU-", 4) == 0;
	while (by_uuid ? names_uuid(list, uuid) : names_ordinal(list)) {
		if (++count > 1)
			return -1;
		list += strcspn(list, ",");
		if (!*list)
			break;
		list++;
		list += strspn(list, " \t\n");
	}
	return count;
}
