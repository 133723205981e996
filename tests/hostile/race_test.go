//go:build race

package hostile

// raceFlags have mediatord watched too.
func raceFlags() []string { return []string{"-race"} }
