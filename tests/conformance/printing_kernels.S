/* SPDX-License-Identifier: Apache-2.0 */
	.section .rodata
	.global printing_ptx
	.balign 64
printing_ptx:
	.incbin "printing_kernels.ptx"
	.byte 0
	.section .note.GNU-stack,"",@progbits
