package gen

import (
	"fmt"

	"libvirt-vgpu/plugin/api"
)

// Files returns every generated source by its path in the repository.
func Files() (map[string][]byte, error) {
	functions, err := api.Functions()
	if err != nil {
		return nil, err
	}
	ops, err := api.Ops()
	if err != nil {
		return nil, err
	}
	files := map[string][]byte{
		"guest/libcuda/gen/ops.h":   OpsHeader(ops),
		"guest/libcuda/gen/calls.c": Calls(functions, ops),
	}
	for name, write := range map[string]func([]api.Op) ([]byte, error){
		"mediatord/executor/driver/native_gen.go": Driver,
		"mediatord/executor/wire/ops_gen.go":      Wire,
		"mediatord/executor/cuda/native_gen.go":   CUDA,
	} {
		text, err := write(ops)
		if err != nil {
			return nil, fmt.Errorf("generating %s: %w", name, err)
		}
		files[name] = text
	}
	return files, nil
}
