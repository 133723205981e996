package main

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"libvirt.org/go/libvirt"

	"libvirt-vgpu/mediatord/internal/doctor"
	"libvirt-vgpu/mediatord/internal/domain"
	"libvirt-vgpu/mediatord/internal/gpu"
)

// doctorPatience bounds what the doctor asks of mediatord and systemd.
const doctorPatience = 5 * time.Second

func newDoctorCommand(address, uri *string) *cobra.Command {
	var asJSON bool
	var root, pools string
	cmd := &cobra.Command{
		Use:   "doctor",
		Short: "Look the host over and say what is missing",
		Long: `Checks everything that a domain needs to get its vGPU: kernel, driver, IOMMU, QEMU,
libvirt and its hook, message bus, mediatord, permissions, AppArmor, SELinux, pools.
Each finding says what to do. The exit status is 1 if there is a problem; warnings
alone leave it 0.`,
		Args: takes(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			inventory := gpu.NewNVML()
			defer inventory.Close()
			host := doctor.Host{
				Root: root, Pools: pools, Version: version, GPUs: inventory.List,
				Mediatord: func(ctx context.Context) (string, error) { return mediatordVersion(ctx, *address) },
				Libvirt:   func() error { return answers(*uri) },
				Reloaded:  reloaded,
			}
			told := func(f doctor.Finding) {
				fmt.Fprintf(cmd.OutOrStdout(), "%-8s %-12s %s\n", f.Level, f.Check, plain(f.Text))
				if f.Remedy != "" {
					fmt.Fprintf(cmd.OutOrStdout(), "%-8s %-12s   -> %s\n", "", "", plain(f.Remedy))
				}
			}
			if asJSON {
				told = nil
			}
			findings := host.Examine(cmd.Context(), told)
			if asJSON {
				if err := writeJSON(cmd.OutOrStdout(), findings); err != nil {
					return err
				}
			}
			if !doctor.Healthy(findings) {
				return exitCode(1)
			}
			return nil
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	cmd.Flags().StringVar(&root, "root", "/", "root of the host's files")
	cmd.Flags().StringVar(&pools, "pools", poolDirectory, "directory of pool files, below the root")
	return cmd
}

func mediatordVersion(ctx context.Context, address string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, doctorPatience)
	defer cancel()
	c, err := dial(address)
	if err != nil {
		return "", fmt.Errorf("%w: %w", doctor.ErrNoBus, err)
	}
	defer c.close()
	answer, err := c.managerProperty(ctx, "Version")
	if errors.Is(err, errNoMediatord) {
		return "", doctor.ErrNoMediatord
	}
	return answer, err
}

func answers(uri string) error {
	conn, err := libvirt.NewConnect(uri)
	if err != nil {
		return errors.New(domain.Text(err))
	}
	_, err = conn.Close()
	return err
}

// reloaded asks systemd when a service was last started or reloaded: its state
// changes in both.
func reloaded(ctx context.Context, unit string) time.Time {
	ctx, cancel := context.WithTimeout(ctx, doctorPatience)
	defer cancel()
	out, err := exec.CommandContext(ctx, "systemctl", "show", "--timestamp=unix", "--property=StateChangeTimestamp", "--value", "--", unit+".service").Output()
	if err != nil {
		return time.Time{}
	}
	seconds, err := strconv.ParseInt(strings.TrimPrefix(strings.TrimSpace(string(out)), "@"), 10, 64)
	if err != nil {
		return time.Time{}
	}
	return time.Unix(seconds+1, 0) // it says whole seconds only
}
