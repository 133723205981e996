package vm

import (
	"debug/elf"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
)

// libraryDirs are the loader's default directories on Debian amd64, so a guest
// needs no ld.so.cache.
var libraryDirs = [...]string{"/lib/x86_64-linux-gnu", "/usr/lib/x86_64-linux-gnu", "/lib64", "/lib", "/usr/lib"}

// errNotELF marks a file that needs no libraries because it is none of ours.
var errNotELF = errors.New("not an ELF file")

// needs reads the names of the libraries and the interpreter that an ELF file
// asks for; none for a static program.
func needs(file string) (names []string, err error) {
	f, err := elf.Open(file)
	var format *elf.FormatError
	if errors.As(err, &format) || errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("reading %s: %w", file, errNotELF)
	}
	if err != nil {
		return nil, fmt.Errorf("reading needed libraries: %w", err)
	}
	defer f.Close()
	names, err = f.ImportedLibraries()
	if err != nil {
		return nil, fmt.Errorf("reading needed libraries of %s: %w", file, err)
	}
	if s := f.Section(".interp"); s != nil {
		data, err := s.Data()
		if err != nil {
			return nil, fmt.Errorf("reading interpreter of %s: %w", file, err)
		}
		names = append(names, filepath.Base(string(data[:max(len(data)-1, 0)])))
	}
	return names, nil
}

// findLibrary is the host's path of a library by its file name.
func findLibrary(name string) (string, error) {
	for _, dir := range libraryDirs {
		path := filepath.Join(dir, name)
		if _, err := os.Stat(path); err == nil {
			return path, nil
		}
	}
	return "", fmt.Errorf("finding library %s: not in %v", name, libraryDirs)
}

// closure finds every library that the host files need, directly or through
// others, except those whose file names are given: host paths by file name.
func closure(files []string, given map[string]bool) (map[string]string, error) {
	found := make(map[string]string)
	for queue := files; len(queue) > 0; queue = queue[1:] {
		names, err := needs(queue[0])
		if errors.Is(err, errNotELF) {
			continue
		}
		if err != nil {
			return nil, err
		}
		for _, name := range names {
			if given[name] || found[name] != "" {
				continue
			}
			path, err := findLibrary(name)
			if err != nil {
				return nil, fmt.Errorf("%w (needed by %s)", err, queue[0])
			}
			found[name] = path
			queue = append(queue, path)
		}
	}
	return found, nil
}
