package system

import (
	"strings"
	"testing"
	"time"
)

const (
	service = "io.github.libvirt_vgpu.Mediator1"
	object  = "/io/github/libvirt_vgpu/Mediator1"
	manager = service + ".Manager"
)

// busPolicy wants everybody to be able to look, the group vgpu to run programs on
// vGPUs, and nobody but root, whom polkit asks for no password, to touch domains.
func (h *host) busPolicy(t *testing.T) {
	_, err := h.Run(h.ctx, "useradd", "nosy")
	must(t, err)
	_, err = h.Run(h.ctx, "useradd", "--groups", "vgpu", "member")
	must(t, err)
	must(t, h.Copy(built("tests/driverapi"), "/usr/local/bin/driverapi"))

	as := func(user string, argv ...string) (string, error) {
		return h.Run(h.ctx, "setpriv", append([]string{"--reuid=" + user, "--regid=" + user, "--init-groups", "--"}, argv...)...)
	}
	if out, err := as("nosy", "vgpuctl", "status"); err != nil || !strings.Contains(out, "one") {
		t.Errorf("a user may not look: %q, %v", out, err)
	}
	if _, err := as("nosy", "busctl", "introspect", service, object); err != nil {
		t.Errorf("a user may not look: %v", err)
	}
	uuid := h.guest.UUID
	for _, call := range [][]string{
		{"Reserve", "ssss", uuid, "one", "<gpu xmlns='urn:libvirt-vgpu:1'/>", "/run/vgpu/domain-" + uuid + "/ivshmem.sock"},
		{"Change", "ss", uuid, "<gpu xmlns='urn:libvirt-vgpu:1'/>"},
		{"Started", "s", uuid},
		{"Stopped", "s", uuid},
		{"Release", "s", uuid},
	} {
		for _, user := range []string{"nosy", "member"} {
			_, err := as(user, append([]string{"busctl", "call", service, object, manager}, call...)...)
			if err == nil || !strings.Contains(stderr(err), "polkit does not let user") {
				t.Errorf("%s called %s: %v", user, call[0], err)
			}
		}
	}
	if slot := h.slot(t, "one"); slot.State != "running" {
		t.Errorf("the slot is %+v", slot)
	}
	run := []string{"vgpuctl", "run", "--", "/usr/local/bin/driverapi", "init", "kernels"}
	if _, err := as("nosy", run...); err == nil || !strings.Contains(stderr(err), "polkit does not let user") {
		t.Errorf("a user outside the group ran a program on a vGPU: %v", err)
	}
	if out, err := as("member", run...); err != nil {
		t.Errorf("a member of the group vgpu may not run a program on a vGPU: %v\n%s", err, out)
	}
	h.operators(t, as)
}

// operators wants polkit's rules to decide for those who are neither root nor in
// the group vgpu.
func (h *host) operators(t *testing.T, as func(user string, argv ...string) (string, error)) {
	reload := []string{"vgpuctl", "reload"}
	if _, err := as("nosy", reload...); err == nil || !strings.Contains(stderr(err), "polkit does not let user") {
		t.Errorf("a user reloaded the pools: %v", err)
	}
	h.typed(t, "Who may do what", 0)
	_, err := h.Run(h.ctx, "useradd", "--groups", "vgpu-operators", "mends")
	must(t, err)
	h.until(t, time.Minute, "polkit has read the rule", func() bool {
		_, err := as("mends", reload...)
		return err == nil
	})
	uuid := h.guest.UUID
	call := func(user string, call ...string) error {
		_, err := as(user, append([]string{"busctl", "call", service, object, manager}, call...)...)
		return err
	}
	refused := func(err error) bool { return err != nil && strings.Contains(stderr(err), "polkit does not let user") }
	if err := call("mends", "Change", "ss", uuid, "<gpu xmlns='urn:libvirt-vgpu:1' memory='512MiB' weight='150'/>"); err != nil {
		t.Errorf("an operator may not change a running domain: %v", err)
	}
	if err := call("mends", "Release", "s", uuid); !refused(err) {
		t.Errorf("an operator released a slot: %v", err)
	}
	if _, err := as("nosy", reload...); err == nil {
		t.Error("a user who is no operator reloaded the pools")
	}

	// who is given the hook's part has it, and nobody else
	const grant = `polkit.addRule(function (action, subject) {
    if (action.id == "io.github.libvirt_vgpu.manage-slots" && subject.isInGroup("vgpu-operators")) { return polkit.Result.YES; }
});
`
	must(t, h.Write("/etc/polkit-1/rules.d/60-test.rules", grant))
	h.until(t, time.Minute, "polkit has read the other rule", func() bool { return call("mends", "Started", "s", uuid) == nil })
	for _, user := range []string{"nosy", "member"} {
		if err := call(user, "Release", "s", uuid); !refused(err) {
			t.Errorf("%s released a slot: %v", user, err)
		}
	}
	if slot := h.slot(t, "one"); slot.State != "running" {
		t.Errorf("the slot is %+v", slot)
	}
}
