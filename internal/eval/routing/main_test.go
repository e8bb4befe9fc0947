package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/sous-hq/sous/internal/textclass"
)

// messages makes n messages of a label, from its word and a counter's.
func messages(label string, n int) (rows [][2]string) {
	fill := []string{"please", "now", "my", "the", "again"}
	for i := range n {
		rows = append(rows, [2]string{fmt.Sprintf("%s %s %s", fill[i%5], label, fill[i/5%5]), label})
	}
	return rows
}

func write(t *testing.T, dir, name string, content []byte) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(dir, name), content, 0o600); err != nil {
		t.Fatal(err)
	}
}

func writeClinc(t *testing.T, dir string, parts map[string][][2]string) {
	t.Helper()
	raw, err := json.Marshal(parts)
	if err != nil {
		t.Fatal(err)
	}
	write(t, dir, "clinc150-dev.json", raw)
}

func csvOf(rows ...[][2]string) []byte {
	var b strings.Builder
	b.WriteString("text,category\n")
	for _, part := range rows {
		for _, r := range part {
			fmt.Fprintf(&b, "\"%s, honestly\",%s\n", r[0], r[1])
		}
	}
	return []byte(b.String())
}

// smallSets writes both sets so that a working classifier gets everything right.
func smallSets(t *testing.T) (dir string, clinc map[string][][2]string) {
	t.Helper()
	dir = t.TempDir()
	clinc = map[string][][2]string{
		"train":     append(messages("weather", 20), messages("music", 20)...),
		"val":       append(messages("weather", 3), messages("music", 3)...),
		"oos_train": {{"zebra crossing", "oos"}, {"lunar eclipse", "oos"}},
		"oos_val":   {{"quantum bagpipes", "oos"}, {"xylophone", "oos"}},
	}
	writeClinc(t, dir, clinc)
	write(t, dir, "banking77-train.csv", csvOf(messages("card", 20), messages("refund", 20), messages("rate", 20)))
	return dir, clinc
}

func TestTheLastLineIsTheFiguresAsJSON(t *testing.T) {
	dir, _ := smallSets(t)
	var out bytes.Buffer
	if err := run(dir, &out, time.Now); err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSpace(out.String()), "\n")
	var got map[string]float64
	if err := json.Unmarshal([]byte(lines[len(lines)-1]), &got); err != nil {
		t.Fatalf("last line %q: %v", lines[len(lines)-1], err)
	}
	for name, want := range map[string]float64{"clinc_in_scope": 1, "clinc_oos_recall": 1, "banking77": 1} {
		if got[name] != want {
			t.Errorf("%s is %v; want %v", name, got[name], want)
		}
	}
	if got["us_per_message"] <= 0 || len(got) != 4 {
		t.Errorf("figures %v", got)
	}
}

func TestTestPartsAreMeasuredWhereThereAreAny(t *testing.T) {
	dir, clinc := smallSets(t)
	clinc["test"] = messages("music", 7)
	clinc["oos_test"] = [][2]string{{"abacus", "oos"}}
	writeClinc(t, dir, clinc)
	write(t, dir, "banking77-val.csv", csvOf(messages("card", 4)))
	c, err := loadClinc(dir)
	if err != nil {
		t.Fatal(err)
	}
	if len(c.test) != 7 || len(c.outside) != 1 || len(c.train) != 42 {
		t.Errorf("CLINC150: %d, %d and %d of test, outside and train; want 7, 1, 42", len(c.test), len(c.outside), len(c.train))
	}
	b, err := loadBanking(dir)
	if err != nil {
		t.Fatal(err)
	}
	if len(b.test) != 4 || len(b.train) != 60 || b.test[0].Text != "please card please, honestly" {
		t.Errorf("Banking77: %d of test and %d of train; want 4, 60; first %q", len(b.test), len(b.train), b.test[0].Text)
	}
}

func TestAFifthOfEveryLabelIsHeldOutWhateverTheOrder(t *testing.T) {
	var all, reversed []textclass.Example
	for i := range 40 {
		e := textclass.Example{Text: fmt.Sprint("message ", i), Label: fmt.Sprint("label ", i%4)}
		all = append(all, e)
		reversed = append([]textclass.Example{e}, reversed...)
	}
	a, b := holdOut(all, 5), holdOut(reversed, 5)
	if len(a.test) != 8 || len(a.train) != 32 {
		t.Fatalf("%d held out and %d kept; want 8 and 32", len(a.test), len(a.train))
	}
	perLabel := map[string]int{}
	for i, e := range a.test {
		perLabel[e.Label]++
		if b.test[i] != e {
			t.Errorf("in another order %v is held out instead of %v", b.test[i], e)
		}
	}
	for label, n := range perLabel {
		if n != 2 {
			t.Errorf("%s has %d held out; want 2", label, n)
		}
	}
}

func TestMissingOrBrokenDataIsAnError(t *testing.T) {
	for name, content := range map[string]string{
		"clinc150-dev.json":   "{",
		"banking77-train.csv": "text,category\n",
	} {
		dir, _ := smallSets(t)
		write(t, dir, name, []byte(content))
		if err := run(dir, &bytes.Buffer{}, time.Now); err == nil {
			t.Errorf("%s with %q is accepted", name, content)
		}
	}
	if err := run(t.TempDir(), &bytes.Buffer{}, time.Now); err == nil {
		t.Error("an empty folder is accepted")
	}
}
