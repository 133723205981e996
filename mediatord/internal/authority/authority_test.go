package authority

import (
	"context"
	_ "embed"
	"encoding/xml"
	"errors"
	"slices"
	"strings"
	"testing"

	"libvirt-vgpu/mediatord/internal/refusal"
)

// fakeAsker knows one caller.
type fakeAsker struct {
	who    Credentials
	noBus  error
	may    bool
	polkit error
	asked  []string
}

func (f *fakeAsker) Credentials(context.Context, string) (Credentials, error) { return f.who, f.noBus }

func (f *fakeAsker) Authorized(_ context.Context, sender string, action Action, interactive bool) (bool, error) {
	f.asked = append(f.asked, sender+" "+string(action))
	if interactive {
		f.asked = append(f.asked, "with a password")
	}
	return f.may, f.polkit
}

func TestCheck(t *testing.T) {
	broken := errors.New("broken")
	for _, tc := range []struct {
		name   string
		asker  fakeAsker
		action Action
		asks   bool
		err    error
	}{
		{"root", fakeAsker{}, ManageSlots, false, nil},
		{"mediatord's user", fakeAsker{who: Credentials{UID: 990}}, ManageSlots, false, nil},
		{"member opens a session", fakeAsker{who: Credentials{UID: 1000, Groups: []uint32{1000, 44}}}, OpenSession, false, nil},
		{"member manages slots", fakeAsker{who: Credentials{UID: 1000, Groups: []uint32{1000, 44}}}, ManageSlots, true, refusal.ErrNotAuthorized},
		{"polkit says yes", fakeAsker{who: Credentials{UID: 1000}, may: true}, ChangeSettings, true, nil},
		{"polkit says no", fakeAsker{who: Credentials{UID: 1000}}, OpenSession, true, refusal.ErrNotAuthorized},
		{"no polkit", fakeAsker{who: Credentials{UID: 1000}, may: true, polkit: ErrNoPolkit}, OpenSession, true, refusal.ErrNotAuthorized},
		{"polkit fails", fakeAsker{who: Credentials{UID: 1000}, may: true, polkit: broken}, OpenSession, true, broken},
		{"the bus fails", fakeAsker{noBus: broken}, OpenSession, false, broken},
	} {
		t.Run(tc.name, func(t *testing.T) {
			who, err := Authority{Self: 990, SessionGroup: 44}.Check(t.Context(), &tc.asker, ":1.7", tc.action, true)
			if !errors.Is(err, tc.err) || who.UID != tc.asker.who.UID {
				t.Errorf("got %+v, %v", who, err)
			}
			want := []string{":1.7 " + string(tc.action), "with a password"}
			if !tc.asks {
				want = nil
			}
			if !slices.Equal(tc.asker.asked, want) {
				t.Errorf("asked %q", tc.asker.asked)
			}
			if errors.Is(err, refusal.ErrNotAuthorized) && !strings.Contains(err.Error(), "; do it as root") {
				t.Errorf("%q does not say what to do", err)
			}
		})
	}
	nobody := fakeAsker{who: Credentials{UID: 1000, Groups: []uint32{0}}}
	const nogroup = 2147483646
	if _, err := (Authority{SessionGroup: nogroup}).Check(t.Context(), &nobody, ":1.7", OpenSession, false); err == nil || !strings.Contains(err.Error(), "join the group 2147483646") {
		t.Errorf("the group is not named: %v", err)
	}
	if _, err := (Authority{SessionGroup: nogroup}).Check(t.Context(), &nobody, ":1.7", Reload, false); err == nil || strings.Contains(err.Error(), "join the group") {
		t.Errorf("a group that does not help is named: %v", err)
	}
	if _, err := (Authority{SessionGroup: -1}).Check(t.Context(), &nobody, ":1.7", OpenSession, false); !errors.Is(err, refusal.ErrNotAuthorized) {
		t.Errorf("without a session group: %v", err)
	}
}

//go:embed io.github.libvirt_vgpu.policy
var policy []byte

// TestPolicyHasEveryAction: polkit refuses an action that it does not know.
func TestPolicyHasEveryAction(t *testing.T) {
	var document struct {
		Actions []struct {
			ID      string `xml:"id,attr"`
			Message string `xml:"message"`
			Any     string `xml:"defaults>allow_any"`
		} `xml:"action"`
	}
	if err := xml.Unmarshal(policy, &document); err != nil {
		t.Fatal(err)
	}
	var ids []Action
	for _, a := range document.Actions {
		ids = append(ids, Action(a.ID))
		if a.Message == "" || !strings.HasPrefix(a.Any, "auth_admin") {
			t.Errorf("%s: message %q, default %q", a.ID, a.Message, a.Any)
		}
	}
	if !slices.Equal(ids, []Action{ManageSlots, ChangeSettings, OpenSession, Reload}) {
		t.Errorf("the policy has %q", ids)
	}
}
