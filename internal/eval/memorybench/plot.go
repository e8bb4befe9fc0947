package main

import (
	"fmt"
	"math"
	"os"
	"strings"
)

// The plot: two panels, the processor time of a query and the rate of writing, over the
// number of passages, both axes logarithmic.
const (
	panelWidth, panelHeight = 380.0, 260.0
	left, top, gap          = 60.0, 60.0, 90.0
)

type line struct {
	name, colour, dash string
	points             [][2]float64
}

type panel struct {
	title, unit string
	from, to    float64
	lines       []line
}

// draw draws all results of a file as SVG.
func draw(results, path string) error {
	all, err := read(results)
	if err != nil {
		return err
	}
	return os.WriteFile(path, []byte(svg(panels(all))), 0o644) //nolint:gosec // a picture for everybody
}

func panels(all []figures) []panel {
	colours := map[string]string{"SQLite": "#1f6feb", "PostgreSQL": "#cf5a00"}
	query := panel{title: "Processor time of a search by words and vectors", unit: "ms", from: 1, to: 1000}
	write := panel{title: "Writing", unit: "passages/s", from: 100, to: 100_000}
	for _, store := range []string{"SQLite", "PostgreSQL"} {
		for n, r := range readers() {
			l := line{name: fmt.Sprintf("%s, may read %s", store, r.share), colour: colours[store], dash: []string{"", "6 3", "2 3"}[n]}
			for _, f := range all {
				if f.Store == store {
					l.points = append(l.points, [2]float64{float64(f.Chunks), f.Readers[r.share].CPU})
				}
			}
			query.lines = append(query.lines, l)
		}
		stored := line{name: store + ", stored and found by words", colour: colours[store]}
		embedded := line{name: store + ", given vectors", colour: colours[store], dash: "6 3"}
		for _, f := range all {
			if f.Store == store {
				stored.points = append(stored.points, [2]float64{float64(f.Chunks), f.StoreRate})
				embedded.points = append(embedded.points, [2]float64{float64(f.Chunks), f.EmbedRate})
			}
		}
		write.lines = append(write.lines, stored, embedded)
	}
	return []panel{query, write}
}

func svg(all []panel) string {
	var b strings.Builder
	width := left + float64(len(all))*(panelWidth+gap)
	height := top + panelHeight + 190
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %.0f %.0f" font-family="sans-serif" font-size="12" fill="#333">`+"\n", width, height)
	fmt.Fprintf(&b, `<rect width="%.0f" height="%.0f" fill="#fff"/>`+"\n", width, height)
	for n, p := range all {
		p.draw(&b, left+float64(n)*(panelWidth+gap))
	}
	b.WriteString("</svg>\n")
	return b.String()
}

func (p panel) draw(b *strings.Builder, x0 float64) {
	const least, most = 8_000.0, 1_250_000.0
	x := func(v float64) float64 { return x0 + panelWidth*math.Log(v/least)/math.Log(most/least) }
	y := func(v float64) float64 { return top + panelHeight*(1-math.Log(v/p.from)/math.Log(p.to/p.from)) }
	fmt.Fprintf(b, `<text x="%.0f" y="%.0f" font-size="14" font-weight="bold">%s (%s)</text>`+"\n", x0, top-20, p.title, p.unit)
	for v := p.from; v <= p.to*1.001; v *= 10 {
		fmt.Fprintf(b, `<path d="M%.1f %.1fh%.1f" stroke="#ddd"/><text x="%.1f" y="%.1f" text-anchor="end">%s</text>`+"\n", x0, y(v), panelWidth, x0-6, y(v)+4, short(v))
	}
	for _, v := range []float64{10_000, 50_000, 200_000, 1_000_000} {
		fmt.Fprintf(b, `<path d="M%.1f %.1fv%.1f" stroke="#eee"/><text x="%.1f" y="%.1f" text-anchor="middle">%s</text>`+"\n", x(v), top, panelHeight, x(v), top+panelHeight+16, short(v))
	}
	fmt.Fprintf(b, `<text x="%.1f" y="%.1f" text-anchor="middle">passages</text>`+"\n", x0+panelWidth/2, top+panelHeight+34)
	for n, l := range p.lines {
		var d strings.Builder
		for i, q := range l.points {
			fmt.Fprintf(&d, "%c%.1f %.1f", "ML"[min(i, 1)], x(q[0]), y(q[1]))
			fmt.Fprintf(b, `<circle cx="%.1f" cy="%.1f" r="3" fill="%s"/>`+"\n", x(q[0]), y(q[1]), l.colour)
		}
		fmt.Fprintf(b, `<path d="%s" fill="none" stroke="%s" stroke-width="1.8" stroke-dasharray="%s"/>`+"\n", d.String(), l.colour, l.dash)
		at := top + panelHeight + 60 + 18*float64(n)
		fmt.Fprintf(b, `<path d="M%.1f %.1fh28" stroke="%s" stroke-width="1.8" stroke-dasharray="%s"/><text x="%.1f" y="%.1f">%s</text>`+"\n",
			x0, at-4, l.colour, l.dash, x0+36, at, l.name)
	}
}

func short(v float64) string {
	switch {
	case v >= 1e6:
		return fmt.Sprintf("%gM", v/1e6)
	case v >= 1e3:
		return fmt.Sprintf("%gk", v/1e3)
	}
	return fmt.Sprintf("%g", v)
}
