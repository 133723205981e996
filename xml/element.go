package vgpuxml

import (
	"encoding/xml"
	"strings"
)

// elementReader finds the vgpu element among the elements of one depth and keeps the first error, so that the rest of a domain
// is read even if the element is bad.
type elementReader struct {
	gpu   GPU
	found bool
	err   error
	// inside is set between the element's own start and end.
	inside bool
}

// visit takes every node at or below depth.
func (r *elementReader) visit(n node, depth int) {
	switch token := n.token.(type) {
	case xml.StartElement:
		switch {
		case n.depth() == depth:
			r.open(token)
		case r.inside:
			r.fail(badElement("it must be empty, found element <%s>", token.Name.Local))
		}
	case xml.CharData:
		if r.inside && !blank(token) {
			r.fail(badElement("it must be empty, found text %q", strings.TrimSpace(string(token))))
		}
	case xml.EndElement:
		if n.depth() == depth {
			r.inside = false
		}
	}
}

func (r *elementReader) open(token xml.StartElement) {
	name := token.Name
	switch {
	case name.Space == Namespace && name.Local == ElementName:
		if r.found {
			r.fail(badElement("there are two; keep one"))
			return
		}
		r.found, r.inside = true, true
		gpu, err := parseAttributes(token.Attr)
		if err != nil {
			r.fail(err)
			return
		}
		r.gpu = gpu
	case name.Space == Namespace:
		r.fail(badElement("element %q is unknown in namespace %q: allowed is %s", name.Local, Namespace, ElementName))
	case name.Space == NamespaceStem || strings.HasPrefix(name.Space, NamespaceStem+":"):
		r.fail(namespaceError{badElement("namespace %q is not known: allowed is %q", name.Space, Namespace)})
	case name.Local == ElementName && (name.Space == "" || name.Space == "vgpu"):
		r.fail(namespaceError{badElement("<%s> declares no namespace: write <vgpu:gpu xmlns:vgpu=%q .../>", name.Local, Namespace)})
	}
}

func (r *elementReader) fail(err error) {
	if r.err == nil {
		r.err = err
	}
}
