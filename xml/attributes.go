package vgpuxml

import (
	"encoding/xml"
	"strconv"
)

// allowedValues says, per attribute, what a person may write. Its keys are all the attributes there are.
func allowedValues() map[string]string {
	return map[string]string{
		"pool":     "a name of 1 to 63 characters, lower case letters, digits, dot, underscore and dash, starting with a letter or digit",
		"priority": "high, normal or low",
		"memory":   "a size from 64MiB to 16TiB in KiB, MiB, GiB, TiB or plain bytes, or 0 for the pool's default",
		"weight":   "a whole number from 1 to 10000",
		"window":   "a power of two from 64MiB to 64GiB in KiB, MiB, GiB or plain bytes",
	}
}

// parseAttributes fills a GPU from the element's attributes; namespace declarations are not attributes.
func parseAttributes(attributes []xml.Attr) (GPU, error) {
	gpu := DefaultGPU()
	seen := map[string]bool{}
	for _, a := range attributes {
		if a.Name.Space == "xmlns" || a.Name.Space == "" && a.Name.Local == "xmlns" {
			continue
		}
		name := a.Name.Local
		if a.Name.Space != "" {
			name = a.Name.Space + ":" + name
		}
		if _, known := allowedValues()[name]; !known {
			return GPU{}, unknownAttribute(name, a.Value)
		}
		if seen[name] {
			return GPU{}, &AttributeError{Attribute: name, Value: a.Value, Allowed: "one " + name + " attribute only"}
		}
		seen[name] = true
		if !gpu.set(name, a.Value) {
			return GPU{}, badAttribute(name, a.Value)
		}
	}
	if err := gpu.Validate(); err != nil {
		return GPU{}, err
	}
	return gpu, nil
}

// set stores one attribute as it was written and reports whether the value is allowed.
func (g *GPU) set(name, value string) (ok bool) {
	switch name {
	case "pool":
		g.Pool, ok = value, ValidPoolName(value)
	case "priority":
		g.Priority = Priority(value)
		ok = g.Priority == PriorityHigh || g.Priority == PriorityNormal || g.Priority == PriorityLow
	case "memory":
		if value == "0" {
			g.Memory = 0
			return true
		}
		g.Memory, ok = parseSize(value)
		ok = ok && g.Memory >= MinMemory && g.Memory <= MaxMemory
	case "weight":
		number, fits := parseWhole(value, MaxWeight)
		g.Weight, ok = int(number), fits && number >= 1
	case "window":
		g.Window, ok = parseSize(value)
		ok = ok && g.Window >= MinWindow && g.Window <= MaxWindow && g.Window&(g.Window-1) == 0
	}
	return ok
}

// parseWhole reads decimal digits without sign, space or leading zero, at most limit.
func parseWhole(text string, limit uint64) (uint64, bool) {
	if text == "" || text[0] < '1' || text[0] > '9' {
		return 0, false
	}
	number, err := strconv.ParseUint(text, 10, 64)
	return number, err == nil && number <= limit
}
