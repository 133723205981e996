/* SPDX-License-Identifier: Apache-2.0 */
/* Checks of the CUDA driver API on device 0: driverapi [GROUP | GROUP.NAME ...] */
#include "driver_test.h"

int main(int argc, char **argv)
{
	if (cuda_driver_open(&cu))
		return 2;

	const struct check_group groups[] = {
		init_group,   kernel_group, module_group, memory_group, pinned_group, vmm_group,
		stream_group, thread_group, graph_group,  error_group,  extra_group,  fault_group,
	};
	return check_run("driverapi", groups, sizeof(groups) / sizeof(groups[0]), argc, argv);
}
