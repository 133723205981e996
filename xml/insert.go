package vgpuxml

import (
	"bytes"
	"fmt"
	"strings"
)

// InsertDevice returns the domain XML with the text of the device added at the end of <devices>. Every other byte stays as it is, except
// that an empty <devices/> becomes a pair of tags.
//
// The error is ErrDevicePresent, ErrDeviceDiffers (with the differences), ErrMalformed, or that of FindDevice.
func InsertDevice(document []byte, channels int) ([]byte, error) {
	d, err := readDomain(document)
	if err != nil {
		return nil, err
	}
	report, err := d.findDevice(channels)
	if err != nil {
		return nil, err
	}
	switch report.State {
	case DevicePresent:
		return nil, ErrDevicePresent
	case DeviceDiffers:
		return nil, fmt.Errorf("%w: %s", ErrDeviceDiffers, report)
	case DeviceMissing:
	}
	if !d.devices.found {
		return nil, malformed("domain has no <devices> to insert the device into")
	}
	snippet, err := DeviceXML(d.domain.UUID, channels)
	if err != nil {
		return nil, err
	}
	before, after := document[:d.devices.closing], document[d.devices.closing:]
	newline := "\n"
	if bytes.Contains(document, []byte("\r\n")) {
		newline = "\r\n"
	}
	if d.devices.selfClosing {
		opening := bytes.LastIndexByte(before, '<')
		indent := lineIndent(before[:opening])
		tag := bytes.TrimRight(bytes.TrimSuffix(before[opening:], []byte("/>")), " \t\r\n")
		return concat(before[:opening], tag, []byte(">"+newline), device(snippet, indent, newline), []byte(indent+"</devices>"), after), nil
	}
	indent := lineIndent(before)
	ownLine := len(before) == len(indent) || before[len(before)-len(indent)-1] == '\n'
	if !ownLine {
		return concat(before, []byte(newline), device(snippet, "", newline), after), nil
	}
	line := before[:len(before)-len(indent)]
	return concat(line, device(snippet, indent, newline), []byte(indent), after), nil
}

// lineIndent returns the blanks at the end of text.
func lineIndent(text []byte) string {
	return string(text[len(bytes.TrimRight(text, " \t")):])
}

// device indents the snippet two blanks deeper than indent and ends it with a line break.
func device(snippet, indent, newline string) []byte {
	var b strings.Builder
	for line := range strings.Lines(snippet) {
		b.WriteString(indent + "  " + strings.TrimSuffix(line, "\n") + newline)
	}
	return []byte(b.String())
}

func concat(parts ...[]byte) []byte { return bytes.Join(parts, nil) }
