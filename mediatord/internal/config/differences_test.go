package config

import (
	"slices"
	"testing"
)

func TestDifferences(t *testing.T) {
	const gpu = "gpus = [\"soft\"]\n"
	for _, tc := range []struct {
		before, after string
		keys          []string
	}{
		{gpu, gpu + "# the same\nslots = 8\n", nil},
		{gpu, gpu + "slots = 9\nmax_memory = \"4GiB\"\n", []string{"slots", "max_memory"}},
		{gpu, gpu + "priorities = [\"low\"]\nwarm = 3\nwalls = \"off\"\n", []string{"priorities", "warm", "walls"}},
		{gpu + "[sharing]\nrun_set = 2\n", gpu + "[sharing]\narmed_budget = \"2ms\"\nleases = false\n", []string{"sharing.leases", "sharing.run_set", "sharing.armed_budget"}},
	} {
		before, err := Parse("/etc/gold.toml", tc.before)
		if err != nil {
			t.Fatal(err)
		}
		after, err := Parse("/mnt/gold.toml", tc.after)
		if err != nil {
			t.Fatal(err)
		}
		keys := Differences(before, after)
		slices.Sort(keys)
		slices.Sort(tc.keys)
		if !slices.Equal(keys, tc.keys) {
			t.Errorf("%q and %q differ in %q, want %q", tc.before, tc.after, keys, tc.keys)
		}
	}
}
