// SPDX-License-Identifier: Apache-2.0
// The kernels of the test programs. Values are small integers wherever sums are compared, so that float results are
// exact and independent of the order of additions.

__constant__ float constant_factors[16];
__device__ unsigned long long global_counter;

extern "C" __global__ void vector_add(const float *a, const float *b, float *sum, int n)
{
	int i = blockIdx.x * blockDim.x + threadIdx.x;
	if (i < n)
		sum[i] = a[i] + b[i];
}

extern "C" __global__ void saxpy(float factor, const float *x, float *y, int n)
{
	int stride = gridDim.x * blockDim.x;
	for (int i = blockIdx.x * blockDim.x + threadIdx.x; i < n; i += stride)
		y[i] = factor * x[i] + y[i];
}

// One partial sum per block by shared memory, one per warp by shuffles, the total by atomicAdd on *total.
extern "C" __global__ void reduce_sum(const int *values, int *total, int n)
{
	extern __shared__ int partial[];
	int sum = 0;
	int stride = gridDim.x * blockDim.x;

	for (int i = blockIdx.x * blockDim.x + threadIdx.x; i < n; i += stride)
		sum += values[i];
	partial[threadIdx.x] = sum;
	__syncthreads();
	for (int half = blockDim.x / 2; half >= 32; half /= 2) {
		if (threadIdx.x < half)
			partial[threadIdx.x] += partial[threadIdx.x + half];
		__syncthreads();
	}
	if (threadIdx.x < 32) {
		sum = partial[threadIdx.x];
		for (int offset = 16; offset > 0; offset /= 2)
			sum += __shfl_down_sync(0xffffffffu, sum, offset);
		if (threadIdx.x == 0)
			atomicAdd(total, sum);
	}
}

#define TILE 16

// c = a * b, square matrices of n rows, blocks of 16 x 16 threads.
extern "C" __global__ void matrix_product(const float *a, const float *b, float *c, int n)
{
	__shared__ float tile_a[TILE][TILE];
	__shared__ float tile_b[TILE][TILE];
	int row = blockIdx.y * TILE + threadIdx.y;
	int column = blockIdx.x * TILE + threadIdx.x;
	float sum = 0.0f;

	for (int start = 0; start < n; start += TILE) {
		int ka = start + threadIdx.x;
		int kb = start + threadIdx.y;

		tile_a[threadIdx.y][threadIdx.x] = row < n && ka < n ? a[row * n + ka] : 0.0f;
		tile_b[threadIdx.y][threadIdx.x] = kb < n && column < n ? b[kb * n + column] : 0.0f;
		__syncthreads();
		for (int k = 0; k < TILE; k++)
			sum += tile_a[threadIdx.y][k] * tile_b[k][threadIdx.x];
		__syncthreads();
	}
	if (row < n && column < n)
		c[row * n + column] = sum;
}

extern "C" __global__ void histogram(const unsigned char *bytes, unsigned int *bins, int n)
{
	__shared__ unsigned int local[256];
	int stride = gridDim.x * blockDim.x;

	for (int i = threadIdx.x; i < 256; i += blockDim.x)
		local[i] = 0;
	__syncthreads();
	for (int i = blockIdx.x * blockDim.x + threadIdx.x; i < n; i += stride)
		atomicAdd(&local[bytes[i]], 1u);
	__syncthreads();
	for (int i = threadIdx.x; i < 256; i += blockDim.x)
		if (local[i])
			atomicAdd(&bins[i], local[i]);
}

// Counts its threads in global_counter and scales by constant memory.
extern "C" __global__ void scale_by_constant(const float *in, float *out, int n)
{
	int i = blockIdx.x * blockDim.x + threadIdx.x;
	if (i < n) {
		out[i] = in[i] * constant_factors[i % 16];
		atomicAdd(&global_counter, 1ull);
	}
}

extern "C" __global__ void fill(unsigned int *words, unsigned int value, unsigned long long n)
{
	unsigned long long stride = (unsigned long long)gridDim.x * blockDim.x;
	for (unsigned long long i = blockIdx.x * (unsigned long long)blockDim.x + threadIdx.x; i < n; i += stride)
		words[i] = value + (unsigned int)i;
}

// A linear congruence per word: order matters, so that work overtaking other work shows.
extern "C" __global__ void step(unsigned int *words, unsigned int factor, unsigned int addend, int n)
{
	int i = blockIdx.x * blockDim.x + threadIdx.x;
	if (i < n)
		words[i] = words[i] * factor + addend;
}

static __device__ unsigned long long nanoseconds()
{
	unsigned long long now;
	asm volatile("mov.u64 %0, %%globaltimer;" : "=l"(now));
	return now;
}

// Computes for `duration` nanoseconds, then stores the number of rounds.
extern "C" __global__ void spin(unsigned long long duration, unsigned long long *rounds)
{
	unsigned long long start = nanoseconds();
	unsigned long long count = 0;

	do
		count++;
	while (nanoseconds() - start < duration);
	if (rounds && threadIdx.x == 0 && blockIdx.x == 0)
		*rounds = count;
}

// Computes until the host stores something into *gate, at most `bound` nanoseconds.
extern "C" __global__ void wait_for_gate(const volatile unsigned int *gate, unsigned long long bound)
{
	unsigned long long start = nanoseconds();

	while (!*gate && nanoseconds() - start < bound)
		;
}

extern "C" __global__ void empty()
{
}

extern "C" __global__ void write_word(unsigned int *where, unsigned int value)
{
	*where = value;
}
