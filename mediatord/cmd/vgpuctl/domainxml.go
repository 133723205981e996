package main

import (
	"fmt"
	"io"

	"github.com/spf13/cobra"

	vgpuxml "libvirt-vgpu/xml"
)

// maxDomainXML bounds what is read; libvirt's own limit is far below.
const maxDomainXML = 16 << 20

func newDomainXMLCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "domain-xml <DOMAIN.xml >COMPLETE.xml",
		Short: "Complete a domain's XML on its way to libvirt",
		Long: `Reads domain XML on standard input and writes what libvirt has to be given for the
vGPU that its vgpu:gpu element asks for: the element in <metadata>, wherever below
<domain> it was, and the shared memory device. XML without the element, and XML that
is complete, comes out as it went in. For clouds, whose hooks are such filters.`,
		Args: takes(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			document, err := io.ReadAll(io.LimitReader(cmd.InOrStdin(), maxDomainXML))
			if err != nil {
				return fmt.Errorf("reading domain XML: %w", err)
			}
			complete, err := vgpuxml.Complete(document, vgpuxml.DefaultChannels)
			if err != nil {
				return err
			}
			_, err = cmd.OutOrStdout().Write(complete)
			return err
		},
	}
}
