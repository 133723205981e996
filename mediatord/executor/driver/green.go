package driver

// Resource is CUdevResource: opaque but for its type and, from ResourceSM on,
// the multiprocessors. What else is in it is the driver's; no guest sees it.
type Resource [144]byte

// ResourceSM is where a resource of multiprocessors says how many it has, how
// many a part has at least, and in which steps they go together (u32 each).
const ResourceSM = 96

// GreenContexts are contexts on a part of the device's multiprocessors.
type GreenContexts interface {
	DeviceResource(kind uint32) (Resource, Result)
	ContextResource(c Context, kind uint32) (Resource, Result)
	GreenResource(g Green, kind uint32) (Resource, Result)
	// ResourceSplit makes up to groups parts of at least minimum
	// multiprocessors; groups 0 only asks how many could be made.
	ResourceSplit(input *Resource, groups, flags, minimum uint32) (parts []Resource, remaining Resource, made uint32, r Result)
	ResourceDescribe(parts []Resource) (Desc, Result)
	// GreenCreate takes the whole device for d 0. It retains the primary context, GreenDestroy releases it.
	GreenCreate(d Desc, flags uint32) (Green, Result)
	GreenDestroy(g Green) Result
	// GreenContext is the green context as a context.
	GreenContext(g Green) (Context, Result)
}
