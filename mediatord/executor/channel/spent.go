package channel

import (
	"fmt"
	"sort"
	"strings"
	"sync/atomic"
	"time"

	"libvirt-vgpu/mediatord/executor/wire"
)

// spent counts calls that were replied to, and the time they took, by opcode.
type spent [1 << 12]struct{ calls, nanoseconds atomic.Uint64 }

func (s *spent) add(opcode uint16, took time.Duration) {
	if int(opcode) >= len(s) {
		return
	}
	s[opcode].calls.Add(1)
	s[opcode].nanoseconds.Add(uint64(took))
}

// Spent says which replied calls took most of the time so far: "library_load 12
// in 31ms, ...". Any goroutine may call it.
func (c *Consumer) Spent() string {
	var opcodes []int
	for opcode := range c.spent {
		if c.spent[opcode].calls.Load() > 0 {
			opcodes = append(opcodes, opcode)
		}
	}
	sort.Slice(opcodes, func(i, j int) bool {
		return c.spent[opcodes[i]].nanoseconds.Load() > c.spent[opcodes[j]].nanoseconds.Load()
	})
	var parts []string
	for _, opcode := range opcodes[:min(len(opcodes), 8)] {
		of := &c.spent[opcode]
		parts = append(parts, fmt.Sprintf("%s %d in %v", wire.Name(uint16(opcode)), of.calls.Load(),
			time.Duration(of.nanoseconds.Load()).Round(time.Microsecond)))
	}
	return strings.Join(parts, ", ")
}
