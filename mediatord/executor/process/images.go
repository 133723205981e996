package process

import (
	"crypto/sha256"
	"hash"

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
	storing chan struct{} // holds a token while one image is being stored
}

type upload struct {
	size uint64
	sum  [sha256.Size]byte
	hash hash.Hash
	data []byte
	good bool // complete and what its hash says
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
	u := &upload{size: in.Size, sum: in.SHA256}
	i.uploads[in.Image] = u
	i.total += u.size
	if i.cache != nil {
		if u.data, u.good = i.cache.Get(u.sum, u.size); u.good {
			return wire.ImageBeginReply{Cached: 1}, driver.Success
		}
	}
	u.hash = sha256.New()
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
	before := len(u.data)
	u.data = append(u.data, in.Data...)
	return p.images.appended(u, before)
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

// appended hashes what came after before; a complete image must be the
// announced one.
func (i *images) appended(u *upload, before int) driver.Result {
	u.hash.Write(u.data[before:])
	if uint64(len(u.data)) < u.size {
		return driver.Success
	}
	if [sha256.Size]byte(u.hash.Sum(nil)) != u.sum {
		i.log.Warn("an image is not what its hash says")
		return driver.ErrorInvalidImage
	}
	u.good = true
	i.store(u.sum, u.data)
	return driver.Success
}

// store writes to the cache beside the consumer, one image at a time: the cache
// is a help, not a duty.
func (i *images) store(sum [sha256.Size]byte, data []byte) {
	if i.cache == nil {
		return
	}
	go func() {
		i.storing <- struct{}{}
		defer func() { <-i.storing }()
		if err := i.cache.Put(sum, data); err != nil {
			i.log.WithError(err).Warn("image not cached")
		}
	}()
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

// imageBytes are the bytes of a complete, measured image.
func (p *Process) imageBytes(number uint32) ([]byte, driver.Result) {
	u := p.images.uploads[number]
	if u == nil {
		return nil, driver.ErrorInvalidValue
	}
	if !u.good {
		return nil, driver.ErrorInvalidImage
	}
	kind, data, err := image.Measure(u.data)
	if err != nil {
		p.Log.WithError(err).Warn("image refused")
		return nil, driver.ErrorInvalidImage
	}
	p.Log.Debugf("loading %s of %d bytes", kind, len(data))
	return data, driver.Success
}
