package main

import (
	"fmt"
	"math"
	"strings"
)

// chart is a picture of lines over a common axis.
type chart struct {
	title, x, y string
	lines       []line
	highest     float64 // of y; 0: that of the lines
	logarithmic bool    // y axis
	lowest      float64 // of y, if logarithmic
}

type line struct {
	name   string
	points [][2]float64
	dots   bool
}

var colours = []string{"#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#444444"}

const (
	width, height            = 900.0, 420.0
	left, right, top, bottom = 70.0, 210.0, 40.0, 50.0
	ticks                    = 5
)

// svg draws the chart.
func (c chart) svg() string {
	var b strings.Builder
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" width="%g" height="%g" font-family="sans-serif" font-size="12">`+"\n", width, height)
	fmt.Fprintf(&b, `<rect width="%g" height="%g" fill="white"/><text x="%g" y="22" font-size="15">%s</text>`+"\n", width, height, left, c.title)
	lowX, highX, highY := math.Inf(1), math.Inf(-1), c.highest
	for _, l := range c.lines {
		for _, p := range l.points {
			lowX, highX, highY = min(lowX, p[0]), max(highX, p[0]), max(highY, p[1])
		}
	}
	if c.highest > 0 {
		highY = c.highest
	}
	lowY := c.lowest
	part := func(v float64) float64 { return (v - lowY) / (highY - lowY) }
	if c.logarithmic {
		part = func(v float64) float64 { return math.Log(max(v, lowY)/lowY) / math.Log(highY/lowY) }
	}
	at := func(p [2]float64) (x, y float64) {
		return left + (p[0]-lowX)/(highX-lowX)*(width-left-right), height - bottom - min(part(p[1]), 1)*(height-top-bottom)
	}
	for i := range ticks + 1 {
		f := float64(i) / ticks
		x, y := lowX+f*(highX-lowX), lowY+f*(highY-lowY)
		if c.logarithmic {
			y = lowY * math.Pow(highY/lowY, f)
		}
		px, py := at([2]float64{x, y})
		fmt.Fprintf(&b, `<line x1="%g" y1="%.1f" x2="%g" y2="%.1f" stroke="#ddd"/><text x="%g" y="%.1f" text-anchor="end">%.3g</text>`+"\n", left, py, width-right, py, left-6, py+4, y)
		fmt.Fprintf(&b, `<text x="%.1f" y="%g" text-anchor="middle">%.3g</text>`+"\n", px, height-bottom+16, x)
	}
	fmt.Fprintf(&b, `<text x="%g" y="%g" text-anchor="middle">%s</text>`+"\n", left+(width-left-right)/2, height-12, c.x)
	fmt.Fprintf(&b, `<text transform="translate(16 %g) rotate(-90)" text-anchor="middle">%s</text>`+"\n", top+(height-top-bottom)/2, c.y)
	for i, l := range c.lines {
		colour := colours[i%len(colours)]
		if l.dots {
			for _, p := range l.points {
				x, y := at(p)
				fmt.Fprintf(&b, `<circle cx="%.1f" cy="%.1f" r="1.6" fill="%s"/>`, x, y, colour)
			}
		} else {
			fmt.Fprintf(&b, `<polyline fill="none" stroke="%s" stroke-width="1.8" points="`, colour)
			for _, p := range l.points {
				x, y := at(p)
				fmt.Fprintf(&b, "%.1f,%.1f ", x, y)
			}
			b.WriteString(`"/>`)
		}
		y := top + 10 + 18*float64(i)
		fmt.Fprintf(&b, "\n"+`<rect x="%g" y="%g" width="14" height="4" fill="%s"/><text x="%g" y="%g">%s</text>`+"\n", width-right+10, y, colour, width-right+30, y+6, l.name)
	}
	b.WriteString("</svg>\n")
	return b.String()
}
