package guest

import (
	"debug/elf"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func exports(t *testing.T, file *elf.File) []string {
	t.Helper()
	symbols, err := file.DynamicSymbols()
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, s := range symbols {
		if s.Section != elf.SHN_UNDEF && elf.ST_VISIBILITY(s.Other) == elf.STV_DEFAULT && elf.ST_BIND(s.Info) != elf.STB_LOCAL {
			names = append(names, s.Name)
		}
	}
	slices.Sort(names)
	return names
}

func without(names, others []string) []string {
	return slices.DeleteFunc(slices.Clone(names), func(name string) bool {
		_, found := slices.BinarySearch(others, name)
		return found
	})
}

func TestLibrariesExportWhatTheDriverDoes(t *testing.T) {
	for library, list := range map[string]string{
		"libcuda.so.1":      "libcuda-580-exports.txt",
		"libnvidia-ml.so.1": "libnvidia-ml-580-exports.txt",
	} {
		t.Run(library, func(t *testing.T) {
			file, err := elf.Open(filepath.Join(libraryFolder(t), library))
			if err != nil {
				t.Fatal(err)
			}
			defer file.Close()
			text, err := os.ReadFile(filepath.Join("testdata", list))
			if err != nil {
				t.Fatal(err)
			}
			want := strings.Fields(string(text))
			slices.Sort(want)
			got := exports(t, file)
			if missing := without(want, got); len(missing) > 0 {
				t.Errorf("missing: %v", missing)
			}
			if extra := without(got, want); len(extra) > 0 {
				t.Errorf("not in the driver: %v", extra)
			}
		})
	}
}

func TestLibrariesAreWellLinked(t *testing.T) {
	for _, library := range []string{"libcuda.so.1", "libnvidia-ml.so.1"} {
		t.Run(library, func(t *testing.T) {
			file, err := elf.Open(filepath.Join(libraryFolder(t), library))
			if err != nil {
				t.Fatal(err)
			}
			defer file.Close()
			if name, err := file.DynString(elf.DT_SONAME); err != nil || !slices.Equal(name, []string{library}) {
				t.Errorf("soname is %v (%v)", name, err)
			}
			needed, err := file.DynString(elf.DT_NEEDED)
			if err != nil {
				t.Fatal(err)
			}
			for _, name := range needed {
				if name != "libc.so.6" && name != "libpthread.so.0" && !strings.HasPrefix(name, "ld-linux") {
					t.Errorf("needs %s", name)
				}
			}
			if values, err := file.DynValue(elf.DT_TEXTREL); err != nil || len(values) > 0 {
				t.Errorf("has text relocations (%v)", err)
			}
			flags, err := file.DynValue(elf.DT_FLAGS)
			if err != nil || len(flags) != 1 || elf.DynFlag(flags[0])&elf.DF_BIND_NOW == 0 {
				t.Errorf("does not bind at load: flags %v (%v)", flags, err)
			}
		})
	}
}
