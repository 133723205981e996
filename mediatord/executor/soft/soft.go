// Package soft is the driver backend for the GPU in software (package gpu): it
// gives driver calls their meaning on it, so that everything runs on a machine
// without NVIDIA hardware. What the software GPU cannot do is refused with the
// driver's own error code.
package soft

import (
	"errors"

	"github.com/sirupsen/logrus"

	"libvirt-vgpu/mediatord/executor/driver"
	"libvirt-vgpu/mediatord/executor/soft/gpu"
	"libvirt-vgpu/mediatord/executor/soft/ledger"
)

// Driver is one software GPU. All its contexts are one: the device's.
type Driver struct {
	driver.Unsupported
	log logrus.FieldLogger
	dev *gpu.Device

	ledger *ledger.Account // of memory that is other processes' too; nil: there is none
	stuck  bool            // the contexts never return

	call func(number uint32, status driver.Result)

	contexts     objects[struct{}]
	retained     int
	limits       map[uint32]uint64
	current      driver.Context
	cacheConfigs map[driver.Context]uint32
	streams      objects[*gpu.Stream]
	hints        map[driver.Stream]streamAttributes // what programs have set
	events       objects[*gpu.Event]
	// shared are events of several processes.
	shared     map[driver.Event]*sharedEvent
	lastShared uint64
	modules    objects[*gpu.Module] // libraries too
	functions  objects[*gpu.Function]
	memories   objects[*gpu.Memory]
	host       registrations
	pools      objects[*pool]
	graphs     objects[*gpu.Graph]
	execs      objects[*gpu.GraphExec]
	arrays     objects[*array]
	mipmaps    objects[*mipmap]
	textures   objects[*texture] // surfaces too
	linkers    objects[*linker]
	descs      objects[driver.Resource]
	greens     objects[green]
	nodes      objects[*gpu.Node]
	nodeNames  map[*gpu.Node]driver.Node

	defaultPool driver.Pool
	allocations map[uint64]poolAllocation // by address
}

var _ interface {
	driver.Driver
	driver.Device
} = (*Driver)(nil)

// Open makes a software GPU. path is of the ledger of memory that it shares with those of
// other processes, "" for none; log hears why something was refused.
func Open(path string, log logrus.FieldLogger) (*Driver, error) {
	config := gpu.Config{Memory: totalMemory, Major: computeMajor, Minor: computeMinor, Print: printOutput, Complain: printError}
	var account *ledger.Account
	if path != "" {
		var err error
		if account, err = ledger.NewAccount(path); err != nil {
			return nil, err
		}
		config.Share = account
	}
	dev, err := gpu.New(config)
	if err != nil {
		return nil, err
	}
	d := &Driver{
		log: log, dev: dev, ledger: account,
		limits: map[uint32]uint64{}, cacheConfigs: map[driver.Context]uint32{}, hints: map[driver.Stream]streamAttributes{},
		shared: map[driver.Event]*sharedEvent{}, nodeNames: map[*gpu.Node]driver.Node{},
	}
	d.allocations = map[uint64]poolAllocation{}
	d.defaultPool = driver.Pool(d.pools.put(newPool(0)))
	for i, value := range defaultLimits {
		d.limits[uint32(i)] = uint64(value)
	}
	return d, nil
}

// Close ends the device and what runs on it.
func (d *Driver) Close() {
	d.dev.Close()
	if d.ledger != nil {
		d.ledger.Close()
	}
}

// result is the driver's code of an error of the device. A reason in words is
// logged: the code alone does not say which instruction is not known.
func (d *Driver) result(err error) driver.Result {
	var reason *gpu.Error
	if errors.As(err, &reason) {
		d.log.WithError(err).Warn("software GPU")
	}
	return driver.Result(gpu.CodeOf(err))
}

// objects numbers what the device gave as a driver would number its handles.
type objects[T any] struct {
	last  uint64
	items map[uint64]T
}

func (o *objects[T]) put(item T) uint64 {
	if o.items == nil {
		o.items = map[uint64]T{}
	}
	o.last++
	o.items[o.last] = item
	return o.last
}

func (o *objects[T]) take(number uint64) (T, bool) {
	item, ok := o.items[number]
	delete(o.items, number)
	return item, ok
}
