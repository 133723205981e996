// SPDX-License-Identifier: Apache-2.0
/* MD2 against RFC 1319's test suite, the integrity token against the published vector. */
#include <stdint.h>
#include <string.h>

#include "check.h"
#include "integrity.h"
#include "md2.h"

static void check_md2(const char *text, const char *want)
{
	uint8_t digest[16];
	char hex[33];

	vg_md2(text, strlen(text), digest);
	for (int i = 0; i < 16; i++)
		sprintf(hex + 2 * i, "%02x", digest[i]);
	if (strcmp(hex, want)) {
		fprintf(stderr, "md2(\"%s\") is %s, want %s\n", text, hex, want);
		exit(1);
	}
}

int main(void)
{
	struct vg_integrity_claim claim = {
		.driver_version = 12020,
		.runtime_version = 0x2b4a,
		.pid = 0x4d08,
		.thread = 0x2b78,
		.runtime_table = 0x7ff8c80717f0,
		.integrity_table = 0x7ff8c825e4b0,
		.integrity_function = 0x7ff8c7dd0ad0,
		.seconds = 0x64a365ee,
	};
	struct vg_integrity_device device = {
		.uuid = { 0x67, 0x22, 0xcb, 0xcf, 0xc6, 0x61, 0xf2, 0x92, 0x74, 0xd6, 0xed, 0x23, 0x2a, 0x32, 0x13, 0x1c },
		.pci_bus = 4,
	};
	uint64_t token[2], other[2];

	check_md2("", "8350e5a3e24c153df2275c9f80692773");
	check_md2("a", "32ec01ec4a6dac72c0ab96fb34c0b5d1");
	check_md2("abc", "da853b0d3f88d99b30283a69e6ded6bb");
	check_md2("message digest", "ab4f496bfb2a530b219ff33031fe06b0");
	check_md2("abcdefghijklmnopqrstuvwxyz", "4e8ddff3650292ab5a4108c3aa47940b");
	check_md2("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789", "da33def2a42df13975352846c30338cd");
	check_md2("12345678901234567890123456789012345678901234567890123456789012345678901234567890",
		  "d5976f79d83d3a0dc9806c3c66f3efd8");

	vg_integrity_token(&claim, &device, 1, (uint8_t *)token);
	CHECK(token[0] == 0xa7c34628f214707a && token[1] == 0xeaf1313342bfcd84);
	device.pci_device = 1;
	vg_integrity_token(&claim, &device, 1, (uint8_t *)other);
	CHECK(memcmp(token, other, sizeof token) != 0);
	claim.runtime_version = 13000;
	vg_integrity_token(&claim, &device, 1, (uint8_t *)token);
	CHECK(token[0] == 0x3341181c03cb675c && token[1] == 0x8ed383aa1f4cd1e8);
	claim.runtime_version = 13001;
	vg_integrity_token(&claim, &device, 1, (uint8_t *)token);
	CHECK(token[0] == 0x1841181c03cb675c && token[1] == 0x8ed383aa1f4cd1e8);
	return 0;
}
