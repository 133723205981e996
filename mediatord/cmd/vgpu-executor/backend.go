package main

import (
	"errors"
	"fmt"
	"os"

	"github.com/sirupsen/logrus"

	"libvirt-vgpu/mediatord/executor/cuda"
	"libvirt-vgpu/mediatord/executor/driver"
	"libvirt-vgpu/mediatord/executor/soft"
	"libvirt-vgpu/mediatord/executor/soft/ledger"
)

type backend interface {
	driver.Driver
	driver.Device
}

func openBackend(name, gpu string, log logrus.FieldLogger) (backend, error) {
	switch name {
	case "cuda":
		d, err := cuda.Open(gpu)
		if err != nil {
			return nil, fmt.Errorf("opening GPU %s: %w", gpu, err)
		}
		return d, nil
	case "soft":
		d, err := soft.Open(os.Getenv(ledger.Variable), log)
		if err != nil {
			return nil, fmt.Errorf("opening software GPU: %w", err)
		}
		return d, nil
	}
	return nil, fmt.Errorf("backend %q: want cuda or soft", name)
}

// resultOf is the CUresult that an error of openBackend stands for.
func resultOf(err error) driver.Result {
	var result *driver.Error
	if errors.As(err, &result) {
		return result.Result
	}
	return driver.ErrorNoDevice
}
