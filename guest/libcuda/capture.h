/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Stream capture. The executor captures for real; here is kept which streams and
 * events take part, because a fence must not enter a capture.
 */
#ifndef VGPU_CAPTURE_H
#define VGPU_CAPTURE_H

#include "objects.h"

/* The event now stands for a point of the stream's capture. */
void vg_capture_record(struct vg_event *event, struct vg_stream *s);
void vg_capture_release_event(struct vg_event *event);

/*
 * A stream that waits for a captured event joins its capture: 0, or 902 to join two, 905 for an event outside of the
 * stream's capture, 906 for the legacy stream, which break what is captured, or 1 if the event's capture is over.
 */
int vg_capture_wait(struct vg_stream *s, struct vg_event *event);

/* The program asks whether the event was reached: 0, or 907 and its capture is broken, or 1 if that is over. */
int vg_capture_ask(struct vg_event *event);

/* CUstreamCaptureStatus: 0 none, 1 active, 2 invalidated. */
unsigned int vg_capture_status(const struct vg_stream *s);

/* A call that cannot be captured came for the stream: 0 if it captures nothing, else the capture is broken and 900. */
int vg_capture_break(struct vg_stream *s);

/* The same for a whole context, whose captures can hold none of its events and none of its waits. */
int vg_capture_break_all(struct vg_context *c);

/* Work for the legacy stream, which would come behind blocking streams that are captured: breaks these captures; 906. */
int vg_capture_implicit(struct vg_stream *legacy);

/* The same for the event of a capture. */
int vg_capture_break_event(struct vg_event *event);

/* Frees what cuStreamGetCaptureInfo has returned of it. */
void vg_capture_forget_dependencies(struct vg_capture *c);

/* The graph of the stream's capture keeps the callback as long as it may be run. */
void vg_capture_keep_callback(struct vg_stream *s, uint32_t callback);

/* The stream ends: with it the capture that began in it, which nobody can end any more. */
void vg_capture_abandon(struct vg_stream *s);

/* What calls that cannot be captured answer while captures forbid them to this thread: 0, or 900, and these are broken. */
int vg_capture_forbids(struct vg_thread *t);

#endif
