package vgpuxml

import (
	"bytes"
	"encoding/xml"
	"errors"
	"strings"
)

// ErrElementPresent says that the domain has the element already.
var ErrElementPresent = errors.New("domain already has a vgpu:gpu metadata element")

// Complete returns the domain XML as it has to be defined for the vGPU that its element asks for: with the element in <metadata>,
// and with the device. Clouds that cannot write into <metadata> may leave the element anywhere directly below <domain>, which
// libvirt would ignore. A domain without the element, and one that is complete, is returned as it is.
//
// Errors are those of ParseDomain without ErrNoGPU, and those of InsertDevice without ErrDevicePresent.
func Complete(document []byte, channels int) ([]byte, error) {
	place, err := readPlace(document)
	if err != nil {
		return nil, err
	}
	switch {
	case place.stray.err != nil:
		return nil, place.stray.err
	case place.stray.found && place.metadata.found:
		return nil, badElement("there are two; keep one")
	case place.stray.found:
		if document, err = insertElement(concat(document[:place.strayFrom], document[place.strayTo:]), place.stray.gpu); err != nil {
			return nil, err
		}
	case place.metadata.err != nil:
		return nil, place.metadata.err
	case !place.metadata.found:
		return document, nil
	}
	complete, err := InsertDevice(document, channels)
	if errors.Is(err, ErrDevicePresent) {
		return document, nil
	}
	return complete, err
}

// InsertElement returns the domain XML with the element in its <metadata>, which is made if there is none. Every other byte stays as it
// is, except that an empty <metadata/> becomes a pair of tags. The error is ErrElementPresent, ErrMalformed, or that of g.Validate.
func InsertElement(document []byte, g GPU) ([]byte, error) {
	if err := g.Validate(); err != nil {
		return nil, err
	}
	return insertElement(document, g)
}

// elementPlace is where a domain has the element, or could have it.
type elementPlace struct {
	metadata, stray    elementReader // below <metadata>; directly below <domain>
	strayFrom, strayTo int64         // with the blanks before it
	closing            int64         // offset of "</metadata>", or of the end of "<metadata/>"; 0: there is none
	selfClosing        bool
	after              int64 // offset behind what a new <metadata> may follow
}

func readPlace(document []byte) (*elementPlace, error) {
	p := &elementPlace{}
	err := walk(document, func(n node) error {
		switch token := n.token.(type) {
		case xml.StartElement:
			if n.depth() == 1 {
				if !n.at("domain") {
					return malformed("root element is <%s>, expected <domain>", token.Name.Local)
				}
				p.after = n.end
			}
			if n.depth() == 2 && token.Name.Space == Namespace {
				p.strayFrom = int64(len(bytes.TrimRight(document[:n.start], " \t\r\n")))
			}
		case xml.EndElement:
			switch {
			case n.at("domain", "name"), n.at("domain", "uuid"):
				p.after = n.end
			case n.at("domain", "metadata") && p.closing == 0:
				p.closing, p.selfClosing = n.start, n.start == n.end
			case n.depth() == 2 && token.Name.Space == Namespace:
				p.strayTo = n.end
			}
		}
		if n.depth() >= 3 && (node{path: n.path[:2]}).at("domain", "metadata") {
			p.metadata.visit(n, 3)
		}
		if n.depth() >= 2 && !(node{path: n.path[:2]}).at("domain", "metadata") {
			p.stray.visit(n, 2)
		}
		return nil
	})
	return p, err
}

func insertElement(document []byte, g GPU) ([]byte, error) {
	p, err := readPlace(document)
	if err != nil {
		return nil, err
	}
	newline := "\n"
	if bytes.Contains(document, []byte("\r\n")) {
		newline = "\r\n"
	}
	switch {
	case p.metadata.err != nil:
		return nil, p.metadata.err
	case p.metadata.found:
		return nil, ErrElementPresent
	case p.closing == 0:
		lines := []string{"", "  <metadata>", "    " + g.Element(), "  </metadata>"}
		return concat(document[:p.after], []byte(strings.Join(lines, newline)), document[p.after:]), nil
	}
	before, after := document[:p.closing], document[p.closing:]
	if p.selfClosing {
		opening := bytes.LastIndexByte(before, '<')
		indent := lineIndent(before[:opening])
		tag := bytes.TrimRight(bytes.TrimSuffix(before[opening:], []byte("/>")), " \t\r\n")
		return concat(before[:opening], tag, []byte(">"+newline), device(g.Element(), indent, newline), []byte(indent+"</metadata>"), after), nil
	}
	indent := lineIndent(before)
	line := before[:len(before)-len(indent)]
	if len(line) > 0 && line[len(line)-1] != '\n' { // <metadata> and its end on one line
		return concat(before, []byte(g.Element()), after), nil
	}
	return concat(line, device(g.Element(), indent, newline), []byte(indent), after), nil
}
