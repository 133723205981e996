// Command vgpu-sim draws what the scheduler's policy does on a simulated GPU:
// shares and latencies over time of 1 to 100 domains, and tables of what the terms
// of a pool do. It writes SVG files and one of Markdown into the
// directory that it is given.
package main

import (
	"fmt"
	"os"
	"path/filepath"
)

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: vgpu-sim DIRECTORY")
		os.Exit(2)
	}
	if err := draw(os.Args[1]); err != nil {
		fmt.Fprintln(os.Stderr, "vgpu-sim:", err)
		os.Exit(1)
	}
}

func draw(directory string) error {
	if err := os.MkdirAll(directory, 0o755); err != nil {
		return fmt.Errorf("making %s: %w", directory, err)
	}
	for _, picture := range []struct {
		name string
		make func() string
	}{{"shares.svg", shares}, {"latency.svg", latencies}, {"domains.svg", domains}, {"waits.svg", waits}, {"terms.md", terms}} {
		path := filepath.Join(directory, picture.name)
		if err := os.WriteFile(path, []byte(picture.make()), 0o644); err != nil {
			return fmt.Errorf("writing picture: %w", err)
		}
		fmt.Println(path)
	}
	return nil
}
