package main

import (
	"fmt"
	"os"
	"path/filepath"

	"libvirt-vgpu/mediatord/executor/sandbox"
	"libvirt-vgpu/mediatord/executor/soft/ledger"
)

// walls are what keeps this process in, whatever its guest makes it do.
type walls struct {
	mode  sandbox.Mode
	plan  sandbox.Plan
	cache string         // module cache, where a trial writes too
	trial *sandbox.Watch // of a trial
}

func newWalls(o options) (*walls, error) {
	mode, err := sandbox.ParseMode(o.walls)
	if err != nil {
		return nil, fmt.Errorf("--walls: %w", err)
	}
	plan, err := sandbox.Base()
	if err != nil {
		return nil, fmt.Errorf("planning walls: %w", err)
	}
	if o.backend == "cuda" {
		plan = plan.WithDriver("/", o.gpu, os.Getenv("LD_LIBRARY_PATH"))
	}
	if path := os.Getenv(ledger.Variable); o.backend == "soft" && path != "" {
		plan.Write = append(plan.Write, path)
	}
	if o.moduleCache != "" {
		plan.Write = append(plan.Write, o.moduleCache)
	}
	return &walls{mode: mode, plan: plan, cache: o.moduleCache}, nil
}

// jitCache names where the driver keeps what it compiles: it believes what it finds
// there, so it is no place to share with others.
const jitCache = "CUDA_CACHE_PATH"

// enter comes back behind the walls that stand before the driver is opened.
func (w *walls) enter() error {
	if err := nameJITCache(w.cache); err != nil {
		return err
	}
	return sandbox.Enter(w.mode, w.plan, startAgain)
}

// nameJITCache names the cache in a domain's module cache. A warm executor learns
// the domain late; whether the driver looks again then is its affair.
func nameJITCache(moduleCache string) error {
	if moduleCache == "" {
		return nil
	}
	if err := os.Setenv(jitCache, filepath.Join(moduleCache, "jit")); err != nil {
		return fmt.Errorf("naming the driver's cache: %w", err)
	}
	return nil
}

// watch begins a trial before the driver is opened.
func (w *walls) watch() error {
	if w.mode != sandbox.Trial {
		return nil
	}
	if w.cache == "" {
		return fmt.Errorf("a trial of the walls writes into the module cache's directory: give one")
	}
	out, err := os.OpenFile(filepath.Join(w.cache, fmt.Sprintf("trial-%d.txt", os.Getpid())), os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return fmt.Errorf("beginning trial of walls: %w", err)
	}
	defer out.Close()
	w.trial, err = sandbox.Begin(w.plan, out)
	return err
}

// seal puts up the rest, before the first byte of the guest's is read, and looks
// which walls stand.
func (w *walls) seal() (sandbox.Report, error) {
	if err := sandbox.Seal(w.mode); err != nil {
		return sandbox.Report{}, err
	}
	standing := sandbox.Standing()
	if w.trial != nil {
		if err := w.trial.Serving(); err != nil {
			return standing, err
		}
	}
	if w.mode == sandbox.Required {
		return standing, standing.Check()
	}
	return standing, nil
}
