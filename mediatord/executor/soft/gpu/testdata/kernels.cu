// SPDX-License-Identifier: Apache-2.0
// Kernels for the tests of the software GPU. kernels.ptx is what NVRTC makes
// of this file with --gpu-architecture=compute_75.

extern "C" __global__ void vectorAdd(const float *a, const float *b, float *c, int n) {
  int i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i < n) c[i] = a[i] + b[i];
}

// Sums n values: a grid-stride loop, shuffles in a warp, shared memory between
// warps, one atomic per block.
extern "C" __global__ void reduceSum(const float *in, float *out, int n) {
  __shared__ float part[32];
  float v = 0;
  for (int i = blockIdx.x * blockDim.x + threadIdx.x; i < n; i += gridDim.x * blockDim.x) v += in[i];
  for (int o = 16; o > 0; o >>= 1) v += __shfl_down_sync(0xffffffffu, v, o);
  int lane = threadIdx.x & 31, warp = threadIdx.x >> 5;
  if (lane == 0) part[warp] = v;
  __syncthreads();
  if (warp == 0) {
    v = lane < (blockDim.x + 31) / 32 ? part[lane] : 0;
    for (int o = 16; o > 0; o >>= 1) v += __shfl_xor_sync(0xffffffffu, v, o);
    if (lane == 0) atomicAdd(out, v);
  }
}

#define TILE 16
extern "C" __global__ void matrixMul(const float *a, const float *b, float *c, int n) {
  __shared__ float as[TILE][TILE], bs[TILE][TILE];
  int row = blockIdx.y * TILE + threadIdx.y, col = blockIdx.x * TILE + threadIdx.x;
  float sum = 0;
  for (int t = 0; t < (n + TILE - 1) / TILE; t++) {
    int k = t * TILE + threadIdx.x;
    as[threadIdx.y][threadIdx.x] = row < n && k < n ? a[row * n + k] : 0;
    k = t * TILE + threadIdx.y;
    bs[threadIdx.y][threadIdx.x] = col < n && k < n ? b[k * n + col] : 0;
    __syncthreads();
    for (int i = 0; i < TILE; i++) sum += as[threadIdx.y][i] * bs[i][threadIdx.x];
    __syncthreads();
  }
  if (row < n && col < n) c[row * n + col] = sum;
}

// Steps of the Collatz sequence: every lane loops for another time.
extern "C" __global__ void collatz(const unsigned *in, unsigned *out, int n) {
  int i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i >= n) return;
  unsigned long long v = in[i];
  unsigned steps = 0;
  while (v != 1) {
    if (v & 1) v = 3 * v + 1;
    else v >>= 1;
    steps++;
  }
  out[i] = steps;
}

extern "C" __global__ void histogram(const unsigned char *in, unsigned *bins, int n) {
  __shared__ unsigned local[256];
  for (int i = threadIdx.x; i < 256; i += blockDim.x) local[i] = 0;
  __syncthreads();
  for (int i = blockIdx.x * blockDim.x + threadIdx.x; i < n; i += gridDim.x * blockDim.x) atomicAdd(&local[in[i]], 1u);
  __syncthreads();
  for (int i = threadIdx.x; i < 256; i += blockDim.x) atomicAdd(&bins[i], local[i]);
}

__device__ __noinline__ float horner(const float *c, int n, float x) {
  float v = 0;
  for (int i = n - 1; i >= 0; i--) v = v * x + c[i];
  return v;
}

__constant__ float coefficients[4] = {1.0f, -0.5f, 0.25f, 3.0f};

extern "C" __global__ void polynomial(const float *x, float *y, int n) {
  int i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i < n) y[i] = i & 1 ? horner(coefficients, 4, x[i]) : horner(coefficients, 2, x[i]) + 1;
}

__device__ __noinline__ unsigned fibonacci(unsigned n) { return n < 2 ? n : fibonacci(n - 1) + fibonacci(n - 2); }

extern "C" __global__ void recursion(unsigned *out) { out[threadIdx.x] = fibonacci(threadIdx.x % 13); }

typedef float (*unary)(float);
__device__ __noinline__ float twice(float x) { return x + x; }
__device__ __noinline__ float square(float x) { return x * x; }
__device__ __noinline__ float negate(float x) { return -x; }
__device__ unary table[3] = {twice, square, negate};

extern "C" __global__ void functionPointers(const float *x, float *y, const int *which) {
  int i = threadIdx.x;
  y[i] = table[which[i]](x[i]);
}

// Reverses a block through dynamic shared memory.
extern __shared__ int dynamicShared[];
extern "C" __global__ void reverse(int *data) {
  dynamicShared[threadIdx.x] = data[threadIdx.x];
  __syncthreads();
  data[threadIdx.x] = dynamicShared[blockDim.x - 1 - threadIdx.x];
}

struct Shape {
  int kind;
  float size[3];
  double scale;
  char tag[5];
};
extern "C" __global__ void structParameter(Shape s, double *out) {
  double v = 0;
  switch (s.kind) {
    case 0: v = s.size[0]; break;
    case 1: v = s.size[0] * s.size[1]; break;
    case 2: v = s.size[0] * s.size[1] * s.size[2]; break;
    case 3: v = s.size[threadIdx.x % 3]; break;
    case 4: v = s.tag[threadIdx.x % 5]; break;
    case 5: v = sqrt(s.scale); break;
    case 6: v = s.size[2] / s.size[1]; break;
    default: v = -1;
  }
  out[threadIdx.x] = v * s.scale;
}

// Votes, matches and ballots among the lanes that take the branch.
extern "C" __global__ void warpVotes(const int *in, unsigned *out) {
  int v = in[threadIdx.x];
  unsigned lane = threadIdx.x & 31;
  unsigned r = __ballot_sync(0xffffffffu, v > 0);
  if (v > 0) {
    unsigned m = __activemask();
    r = r ^ __ballot_sync(m, v & 1) * 3;
    if (__all_sync(m, v > 0)) r += 1;
    if (__any_sync(m, v == 7)) r += 2;
    r ^= __match_any_sync(m, v) * 5;
  } else {
    r += lane;
  }
  __syncwarp();
  int s = __shfl_up_sync(0xffffffffu, v, 3, 8);
  out[threadIdx.x] = r + s + __popc(r) + __clz(r) + __ffs(r);
}

// A lock among the lanes of a warp and among blocks: only progress of each
// lane lets it end.
extern "C" __global__ void spinLock(int *lock, int *counter) {
  bool done = false;
  while (!done) {
    if (atomicCAS(lock, 0, 1) == 0) {
      *(volatile int *)counter = *(volatile int *)counter + 1;
      __threadfence();
      atomicExch(lock, 0);
      done = true;
    }
  }
}

// Every block waits for all others.
extern "C" __global__ void gridBarrier(volatile unsigned *arrived, unsigned *out) {
  __shared__ unsigned seen;
  if (threadIdx.x == 0) {
    __threadfence();
    atomicAdd((unsigned *)arrived, 1u);
    while (*arrived < gridDim.x) {
    }
    seen = *arrived;
  }
  __syncthreads();
  out[blockIdx.x * blockDim.x + threadIdx.x] = seen;
}

extern "C" __global__ void spinForever(volatile int *flag) {
  while (*flag == 0) {
  }
}

extern "C" __global__ void writeOutside(int *p) { p[threadIdx.x] = 1; }

extern "C" __global__ void trapIf(const int *p) {
  if (p[threadIdx.x] != 0) __trap();
}

__device__ int counter = 41;
__device__ double weights[2][3] = {{1, 2, 3}, {4, 5, 6}};
__device__ const char *message = "hello";
extern "C" __global__ void useGlobals(double *out, char *text) {
  if (threadIdx.x == 0) counter++;
  if (threadIdx.x < 6) out[threadIdx.x] = weights[threadIdx.x / 3][threadIdx.x % 3] * 2;
  if (threadIdx.x < 6) text[threadIdx.x] = message[threadIdx.x];
}

extern "C" __global__ void __launch_bounds__(64) bounded(int *p) { p[threadIdx.x] = threadIdx.x; }

extern "C" __global__ void axpy(float a, const float *x, float *y, int n) {
  int i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i < n) y[i] += a * x[i];
}
