package driver

// Graphs is what native calls leave of captures and graphs.
type Graphs interface {
	CaptureEnd(s Stream) (Graph, Result)
	CaptureInfo(s Stream) (status uint32, id uint64, r Result)
	// CaptureInto begins a capture that adds to g; what is captured first comes
	// behind after, of which only From and Data count.
	CaptureInto(s Stream, g Graph, after []Edge, mode uint32) Result
	// CaptureDependencies are the graph of an active capture and what the next
	// node of the stream comes behind (From and Data).
	CaptureDependencies(s Stream) (Graph, []Edge, Result)
	// CaptureUpdate adds to these dependencies or, with flags 1, replaces them.
	CaptureUpdate(s Stream, after []Edge, flags uint32) Result

	GraphDestroy(g Graph) Result
	// GraphInstantiate reports more than its result says, in success and failure.
	GraphInstantiate(g Graph, flags uint64) (GraphExec, Instantiation, Result)
	// GraphUpdate reports more than its result says, in success and failure.
	GraphUpdate(x GraphExec, g Graph) (Update, Result)
	// GraphAllocations is the sum of the sizes in bytes of all allocation nodes,
	// those of child graphs included.
	GraphAllocations(g Graph) (uint64, Result)

	GraphNodes(g Graph) ([]Node, Result)
	GraphRoots(g Graph) ([]Node, Result)
	GraphEdges(g Graph) ([]Edge, Result)
	// NodeEdges are the edges that lead to a node, or those that leave it.
	NodeEdges(n Node, leaving bool) ([]Edge, Result)
	AddDependencies(g Graph, edges []Edge) Result
	RemoveDependencies(g Graph, edges []Edge) Result

	// NodeAdd adds a node behind after, of which only From and Data count. Without
	// general it calls the function of that type of node, which knows no Data.
	NodeAdd(g Graph, after []Edge, p *NodeParams, general bool) (Node, Result)
	NodeSet(n Node, p *NodeParams, general bool) Result
	ExecNodeSet(x GraphExec, n Node, p *NodeParams, general bool) Result
	// NodeGet fails with ErrorInvalidValue for a node of another type.
	NodeGet(n Node, nodeType uint32) (*NodeParams, Result)
	NodeDestroy(n Node) Result
	NodeType(n Node) (uint32, Result)
	NodeFindInClone(n Node, clone Graph) (Node, Result)
	// NodeGraph is the graph inside a child graph node, which stays the node's.
	NodeGraph(n Node) (Graph, Result)

	// ConditionalCreate makes the handle of a conditional node; c 0: the current context.
	ConditionalCreate(g Graph, c Context, value, flags uint32) (uint64, Result)
}

// Edge is a dependency: To waits for From. Data is CUgraphEdgeData.
type Edge struct {
	From, To Node
	Data     [EdgeDataSize]byte
}

// EdgeDataSize is the size of CUgraphEdgeData.
const EdgeDataSize = 8

// Instantiation is CUgraphInstantiateResult and the node that it is about, 0: none.
type Instantiation struct {
	Outcome uint32
	Node    Node
}

// Update is CUgraphExecUpdateResultInfo.
type Update struct {
	Outcome    uint32 // CUgraphExecUpdateResult
	Node, From Node   // 0: none
}
