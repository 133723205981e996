package soft

import (
	"sort"

	"libvirt-vgpu/mediatord/executor/driver"
	"libvirt-vgpu/mediatord/executor/image"
	"libvirt-vgpu/mediatord/executor/soft/ptx"
)

// texts are the PTX texts of an image that this device might run, the best
// first: of a fatbin those for the highest architecture. There is always one
// when the result is Success; machine code alone is for no GPU like this.
func (d *Driver) texts(code []byte) ([]string, driver.Result) {
	kind, code, err := image.Measure(code)
	if err != nil {
		d.log.WithError(err).Warn("software GPU")
		return nil, driver.ErrorInvalidImage
	}
	switch kind {
	case image.PTX:
		return []string{withoutNUL(code)}, driver.Success
	case image.Cubin:
		return nil, driver.ErrorNoBinaryForGPU
	}
	entries, err := image.Entries(code)
	if err != nil {
		return nil, driver.ErrorInvalidImage
	}
	return d.ptxEntries(entries)
}

func (d *Driver) ptxEntries(entries []image.Entry) ([]string, driver.Result) {
	var fit []image.Entry
	tooNew := false
	for _, e := range entries {
		if e.Kind != image.EntryPTX || e.Arch > computeMajor*10+computeMinor {
			continue
		}
		if e.Major > ptx.MaxMajor || e.Major == ptx.MaxMajor && e.Minor > ptx.MaxMinor {
			tooNew = true
			continue
		}
		fit = append(fit, e)
	}
	sort.SliceStable(fit, func(i, j int) bool { return fit[i].Arch > fit[j].Arch })
	var texts []string
	for _, e := range fit {
		text, err := e.Code()
		if err != nil {
			d.log.WithError(err).Warn("software GPU")
			return nil, driver.ErrorInvalidImage
		}
		texts = append(texts, withoutNUL(text))
	}
	switch {
	case len(texts) > 0:
		return texts, driver.Success
	case tooNew:
		return nil, driver.ErrorUnsupportedPTX
	}
	return nil, driver.ErrorNoBinaryForGPU
}

// withoutNUL cuts the text at its end; fatbin entries are padded.
func withoutNUL(text []byte) string {
	for i, c := range text {
		if c == 0 {
			return string(text[:i])
		}
	}
	return string(text)
}
