// SPDX-License-Identifier: Apache-2.0
/* Copy and fill nodes. */
#include <string.h>

#include "calls.h"
#include "graph.h"

static CUgraphNodeParams copy_params(const CUDA_MEMCPY3D *c, CUcontext context)
{
	return (CUgraphNodeParams){ .type = NODE_MEMCPY, .memcpy = { .copyCtx = context, .copyParams = *c } };
}

VG_EXPORT CUresult cuGraphAddMemcpyNode(CUgraphNode *out, CUgraph graph, const CUgraphNode *after, size_t count,
					const CUDA_MEMCPY3D *c, CUcontext context)
{
	CUgraphNodeParams p;

	if (!c)
		return CUDA_ERROR_INVALID_VALUE;
	p = copy_params(c, context);
	return vg_node_add(out, graph, after, NULL, count, &p, false);
}

VG_EXPORT CUresult cuGraphMemcpyNodeGetParams(CUgraphNode node, CUDA_MEMCPY3D *c)
{
	CUgraphNodeParams p;
	int result;

	if (!c)
		return CUDA_ERROR_INVALID_VALUE;
	result = vg_node_get(node, NODE_MEMCPY, &p);
	if (!result)
		*c = p.memcpy.copyParams;
	return result;
}

VG_EXPORT CUresult cuGraphMemcpyNodeSetParams(CUgraphNode node, const CUDA_MEMCPY3D *c)
{
	CUgraphNodeParams p;

	if (!c)
		return CUDA_ERROR_INVALID_VALUE;
	p = copy_params(c, NULL);
	return vg_node_set(node, &p, false);
}

VG_EXPORT CUresult cuGraphExecMemcpyNodeSetParams(CUgraphExec exec, CUgraphNode node, const CUDA_MEMCPY3D *c,
						  CUcontext context)
{
	CUgraphNodeParams p;

	if (!c)
		return CUDA_ERROR_INVALID_VALUE;
	p = copy_params(c, context);
	return vg_graphexec_node_set(exec, node, &p, false);
}

/* The functions of this type of node take the first version of its parameters, and the context beside them. */
static CUgraphNodeParams fill_params(const void *fill, CUcontext context)
{
	CUgraphNodeParams p = { .type = NODE_MEMSET };

	memcpy(&p.memset, fill, MEMSET_NODE_PARAMS_V1_SIZE);
	p.memset.ctx = context;
	return p;
}

VG_EXPORT CUresult cuGraphAddMemsetNode(CUgraphNode *out, CUgraph graph, const CUgraphNode *after, size_t count,
					const void *fill, CUcontext context)
{
	CUgraphNodeParams p;

	if (!fill)
		return CUDA_ERROR_INVALID_VALUE;
	p = fill_params(fill, context);
	return vg_node_add(out, graph, after, NULL, count, &p, false);
}

VG_EXPORT CUresult cuGraphMemsetNodeGetParams(CUgraphNode node, void *fill)
{
	CUgraphNodeParams p;
	int result;

	if (!fill)
		return CUDA_ERROR_INVALID_VALUE;
	result = vg_node_get(node, NODE_MEMSET, &p);
	if (!result)
		memcpy(fill, &p.memset, MEMSET_NODE_PARAMS_V1_SIZE);
	return result;
}

VG_EXPORT CUresult cuGraphMemsetNodeSetParams(CUgraphNode node, const void *fill)
{
	CUgraphNodeParams p;

	if (!fill)
		return CUDA_ERROR_INVALID_VALUE;
	p = fill_params(fill, NULL);
	return vg_node_set(node, &p, false);
}

VG_EXPORT CUresult cuGraphExecMemsetNodeSetParams(CUgraphExec exec, CUgraphNode node, const void *fill, CUcontext context)
{
	CUgraphNodeParams p;

	if (!fill)
		return CUDA_ERROR_INVALID_VALUE;
	p = fill_params(fill, context);
	return vg_graphexec_node_set(exec, node, &p, false);
}
