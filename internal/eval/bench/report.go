package main

import (
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"
)

// result is what the rig says of one scenario, as far as it is shown.
type result struct {
	Scenario                       string
	Turns, Failed                  int
	PeerCPUPer1k, AllCPUPer1k      float64
	RSSStart, RSSPeak, OtherCPU    float64
	TurnsPerSec, ModelCallsPerTurn float64
	Added, Ack, CardMS, ClickMS    *dist
	FirstError                     string
	Extra                          map[string]any
}

// dist is a distribution in milliseconds.
type dist struct{ P50, P95, P99, Max float64 }

// figure is one column: where it is found and how it is written.
type figure struct {
	name string
	read func(r *result) (float64, bool)
	from string
}

func figures() []figure {
	of := func(name, from string, read func(r *result) (float64, bool)) figure { return figure{name, read, from} }
	p50 := func(d *dist) (float64, bool) {
		if d == nil {
			return 0, false
		}
		return d.P50, true
	}
	extra := func(key string) func(r *result) (float64, bool) {
		return func(r *result) (float64, bool) {
			switch v := r.Extra[key].(type) {
			case float64:
				return v, true
			case map[string]any:
				f, ok := v["P50"].(float64)
				return f, ok
			}
			return 0, false
		}
	}
	return []figure{
		of("start_ms", "start", extra("readyMS")),
		of("cpu_s_per_1k", "sat", func(r *result) (float64, bool) { return r.AllCPUPer1k, true }),
		of("turns_per_s", "sat", func(r *result) (float64, bool) { return r.TurnsPerSec, true }),
		of("low_cpu_s_per_1k", "low", func(r *result) (float64, bool) { return r.AllCPUPer1k, true }),
		of("added_p50_ms", "low", func(r *result) (float64, bool) { return p50(r.Added) }),
		of("ack_p50_ms", "low", func(r *result) (float64, bool) { return p50(r.Ack) }),
		of("approve_cpu_s_per_1k", "approve", func(r *result) (float64, bool) { return r.AllCPUPer1k, true }),
		of("card_p50_ms", "approve", func(r *result) (float64, bool) { return p50(r.CardMS) }),
		of("click_p50_ms", "approve", func(r *result) (float64, bool) { return p50(r.ClickMS) }),
		of("conc_slowest_ack_ms", "conc", func(r *result) (float64, bool) {
			if r.Ack == nil {
				return 0, false
			}
			return r.Ack.Max, true
		}),
		of("conc_rss_mib", "conc", func(r *result) (float64, bool) { return r.RSSPeak, true }),
		of("idle_rss_mib", "idle", func(r *result) (float64, bool) { return r.RSSStart, true }),
		of("idle_cpu_percent", "idle", extra("idleCPUPercent")),
		of("answered_twice", "duplicates", extra("answeredMoreThanOnce")),
		of("alive_turns", "crash", extra("turnsFinished")),
		of("alive_approvals", "crash", extra("approvalsFinished")),
		of("crash_answered_twice", "crash", extra("turnsAnsweredTwice")),
	}
}

// anchor is the row another is compared with, "" for none.
func anchor(row string) string {
	switch row {
	case "sous-sqlite":
		return "floor"
	case "sous-pg":
		return "floor-pg"
	}
	return ""
}

// report prints the medians of all rounds, then one line of JSON with the ratios.
func (b *bench) report(out io.Writer, rows []string) error {
	found := map[string]map[string]float64{}
	for row, all := range b.results {
		found[row] = map[string]float64{}
		for _, f := range figures() {
			var got []float64
			for i := range all {
				if v, ok := f.read(&all[i]); ok && all[i].Scenario == f.from {
					got = append(got, v)
				}
			}
			if len(got) > 0 {
				slices.Sort(got)
				found[row][f.name] = (got[(len(got)-1)/2] + got[len(got)/2]) / 2
			}
		}
		for _, r := range all {
			if r.Failed > 0 {
				found[row]["failed_"+r.Scenario] += float64(r.Failed)
				fmt.Fprintf(out, "%s: %d of %s failed: %s\n", row, r.Failed, r.Scenario, r.FirstError)
			}
		}
	}
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintf(w, "\t%s\t", strings.Join(rows, "\t"))
	for _, row := range rows {
		if found[anchor(row)] != nil {
			fmt.Fprintf(w, "%s/%s\t", row, anchor(row))
		}
	}
	fmt.Fprintln(w)
	ratios := map[string]map[string]float64{}
	for _, f := range figures() {
		fmt.Fprintf(w, "%s\t", f.name)
		for _, row := range rows {
			fmt.Fprintf(w, "%s\t", number(found[row], f.name))
		}
		for _, row := range rows {
			if a := found[anchor(row)]; a != nil {
				if base, ok := a[f.name]; ok && base > 0 {
					if ratios[row] == nil {
						ratios[row] = map[string]float64{}
					}
					ratios[row][f.name] = found[row][f.name] / base
				}
				fmt.Fprintf(w, "%s\t", number(ratios[row], f.name))
			}
		}
		fmt.Fprintln(w)
	}
	if err := w.Flush(); err != nil {
		return err
	}
	return json.NewEncoder(out).Encode(map[string]any{"figures": found, "ratios": ratios})
}

func number(all map[string]float64, name string) string {
	v, ok := all[name]
	if !ok {
		return "-"
	}
	return fmt.Sprintf("%.3g", v)
}
