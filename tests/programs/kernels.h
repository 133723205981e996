/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KERNELS_H
#define KERNELS_H

/* kernels.ptx, NUL-terminated; bytes without the NUL: kernels_ptx_end - kernels_ptx - 1 */
extern const char kernels_ptx[];
extern const char kernels_ptx_end[];

#endif
