//go:build !race

package hostile

func raceFlags() []string { return nil }
