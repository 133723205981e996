package gen

import (
	"bytes"
	"fmt"
	"go/format"
	"strings"

	"libvirt-vgpu/plugin/api"
)

var nativeC = map[string]string{"u32": "unsigned int", "i32": "int", "f32": "float", "u64": "unsigned long long", "dptr": "unsigned long long", "hva": "unsigned long long", "device": "int"}

func nativeCType(p api.Param) string {
	switch {
	case api.IsHandle(p.Kind):
		return "uintptr_t"
	case p.Kind == "fixed" && p.Role == api.Out:
		return "void *"
	case p.Kind == "fixed":
		return "const void *"
	}
	return nativeC[p.Kind]
}

// cWrapper writes the C function that calls a symbol. Structures pass through
// locals of the largest alignment that the driver asks of one, 64 bytes.
func cWrapper(c *bytes.Buffer, op api.Op) {
	var types, args, before, after []string
	params := []string{"void *symbol"}
	for _, p := range op.Params {
		kind, arg := nativeCType(p), p.Name
		switch {
		case p.Kind == "fixed":
			arg += "_aligned"
			before = append(before, fmt.Sprintf("_Alignas(64) unsigned char %s[%d] = {0};", arg, p.Size))
			if p.Role == api.Out {
				after = append(after, fmt.Sprintf("memcpy(%s, %s, %d);", p.Name, arg, p.Size))
			} else {
				before = append(before, fmt.Sprintf("memcpy(%s, %s, %d);", arg, p.Name, p.Size))
			}
		case p.Role == api.Out || p.Role == api.New:
			kind += " *"
		}
		types = append(types, kind)
		params = append(params, kind+" "+p.Name)
		args = append(args, arg)
	}
	if len(types) == 0 {
		types = []string{"void"}
	}
	call := fmt.Sprintf("((int (*)(%s))symbol)(%s)", strings.Join(types, ", "), strings.Join(args, ", "))
	fmt.Fprintf(c, "static int vg_%s(%s)", op.Native, strings.Join(params, ", "))
	if len(before) == 0 {
		fmt.Fprintf(c, " { return %s; }\n", call)
		return
	}
	fmt.Fprintf(c, "\n{\n\t%s\n\tint result = %s;\n\n", strings.Join(before, "\n\t"), call)
	for _, line := range after {
		fmt.Fprintf(c, "\t%s\n", line)
	}
	c.WriteString("\treturn result;\n}\n")
}

// CUDA writes mediatord/executor/cuda/native_gen.go: the native ops through
// function pointers that the loader takes from the real libcuda.
func CUDA(ops []api.Op) ([]byte, error) {
	var c, g, symbols bytes.Buffer
	for _, op := range ops {
		if op.Native == "" {
			continue
		}
		cWrapper(&c, op)
		fmt.Fprintf(&symbols, "%s unsafe.Pointer\n", op.Native)

		fmt.Fprintf(&g, "// %s calls %s.\nfunc (d *Driver) %s {\n", op.GoName(), op.Native, nativeSignature(op, true))
		callArgs := []string{"d.native." + op.Native}
		var results []string
		for _, p := range op.Params {
			name := lowerGo(p.Name)
			switch {
			case p.Kind == "device":
				callArgs = append(callArgs, "d.device")
			case p.Kind == "fixed" && p.Role == api.Out:
				fmt.Fprintf(&g, "var %sC [%d]byte\n", name, p.Size)
				callArgs = append(callArgs, "unsafe.Pointer(&"+name+"C)")
				results = append(results, name+"C")
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
	b.WriteString(goBanner + "package cuda\n\n/*\n#include <stdint.h>\n#include <string.h>\n")
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
