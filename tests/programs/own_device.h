/* SPDX-License-Identifier: Apache-2.0 */
/* For programs that use device 0 and do one thing: the bound driver, and calls whose failure ends the program. */
#ifndef OWN_DEVICE_H
#define OWN_DEVICE_H

#include "cuda_driver.h"

extern struct cuda_driver cu;

/* Binds the driver and makes device 0's primary context current in this thread. Ends the program with status 2 without a driver. */
CUdevice own_device(void);

/* Says "FAILED CALL: result N" on stderr and ends the program with status 1 when a call fails. */
#define DO(call) own_device_check(#call, (call))
void own_device_check(const char *call, CUresult result);

#define PARAMETERS(...) ((void *[]){ __VA_ARGS__ })

double seconds_now(void);	/* CLOCK_MONOTONIC */

#endif
