//go:build groovy

package cloudstack

import (
	"os/exec"
	"strings"
	"testing"
)

// agent does what CloudStack's agent does: it runs the script with a
// GroovyScriptEngine and calls the method of the object that it gets.
const agent = `
def logger = [error: { System.err.println('logged: ' + it) }] as Expando
def hook = new GroovyScriptEngine('.').run('libvirt-vm-xml-transformer.groovy', new Binding())
System.out.print(hook.invokeMethod('transform', [logger, System.in.getText('UTF-8')] as Object[]))
`

func TestGroovyTransformer(t *testing.T) {
	ctl := vgpuctl(t)
	transform := func(xml string) (string, string, error) {
		cmd := exec.Command("groovy", "-Dvgpuctl="+ctl, "-e", agent)
		cmd.Stdin = strings.NewReader(xml)
		var errors strings.Builder
		cmd.Stderr = &errors
		out, err := cmd.Output()
		return string(out), errors.String(), err
	}
	check(t, transform)
	const bad = `<domain><gpu xmlns="urn:libvirt-vgpu:1" colour="red"/></domain>`
	if out, log, err := transform(bad); err != nil || out != bad || !strings.Contains(log, "logged: the instance gets no vGPU") || !strings.Contains(log, "colour") {
		t.Errorf("a bad element: %v, %s, %s", err, out, log)
	}
	ctl = "/nonexistent/vgpuctl"
	if out, log, err := transform(read(t, "cloudstack.xml")); err != nil || out != read(t, "cloudstack.xml") || !strings.Contains(log, "logged: ") {
		t.Errorf("without vgpuctl: %v, %s, %s", err, out, log)
	}
}
