package gen

import (
	"bytes"
	"fmt"
	"strings"

	"libvirt-vgpu/plugin/api"
)

// Document is the page whose list of refused functions is generated.
const Document = "docs/compatibility.md"

// The list stands between these lines of the page.
const (
	refusedBegin = "<!-- refused functions, from plugin/api/refusals.table -->\n"
	refusedEnd   = "<!-- end of refused functions -->\n"
)

// Compatibility puts the list of refused functions into the page.
func Compatibility(page []byte, list []api.Refusal) ([]byte, error) {
	before, rest, ok1 := bytes.Cut(page, []byte(refusedBegin))
	_, after, ok2 := bytes.Cut(rest, []byte(refusedEnd))
	if !ok1 || !ok2 {
		return nil, fmt.Errorf("%s has no place for the refused functions: lines %q and %q", Document, strings.TrimSpace(refusedBegin), strings.TrimSpace(refusedEnd))
	}
	var b bytes.Buffer
	b.Write(before)
	b.WriteString(refusedBegin + "\n| refused | why |\n|---|---|\n")
	for _, r := range list {
		fmt.Fprintf(&b, "| `%s` | %s |\n", strings.Join(r.Functions, "` `"), r.Reason)
	}
	b.WriteString("\n" + refusedEnd)
	b.Write(after)
	return b.Bytes(), nil
}
