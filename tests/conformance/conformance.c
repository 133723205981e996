/* SPDX-License-Identifier: Apache-2.0 */
/* The conformance suite: conformance [FAMILY | FAMILY.NAME ...] */
#include "child.h"
#include "conformance.h"

int main(int argc, char **argv)
{
#define GROUP_OF(family) family,
	const struct check_group groups[] = { FAMILIES(GROUP_OF) };
#undef GROUP_OF

	int status;

	if (cuda_driver_open(&cu))
		return 2;
	if (child_play(argc, argv, &status))
		return status;
	return check_run("conformance", groups, sizeof(groups) / sizeof(groups[0]), argc, argv);
}
