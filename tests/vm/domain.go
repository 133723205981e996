package vm

import (
	"encoding/xml"
	"fmt"
	"strings"
	"text/template"
)

// Domain describes a libvirt domain that boots an initramfs.
type Domain struct {
	Type      string // "" is qemu
	Name      string
	UUID      string // "" lets libvirt choose
	MemoryMiB int    // 0 is 512
	CPUs      int    // 0 is 1
	Kernel    string // use Libvirt.Image for both: libvirt changes the owner of the files
	Initramfs string
	Console   string // use Libvirt.Console
	Commands  string // path of Libvirt.Commands, "" for none; it is the guest's /dev/ttyS1
	Metadata  string // XML inside <metadata>
	Devices   string // XML inside <devices>
}

var domainXML = template.Must(template.New("").Funcs(template.FuncMap{"text": escape}).Parse(`<domain type='{{.Type}}'>
  <name>{{text .Name}}</name>
{{- if .UUID}}
  <uuid>{{text .UUID}}</uuid>
{{- end}}
{{- if .Metadata}}
  <metadata>{{.Metadata}}</metadata>
{{- end}}
  <memory unit='MiB'>{{.MemoryMiB}}</memory>
  <vcpu>{{.CPUs}}</vcpu>
  <os>
    <type arch='x86_64' machine='q35'>hvm</type>
    <kernel>{{text .Kernel}}</kernel>
    <initrd>{{text .Initramfs}}</initrd>
    <cmdline>{{text .CommandLine}}</cmdline>
  </os>
  <features><acpi/><apic/></features>
  <cpu mode='maximum'/>
  <on_reboot>destroy</on_reboot>
  <devices>
    <emulator>/usr/bin/qemu-system-x86_64</emulator>
    <controller type='usb' model='none'/>
    <memballoon model='none'/>
    <serial type='file'><source path='{{text .Console}}'/></serial>
{{- if .Commands}}
    <serial type='pipe'><source path='{{text .Commands}}'/></serial>
{{- end}}
    {{.Devices}}
  </devices>
</domain>
`))

// XML is the domain's definition.
func (d Domain) XML() (string, error) {
	if d.Type == "" {
		d.Type = "qemu"
	}
	if d.MemoryMiB == 0 {
		d.MemoryMiB = 512
	}
	if d.CPUs == 0 {
		d.CPUs = 1
	}
	var out strings.Builder
	data := struct {
		Domain
		CommandLine string
	}{d, CommandLine}
	if err := domainXML.Execute(&out, data); err != nil {
		return "", fmt.Errorf("writing domain %s: %w", d.Name, err)
	}
	return out.String(), nil
}

func escape(text string) (string, error) {
	var out strings.Builder
	err := xml.EscapeText(&out, []byte(text))
	return out.String(), err
}
