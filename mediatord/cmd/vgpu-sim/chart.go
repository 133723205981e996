package main

import (
	"fmt"
	"math"
	"strings"
)

// chart is a picture of lines over a common axis.
type chart struct {
	title, note, x, y string
	lines             []line
	lowest, highest   float64 // of y; highest 0: that of the lines
	logarithmic       bool    // y axis; lowest is above 0 then
}

type line struct {
	name   string
	points [][2]float64
}

// styles tell lines apart, those with gaps also where one lies on another.
var styles = []struct{ colour, dashes string }{
	{"#0072b2", "none"}, {"#d55e00", "none"}, {"#009e73", "none"}, {"#cc79a7", "none"}, {"#e69f00", "none"}, {"#56b4e9", "none"}, {"#444444", "10 8"}, {"#a6194b", "3 12"},
}

const (
	width, height            = 900.0, 430.0
	left, right, top, bottom = 70.0, 250.0, 60.0, 50.0
	ticks                    = 6 // about
)

// rounded are round numbers from low to high.
func rounded(low, high float64) (at []float64) {
	unit := math.Pow(10, math.Floor(math.Log10((high-low)/ticks)))
	for _, step := range []float64{1, 2, 5, 10} {
		if step*unit*ticks < high-low {
			continue
		}
		for i := math.Ceil(low/(step*unit) - 1e-9); i*step*unit <= high*(1+1e-9); i++ {
			at = append(at, i*step*unit+0) // not -0
		}
		return at
	}
	return at
}

// decades are round numbers from low to high on a logarithmic axis.
func decades(low, high float64) (at []float64) {
	for unit := math.Pow(10, math.Floor(math.Log10(low))); unit <= high; unit *= 10 {
		for _, digit := range []float64{1, 2, 5} {
			if v := digit * unit; v >= low*(1-1e-9) && v <= high*(1+1e-9) {
				at = append(at, v)
			}
		}
	}
	return at
}

// svg draws the chart.
func (c chart) svg() string {
	lowX, highX, lowY, highY := math.Inf(1), math.Inf(-1), c.lowest, c.highest
	for _, l := range c.lines {
		for _, p := range l.points {
			lowX, highX = min(lowX, p[0]), max(highX, p[0])
			if c.highest == 0 {
				highY = max(highY, p[1])
			}
		}
	}
	part := func(v float64) float64 { return (v - lowY) / (highY - lowY) }
	valuesY := rounded(lowY, highY)
	if c.logarithmic {
		part = func(v float64) float64 { return math.Log(max(v, lowY)/lowY) / math.Log(highY/lowY) }
		valuesY = decades(lowY, highY)
	}
	px := func(x float64) float64 { return left + (x-lowX)/(highX-lowX)*(width-left-right) }
	py := func(y float64) float64 { return height - bottom - max(min(part(y), 1), 0)*(height-top-bottom) }

	var b strings.Builder
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" width="%g" height="%g" font-family="sans-serif" font-size="12">`+"\n", width, height)
	fmt.Fprintf(&b, `<rect width="%g" height="%g" fill="white"/><text x="%g" y="22" font-size="15">%s</text><text x="%g" y="42" fill="#555">%s</text>`+"\n",
		width, height, left, c.title, left, c.note)
	for _, y := range valuesY {
		fmt.Fprintf(&b, `<line x1="%g" y1="%.1f" x2="%g" y2="%.1f" stroke="#ddd"/><text x="%g" y="%.1f" text-anchor="end">%.4g</text>`+"\n",
			left, py(y), width-right, py(y), left-6, py(y)+4, y)
	}
	for _, x := range rounded(lowX, highX) {
		fmt.Fprintf(&b, `<line x1="%.1f" y1="%g" x2="%.1f" y2="%g" stroke="#999"/><text x="%.1f" y="%g" text-anchor="middle">%.4g</text>`+"\n",
			px(x), height-bottom, px(x), height-bottom+4, px(x), height-bottom+18, x)
	}
	fmt.Fprintf(&b, `<text x="%g" y="%g" text-anchor="middle">%s</text>`+"\n", left+(width-left-right)/2, height-10, c.x)
	fmt.Fprintf(&b, `<text transform="translate(16 %g) rotate(-90)" text-anchor="middle">%s</text>`+"\n", top+(height-top-bottom)/2, c.y)
	for i, l := range c.lines {
		style, thick := styles[i%len(styles)], 1.6+1.2*float64(len(c.lines)-1-i)/float64(len(c.lines)) // one above another stays visible
		fmt.Fprintf(&b, `<polyline fill="none" stroke="%s" stroke-width="%.1f" stroke-dasharray="%s" stroke-linejoin="round" points="`, style.colour, thick, style.dashes)
		for _, p := range l.points {
			fmt.Fprintf(&b, "%.1f,%.1f ", px(p[0]), py(p[1]))
		}
		y := top + 6 + 20*float64(i)
		fmt.Fprintf(&b, `"/>`+"\n"+`<rect x="%g" y="%g" width="14" height="4" fill="%s"/><text x="%g" y="%g">%s</text>`+"\n", width-right+14, y, style.colour, width-right+34, y+6, l.name)
	}
	b.WriteString("</svg>\n")
	return b.String()
}
