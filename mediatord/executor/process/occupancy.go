package process

import (
	"encoding/binary"

	"libvirt-vgpu/mediatord/executor/driver"
	"libvirt-vgpu/mediatord/executor/wire"
)

// OccupancyBlocks implements wire.Handler.
func (p *Process) OccupancyBlocks(_ wire.Call, in wire.OccupancyBlocks) (wire.OccupancyBlocksReply, driver.Result) {
	f, ok := p.function(in.Handle, in.Kind)
	if !ok {
		return wire.OccupancyBlocksReply{}, driver.ErrorInvalidHandle
	}
	blocks, r := p.Driver.OccupancyBlocks(f, in.BlockSize, in.Shared, in.Flags)
	return wire.OccupancyBlocksReply{Blocks: blocks}, r
}

// OccupancyShared implements wire.Handler.
func (p *Process) OccupancyShared(_ wire.Call, in wire.OccupancyShared) (wire.OccupancySharedReply, driver.Result) {
	f, ok := p.function(in.Handle, in.Kind)
	if !ok {
		return wire.OccupancySharedReply{}, driver.ErrorInvalidHandle
	}
	shared, r := p.Driver.OccupancyShared(f, in.Blocks, in.BlockSize)
	return wire.OccupancySharedReply{Shared: shared}, r
}

// OccupancyClusters implements wire.Handler.
func (p *Process) OccupancyClusters(_ wire.Call, in wire.OccupancyClusters) (wire.OccupancyClustersReply, driver.Result) {
	r := p.clusterLaunch(in.Handle, in.Kind, in.Config[:], in.Attributes)
	if r != driver.Success {
		return wire.OccupancyClustersReply{}, r
	}
	clusters, r := p.Driver.OccupancyClusters(&p.launch)
	return wire.OccupancyClustersReply{Clusters: clusters}, r
}

// OccupancyClusterSize implements wire.Handler.
func (p *Process) OccupancyClusterSize(_ wire.Call, in wire.OccupancyClusterSize) (wire.OccupancyClusterSizeReply, driver.Result) {
	r := p.clusterLaunch(in.Handle, in.Kind, in.Config[:], in.Attributes)
	if r != driver.Success {
		return wire.OccupancyClusterSizeReply{}, r
	}
	size, r := p.Driver.OccupancyClusterSize(&p.launch)
	return wire.OccupancyClusterSizeReply{Size: size}, r
}

// clusterLaunch reads CUlaunchConfig (u32 grid[3], block[3], shared memory; what
// follows are pointers of the guest process) into p.launch.
func (p *Process) clusterLaunch(number, kind uint32, config, attributes []byte) driver.Result {
	if len(attributes)%driver.LaunchAttributeSize != 0 {
		return p.violate("asking for clusters: %d bytes of attributes", len(attributes))
	}
	f, ok := p.function(number, kind)
	if !ok {
		return driver.ErrorInvalidHandle
	}
	if r := p.patchAttributes(attributes); r != driver.Success {
		return r
	}
	p.launch = driver.Launch{Function: f, Shared: binary.LittleEndian.Uint32(config[24:]), Attributes: attributes}
	for i := range 3 {
		p.launch.Grid[i] = binary.LittleEndian.Uint32(config[i*4:])
		p.launch.Block[i] = binary.LittleEndian.Uint32(config[12+i*4:])
	}
	return driver.Success
}

// OccupancyPotential implements wire.Handler.
func (p *Process) OccupancyPotential(_ wire.Call, in wire.OccupancyPotential) (wire.OccupancyPotentialReply, driver.Result) {
	f, ok := p.function(in.Handle, in.Kind)
	if !ok {
		return wire.OccupancyPotentialReply{}, driver.ErrorInvalidHandle
	}
	grid, block, r := p.Driver.OccupancyPotential(f, in.Shared, in.Limit, in.Flags)
	return wire.OccupancyPotentialReply{Grid: grid, Block: block}, r
}
