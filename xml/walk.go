package vgpuxml

import (
	"bytes"
	"encoding/xml"
	"errors"
	"io"
	"strings"
)

// node is one XML token with where it stands.
type node struct {
	// path holds the names of the open elements from the root on; for a start or end token the last one is its own.
	path []xml.Name
	// token is valid only during the visit.
	token xml.Token
	// start and end are byte offsets into the document. Both ends of <a/> have the end token's start equal to its end.
	start, end int64
}

// depth is the number of open elements: 1 at the root.
func (n node) depth() int { return len(n.path) }

// at reports whether the path is exactly these elements without a namespace.
func (n node) at(names ...string) bool {
	if len(n.path) != len(names) {
		return false
	}
	for i, name := range names {
		if n.path[i].Space != "" || n.path[i].Local != name {
			return false
		}
	}
	return true
}

// walk visits every token of a document with one root element. Errors of the XML itself are ErrMalformed.
func walk(document []byte, visit func(node) error) error {
	decoder := xml.NewDecoder(bytes.NewReader(document))
	var path []xml.Name
	rooted := false
	for {
		start := decoder.InputOffset()
		token, err := decoder.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return malformed("%v", err)
		}
		switch t := token.(type) {
		case xml.StartElement:
			if len(path) == 0 && rooted {
				return malformed("a second root element <%s>", t.Name.Local)
			}
			rooted = true
			path = append(path, t.Name)
		case xml.CharData:
			if len(path) == 0 && !blank(t) {
				return malformed("text outside the root element")
			}
		}
		if err := visit(node{path: path, token: token, start: start, end: decoder.InputOffset()}); err != nil {
			return err
		}
		if _, ended := token.(xml.EndElement); ended {
			path = path[:len(path)-1]
		}
	}
	if !rooted {
		return malformed("no root element")
	}
	return nil
}

// blank reports whether text is XML white space only. A byte order mark may open a document.
func blank(text []byte) bool {
	return strings.Trim(string(text), " \t\r\n\ufeff") == ""
}
