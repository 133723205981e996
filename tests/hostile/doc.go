// Package hostile lets guest processes attack a real mediatord and its executors,
// with the GPU in software, beside neighbours that must not notice. It needs
// nothing but dbus-daemon.
package hostile
