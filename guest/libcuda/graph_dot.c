// SPDX-License-Identifier: Apache-2.0
/*
 * cuGraphDebugDotPrint. The text is made here and not by the driver, which would
 * name its own handles and addresses.
 */
#include <stdio.h>
#include <stdlib.h>

#include "calls.h"
#include "graph.h"
#include "module.h"

CUresult cuGraphGetNodes(CUgraph graph, CUgraphNode *nodes, size_t *count);
CUresult cuGraphGetEdges_v2(CUgraph graph, CUgraphNode *from, CUgraphNode *to, CUgraphEdgeData *data, size_t *count);
CUresult cuGraphNodeGetType(CUgraphNode node, unsigned int *type);
CUresult cuGraphChildGraphNodeGetGraph(CUgraphNode node, CUgraph *graph);

/* CUgraphDebugDot_flags */
#define VERBOSE 1u
#define HANDLES (1u << 10)

/* what shows the parameters of a type of node; 0: always shown or nothing to show */
static const unsigned int params_flag[NODE_TYPES] = {
	[NODE_KERNEL] = 1u << 2, [NODE_MEMCPY] = 1u << 3, [NODE_MEMSET] = 1u << 4, [NODE_HOST] = 1u << 5,
	[NODE_WAIT_EVENT] = 1u << 6, [NODE_EVENT_RECORD] = 1u << 6, [NODE_MEM_ALLOC] = 1u << 11,
	[NODE_MEM_FREE] = 1u << 12, [NODE_BATCH_MEM_OP] = 1u << 13,
};

static const char *const type_names[NODE_TYPES] = {
	"KERNEL", "MEMCPY", "MEMSET", "HOST", "GRAPH", "EMPTY", "EVENT_WAIT", "EVENT_RECORD", "EXT_SEMAS_SIGNAL",
	"EXT_SEMAS_WAIT", "MEM_ALLOC", "MEM_FREE", "BATCH_MEM_OP", "CONDITIONAL",
};

struct printer {
	FILE *file;
	unsigned int flags;
	unsigned int graphs;	/* numbered from 1 */
};

/* Names may hold what ends a label. */
static void quote(FILE *file, const char *text)
{
	for (; *text; text++) {
		if (*text == '"' || *text == '\\')
			fputc('\\', file);
		fputc(*text, file);
	}
}

static void print_params(FILE *file, const CUgraphNodeParams *p)
{
	const CUDA_KERNEL_NODE_PARAMS *k = &p->kernel;
	const CUDA_MEMCPY3D *c = &p->memcpy.copyParams;

	switch (p->type) {
	case NODE_KERNEL:
		fprintf(file, "\\ngrid %u %u %u, block %u %u %u, shared %u", k->gridDimX, k->gridDimY, k->gridDimZ,
			k->blockDimX, k->blockDimY, k->blockDimZ, k->sharedMemBytes);
		break;
	case NODE_MEMCPY:
		fprintf(file, "\\n%zu x %zu x %zu bytes, memory types %u to %u", c->WidthInBytes, c->Height, c->Depth,
			c->srcMemoryType, c->dstMemoryType);
		break;
	case NODE_MEMSET:
		fprintf(file, "\\n0x%llx, value %u, element %u, %zu x %zu, pitch %zu", p->memset.dst, p->memset.value,
			p->memset.elementSize, p->memset.width, p->memset.height, p->memset.pitch);
		break;
	case NODE_HOST:
		fprintf(file, "\\nfunction %p, data %p", (void *)(uintptr_t)p->host.fn, p->host.userData);
		break;
	case NODE_WAIT_EVENT:
	case NODE_EVENT_RECORD:
		fprintf(file, "\\nevent %p", (void *)p->event);
		break;
	case NODE_MEM_ALLOC:
		fprintf(file, "\\n0x%llx, %zu bytes", p->alloc.dptr, p->alloc.bytesize);
		break;
	case NODE_MEM_FREE:
		fprintf(file, "\\n0x%llx", p->free);
		break;
	case NODE_BATCH_MEM_OP:
		fprintf(file, "\\n%u operations", p->memOp.count);
		break;
	}
}

static CUresult print_graph(struct printer *out, CUgraph graph);

static CUresult print_node(struct printer *out, unsigned int graph, size_t index, CUgraphNode node)
{
	CUgraphNodeParams p;
	unsigned int type;
	CUgraph child;
	CUresult result = cuGraphNodeGetType(node, &type);

	if (result || type >= NODE_TYPES)
		return result;
	fprintf(out->file, "\"graph_%u_node_%zu\" [shape=\"%s\", label=\"%zu\\n%s", graph, index,
		type == NODE_KERNEL ? "octagon" : "rectangle", index, type_names[type]);
	if (params_flag[type]) {
		result = vg_node_get(node, type, &p);
		if (result)
			return result;
		if (type == NODE_KERNEL) {
			fprintf(out->file, "\\n");
			quote(out->file, p.kernel.func ? p.kernel.func->name : p.kernel.kern->name);
		}
		if (out->flags & (VERBOSE | params_flag[type]))
			print_params(out->file, &p);
	}
	if (out->flags & (VERBOSE | HANDLES))
		fprintf(out->file, "\\nnode %p", (void *)node);
	fprintf(out->file, "\"];\n");
	if (type != NODE_GRAPH)
		return CUDA_SUCCESS;
	result = cuGraphChildGraphNodeGetGraph(node, &child);
	if (result)
		return result;
	fprintf(out->file, "\"graph_%u_node_%zu\" -> \"graph_%u_node_0\" [style=\"dotted\"];\n", graph, index,
		out->graphs + 1);
	return print_graph(out, child);
}

static size_t index_of(CUgraphNode node, const CUgraphNode *nodes, size_t count)
{
	size_t i = 0;

	while (i < count && nodes[i] != node)
		i++;
	return i;
}

static CUresult print_edges(struct printer *out, unsigned int number, CUgraph graph, const CUgraphNode *nodes, size_t count)
{
	size_t edges = 0;
	CUresult result = cuGraphGetEdges_v2(graph, NULL, NULL, NULL, &edges);
	CUgraphNode *from = calloc(edges + 1, sizeof *from), *to = calloc(edges + 1, sizeof *to);
	CUgraphEdgeData *data = calloc(edges + 1, sizeof *data);

	if (!result && (!from || !to || !data))
		result = CUDA_ERROR_OUT_OF_MEMORY;
	if (!result && edges)
		result = cuGraphGetEdges_v2(graph, from, to, data, &edges);
	for (size_t i = 0; i < edges && !result; i++)
		fprintf(out->file, "\"graph_%u_node_%zu\" -> \"graph_%u_node_%zu\"%s;\n", number,
			index_of(from[i], nodes, count), number, index_of(to[i], nodes, count),
			data[i].type ? " [label=\"PROGRAMMATIC\"]" : "");
	free(from);
	free(to);
	free(data);
	return result;
}

static CUresult print_graph(struct printer *out, CUgraph graph)
{
	unsigned int number = ++out->graphs;
	size_t count = 0;
	CUresult result = cuGraphGetNodes(graph, NULL, &count);
	CUgraphNode *nodes;

	if (result)
		return result;
	nodes = calloc(count + 1, sizeof(CUgraphNode));
	if (!nodes)
		return CUDA_ERROR_OUT_OF_MEMORY;
	if (count)
		result = cuGraphGetNodes(graph, nodes, &count);
	fprintf(out->file, "subgraph cluster_%u {\nlabel=\"graph_%u\"; style=\"dashed\";\n", number, number);
	for (size_t i = 0; i < count && !result; i++)
		result = print_node(out, number, i, nodes[i]);
	if (!result)
		result = print_edges(out, number, graph, nodes, count);
	fprintf(out->file, "}\n");
	free(nodes);
	return result;
}

VG_EXPORT CUresult cuGraphDebugDotPrint(CUgraph graph, const char *path, unsigned int flags)
{
	struct printer out = { .flags = flags };
	struct vg_thread *t;
	CUresult result = vg_graph_enter(&t, graph);

	if (result)
		return result;
	if (!path)
		return CUDA_ERROR_INVALID_VALUE;
	out.file = fopen(path, "w");
	if (!out.file)
		return CUDA_ERROR_OPERATING_SYSTEM;
	fprintf(out.file, "digraph dot {\n");
	result = print_graph(&out, graph);
	fprintf(out.file, "}\n");
	if (fclose(out.file) && !result)
		result = CUDA_ERROR_OPERATING_SYSTEM;
	return result;
}
