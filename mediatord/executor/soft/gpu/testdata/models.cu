// SPDX-License-Identifier: Apache-2.0
// Kernels of the kind that models are made of. models.ptx is what NVRTC makes
// of this file with --gpu-architecture=compute_80 --device-int128 and CUDA's headers for
// half precision.

#include <cuda_fp16.h>
#include <cuda_bf16.h>

template <int BLOCK>
__device__ float blockReduce(float v, bool largest) {
  __shared__ float part[BLOCK / 32];
  for (int o = 16; o; o >>= 1) {
    float w = __shfl_xor_sync(~0u, v, o);
    v = largest ? fmaxf(v, w) : v + w;
  }
  if ((threadIdx.x & 31) == 0) part[threadIdx.x >> 5] = v;
  __syncthreads();
  v = part[threadIdx.x & (BLOCK / 32 - 1)];
  for (int o = BLOCK / 64; o; o >>= 1) {
    float w = __shfl_xor_sync(~0u, v, o);
    v = largest ? fmaxf(v, w) : v + w;
  }
  __syncthreads();
  return v;
}

extern "C" __global__ void softmax(const float *in, float *out, int cols) {
  const float *row = in + (size_t)blockIdx.x * cols;
  float top = __int_as_float(0xff800000);
  for (int i = threadIdx.x; i < cols; i += 128) top = fmaxf(top, row[i]);
  top = blockReduce<128>(top, true);
  float sum = 0;
  for (int i = threadIdx.x; i < cols; i += 128) sum += expf(row[i] - top);
  sum = blockReduce<128>(sum, false);
  for (int i = threadIdx.x; i < cols; i += 128) out[(size_t)blockIdx.x * cols + i] = expf(row[i] - top) / sum;
}

extern "C" __global__ void rmsNorm(const __nv_bfloat16 *x, const __nv_bfloat16 *w, __nv_bfloat16 *y, int cols) {
  float sum = 0;
  for (int i = threadIdx.x; i < cols; i += 128) {
    float v = __bfloat162float(x[blockIdx.x * cols + i]);
    sum += v * v;
  }
  float scale = rsqrtf(blockReduce<128>(sum, false) / cols + 1e-6f);
  for (int i = threadIdx.x; i < cols; i += 128)
    y[blockIdx.x * cols + i] = __float2bfloat16(__bfloat162float(x[blockIdx.x * cols + i]) * scale * __bfloat162float(w[i]));
}

extern "C" __global__ void half2Axpy(half2 a, const half2 *x, half2 *y, int n) {
  int i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i < n) y[i] = __hfma2(a, x[i], y[i]);
}

extern "C" __global__ void int8Dot(const int *a, const int *b, int *out, int n) {
  int sum = 0;
  for (int i = threadIdx.x; i < n; i += 32) sum = __dp4a(a[i], b[i], sum);
  for (int o = 16; o; o >>= 1) sum += __shfl_down_sync(~0u, sum, o);
  if (threadIdx.x == 0) *out = sum;
}

extern "C" __global__ void wideMath(const unsigned long long *a, const unsigned long long *b, unsigned long long *out) {
  int i = threadIdx.x;
  unsigned long long x = a[i], y = b[i];
  out[8 * i] = x / y;
  out[8 * i + 1] = x % y;
  out[8 * i + 2] = __umul64hi(x, y);
  out[8 * i + 3] = (long long)x / (long long)y;
  out[8 * i + 4] = __clzll(x) + 64 * __popcll(y);
  out[8 * i + 5] = x << (y & 63) | x >> (64 - (y & 63));
  unsigned __int128 p = (unsigned __int128)x * y + x;
  out[8 * i + 6] = p >> 64;
  out[8 * i + 7] = __brevll(x) ^ (unsigned long long)(double)(long long)y;
}

extern "C" __global__ void transcendental(const float *x, float *out) {
  int i = threadIdx.x;
  float v = x[i];
  out[8 * i] = sinf(v);
  out[8 * i + 1] = cosf(v);
  out[8 * i + 2] = expf(v);
  out[8 * i + 3] = logf(fabsf(v));
  out[8 * i + 4] = tanhf(v);
  out[8 * i + 5] = powf(fabsf(v), 0.3f);
  out[8 * i + 6] = erff(v);
  out[8 * i + 7] = fmodf(v, 1.7f);
}

extern "C" __global__ void transcendental64(const double *x, double *out) {
  int i = threadIdx.x;
  double v = x[i];
  out[4 * i] = sin(v);
  out[4 * i + 1] = exp(v);
  out[4 * i + 2] = log(fabs(v));
  out[4 * i + 3] = cbrt(v);
}

// Four bits a weight with one scale per 32, as quantised models store them.
struct BlockQ4 {
  half scale;
  unsigned char q[16];
};
extern "C" __global__ void dequantise(const BlockQ4 *blocks, float *out, int n) {
  int i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i >= n) return;
  const BlockQ4 b = blocks[i];
  float d = __half2float(b.scale);
  for (int k = 0; k < 16; k++) {
    out[32 * i + k] = ((b.q[k] & 15) - 8) * d;
    out[32 * i + 16 + k] = ((b.q[k] >> 4) - 8) * d;
  }
}

extern "C" __global__ void copyVectors(const float4 *in, float4 *out, int n) {
  int i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i < n) {
    float4 v = __ldg(&in[i]);
    out[i] = make_float4(v.w, v.z, v.y, v.x);
  }
}
