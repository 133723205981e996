/* SPDX-License-Identifier: Apache-2.0 */
	.section .rodata
	.global kernels_ptx
	.global kernels_ptx_end
	.balign 64
kernels_ptx:
	.incbin "kernels.ptx"
	.byte 0
kernels_ptx_end:
	.section .note.GNU-stack,"",@progbits
