/* SPDX-License-Identifier: Apache-2.0 */
#ifndef VGPU_GRAPH_H
#define VGPU_GRAPH_H

#include "objects.h"

struct vg_graph {
	struct vg_object object;
};

struct vg_graphexec {
	struct vg_object object;
};

#endif
