// Command vgpu-apigen writes the generated sources from the API table. Run it in
// the repository's root after changing plugin/api/*.table.
package main

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"

	"libvirt-vgpu/plugin/api"
	"libvirt-vgpu/plugin/api/gen"
)

func main() {
	root := flag.String("root", ".", "repository root")
	flag.Parse()
	if err := run(*root); err != nil {
		fmt.Fprintln(os.Stderr, "vgpu-apigen:", err)
		os.Exit(1)
	}
}

func run(root string) error {
	files, err := gen.Files()
	if err != nil {
		return err
	}
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(root, name), text, 0o644); err != nil {
			return fmt.Errorf("writing generated source: %w", err)
		}
	}
	functions, err := api.Functions()
	if err != nil {
		return err
	}
	fmt.Printf("%d functions, %d files\n", len(functions), len(files))
	return writeDocument(root)
}

func writeDocument(root string) error {
	list, err := api.Refusals()
	if err != nil {
		return err
	}
	name := filepath.Join(root, gen.Document)
	page, err := os.ReadFile(name)
	if err != nil {
		return fmt.Errorf("reading page: %w", err)
	}
	if page, err = gen.Compatibility(page, list); err != nil {
		return err
	}
	if err := os.WriteFile(name, page, 0o644); err != nil {
		return fmt.Errorf("writing page: %w", err)
	}
	return nil
}
