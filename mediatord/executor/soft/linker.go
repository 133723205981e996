package soft

import (
	"strings"

	"libvirt-vgpu/mediatord/executor/driver"
	"libvirt-vgpu/mediatord/executor/soft/ptx"
)

// Kinds of input that hold PTX (CUjitInputType).
const (
	inputPTX       = 1
	inputFatbinary = 2
)

// linker joins PTX texts: what this device loads is text, so that is what it
// links to.
type linker struct {
	texts     []string
	errorSize uint32
	failure   string
	image     []byte
}

// LinkCreate implements driver.Linkers. Options have no meaning here but for
// the error log.
func (d *Driver) LinkCreate(jit *driver.JIT) (driver.Linker, driver.Result) {
	return driver.Linker(d.linkers.put(&linker{errorSize: jit.ErrorSize})), driver.Success
}

// LinkAdd implements driver.Linkers. There is no machine code to link.
func (d *Driver) LinkAdd(l driver.Linker, input uint32, data []byte, name string, _ *driver.JIT) driver.Result {
	k, ok := d.linkers.items[uint64(l)]
	if !ok {
		return driver.ErrorInvalidHandle
	}
	if input != inputPTX && input != inputFatbinary {
		return driver.ErrorNoBinaryForGPU
	}
	texts, r := d.texts(data)
	if r != driver.Success {
		return r
	}
	if _, err := ptx.Parse(texts[0]); err != nil {
		k.failure = name + ": " + err.Error()
		return driver.ErrorInvalidPTX
	}
	k.texts = append(k.texts, texts[0])
	return driver.Success
}

// LinkComplete implements driver.Linkers: the texts in a row, with the
// directives that a text has only once from the first.
func (d *Driver) LinkComplete(l driver.Linker) ([]byte, driver.Result) {
	k, ok := d.linkers.items[uint64(l)]
	if !ok {
		return nil, driver.ErrorInvalidHandle
	}
	if len(k.texts) == 0 {
		return nil, driver.ErrorInvalidImage
	}
	var b strings.Builder
	b.WriteString(k.texts[0])
	for _, text := range k.texts[1:] {
		for line := range strings.Lines(text) {
			if !onceDirective(line) {
				b.WriteString(line)
			}
		}
	}
	if _, err := ptx.Parse(b.String()); err != nil {
		k.failure = err.Error()
		return nil, driver.ErrorInvalidPTX
	}
	k.image = append([]byte(b.String()), 0)
	return k.image, driver.Success
}

func onceDirective(line string) bool {
	line = strings.TrimSpace(line)
	for _, directive := range []string{".version", ".target", ".address_size"} {
		if strings.HasPrefix(line, directive) {
			return true
		}
	}
	return false
}

// LinkState implements driver.Linkers.
func (d *Driver) LinkState(l driver.Linker) driver.LinkState {
	k, ok := d.linkers.items[uint64(l)]
	if !ok {
		return driver.LinkState{}
	}
	failure := k.failure[:min(len(k.failure), int(k.errorSize))]
	return driver.LinkState{ErrorSize: uint32(len(failure)), Error: []byte(failure)}
}

// LinkDestroy implements driver.Linkers.
func (d *Driver) LinkDestroy(l driver.Linker) driver.Result {
	if _, ok := d.linkers.take(uint64(l)); !ok {
		return driver.ErrorInvalidHandle
	}
	return driver.Success
}
