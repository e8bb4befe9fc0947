package main

import (
	"cmp"
	"encoding/json"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"time"
)

// conversation is one of the data's, with the questions that are scored.
type conversation struct {
	ID        string
	Turns     []turn
	Questions []question
}

// turn is what one person said at once.
type turn struct {
	// ID is "D3:7", session and turn.
	ID      string `json:"dia_id"`
	Speaker string `json:"speaker"`
	Text    string `json:"text"`
	// Caption describes an image that was sent along.
	Caption string    `json:"blip_caption"`
	Session int       `json:"-"`
	At      time.Time `json:"-"`
}

// text is what of the turn a person in the conversation saw.
func (t turn) text() string {
	if t.Caption == "" {
		return t.Text
	}
	return t.Text + " [image: " + t.Caption + "]"
}

// question has the ids of the turns that answer it.
type question struct {
	Text     string
	Category int
	Evidence []string
}

var turnID = regexp.MustCompile(`D\d+:\d+`)

// load reads the file. Questions of category 5 (which cannot be answered) and
// those without evidence are left out.
func load(path string) ([]conversation, error) {
	raw, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	var file []struct {
		ID           string                     `json:"sample_id"`
		Conversation map[string]json.RawMessage `json:"conversation"`
		QA           []struct {
			Question string   `json:"question"`
			Evidence []string `json:"evidence"`
			Category int      `json:"category"`
		} `json:"qa"`
	}
	if err := json.Unmarshal(raw, &file); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	out := make([]conversation, len(file))
	for n, f := range file {
		c := conversation{ID: f.ID}
		if c.Turns, err = turns(f.Conversation); err != nil {
			return nil, fmt.Errorf("%s: %s: %w", path, f.ID, err)
		}
		for _, q := range f.QA {
			evidence := turnID.FindAllString(strings.Join(q.Evidence, " "), -1)
			slices.Sort(evidence)
			evidence = slices.Compact(evidence)
			if q.Category >= 1 && q.Category <= 4 && len(evidence) > 0 {
				c.Questions = append(c.Questions, question{Text: q.Question, Category: q.Category, Evidence: evidence})
			}
		}
		if len(c.Turns) == 0 {
			return nil, fmt.Errorf("%s: %s has no turns", path, f.ID)
		}
		out[n] = c
	}
	return out, nil
}

// turns returns the sessions' turns in order. The date is written like
// "1:56 pm on 8 May, 2023".
func turns(sessions map[string]json.RawMessage) ([]turn, error) {
	var all []turn
	for n := 1; ; n++ {
		key := fmt.Sprintf("session_%d", n)
		raw, ok := sessions[key+"_date_time"]
		if !ok {
			return all, nil
		}
		var date string
		if err := json.Unmarshal(raw, &date); err != nil {
			return nil, err
		}
		at, err := time.Parse("3:04 pm on 2 January, 2006", date)
		if err != nil {
			return nil, err
		}
		var said []turn
		if raw, ok := sessions[key]; ok {
			if err := json.Unmarshal(raw, &said); err != nil {
				return nil, err
			}
		}
		for i := range said {
			said[i].Session, said[i].At = n, at
		}
		all = append(all, said...)
	}
}

// sessions groups the turns.
func (c conversation) sessions() [][]turn {
	var out [][]turn
	for _, t := range c.Turns {
		if n := len(out); n > 0 && out[n-1][0].Session == t.Session {
			out[n-1] = append(out[n-1], t)
		} else {
			out = append(out, []turn{t})
		}
	}
	return out
}

// last returns when the last turn was said.
func (c conversation) last() time.Time {
	return slices.MaxFunc(c.Turns, func(a, b turn) int { return cmp.Compare(a.At.Unix(), b.At.Unix()) }).At
}
