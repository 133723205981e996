/* SPDX-License-Identifier: Apache-2.0 */
/* The log that programs read by the cuLogs calls: why calls failed, in words. */
#ifndef VGPU_ERROR_LOG_H
#define VGPU_ERROR_LOG_H

/*
 * Adds a line of at most 200 bytes and tells it to the program's callbacks, and to
 * stderr if VGPU_LOG is set. No lock may be held: a callback may call back.
 */
void vg_error_log(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif
