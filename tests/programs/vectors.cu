// SPDX-License-Identifier: Apache-2.0
// An ordinary CUDA program for nvcc, with the runtime linked in: nvcc -cudart static -o vectors vectors.cu
#include <cstdio>
#include <vector>

__global__ void add(const float *a, const float *b, float *sum, int n)
{
	int i = blockIdx.x * blockDim.x + threadIdx.x;
	if (i < n)
		sum[i] = a[i] + b[i];
}

static bool good(cudaError_t error, const char *what)
{
	if (error != cudaSuccess)
		printf("FAILED vectors.%s %s\n", what, cudaGetErrorString(error));
	return error == cudaSuccess;
}

static bool add_vectors(int n)
{
	std::vector<float> a(n), b(n), sum(n);
	size_t bytes = n * sizeof(float);
	float *da, *db, *dsum;

	for (int i = 0; i < n; i++) {
		a[i] = float(i % 1000);
		b[i] = float(i % 77);
	}
	if (!good(cudaMalloc(&da, bytes), "malloc") || !good(cudaMalloc(&db, bytes), "malloc") ||
	    !good(cudaMalloc(&dsum, bytes), "malloc") ||
	    !good(cudaMemcpy(da, a.data(), bytes, cudaMemcpyHostToDevice), "copy") ||
	    !good(cudaMemcpy(db, b.data(), bytes, cudaMemcpyHostToDevice), "copy"))
		return false;
	add<<<(n + 255) / 256, 256>>>(da, db, dsum, n);
	if (!good(cudaGetLastError(), "launch") ||
	    !good(cudaMemcpy(sum.data(), dsum, bytes, cudaMemcpyDeviceToHost), "copy"))
		return false;
	for (int i = 0; i < n; i++)
		if (sum[i] != a[i] + b[i]) {
			printf("FAILED vectors.add element %d is %g\n", i, sum[i]);
			return false;
		}
	cudaFree(da);
	cudaFree(db);
	cudaFree(dsum);
	return true;
}

int main()
{
	const int sizes[] = { 1, 50000, 1 << 18 };

	for (int n : sizes) {
		if (!add_vectors(n))
			return 1;
		printf("ok vectors.add_%d\n", n);
	}
	return 0;
}
