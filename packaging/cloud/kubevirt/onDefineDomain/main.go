// Command onDefineDomain is a KubeVirt hook: the sidecar shim runs it with a VMI
// and the domain XML that virt-launcher is about to define, and takes what it
// prints in its place. Annotations libvirt-vgpu/pool, priority, memory, weight and
// window of the VMI ask for a vGPU; without any the domain stays as it is.
//
// docs/cloud.md says what else a cluster needs; KubeVirt's own virt-launcher image
// cannot start such a domain.
package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"os"
	"strings"

	vgpuxml "libvirt-vgpu/xml"
)

// prefix begins the annotations.
const prefix = "libvirt-vgpu/"

func main() {
	if err := run(os.Args[1:], os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "onDefineDomain:", err)
		os.Exit(1)
	}
}

func run(args []string, out io.Writer) error {
	flags := flag.NewFlagSet("onDefineDomain", flag.ContinueOnError)
	vmi := flags.String("vmi", "", "the VMI as JSON")
	domain := flags.String("domain", "", "the domain as XML")
	if err := flags.Parse(args); err != nil {
		return err
	}
	changed, err := change([]byte(*vmi), []byte(*domain))
	if err != nil {
		return err
	}
	_, err = out.Write(changed)
	return err
}

// change gives the domain what the VMI asks for.
func change(vmi, domain []byte) ([]byte, error) {
	var object struct {
		Metadata struct {
			Annotations map[string]string `json:"annotations"`
		} `json:"metadata"`
	}
	if err := json.Unmarshal(vmi, &object); err != nil {
		return nil, fmt.Errorf("reading the VMI: %w", err)
	}
	gpu, asked := vgpuxml.DefaultGPU(), false
	for name, value := range object.Metadata.Annotations {
		attribute, ours := strings.CutPrefix(name, prefix)
		if !ours {
			continue
		}
		if err := gpu.Set(attribute, value); err != nil {
			return nil, fmt.Errorf("annotation %s: %w", name, err)
		}
		asked = true
	}
	if !asked {
		return domain, nil
	}
	with, err := vgpuxml.InsertElement(domain, gpu)
	if err != nil {
		return nil, err
	}
	return vgpuxml.Complete(with, vgpuxml.DefaultChannels)
}
