// Package authority decides who may change something over D-Bus: root and
// mediatord's own user always, the members of one group what opens a session,
// everybody else what polkit says. Looking is not its business: the bus's policy
// lets everybody look.
//
// The actions are those of io.github.libvirt_vgpu.policy, which the host's
// package installs for polkit.
package authority

import (
	"context"
	"errors"
	"fmt"
	"os/user"
	"slices"
	"strconv"

	"github.com/godbus/dbus/v5"

	"libvirt-vgpu/mediatord/internal/refusal"
)

// Action is what polkit knows a kind of call by.
type Action string

// The actions.
const (
	ManageSlots    Action = "io.github.libvirt_vgpu.manage-slots"
	ChangeSettings Action = "io.github.libvirt_vgpu.change-settings"
	OpenSession    Action = "io.github.libvirt_vgpu.open-session"
	Reload         Action = "io.github.libvirt_vgpu.reload"
)

// Credentials are what the bus knows of a connection.
type Credentials struct {
	UID    uint32
	Groups []uint32
}

// Asker asks the bus and polkit about a connection, by its unique name.
type Asker interface {
	Credentials(ctx context.Context, sender string) (Credentials, error)
	// Authorized says what polkit says; ErrNoPolkit if there is none. With
	// interactive it may ask the user for a password, and take that long.
	Authorized(ctx context.Context, sender string, action Action, interactive bool) (bool, error)
}

// ErrNoPolkit: nobody answers for polkit.
var ErrNoPolkit = errors.New("polkit is not running")

// Authority holds who needs not be asked about.
type Authority struct {
	Self         uint32 // mediatord's user
	SessionGroup int64  // members may open sessions; -1 = no group
}

// Check fails with refusal.ErrNotAuthorized unless the sender may do it, and
// returns who it is.
func (a Authority) Check(ctx context.Context, asker Asker, sender string, action Action, interactive bool) (Credentials, error) {
	who, err := asker.Credentials(ctx, sender)
	if err != nil {
		return who, fmt.Errorf("asking the bus for the caller's user: %w", err)
	}
	if who.UID == 0 || who.UID == a.Self {
		return who, nil
	}
	if action == OpenSession && a.SessionGroup >= 0 && slices.Contains(who.Groups, uint32(a.SessionGroup)) {
		return who, nil
	}
	may, err := asker.Authorized(ctx, sender, action, interactive)
	switch {
	case errors.Is(err, ErrNoPolkit):
		return who, refusal.Because(refusal.ErrNotAuthorized, "user %d may not do that, and polkit, which could allow it, is not running; do it as root%s", who.UID, a.orJoin(action))
	case err != nil:
		return who, fmt.Errorf("asking polkit: %w", err)
	case !may:
		return who, refusal.Because(refusal.ErrNotAuthorized, "polkit does not let user %d do %s; do it as root%s, or have the administrator write a polkit rule for that action", who.UID, action, a.orJoin(action))
	}
	return who, nil
}

// orJoin names the group whose members need no polkit for the action; "" if there is none.
func (a Authority) orJoin(action Action) string {
	if action != OpenSession || a.SessionGroup < 0 {
		return ""
	}
	name := strconv.FormatInt(a.SessionGroup, 10)
	if group, err := user.LookupGroupId(name); err == nil {
		name = group.Name
	}
	return ", join the group " + name
}

// Names of polkit on the bus.
const (
	polkitService = "org.freedesktop.PolicyKit1"
	polkitPath    = dbus.ObjectPath("/org/freedesktop/PolicyKit1/Authority")
	polkitCheck   = "org.freedesktop.PolicyKit1.Authority.CheckAuthorization"

	allowInteraction uint32 = 1 // CheckAuthorizationFlags
)

// Bus asks over a connection to the message bus.
type Bus struct{ Conn *dbus.Conn }

// Credentials implements Asker.
func (b Bus) Credentials(ctx context.Context, sender string) (Credentials, error) {
	var known map[string]dbus.Variant
	err := b.Conn.BusObject().CallWithContext(ctx, "org.freedesktop.DBus.GetConnectionCredentials", 0, sender).Store(&known)
	if err != nil {
		return Credentials{}, err
	}
	uid, ok := known["UnixUserID"].Value().(uint32)
	if !ok {
		return Credentials{}, errors.New("the bus does not know it")
	}
	groups, _ := known["UnixGroupIDs"].Value().([]uint32) // older buses do not say
	return Credentials{UID: uid, Groups: groups}, nil
}

// Authorized implements Asker.
func (b Bus) Authorized(ctx context.Context, sender string, action Action, interactive bool) (bool, error) {
	subject := struct {
		Kind    string
		Details map[string]dbus.Variant
	}{"system-bus-name", map[string]dbus.Variant{"name": dbus.MakeVariant(sender)}}
	var flags uint32
	if interactive {
		flags = allowInteraction
	}
	var answer struct {
		Authorized, Challenge bool
		Details               map[string]string
	}
	err := b.Conn.Object(polkitService, polkitPath).CallWithContext(ctx, polkitCheck, 0, subject, string(action), map[string]string{}, flags, "").Store(&answer)
	var failure dbus.Error
	if errors.As(err, &failure) && (failure.Name == "org.freedesktop.DBus.Error.ServiceUnknown" || failure.Name == "org.freedesktop.DBus.Error.NameHasNoOwner") {
		return false, ErrNoPolkit
	}
	return answer.Authorized, err
}
