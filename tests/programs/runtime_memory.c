/* SPDX-License-Identifier: Apache-2.0 */
/* Memory through the runtime: copies, sets, pinned memory, pointer attributes. */
#include "runtime_test.h"
#include "workload.h"

#include <stdlib.h>
#include <string.h>

static bool copies(void)
{
	static const size_t sizes[] = { 1, 4097, (2 << 20) + 5 };

	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		size_t bytes = sizes[i];
		unsigned char *in = malloc(bytes), *out = calloc(1, bytes);
		void *first, *second;

		workload_bytes(in, bytes, (uint32_t)bytes);
		DO(cudart.Malloc(&first, bytes));
		DO(cudart.Malloc(&second, bytes));
		DO(cudart.Memcpy(first, in, bytes, cudaMemcpyHostToDevice));
		DO(cudart.Memcpy(second, first, bytes, cudaMemcpyDeviceToDevice));
		DO(cudart.Memcpy(out, second, bytes, cudaMemcpyDefault));
		if (memcmp(in, out, bytes))
			return check_reason("%zu bytes differ", bytes);
		DO(cudart.Free(first));
		DO(cudart.Free(second));
		free(in);
		free(out);
	}
	return true;
}

static bool two_dimensional(void)
{
	unsigned char in[20][50], out[20][50];
	void *address;

	workload_bytes(&in[0][0], sizeof(in), 12);
	memset(out, 0, sizeof(out));
	DO(cudart.Malloc(&address, 64 * 20));
	DO(cudart.Memcpy2D(address, 64, in, 50, 50, 20, cudaMemcpyHostToDevice));
	DO(cudart.Memcpy2D(out, 50, address, 64, 50, 20, cudaMemcpyDeviceToHost));
	THAT(!memcmp(in, out, sizeof(in)));
	DO(cudart.Free(address));
	return true;
}

static bool sets(void)
{
	unsigned char bytes[1000];
	void *address;

	DO(cudart.Malloc(&address, sizeof(bytes)));
	DO(cudart.Memset(address, 0x3c, sizeof(bytes)));
	DO(cudart.MemsetAsync((char *)address + 10, 0xc3, 20, NULL));
	DO(cudart.Memcpy(bytes, address, sizeof(bytes), cudaMemcpyDeviceToHost));
	THAT(bytes[9] == 0x3c && bytes[10] == 0xc3 && bytes[29] == 0xc3 && bytes[30] == 0x3c && bytes[999] == 0x3c);
	DO(cudart.Free(address));
	return true;
}

static bool pinned(void)
{
	enum { N = 3000 };
	struct pointer_attributes attributes;
	float *a, *b, *sum;
	int n = N;

	DO(cudart.MallocHost((void **)&a, N * sizeof(float)));
	DO(cudart.HostAlloc((void **)&b, N * sizeof(float), 1));
	DO(cudart.MallocHost((void **)&sum, N * sizeof(float)));
	workload_floats(a, N, 31);
	workload_floats(b, N, 32);
	DO(launch_1d(&host_vector_add, N, NULL, PARAMETERS(&a, &b, &sum, &n)));
	DO(cudart.DeviceSynchronize());
	for (int i = 0; i < N; i++)
		THAT(sum[i] == a[i] + b[i]);
	memset(&attributes, 0, sizeof(attributes));
	DO(cudart.PointerGetAttributes(&attributes, a + 1));
	THAT(attributes.type == cudaMemoryTypeHost && attributes.host_pointer == a + 1);
	DO(cudart.PointerGetAttributes(&attributes, &n));
	THAT(attributes.type == cudaMemoryTypeUnregistered && !attributes.device_pointer);
	DO(cudart.FreeHost(a));
	DO(cudart.FreeHost(b));
	DO(cudart.FreeHost(sum));
	return true;
}

static bool device_pointer_attributes(void)
{
	struct pointer_attributes attributes;
	void *address;

	DO(cudart.Malloc(&address, 1000));
	memset(&attributes, 0, sizeof(attributes));
	DO(cudart.PointerGetAttributes(&attributes, address));
	THAT(attributes.type == cudaMemoryTypeDevice && attributes.device == 0);
	THAT(attributes.device_pointer == address && !attributes.host_pointer);
	DO(cudart.Free(address));
	return true;
}

static const struct check checks[] = {
	{ "copies", copies }, { "two_dimensional", two_dimensional },
	{ "sets", sets },     { "pinned", pinned },
	{ "device_pointer_attributes", device_pointer_attributes },
};
const struct check_group memory_group = GROUP("memory", checks);
