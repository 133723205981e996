package process

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"sync"

	"github.com/sirupsen/logrus"

	"libvirt-vgpu/mediatord/executor/driver"
	"libvirt-vgpu/mediatord/executor/image"
	"libvirt-vgpu/mediatord/executor/modcache"
	"libvirt-vgpu/mediatord/executor/wire"
)

// What one guest process may have under way.
const (
	maxImage  = 2 << 30
	maxImages = 4 << 30 // bytes of all together
)

// images are the device code images that the process is sending or has sent.
type images struct {
	uploads map[uint32]*upload
	total   uint64
	cache   *modcache.Cache
	log     logrus.FieldLogger
	storing chan struct{}  // holds a token while something is being stored
	keeping sync.WaitGroup // what is or will be
}

type upload struct {
	size uint64
	sum  [sha256.Size]byte
	data []byte
	good bool // complete and what its sum says
}

func newImages(cache *modcache.Cache, log logrus.FieldLogger) images {
	return images{uploads: map[uint32]*upload{}, cache: cache, log: log, storing: make(chan struct{}, 1)}
}

// ImageBegin implements wire.Handler.
func (p *Process) ImageBegin(_ wire.Call, in wire.ImageBegin) (wire.ImageBeginReply, driver.Result) {
	i := &p.images
	switch {
	case i.uploads[in.Image] != nil, in.Size == 0:
		return wire.ImageBeginReply{}, driver.ErrorInvalidValue
	case in.Size > maxImage, i.total+in.Size > maxImages:
		return wire.ImageBeginReply{}, driver.ErrorOutOfMemory
	}
	u := &upload{size: in.Size, sum: in.Sum}
	i.uploads[in.Image] = u
	i.total += u.size
	if i.cache != nil {
		if u.data, u.good = i.cache.Get(u.sum, u.size); u.good {
			return wire.ImageBeginReply{Cached: 1}, driver.Success
		}
	}
	return wire.ImageBeginReply{}, driver.Success
}

// ImageInline implements wire.Handler.
func (p *Process) ImageInline(_ wire.Call, in wire.ImageInline) driver.Result {
	u := p.images.uploads[in.Image]
	if u == nil {
		return driver.ErrorInvalidValue
	}
	if !p.checkPiece(u, uint64(len(in.Data))) {
		return driver.ErrorInvalidValue
	}
	u.data = append(u.data, in.Data...)
	return p.images.appended(u)
}

func (p *Process) checkPiece(u *upload, size uint64) bool {
	if size == 0 || size > u.size-uint64(len(u.data)) {
		p.violate("appending %d bytes to an image of %d that has %d", size, u.size, len(u.data))
		return false
	}
	if u.data == nil {
		u.data = make([]byte, 0, u.size)
	}
	return true
}

// appended looks whether an image is complete; it must be the announced one then.
func (i *images) appended(u *upload) driver.Result {
	if uint64(len(u.data)) < u.size {
		return driver.Success
	}
	if modcache.Sum(u.data) != u.sum {
		i.log.Warn("an image is not what its sum says")
		return driver.ErrorInvalidImage
	}
	u.good = true
	i.keep("image", func(c *modcache.Cache) error { return c.Put(u.sum, u.data) })
	return driver.Success
}

// keep writes to the cache beside the consumer, one thing at a time: the cache
// is a help, not a duty.
func (i *images) keep(what string, put func(*modcache.Cache) error) {
	if i.cache == nil {
		return
	}
	i.keeping.Go(func() {
		i.storing <- struct{}{}
		defer func() { <-i.storing }()
		if err := put(i.cache); err != nil {
			i.log.WithError(err).Warnf("%s not cached", what)
		}
	})
}

// ImageDrop implements wire.Handler.
func (p *Process) ImageDrop(_ wire.Call, in wire.ImageDrop) driver.Result {
	u := p.images.uploads[in.Image]
	if u == nil {
		return driver.ErrorInvalidValue
	}
	p.images.total -= u.size
	delete(p.images.uploads, in.Image)
	return driver.Success
}

// completeImage is an image that the process has sent, exactly its bytes.
type completeImage struct {
	bytes []byte
	sum   [sha256.Size]byte // of what was sent
}

func (p *Process) completeImage(number uint32) (completeImage, driver.Result) {
	u := p.images.uploads[number]
	if u == nil {
		return completeImage{}, driver.ErrorInvalidValue
	}
	if !u.good {
		return completeImage{}, driver.ErrorInvalidImage
	}
	kind, data, err := image.Measure(u.data)
	if err != nil {
		p.Log.WithError(err).Warn("image refused")
		return completeImage{}, driver.ErrorInvalidImage
	}
	p.Log.Debugf("loading %s of %d bytes", kind, len(data))
	return completeImage{data, u.sum}, driver.Success
}

// describe says what an image is for a GPU of that compute capability: as some executor
// of the domain has noted before, since taking 100 MB of code apart takes a second.
func (i *images) describe(of completeImage, arch uint32) (image.Description, error) {
	name := fmt.Sprintf("sm%d", arch)
	if i.cache != nil {
		if note, ok := i.cache.Note(of.sum, name); ok {
			var d image.Description
			if json.Unmarshal(note, &d) == nil {
				return d, nil
			}
		}
	}
	d, err := image.Describe(of.bytes, arch)
	if err != nil {
		return d, err
	}
	note, err := json.Marshal(d)
	if err != nil {
		return d, fmt.Errorf("noting what an image is: %w", err)
	}
	i.keep("an image's description", func(c *modcache.Cache) error { return c.PutNote(of.sum, name, note) })
	return d, nil
}
