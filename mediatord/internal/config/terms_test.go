package config

import (
	"reflect"
	"slices"
	"strings"
	"testing"
)

// What a pool tells of its terms is a file that makes it again, with every key there is.
func TestTermsMakeThePoolAgain(t *testing.T) {
	for _, text := range []string{
		softPool,
		"gpus = [\"01:00.0\", \"02:00.0\"]\nmode = \"exclusive\"\nkernel_limit = \"90s\"\npriorities = [\"low\", \"high\"]\n",
		"gpus = [\"01:00.0\"]\novercommit = 1.5\nmemory = \"1GiB\"\nmax_memory = \"1500MiB\"\nwarm = 0\nwalls = \"off\"\nisolation = \"none\"\n" +
			"[sharing]\nleases = false\nslice = \"0s\"\nrun_set = 2\nturn = \"150us\"\nbudget = \"1ms\"\narmed_budget = \"10us\"\narmed = \"1m\"\npatience = \"0s\"\n" +
			"predict = false\nahead = false\nleast = 0.25\ndelay = 0.5\n[parking]\nafter = \"never\"\ncontext_after = \"2h\"\nhost_memory = \"2GiB\"\n",
	} {
		pool, err := Parse("p.toml", text)
		if err != nil {
			t.Fatal(err)
		}
		again, err := Parse("p.toml", strings.Join(pool.Terms(), "\n"))
		if err != nil || !reflect.DeepEqual(again, pool) {
			t.Errorf("%s\nmakes %+v, %v\nwanted %+v", strings.Join(pool.Terms(), "\n"), again, err, pool)
		}
	}
	whole := Pool{Memory: 1, MaxMemory: 1, Parking: Parking{HostMemory: 1}}
	told := whole.Terms()
	names, types := keys(reflect.TypeFor[poolFile]())
	for _, name := range names {
		inner, prefix := []string{name}, ""
		if types[name].Kind() == reflect.Struct {
			inner, _ = keys(types[name])
			prefix = name + "."
		}
		for _, key := range inner {
			if !slices.ContainsFunc(told, func(line string) bool { return strings.HasPrefix(line, prefix+key+" = ") }) {
				t.Errorf("the terms have no %s%s", prefix, key)
			}
		}
	}
}
