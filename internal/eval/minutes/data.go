package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// meeting is one input of the evaluation.
type meeting struct {
	// name is the file name to give it, unique in the run.
	name    string
	content []byte
	// reference is the human summary, empty when there is none.
	reference string
}

// qmsum is the shape of a line of QMSum (Zhong et al., "QMSum: A New Benchmark
// for Query-based Multi-domain Meeting Summarization", NAACL 2021).
type qmsum struct {
	Meeting []struct {
		Speaker string `json:"speaker"`
		Content string `json:"content"`
	} `json:"meeting_transcripts"`
	General []struct {
		Query  string `json:"query"`
		Answer string `json:"answer"`
	} `json:"general_query_list"`
}

// load reads every qmsum-*.jsonl and *.vtt of a folder, in order of name.
func load(dir string) ([]meeting, error) {
	var all []meeting
	lists, err := filepath.Glob(filepath.Join(dir, "qmsum-*.jsonl"))
	if err != nil {
		return nil, err
	}
	slices.Sort(lists)
	for _, path := range lists {
		more, err := loadQMSum(path)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
		all = append(all, more...)
	}
	vtts, err := filepath.Glob(filepath.Join(dir, "*.vtt"))
	if err != nil {
		return nil, err
	}
	slices.Sort(vtts)
	for _, path := range vtts {
		content, err := os.ReadFile(path)
		if err != nil {
			return nil, err
		}
		all = append(all, meeting{name: filepath.Base(path), content: content})
	}
	if len(all) == 0 {
		return nil, fmt.Errorf("%s holds no qmsum-*.jsonl and no *.vtt", dir)
	}
	return all, nil
}

func loadQMSum(path string) ([]meeting, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	base := strings.TrimSuffix(filepath.Base(path), ".jsonl")
	var all []meeting
	lines := bufio.NewScanner(f)
	lines.Buffer(nil, 64<<20)
	for lines.Scan() {
		if len(strings.TrimSpace(lines.Text())) == 0 {
			continue
		}
		var q qmsum
		if err := json.Unmarshal(lines.Bytes(), &q); err != nil {
			return nil, fmt.Errorf("line %d: %w", len(all)+1, err)
		}
		m := meeting{name: fmt.Sprintf("%s-%02d.txt", base, len(all)+1), content: convert(q)}
		if len(q.General) > 0 {
			m.reference = q.General[0].Answer
		}
		all = append(all, m)
	}
	return all, lines.Err()
}

// marks are what the corpus notes beside speech: {vocalsound}, {disfmarker}, {gap}.
var marks = regexp.MustCompile(`\{[a-z]+\}`)

// convert writes a meeting as lines "Name: text", without the corpus' marks and
// without the turns that held nothing else.
func convert(q qmsum) []byte {
	var b strings.Builder
	for _, turn := range q.Meeting {
		text := strings.Join(strings.Fields(marks.ReplaceAllString(turn.Content, " ")), " ")
		if text != "" {
			fmt.Fprintf(&b, "%s: %s\n", turn.Speaker, text)
		}
	}
	return []byte(b.String())
}
