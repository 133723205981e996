package simt

import (
	"fmt"
	"math"
	"strings"
)

// formatter prints as C's printf does. Arguments lie in memory with their
// natural alignment, promoted as C promotes them.
type formatter struct {
	read  func(at, size uint64) uint64
	text  func(address uint64) string
	at    uint64
	count uint64
}

func (f *formatter) next(size uint64) uint64 {
	f.at = alignUp64(f.at, size)
	v := f.read(f.at, size)
	f.at += size
	f.count++
	return v
}

func alignUp64(n, to uint64) uint64 { return (n + to - 1) / to * to }

// format replaces the conversions in s; one that C does not know is printed as
// it is.
func (f *formatter) format(s string) string {
	var out strings.Builder
	for {
		i := strings.IndexByte(s, '%')
		if i < 0 {
			out.WriteString(s)
			return out.String()
		}
		out.WriteString(s[:i])
		c := f.conversion(s[i+1:])
		if c.verb == 0 {
			out.WriteString(s[i:])
			return out.String()
		}
		out.WriteString(f.convert(&c))
		s = s[i+1+c.length:]
	}
}

// conversion is what stands between a % and its verb.
type conversion struct {
	flags     string
	width     int // -1: none
	precision int
	wide      bool // 64 bits
	half      int  // 16 or 8 bits
	verb      byte
	length    int // of the text, verb included
}

func (f *formatter) conversion(s string) conversion {
	c := conversion{width: -1, precision: -1}
	i := 0
	for i < len(s) && strings.IndexByte("-+ #0", s[i]) >= 0 {
		i++
	}
	c.flags = s[:i]
	i = f.number(s, i, &c.width)
	if c.width < -1 {
		c.flags, c.width = c.flags+"-", -c.width
	}
	if i < len(s) && s[i] == '.' {
		c.precision = 0
		i = f.number(s, i+1, &c.precision)
	}
	for ; i < len(s) && strings.IndexByte("hljztqL", s[i]) >= 0; i++ {
		switch s[i] {
		case 'h':
			c.half = map[int]int{0: 16, 16: 8}[c.half]
		default: // long is 64 bits wide
			c.wide = true
		}
	}
	if i < len(s) {
		c.verb, c.length = s[i], i+1
	}
	return c
}

// number reads digits or takes a * from the arguments.
func (f *formatter) number(s string, i int, n *int) int {
	if i < len(s) && s[i] == '*' {
		*n = int(int32(f.next(4)))
		return i + 1
	}
	for start := i; i < len(s) && s[i] >= '0' && s[i] <= '9' && i-start < 4; i++ {
		if i == start {
			*n = 0
		}
		*n = *n*10 + int(s[i]-'0')
	}
	return i
}

func (c *conversion) format(verb string) string {
	out := "%" + c.flags
	if c.width >= 0 {
		out += fmt.Sprint(c.width)
	}
	if c.precision >= 0 {
		out += fmt.Sprintf(".%d", c.precision)
	}
	return out + verb
}

func (f *formatter) integer(c *conversion) uint64 {
	if c.wide {
		return f.next(8)
	}
	v := f.next(4)
	switch c.half {
	case 16:
		return uint64(uint16(v))
	case 8:
		return uint64(uint8(v))
	}
	return v
}

func (f *formatter) signed(c *conversion) int64 {
	v := f.integer(c)
	switch {
	case c.wide:
		return int64(v)
	case c.half == 16:
		return int64(int16(v))
	case c.half == 8:
		return int64(int8(v))
	}
	return int64(int32(v))
}

func (c *conversion) float(v float64) string {
	if math.IsInf(v, 0) || math.IsNaN(v) {
		c.precision = -1
		c.flags = strings.ReplaceAll(c.flags, "0", "")
		text := strings.ToLower(strings.TrimPrefix(fmt.Sprint(v), "+"))
		if strings.Contains(c.flags, "+") && text[0] != '-' {
			text = "+" + text
		}
		return fmt.Sprintf(c.format("s"), text)
	}
	if c.precision < 0 {
		c.precision = 6
	}
	return fmt.Sprintf(c.format(string(c.verb)), v)
}

func (f *formatter) convert(c *conversion) string {
	switch c.verb {
	case '%':
		return "%"
	case 'd', 'i':
		return fmt.Sprintf(c.format("d"), f.signed(c))
	case 'u':
		return fmt.Sprintf(c.format("d"), f.integer(c))
	case 'x', 'X', 'o':
		return fmt.Sprintf(c.format(string(c.verb)), f.integer(c))
	case 'c':
		c.precision = -1
		return fmt.Sprintf(c.format("s"), string([]byte{byte(f.next(4))}))
	case 's':
		return fmt.Sprintf(c.format("s"), f.text(f.next(8)))
	case 'p':
		c.flags = strings.ReplaceAll(c.flags, "#", "")
		return fmt.Sprintf(c.format("s"), fmt.Sprintf("0x%x", f.next(8)))
	case 'e', 'E', 'f', 'F', 'g', 'G':
		return c.float(math.Float64frombits(f.next(8)))
	}
	return "%" + string(c.verb)
}
