package gen

import (
	"bytes"
	"fmt"
	"go/format"
	"strings"

	"libvirt-vgpu/plugin/api"
)

var nativeC = map[string]string{"u32": "unsigned int", "i32": "int", "f32": "float", "u64": "unsigned long long", "dptr": "unsigned long long", "hva": "unsigned long long"}

func nativeCType(p api.Param) string {
	switch {
	case api.IsHandle(p.Kind):
		return "uintptr_t"
	case p.Kind == "fixed":
		return "const void *"
	}
	return nativeC[p.Kind]
}

// CUDA writes mediatord/executor/cuda/native_gen.go: the native ops through
// function pointers that the loader takes from the real libcuda.
func CUDA(ops []api.Op) ([]byte, error) {
	var c, g, symbols bytes.Buffer
	for _, op := range ops {
		if op.Native == "" {
			continue
		}
		var types, params, args []string
		for _, p := range op.Params {
			kind := nativeCType(p)
			if p.Role == api.Out || p.Role == api.New {
				kind += " *"
			}
			types = append(types, kind)
			params = append(params, kind+" "+p.Name)
			args = append(args, p.Name)
		}
		voids := "void"
		if len(types) > 0 {
			voids = strings.Join(types, ", ")
		}
		fmt.Fprintf(&c, "static int vg_%s(%s) { return ((int (*)(%s))symbol)(%s); }\n", op.Native,
			strings.Join(append([]string{"void *symbol"}, params...), ", "), voids, strings.Join(args, ", "))
		fmt.Fprintf(&symbols, "%s unsafe.Pointer\n", op.Native)

		fmt.Fprintf(&g, "// %s calls %s.\nfunc (d *Driver) %s {\n", op.GoName(), op.Native, nativeSignature(op, true))
		callArgs := []string{"d.native." + op.Native}
		var results []string
		for _, p := range op.Params {
			name := lowerGo(p.Name)
			switch {
			case p.Role == api.Out || p.Role == api.New:
				fmt.Fprintf(&g, "var %sC C.%s\n", name, cgoName(nativeCType(p)))
				callArgs = append(callArgs, "&"+name+"C")
				results = append(results, fmt.Sprintf("%s(%sC)", nativeType(p, "driver."), name))
			case p.Kind == "fixed":
				callArgs = append(callArgs, fmt.Sprintf("unsafe.Pointer(unsafe.SliceData(%s))", name))
			default:
				callArgs = append(callArgs, fmt.Sprintf("C.%s(%s)", cgoName(nativeCType(p)), name))
			}
		}
		call := fmt.Sprintf("C.vg_%s(%s)", op.Native, strings.Join(callArgs, ", "))
		if len(results) == 0 {
			fmt.Fprintf(&g, "return driver.Result(%s)\n}\n\n", call)
		} else {
			fmt.Fprintf(&g, "result := driver.Result(%s)\nreturn %s, result\n}\n\n", call, strings.Join(results, ", "))
		}
	}
	var b bytes.Buffer
	b.WriteString(goBanner + "package cuda\n\n/*\n#include <stdint.h>\n")
	b.Write(c.Bytes())
	b.WriteString("*/\nimport \"C\"\n\nimport (\n\"unsafe\"\n\n\"libvirt-vgpu/mediatord/executor/driver\"\n)\n\n// nativeSymbols holds the driver functions of the native ops.\ntype nativeSymbols struct {\n")
	b.Write(symbols.Bytes())
	b.WriteString("}\n\n// load resolves every symbol; resolve returns nil for a missing one.\nfunc (s *nativeSymbols) load(resolve func(name string) unsafe.Pointer) (missing []string) {\nfor _, e := range []struct {\nname string\nplace *unsafe.Pointer\n}{\n")
	seen := map[string]bool{}
	for _, op := range ops {
		if op.Native != "" && !seen[op.Native] {
			seen[op.Native] = true
			fmt.Fprintf(&b, "{%q, &s.%s},\n", op.Native, op.Native)
		}
	}
	b.WriteString("} {\nif *e.place = resolve(e.name); *e.place == nil {\nmissing = append(missing, e.name)\n}\n}\nreturn missing\n}\n\n")
	b.Write(g.Bytes())
	return format.Source(b.Bytes())
}

func cgoName(c string) string {
	switch c {
	case "unsigned int":
		return "uint"
	case "unsigned long long":
		return "ulonglong"
	}
	return c
}
