package daemon_test

import (
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"

	"github.com/godbus/dbus/v5"

	"libvirt-vgpu/mediatord/internal/bus"
)

// fakePolkit allows one action.
type fakePolkit struct{ allowed string }

type polkitSubject struct {
	Kind    string
	Details map[string]dbus.Variant
}

type polkitAnswer struct {
	Authorized, Challenge bool
	Details               map[string]string
}

func (p fakePolkit) CheckAuthorization(_ polkitSubject, action string, _ map[string]string, _ uint32, _ string) (polkitAnswer, *dbus.Error) {
	return polkitAnswer{Authorized: action == p.allowed, Details: map[string]string{}}, nil
}

// asNobody calls mediatord as the user nobody and returns what dbus-send prints.
func (s *stage) asNobody(method string, args ...string) (string, error) {
	cmd := exec.Command("dbus-send", append([]string{
		"--bus=" + s.Address, "--print-reply", "--dest=" + bus.Service, string(bus.Root), method}, args...)...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
	out, err := cmd.CombinedOutput()
	return string(out), err
}

func TestAnotherUserMayLookAndNothingElseWithoutPolkit(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root to become another user")
	}
	s := start(t, onePool())
	s.mustReserve(uuid)
	for _, tc := range []struct {
		method string
		args   []string
		action string // "" = looking
	}{
		{"org.freedesktop.DBus.ObjectManager.GetManagedObjects", nil, ""},
		{bus.ManagerInterface + ".Check", []string{"string:" + element + "/>"}, ""},
		{bus.ManagerInterface + ".Reserve", []string{"string:" + other, "string:web", "string:" + element + "/>", "string:" + s.socket(other)}, "manage-slots"},
		{bus.ManagerInterface + ".Started", []string{"string:" + uuid}, "manage-slots"},
		{bus.ManagerInterface + ".Stopped", []string{"string:" + uuid}, "manage-slots"},
		{bus.ManagerInterface + ".Release", []string{"string:" + uuid}, "manage-slots"},
		{bus.ManagerInterface + ".Change", []string{"string:" + uuid, "string:" + element + ` weight="7"/>`}, "change-settings"},
		{bus.ManagerInterface + ".Reload", nil, "reload"},
		{bus.ManagerInterface + ".OpenSession", []string{"string:", "string:", "uint64:0", "string:x"}, "open-session"},
	} {
		out, err := s.asNobody(tc.method, tc.args...)
		if refused := strings.Contains(out, bus.Service+".Error.NotAuthorized"); refused != (tc.action != "") || refused == (err == nil) {
			t.Errorf("%s: %v, %s", tc.method, err, out)
		}
	}
	if state := s.property(uuid, "State"); state != "reserved" {
		t.Errorf("the slot is %v", state)
	}

	polkit := s.Connect(t)
	if err := polkit.Export(fakePolkit{allowed: "io.github.libvirt_vgpu.change-settings"}, "/org/freedesktop/PolicyKit1/Authority", "org.freedesktop.PolicyKit1.Authority"); err != nil {
		t.Fatal(err)
	}
	if _, err := polkit.RequestName("org.freedesktop.PolicyKit1", dbus.NameFlagDoNotQueue); err != nil {
		t.Fatal(err)
	}
	if out, err := s.asNobody(bus.ManagerInterface+".Release", "string:"+uuid); err == nil || !strings.Contains(out, "polkit does not let user 65534 do io.github.libvirt_vgpu.manage-slots") {
		t.Errorf("release: %v, %s", err, out)
	}
	if out, err := s.asNobody(bus.ManagerInterface+".Change", "string:"+uuid, "string:"+element+` weight="7"/>`); err != nil {
		t.Errorf("change: %v, %s", err, out)
	}
	if weight := s.property(uuid, "Weight"); weight != uint32(7) {
		t.Errorf("weight is %v", weight)
	}
}
