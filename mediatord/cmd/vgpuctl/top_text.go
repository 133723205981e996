package main

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

// narrowest is the width that a frame always fits into; a wider terminal gives
// the names more room.
const narrowest = 80

// columns are the widths after the name, the first of them of the pool.
var columns = [...]int{8, 6, 4, 6, 7, 15, 7, 7}

// text draws the frame for a terminal of a width.
func (f frame) text(width int, processes bool) string {
	name := max(width, narrowest)
	for _, w := range columns {
		name -= w + 1
	}
	var b strings.Builder
	count := 0
	for _, d := range f.Domains {
		count += len(d.Processes)
	}
	fmt.Fprintf(&b, "%s  %d of %d slots used, %d guest processes\n", f.Time.Format("15:04:05"), len(f.Domains), f.Slots, count)
	if f.error != "" {
		fmt.Fprintf(&b, "%s\n", fit(f.error, max(width, narrowest)))
	}
	line(&b, name, "DOMAIN", "POOL", "PRIO", "PROC", "GPU", "QUEUE", "MEMORY", "CALLS/S", "REFUSED")
	for _, d := range f.Domains {
		line(&b, name, d.Name, d.Pool, d.Priority, fmt.Sprint(len(d.Processes)), d.share(), size(d.Queued),
			size(d.MemoryUsed)+"/"+size(d.MemoryQuota), rate(d.Calls), rate(float64(d.Refused)))
		if notes := d.notes(); notes != "" {
			fmt.Fprintf(&b, "  %s\n", fit(notes, narrowest-2))
		}
		if !processes {
			continue
		}
		for _, p := range d.Processes {
			line(&b, name, "  "+p.Command, fmt.Sprint(p.PID), p.State, fmt.Sprint(p.Channel), p.share(), size(p.Queued),
				size(p.MemoryUsed), rate(p.Calls), "")
		}
	}
	return b.String()
}

// notes is what most domains have nothing of; "": nothing.
func (d topDomain) notes() string {
	var notes []string
	if d.Parked > 0 {
		notes = append(notes, size(d.Parked)+" parked in host memory")
	}
	if d.ContextsParked > 0 {
		notes = append(notes, fmt.Sprintf("%d parked with context", d.ContextsParked))
	}
	if d.Expired > 0 {
		notes = append(notes, "processes ended by the watchdog: "+fmt.Sprint(d.Expired))
	}
	return strings.Join(notes, ", ")
}

// line writes the name and the pool to the left, numbers to the right.
func line(b *strings.Builder, name int, cells ...string) {
	text := left(cells[0], name)
	for i, cell := range cells[1:] {
		if i < 2 {
			text += " " + left(cell, columns[i])
		} else {
			text += " " + right(cell, columns[i])
		}
	}
	b.WriteString(strings.TrimRight(text, " ") + "\n")
}

func left(text string, width int) string {
	text = fit(text, width)
	return text + strings.Repeat(" ", width-utf8.RuneCountInString(text))
}

func right(text string, width int) string {
	text = fit(text, width)
	return strings.Repeat(" ", width-utf8.RuneCountInString(text)) + text
}

// fit cuts what is too long and says so with a "~".
func fit(text string, width int) string {
	letters := []rune(plain(text))
	if len(letters) <= width {
		return string(letters)
	}
	return string(letters[:width-1]) + "~"
}

func (u usage) share() string {
	if u.Share == nil {
		return "-"
	}
	return fmt.Sprintf("%.1f%%", *u.Share*100)
}

// rate writes a number in at most five letters.
func rate(n float64) string {
	for _, unit := range []string{"", "k", "M", "G", "T"} {
		switch {
		case n < 9.95 && unit != "":
			return fmt.Sprintf("%.1f%s", n, unit)
		case n < 999.5:
			return fmt.Sprintf("%.0f%s", n, unit)
		}
		n /= 1000
	}
	return "many"
}
