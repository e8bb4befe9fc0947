package main

import (
	"bytes"
	"cmp"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"hash/fnv"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"github.com/sous-hq/sous/internal/textclass"
)

// background is the label the out-of-scope examples are trained under. No set has a label of this name.
const background = "out of scope"

// dataset is one set of labelled messages: what to learn from and what to measure on.
type dataset struct {
	train, test []textclass.Example
	outside     []string // messages for measuring that belong to no label
}

// loadClinc reads CLINC150 (Larson et al., EMNLP 2019). Test parts are used if the file has them, else the validation
// parts.
func loadClinc(dir string) (dataset, error) {
	raw, err := os.ReadFile(filepath.Join(dir, "clinc150-dev.json"))
	if err != nil {
		return dataset{}, err
	}
	var parts map[string][][2]string
	if err := json.Unmarshal(raw, &parts); err != nil {
		return dataset{}, fmt.Errorf("read clinc150-dev.json: %w", err)
	}
	measure := func(test, val string) [][2]string {
		if len(parts[test]) > 0 {
			return parts[test]
		}
		return parts[val]
	}
	var d dataset
	for _, p := range parts["train"] {
		d.train = append(d.train, textclass.Example{Text: p[0], Label: p[1]})
	}
	for _, p := range parts["oos_train"] {
		d.train = append(d.train, textclass.Example{Text: p[0], Label: background})
	}
	for _, p := range measure("test", "val") {
		d.test = append(d.test, textclass.Example{Text: p[0], Label: p[1]})
	}
	for _, p := range measure("oos_test", "oos_val") {
		d.outside = append(d.outside, p[0])
	}
	if len(d.train) == 0 || len(d.test) == 0 || len(d.outside) == 0 {
		return dataset{}, errors.New("clinc150-dev.json lacks train, val or oos_val")
	}
	return d, nil
}

// loadBanking reads Banking77 (Casanueva et al., NLP4ConvAI 2020). Without a file to measure on, a fifth of every
// label's training messages is held out.
func loadBanking(dir string) (dataset, error) {
	train, err := readCSV(filepath.Join(dir, "banking77-train.csv"))
	if err != nil {
		return dataset{}, err
	}
	for _, name := range []string{"banking77-test.csv", "banking77-val.csv"} {
		test, err := readCSV(filepath.Join(dir, name))
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		return dataset{train: train, test: test}, err
	}
	return holdOut(train, 5), nil
}

func readCSV(path string) ([]textclass.Example, error) {
	raw, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	rows, err := csv.NewReader(bytes.NewReader(raw)).ReadAll()
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", path, err)
	}
	if len(rows) < 2 || len(rows[0]) != 2 {
		return nil, fmt.Errorf("read %s: want a header and rows of text, category", path)
	}
	var examples []textclass.Example
	for _, r := range rows[1:] {
		examples = append(examples, textclass.Example{Text: r[0], Label: r[1]})
	}
	return examples, nil
}

// holdOut takes one of every parts examples of each label for measuring, those with the smallest hash, so that the
// choice depends neither on their order nor on chance.
func holdOut(all []textclass.Example, parts int) dataset {
	byLabel := map[string][]textclass.Example{}
	var labels []string
	for _, e := range all {
		if byLabel[e.Label] == nil {
			labels = append(labels, e.Label)
		}
		byLabel[e.Label] = append(byLabel[e.Label], e)
	}
	slices.Sort(labels)
	var d dataset
	for _, l := range labels {
		of := byLabel[l]
		slices.SortFunc(of, func(a, b textclass.Example) int {
			return cmp.Or(cmp.Compare(hash(a.Text), hash(b.Text)), cmp.Compare(a.Text, b.Text))
		})
		n := len(of) / parts
		d.test = append(d.test, of[:n]...)
		d.train = append(d.train, of[n:]...)
	}
	return d
}

func hash(s string) uint64 {
	h := fnv.New64a()
	h.Write([]byte(s))
	return h.Sum64()
}
