package gen

import (
	"sort"

	"libvirt-vgpu/plugin/api"
)

type procName struct {
	api.Name
	perThread int
}

// procNames lists every answer of cuGetProcAddress by base name, then legacy
// before per-thread, then version: the lookup walks one run of equal names.
func procNames(functions []api.Function) []procName {
	var names []procName
	for _, f := range functions {
		if f.Base.Base != "" {
			names = append(names, procName{Name: f.Base})
		}
		if f.PerThread.Symbol != "" && f.PerThread.Base != "" {
			names = append(names, procName{Name: f.PerThread, perThread: 1})
		}
	}
	sort.Slice(names, func(i, j int) bool {
		a, b := names[i], names[j]
		if a.Base != b.Base {
			return a.Base < b.Base
		}
		if a.perThread != b.perThread {
			return a.perThread < b.perThread
		}
		return a.Since < b.Since
	})
	return names
}
