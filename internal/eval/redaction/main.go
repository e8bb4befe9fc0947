// Command redaction measures the recognisers of personal data on texts with marked entities: how many of
// each kind are found, how often something is found where nothing is, and how long a text takes. The last
// line it prints is the figures as JSON.
package main

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"text/tabwriter"
	"time"

	"github.com/sous-hq/sous/internal/redact"
)

// figures are what the evaluation is about.
type figures struct {
	Email  float64 `json:"email"`
	Card   float64 `json:"card"`
	IBAN   float64 `json:"iban"`
	IP     float64 `json:"ip"`
	SSN    float64 `json:"ssn"`
	Phone  float64 `json:"phone"`
	False  float64 `json:"false_hit_share"` // share of texts without an entity of the six kinds in which something was found
	Micros float64 `json:"us_per_text"`     // mean time of a scan, in one goroutine
}

// sample is one text of the set.
type sample struct {
	Text  string `json:"full_text"`
	Spans []struct {
		Type  string `json:"entity_type"`
		Value string `json:"entity_value"`
		Start int    `json:"start_position"` // in code points
		End   int    `json:"end_position"`
	} `json:"spans"`
}

func main() {
	dir := flag.String("data", "../shared/data/pii", "folder of JSON files with texts and their entities")
	misses := flag.Bool("v", false, "print every miss and false hit")
	flag.Parse()
	if err := evaluate(*dir, os.Stdout, *misses, time.Now); err != nil {
		fmt.Fprintln(os.Stderr, "eval redaction:", err)
		os.Exit(1)
	}
}

func evaluate(dir string, w io.Writer, verbose bool, now func() time.Time) error {
	samples, err := load(dir)
	if err != nil {
		return err
	}
	t := measure(samples, now)
	if verbose {
		for _, line := range t.noted {
			fmt.Fprintln(w, line)
		}
	}
	if err := t.print(w); err != nil {
		return err
	}
	return json.NewEncoder(w).Encode(t.figures())
}

// load reads every JSON file of the folder.
func load(dir string) ([]sample, error) {
	names, err := filepath.Glob(filepath.Join(dir, "*.json"))
	if err != nil {
		return nil, err
	}
	var all []sample
	for _, name := range names {
		b, err := os.ReadFile(name)
		if err != nil {
			return nil, err
		}
		var part []sample
		if err := json.Unmarshal(b, &part); err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		all = append(all, part...)
	}
	if len(all) == 0 {
		return nil, errors.New("no texts in " + dir)
	}
	return all, nil
}

// kindOf returns what an entity of the set is called here, "" for what is not measured.
func kindOf(entity string) redact.Kind {
	switch entity {
	case "EMAIL_ADDRESS":
		return redact.Email
	case "CREDIT_CARD":
		return redact.Card
	case "IBAN_CODE":
		return redact.IBAN
	case "IP_ADDRESS":
		return redact.IP
	case "US_SSN":
		return redact.SSN
	case "PHONE_NUMBER":
		return redact.Phone
	}
	return ""
}

// tally counts what came of the scans.
type tally struct {
	samples, clean, cleanHit  int // clean texts have no entity of the six kinds
	unmarked, unmarkedHit     int // texts without any entity at all
	marked, found, falseFound map[redact.Kind]int
	took                      time.Duration
	noted                     []string
}

func measure(samples []sample, now func() time.Time) *tally {
	t := &tally{samples: len(samples), marked: map[redact.Kind]int{}, found: map[redact.Kind]int{}, falseFound: map[redact.Kind]int{}}
	for _, s := range samples { // once unmeasured, so that the machine is warm
		redact.Scan(s.Text)
	}
	all := make([][]redact.Finding, len(samples))
	start := now()
	for i, s := range samples {
		all[i] = redact.Scan(s.Text)
	}
	t.took = now().Sub(start)
	for i, s := range samples {
		t.count(s, all[i])
	}
	return t
}

// count compares the findings in one text with its entities. An entity counts as found when one finding of
// its kind covers it whole.
func (t *tally) count(s sample, found []redact.Finding) {
	offsets := byteOffsets(s.Text)
	right := make([]bool, len(found))
	clean := true
	for _, e := range s.Spans {
		kind := kindOf(e.Type)
		start, end := offsets[e.Start], offsets[e.End]
		for i, f := range found {
			right[i] = right[i] || f.Start < end && start < f.End
		}
		if kind == "" {
			continue
		}
		clean = false
		t.marked[kind]++
		if covered(found, kind, start, end) {
			t.found[kind]++
		} else {
			t.noted = append(t.noted, fmt.Sprintf("missed %s %q in %q", kind, e.Value, s.Text))
		}
	}
	for i, f := range found {
		if !right[i] {
			t.falseFound[f.Kind]++
		}
		if !right[i] || clean {
			t.noted = append(t.noted, fmt.Sprintf("false %s %q in %q", f.Kind, s.Text[f.Start:f.End], s.Text))
		}
	}
	t.blank(clean, len(s.Spans) == 0, len(found) > 0)
}

func (t *tally) blank(clean, unmarked, hit bool) {
	one := func(b bool) int {
		if b {
			return 1
		}
		return 0
	}
	t.clean += one(clean)
	t.cleanHit += one(clean && hit)
	t.unmarked += one(unmarked)
	t.unmarkedHit += one(unmarked && hit)
}

func covered(found []redact.Finding, kind redact.Kind, start, end int) bool {
	for _, f := range found {
		if f.Kind == kind && f.Start <= start && f.End >= end {
			return true
		}
	}
	return false
}

// byteOffsets maps positions in code points to positions in bytes.
func byteOffsets(text string) []int {
	offsets := make([]int, 0, len(text)+1)
	for i := range text {
		offsets = append(offsets, i)
	}
	return append(offsets, len(text))
}

func (t *tally) figures() figures {
	return figures{
		Email: t.recall(redact.Email), Card: t.recall(redact.Card), IBAN: t.recall(redact.IBAN), IP: t.recall(redact.IP),
		SSN: t.recall(redact.SSN), Phone: t.recall(redact.Phone),
		False:  share(t.cleanHit, t.clean),
		Micros: float64(t.took.Nanoseconds()) / 1e3 / float64(t.samples),
	}
}

func (t *tally) recall(k redact.Kind) float64 { return share(t.found[k], t.marked[k]) }

func share(n, of int) float64 {
	if of == 0 {
		return 0
	}
	return float64(n) / float64(of)
}

// print sets the figures beside those of recognisers measured elsewhere on 1,500 texts of the same making.
func (t *tally) print(w io.Writer) error {
	tab := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(tab, "measure\tours\tshare\tfalse hits\tknown figure")
	for _, row := range [...]struct {
		kind  redact.Kind
		known string
	}{
		{redact.Email, "49/49"},
		{redact.Card, "135/136, Luhn"},
		{redact.IBAN, "20/21, mod 97"},
		{redact.IP, "14/14"},
		{redact.SSN, "16/16"},
		{redact.Phone, "83/92 with 79 false hits, phonenumbers over 13 regions"},
	} {
		k := row.kind
		fmt.Fprintf(tab, "%s\t%d/%d\t%.4f\t%d\t%s\n", k, t.found[k], t.marked[k], t.recall(k), t.falseFound[k], row.known)
	}
	fmt.Fprintf(tab, "texts without the six kinds, with a hit\t%d/%d\t%.4f\t\t\n", t.cleanHit, t.clean, share(t.cleanHit, t.clean))
	fmt.Fprintf(tab, "texts without any entity, with a hit\t%d/%d\t%.4f\t\t\n", t.unmarkedHit, t.unmarked, share(t.unmarkedHit, t.unmarked))
	fmt.Fprintf(tab, "microseconds per text\t%.1f\t\t\t174\n", float64(t.took.Nanoseconds())/1e3/float64(t.samples))
	return tab.Flush()
}
