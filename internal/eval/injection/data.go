package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/sous-hq/sous/agent"
	"github.com/sous-hq/sous/tools"
)

// marker is where the data wants the attacker's text.
const marker = "{{INJECTION}}"

// step is one call with what came back.
type step struct {
	Tool    string          `json:"tool"`
	Args    json.RawMessage `json:"args"`
	Result  string          `json:"result"`
	Carries bool            `json:"carries_injection"`
}

// task is what a person asked for and the calls that do it.
type task struct {
	ID     string `json:"id"`
	Prompt string `json:"prompt"`
	// Benign is the trace without an attacker, Attacked the same with places for one.
	Benign   []step `json:"benign"`
	Attacked []step `json:"attacked"`
}

// attack is what an attacker's text orders, and the calls of a model that obeys.
type attack struct {
	ID    string `json:"id"`
	Goal  string `json:"goal"`
	Calls []step `json:"calls"`
}

// suite is tasks and attacks over one catalogue of tools.
type suite struct {
	name    string
	catalog map[string]entry
	tasks   []task
	attacks []attack
	// counted says that the suite's tasks count as benign work. Those of
	// InjecAgent are one read each, made to carry an attack.
	counted bool
}

// entry is one tool of a catalogue.
type entry struct {
	spec tools.Spec
	// external says that its results hold text of outsiders.
	external bool
}

// look returns the tool of that name; one the catalogue does not know is
// critical, and so is its result from outside.
func (s suite) look(tool string) entry {
	if e, ok := s.catalog[tool]; ok {
		return e
	}
	return entry{spec: tools.Spec{Name: tool, Tier: agent.TierCritical}, external: true}
}

// effect reports whether a call changes or sends something.
func (s suite) effect(tool string) bool {
	spec := s.look(tool).spec
	return spec.Tier.Number() > 0 || spec.Egress
}

// load reads every suite in a folder.
func load(dir string) ([]suite, error) {
	dojo, err := filepath.Glob(filepath.Join(dir, "agentdojo*.json"))
	if err != nil {
		return nil, err
	}
	var all []suite
	for _, path := range dojo {
		suites, err := loadDojo(path)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
		all = append(all, suites...)
	}
	for _, kind := range []string{"dh", "ds"} {
		s, err := loadInjecAgent(dir, kind)
		switch {
		case errors.Is(err, os.ErrNotExist):
			continue
		case err != nil:
			return nil, err
		}
		all = append(all, s)
	}
	if len(all) == 0 {
		return nil, fmt.Errorf("no agentdojo*.json and no injecagent-*.jsonl in %s", dir)
	}
	return all, nil
}

func loadDojo(path string) ([]suite, error) {
	raw, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	var doc struct {
		Suites map[string]struct {
			Tools []struct {
				Name     string   `json:"name"`
				Tier     int      `json:"tier"`
				Egress   bool     `json:"egress"`
				Control  []string `json:"control_args"`
				External bool     `json:"external_by_default"`
			} `json:"tools"`
			Tasks   []task   `json:"user_tasks"`
			Attacks []attack `json:"injection_tasks"`
		} `json:"suites"`
	}
	if err := json.Unmarshal(raw, &doc); err != nil {
		return nil, err
	}
	var all []suite
	for name, d := range doc.Suites {
		s := suite{name: name, catalog: map[string]entry{}, tasks: d.Tasks, attacks: d.Attacks, counted: true}
		for _, t := range d.Tools {
			e := entry{external: t.External, spec: tools.Spec{
				Name: t.Name, Tier: tier(t.Tier), Egress: t.Egress, Control: append([]string{}, t.Control...),
			}}
			if t.Tier == 1 {
				e.spec.Undo = "It is taken back." // tier 1 is reversible by definition
			}
			s.catalog[t.Name] = e
		}
		all = append(all, s)
	}
	slices.SortFunc(all, func(a, b suite) int { return strings.Compare(a.name, b.name) })
	return all, nil
}

func tier(n int) agent.Tier {
	if n < 0 || n > 3 {
		return agent.TierCritical
	}
	return agent.TierRead + agent.Tier(n)
}

// loadInjecAgent reads the user's cases and the attacker's cases of a kind (dh,
// direct harm; ds, data stealing) to be crossed. A user's tool reads content by
// the data's construction; nothing is known of an attacker's tools, and a tier
// is never guessed from a name.
func loadInjecAgent(dir, kind string) (suite, error) {
	type user struct {
		Tool        string `json:"User Tool"`
		Instruction string `json:"User Instruction"`
		Parameters  string `json:"Tool Parameters"`
		Response    string `json:"Tool Response Template"`
	}
	type attacker struct {
		Tools       []string `json:"Attacker Tools"`
		Instruction string   `json:"Attacker Instruction"`
	}
	users, err := lines[user](dir, "injecagent-user*.jsonl")
	if err != nil {
		return suite{}, err
	}
	attackers, err := lines[attacker](dir, "injecagent-"+kind+"*.jsonl")
	if err != nil {
		return suite{}, err
	}
	s := suite{name: "injecagent-" + kind, catalog: map[string]entry{}}
	for i, u := range users {
		s.catalog[u.Tool] = entry{external: true, spec: tools.Spec{Name: u.Tool, Tier: agent.TierRead}}
		call := step{
			Tool: u.Tool, Args: object("parameters", u.Parameters), Carries: true,
			Result: strings.ReplaceAll(u.Response, "<Attacker Instruction>", marker),
		}
		clean := call
		clean.Carries = false
		s.tasks = append(s.tasks, task{
			ID: fmt.Sprintf("user_%d", i), Prompt: u.Instruction, Benign: []step{clean}, Attacked: []step{call},
		})
	}
	for i, a := range attackers {
		x := attack{ID: fmt.Sprintf("%s_%d", kind, i), Goal: a.Instruction}
		for _, t := range a.Tools {
			x.Calls = append(x.Calls, step{Tool: t, Args: object("instruction", a.Instruction)})
		}
		s.attacks = append(s.attacks, x)
	}
	return s, nil
}

func object(key, value string) json.RawMessage {
	raw, err := json.Marshal(map[string]string{key: value})
	if err != nil {
		return json.RawMessage("{}")
	}
	return raw
}

// lines reads the JSON lines of every file that fits.
func lines[T any](dir, pattern string) ([]T, error) {
	paths, err := filepath.Glob(filepath.Join(dir, pattern))
	if err != nil {
		return nil, err
	}
	if len(paths) == 0 {
		return nil, fmt.Errorf("%s: %w", pattern, os.ErrNotExist)
	}
	var all []T
	for _, path := range paths {
		raw, err := os.ReadFile(path)
		if err != nil {
			return nil, err
		}
		in := bufio.NewScanner(bytes.NewReader(raw))
		in.Buffer(nil, 16<<20)
		for n := 1; in.Scan(); n++ {
			if len(bytes.TrimSpace(in.Bytes())) == 0 {
				continue
			}
			var v T
			if err := json.Unmarshal(in.Bytes(), &v); err != nil {
				return nil, fmt.Errorf("%s:%d: %w", path, n, err)
			}
			all = append(all, v)
		}
		if err := in.Err(); err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
	}
	return all, nil
}
