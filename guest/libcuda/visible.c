// SPDX-License-Identifier: Apache-2.0
#include "visible.h"

#include <ctype.h>
#include <stdio.h>
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

int vg_visible(const char *list, const unsigned char uuid[16])
{
	char text[37];
	size_t n;

	if (!list)
		return 1;
	while (isspace((unsigned char)*list))
		list++;
	n = strcspn(list, ", \t\n");
	if (n > 4 && strncmp(list, "GPU-", 4) == 0) {
		uuid_text(uuid, text);
		return n - 4 <= strlen(text) && strncasecmp(list + 4, text, n - 4) == 0;
	}
	/* ordinal 0, with leading zeros or not */
	return n > 0 && strspn(list, "0") == n;
}
