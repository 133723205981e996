package vgpuxml

import (
	"fmt"
	"math"
	"strconv"
	"strings"
)

// units lists the binary units, the largest first; sizes without a unit are bytes.
func units() []struct {
	name  string
	shift uint
} {
	return []struct {
		name  string
		shift uint
	}{{"TiB", 40}, {"GiB", 30}, {"MiB", 20}, {"KiB", 10}}
}

// ParseSize reads a size above zero, such as "16GiB", "512MiB" or "1073741824", and returns bytes.
// A sign, a space, a fraction, a leading zero and any other unit are errors.
func ParseSize(text string) (uint64, error) {
	size, ok := parseSize(text)
	if !ok {
		return 0, fmt.Errorf("parsing size %q: allowed is a whole number above 0 with KiB, MiB, GiB, TiB or no unit (bytes)", text)
	}
	return size, nil
}

func parseSize(text string) (uint64, bool) {
	for _, unit := range units() {
		if digits, found := strings.CutSuffix(text, unit.name); found {
			number, ok := parseWhole(digits, math.MaxUint64>>unit.shift)
			return number << unit.shift, ok
		}
	}
	return parseWhole(text, math.MaxUint64)
}

// FormatSize returns the shortest exact spelling: the largest unit that divides size, or plain bytes.
func FormatSize(size uint64) string {
	for _, unit := range units() {
		if size != 0 && size&(1<<unit.shift-1) == 0 {
			return strconv.FormatUint(size>>unit.shift, 10) + unit.name
		}
	}
	return strconv.FormatUint(size, 10)
}
