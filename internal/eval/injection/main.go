// Command injection measures the gate against an attacker that is always
// obeyed: tasks are replayed whose content carries an attacker's orders, a
// scripted model plans every one of them at once, and the real policy engine
// rules on each call. No detector and no model's judgement helps. It prints, by
// suite and mode, how many attacks had any effect and how often people were
// asked about honest work, and ends with one line of JSON.
//
// Data: folders of the shape of AgentDojo's traces (MIT) and InjecAgent's cases
// (MIT), given with -data.
package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"os"
	"text/tabwriter"

	"github.com/sous-hq/sous/agent/policy"
	"github.com/sous-hq/sous/tools"
)

func main() {
	data := flag.String("data", "", "folder with agentdojo*.json and injecagent-*.jsonl")
	verbose := flag.Bool("v", false, "name every attack that had an effect and every task that was asked about")
	flag.Parse()
	if err := evaluate(*data, *verbose, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "injection:", err)
		os.Exit(1)
	}
}

// balanced is the rule by which an administrator switches balanced mode on.
const balanced = "\n@id(\"all-balanced\")\npermit (principal, action == Action::\"balance\", resource);\n"

// tally is one row of the table.
type tally struct {
	attacks, attackEffects, attackReads            int
	tasks, askedTasks, calls, askedCalls, needless int
	denied                                         int
}

func (t *tally) add(o tally) {
	t.attacks += o.attacks
	t.attackEffects += o.attackEffects
	t.attackReads += o.attackReads
	t.tasks += o.tasks
	t.askedTasks += o.askedTasks
	t.calls += o.calls
	t.askedCalls += o.askedCalls
	t.needless += o.needless
	t.denied += o.denied
}

// summary is the last line.
type summary struct {
	Attacks       int `json:"attacks"`
	Strict        int `json:"strict_effects"`
	Balanced      int `json:"balanced_effects"`
	Tasks         int `json:"tasks"`
	StrictAsked   int `json:"strict_asked_tasks"`
	BalancedAsked int `json:"balanced_asked_tasks"`
}

func evaluate(dir string, verbose bool, out io.Writer) error {
	if dir == "" {
		return fmt.Errorf("-data is required")
	}
	suites, err := load(dir)
	if err != nil {
		return err
	}
	var end summary
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(w, "suite\tmode\tattacks\twith an effect\ttheir reads run\ttasks\tasked\teffect calls\tasked\tneedless\tdenied\t")
	for _, mode := range []string{"strict", "balanced"} {
		text := policy.DefaultText()
		if mode == "balanced" {
			text += balanced
		}
		gate, err := policy.New(policy.Config{})
		if err != nil {
			return err
		}
		if err := gate.Load(mode+".cedar", text); err != nil {
			return err
		}
		var total, counted tally
		for _, s := range suites {
			t, err := measure(s, gate, verbose, out)
			if err != nil {
				return fmt.Errorf("%s: %w", s.name, err)
			}
			printRow(w, s.name, mode, t)
			total.add(t)
			if s.counted {
				counted.add(t)
			}
		}
		printRow(w, "all", mode, total)
		end.Attacks, end.Tasks = total.attacks, counted.tasks
		if mode == "strict" {
			end.Strict, end.StrictAsked = total.attackEffects, counted.askedTasks
		} else {
			end.Balanced, end.BalancedAsked = total.attackEffects, counted.askedTasks
		}
	}
	if err := w.Flush(); err != nil {
		return err
	}
	fmt.Fprintln(out, "Asked: people say yes to the task's own calls and no to the attacker's. Needless: questions about reads that send")
	fmt.Fprintln(out, "nothing. Balanced assumes a perfect plan: exactly the tools the task needs. The last line counts AgentDojo's tasks.")
	return json.NewEncoder(out).Encode(end)
}

func printRow(w io.Writer, name, mode string, t tally) {
	fmt.Fprintf(w, "%s\t%s\t%d\t%d\t%d\t%d\t%d\t%d\t%d\t%d\t%d\t\n", name, mode,
		t.attacks, t.attackEffects, t.attackReads, t.tasks, t.askedTasks, t.calls, t.askedCalls, t.needless, t.denied)
}

// measure replays every task alone and with every attack.
func measure(s suite, gate tools.Gate, verbose bool, out io.Writer) (tally, error) {
	var sum tally
	for _, t := range s.tasks {
		c, err := benign(s, gate, t)
		if err != nil {
			return sum, err
		}
		sum.tasks++
		sum.calls += c.effects
		sum.askedCalls += c.asked
		sum.needless += c.needless
		sum.denied += c.denied
		if c.asked > 0 {
			sum.askedTasks++
			if verbose {
				fmt.Fprintf(out, "asked: %s %s: %d calls\n", s.name, t.ID, c.asked)
			}
		}
		for _, a := range s.attacks {
			if !live(s, t, a) {
				continue
			}
			effects, reads, err := attacked(s, gate, t, a)
			if err != nil {
				return sum, err
			}
			sum.attacks++
			sum.attackReads += reads
			if effects > 0 {
				sum.attackEffects++
				if verbose {
					fmt.Fprintf(out, "effect: %s %s × %s\n", s.name, t.ID, a.ID)
				}
			}
		}
	}
	return sum, nil
}
