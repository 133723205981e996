// SPDX-License-Identifier: Apache-2.0
/*
 * A program that asks the CUDA runtime (argument 1) what devices there are. The
 * runtime accepts a driver library only after its handshake with it.
 */
#include <string.h>

#include "check.h"

typedef int (*int_out)(int *);
typedef int (*properties_of)(void *, int);
typedef int (*attribute)(int *, int, int);
typedef int (*pci_id)(char *, int, int);

static union {
	char name[256];
	char bytes[8192];	/* more than any version's cudaDeviceProp */
} properties;

int main(int count, char **arguments)
{
	int number = -1;
	properties_of get_properties;
	char text[32];
	void *runtime;
	int result;

	CHECK_EQUAL(count, 2);
	runtime = load(arguments[1]);
	CHECK_EQUAL(((int_out)symbol(runtime, "cudaRuntimeGetVersion"))(&number), 0);
	printf("runtime=%d\n", number);
	result = ((int_out)symbol(runtime, "cudaGetDeviceCount"))(&number);
	printf("count_result=%d\n", result);
	if (result)
		return 0;
	printf("count=%d\n", number);
	CHECK_EQUAL(((int_out)symbol(runtime, "cudaDriverGetVersion"))(&number), 0);
	printf("driver=%d\n", number);
	get_properties = (properties_of)dlsym(runtime, "cudaGetDeviceProperties_v2");
	if (!get_properties)
		get_properties = (properties_of)symbol(runtime, "cudaGetDeviceProperties");
	CHECK_EQUAL(get_properties(&properties, 0), 0);
	printf("name=%s\n", properties.name);
	CHECK(get_properties(&properties, 1) != 0);
	CHECK_EQUAL(((attribute)symbol(runtime, "cudaDeviceGetAttribute"))(&number, 75, 0), 0);
	printf("major=%d\n", number);
	CHECK_EQUAL(((pci_id)symbol(runtime, "cudaDeviceGetPCIBusId"))(text, sizeof text, 0), 0);
	printf("pci=%s\n", text);
	CHECK_EQUAL(((int_out)symbol(runtime, "cudaGetDevice"))(&number), 0);
	printf("current=%d\n", number);
	return 0;
}
