package vgpuxml

import (
	"encoding/xml"
	"strings"
)

// Domain is what the project needs to know of a libvirt domain.
type Domain struct {
	Name string
	// UUID is in libvirt's form, lower case with dashes, or empty when the document has none that is valid.
	UUID string
	// Type is the hypervisor: kvm, qemu, ...
	Type string
	// GPU is the element with defaults filled in; zero if there is none or it is invalid.
	GPU GPU
}

// ParseDomain reads full domain XML, as of virsh dumpxml or a hook's standard input.
//
// The error is ErrNoGPU for a domain without the element, ErrBadElement (often an *AttributeError) for a bad one, ErrMalformed for XML
// that cannot be read. With the first two the Domain has its name, UUID and type.
func ParseDomain(document []byte) (Domain, error) {
	d, err := readDomain(document)
	if err != nil {
		return Domain{}, err
	}
	switch {
	case d.metadata.err != nil:
		return d.domain, d.metadata.err
	case !d.metadata.found:
		return d.domain, ErrNoGPU
	}
	d.domain.GPU = d.metadata.gpu
	return d.domain, nil
}

// ParseElement reads the bare element, as virsh metadata prints it. Errors are as for ParseDomain, without ErrNoGPU.
func ParseElement(document []byte) (GPU, error) {
	var reader elementReader
	err := walk(document, func(n node) error {
		reader.visit(n, 1)
		return nil
	})
	switch {
	case err != nil:
		return GPU{}, err
	case reader.err != nil:
		return GPU{}, reader.err
	case !reader.found:
		return GPU{}, badElement("root element is not gpu in namespace %q", Namespace)
	}
	return reader.gpu, nil
}

// domainDocument is everything one pass over a domain's XML collects.
type domainDocument struct {
	domain   Domain
	metadata elementReader
	shmems   []shmemText
	devices  devicesText
}

// devicesText says where new devices may be inserted.
type devicesText struct {
	found bool
	// closing is the offset of "</devices>", or of the end of "<devices/>".
	closing     int64
	selfClosing bool
}

func readDomain(document []byte) (*domainDocument, error) {
	d := &domainDocument{}
	var name, uuid strings.Builder
	err := walk(document, func(n node) error {
		switch token := n.token.(type) {
		case xml.StartElement:
			if n.depth() == 1 {
				if !n.at("domain") {
					return malformed("root element is <%s>, expected <domain>", token.Name.Local)
				}
				d.domain.Type = attribute(token, "type")
			}
		case xml.CharData:
			switch {
			case n.at("domain", "name"):
				name.Write(token)
			case n.at("domain", "uuid"):
				uuid.Write(token)
			}
		case xml.EndElement:
			if n.at("domain", "devices") && !d.devices.found {
				d.devices = devicesText{found: true, closing: n.start, selfClosing: n.start == n.end}
			}
		}
		if n.depth() >= 3 && (node{path: n.path[:2]}).at("domain", "metadata") {
			d.metadata.visit(n, 3)
		}
		if n.depth() >= 3 && (node{path: n.path[:3]}).at("domain", "devices", "shmem") {
			d.visitShmem(n)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	d.domain.Name = name.String()
	d.domain.UUID, _ = NormalizeUUID(uuid.String())
	return d, nil
}

// attribute returns the value of an attribute without a namespace, or "".
func attribute(element xml.StartElement, name string) string {
	for _, a := range element.Attr {
		if a.Name.Space == "" && a.Name.Local == name {
			return a.Value
		}
	}
	return ""
}

// NormalizeUUID returns the UUID in libvirt's form, lower case with dashes, and whether text is one.
// Like libvirt it takes upper case, missing dashes and white space around.
func NormalizeUUID(text string) (string, bool) {
	digits := strings.ReplaceAll(strings.ToLower(strings.TrimSpace(text)), "-", "")
	if len(digits) != 32 || strings.Trim(digits, "0123456789abcdef") != "" {
		return "", false
	}
	return digits[:8] + "-" + digits[8:12] + "-" + digits[12:16] + "-" + digits[16:20] + "-" + digits[20:], true
}
