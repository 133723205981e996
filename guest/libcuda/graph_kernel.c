// SPDX-License-Identifier: Apache-2.0
/* Kernel nodes. */
#include <string.h>

#include "calls.h"
#include "gen/ops.h"
#include "graph.h"

#define ATTRIBUTE_UPDATABLE_NODE 13

/* Either version of the parameters as those of any node. */
static bool general(CUgraphNodeParams *p, const void *kernel, size_t size)
{
	*p = (CUgraphNodeParams){ .type = NODE_KERNEL };
	if (kernel)
		memcpy(&p->kernel, kernel, size);
	return kernel;
}

static CUresult add(CUgraphNode *out, CUgraph graph, const CUgraphNode *after, size_t count, const void *kernel, size_t size)
{
	CUgraphNodeParams p;

	return general(&p, kernel, size) ? vg_node_add(out, graph, after, NULL, count, &p, false) : CUDA_ERROR_INVALID_VALUE;
}

VG_EXPORT CUresult cuGraphAddKernelNode(CUgraphNode *out, CUgraph graph, const CUgraphNode *after, size_t count,
					const void *kernel)
{
	return add(out, graph, after, count, kernel, KERNEL_NODE_PARAMS_V1_SIZE);
}

VG_EXPORT CUresult cuGraphAddKernelNode_v2(CUgraphNode *out, CUgraph graph, const CUgraphNode *after, size_t count,
					   const CUDA_KERNEL_NODE_PARAMS *kernel)
{
	return add(out, graph, after, count, kernel, sizeof *kernel);
}

static CUresult get(CUgraphNode node, void *kernel, size_t size)
{
	CUgraphNodeParams p;
	int result;

	if (!kernel)
		return CUDA_ERROR_INVALID_VALUE;
	result = vg_node_get(node, NODE_KERNEL, &p);
	if (!result)
		memcpy(kernel, &p.kernel, size);
	return result;
}

VG_EXPORT CUresult cuGraphKernelNodeGetParams(CUgraphNode node, void *kernel)
{
	return get(node, kernel, KERNEL_NODE_PARAMS_V1_SIZE);
}

VG_EXPORT CUresult cuGraphKernelNodeGetParams_v2(CUgraphNode node, CUDA_KERNEL_NODE_PARAMS *kernel)
{
	return get(node, kernel, sizeof *kernel);
}

static CUresult set(CUgraphNode node, const void *kernel, size_t size)
{
	CUgraphNodeParams p;

	return general(&p, kernel, size) ? vg_node_set(node, &p, false) : CUDA_ERROR_INVALID_VALUE;
}

VG_EXPORT CUresult cuGraphKernelNodeSetParams(CUgraphNode node, const void *kernel)
{
	return set(node, kernel, KERNEL_NODE_PARAMS_V1_SIZE);
}

VG_EXPORT CUresult cuGraphKernelNodeSetParams_v2(CUgraphNode node, const CUDA_KERNEL_NODE_PARAMS *kernel)
{
	return set(node, kernel, sizeof *kernel);
}

static CUresult exec_set(CUgraphExec exec, CUgraphNode node, const void *kernel, size_t size)
{
	CUgraphNodeParams p;

	return general(&p, kernel, size) ? vg_graphexec_node_set(exec, node, &p, false) : CUDA_ERROR_INVALID_VALUE;
}

VG_EXPORT CUresult cuGraphExecKernelNodeSetParams(CUgraphExec exec, CUgraphNode node, const void *kernel)
{
	return exec_set(exec, node, kernel, KERNEL_NODE_PARAMS_V1_SIZE);
}

VG_EXPORT CUresult cuGraphExecKernelNodeSetParams_v2(CUgraphExec exec, CUgraphNode node,
						     const CUDA_KERNEL_NODE_PARAMS *kernel)
{
	return exec_set(exec, node, kernel, sizeof *kernel);
}

VG_EXPORT CUresult cuGraphKernelNodeCopyAttributes(CUgraphNode to, CUgraphNode from)
{
	struct vg_thread *t;
	int result = vg_node_enter(&t, to);

	if (!result)
		result = vg_node_enter(&t, from);
	return result ? result : vg_op_node_copy_attributes(t, to->object.number, from->object.number);
}

/* A node that device code updates needs a handle of the driver's. */
static int check_attribute(struct vg_thread **t, CUgraphNode node, unsigned int attribute, const void *value)
{
	int result = vg_node_enter(t, node);

	if (result)
		return result;
	if (!value)
		return CUDA_ERROR_INVALID_VALUE;
	return attribute == ATTRIBUTE_UPDATABLE_NODE ? CUDA_ERROR_NOT_SUPPORTED : 0;
}

VG_EXPORT CUresult cuGraphKernelNodeGetAttribute(CUgraphNode node, unsigned int attribute, void *value)
{
	struct vg_thread *t;
	int result = check_attribute(&t, node, attribute, value);

	return result ? result : vg_op_node_get_attribute(t, node->object.number, attribute, value);
}

VG_EXPORT CUresult cuGraphKernelNodeSetAttribute(CUgraphNode node, unsigned int attribute, const void *value)
{
	struct vg_thread *t;
	int result = check_attribute(&t, node, attribute, value);

	return result ? result : vg_op_node_set_attribute(t, node->object.number, attribute, value);
}
