package main

import (
	"context"
	"time"

	"github.com/spf13/cobra"

	"github.com/sous-hq/sous/agent"
	"github.com/sous-hq/sous/agent/audit"
	"github.com/sous-hq/sous/agent/policy"
)

// change is a recorded call that would be ruled on otherwise.
type change struct {
	Call string    `json:"call"`
	At   time.Time `json:"at"`
	Tool string    `json:"tool"`
	// Was is the recorded ruling, Now the one by the rules that are tried.
	Was     string `json:"was"`
	WasRule string `json:"was_rule"`
	Now     string `json:"now"`
	NowRule string `json:"now_rule"`
	Decides string `json:"decides,omitempty"`
}

// simulation is what trying a policy on the record came to.
type simulation struct {
	Since time.Time `json:"since"`
	Set   string    `json:"set"`
	Calls int       `json:"calls"`
	// Unknown counts calls whose record does not say what the ruling stood on.
	Unknown int      `json:"unknown"`
	Changed []change `json:"changed"`
	// sole says that the workspace has one person.
	sole bool
}

func (c *cli) policySimulateCommand() *cobra.Command {
	var since, file string
	cmd := c.jsonFlag(&cobra.Command{
		Use: "simulate", Short: "Say which recorded calls a policy would have ruled on otherwise", Args: cobra.NoArgs,
		Long: `Rule again on the calls of the record, from the facts recorded with each, and print those whose ruling would
have been another: by the rules of --policy FILE, or by those in force. Nothing runs and nothing is recorded.`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			from, err := moment(daysToHours(since))
			if err != nil {
				return err
			}
			set, err := c.rules(file)
			if err != nil {
				return err
			}
			alone, err := c.sole()
			if err != nil {
				return err
			}
			sim := simulation{Since: from, Set: set.Hash, Changed: []change{}, sole: alone}
			err = c.reading(cmd.Context(), "policy simulate", func(s *session) error {
				f := audit.Filter{Since: from, Kinds: ruled()}
				return eachEntry(cmd.Context(), s, f, func(e audit.Entry) error { sim.add(set, e); return nil })
			})
			if err != nil {
				return err
			}
			return c.printSimulation(sim)
		},
	})
	cmd.Flags().StringVar(&since, "since", "7d", "from this time on (7d, 24h, 2006-01-02, RFC 3339)")
	cmd.Flags().StringVar(&file, "policy", "", "the policy file to try (default: the rules in force)")
	return cmd
}

// daysToHours turns "7d" into "168h", which Go's durations know.
func daysToHours(s string) string {
	if n := len(s); n > 1 && s[n-1] == 'd' {
		if d, err := time.ParseDuration(s[:n-1] + "h"); err == nil {
			return (24 * d).String()
		}
	}
	return s
}

// add rules on one recorded call again. An approved call has an intent as well;
// its asking has been counted.
func (sim *simulation) add(set *policy.Set, e audit.Entry) {
	if e.Kind == audit.CallIntent && e.Approval != "" {
		return
	}
	sim.Calls++
	f, ok := factsOf(e)
	if !ok {
		sim.Unknown++
		return
	}
	v := set.ExplainFacts(f, sim.sole).Verdict
	if v.Ruling.String() == e.Ruling && v.Rule == e.Rule {
		return
	}
	ch := change{Call: e.Call, At: e.At, Tool: e.Tool, Was: e.Ruling, WasRule: e.Rule, Now: v.Ruling.String(), NowRule: v.Rule}
	if v.Ruling == agent.Ask {
		ch.Decides = decides(v)
	}
	sim.Changed = append(sim.Changed, ch)
}

func (c *cli) printSimulation(sim simulation) error {
	if c.asJSON {
		return c.printJSON(sim)
	}
	for _, ch := range sim.Changed {
		c.printf("%s  %-24s %s\n    %s by %s → %s by %s\n", ch.At.Local().Format(time.DateTime), ch.Tool, ch.Call, ch.Was, ch.WasRule, ch.Now, ch.NowRule)
		if ch.Decides != "" {
			c.printf("    %s decides\n", ch.Decides)
		}
	}
	c.printf("%d of %d recorded calls since %s would have been ruled on otherwise", len(sim.Changed), sim.Calls, sim.Since.Local().Format(time.DateTime))
	if sim.Unknown > 0 {
		c.printf("; %d could not be tried, their record does not say what the ruling stood on", sim.Unknown)
	}
	c.printf(".\n")
	return nil
}

// ruled are the kinds of rows that hold a ruling by policy.
func ruled() []audit.Kind {
	return []audit.Kind{audit.CallRefused, audit.CallAsked, audit.CallIntent}
}

// factsOf reads what a recorded ruling stood on.
func factsOf(e audit.Entry) (policy.Facts, bool) {
	f, ok := policy.ParseNote(e.Note)
	if !ok {
		return f, false
	}
	return f.Recorded(agent.Actor{Workspace: e.Workspace, ID: e.Actor}, e.Tool, e.Digest), true
}

// eachEntry reads the record page by page.
func eachEntry(ctx context.Context, s *session, f audit.Filter, use func(audit.Entry) error) error {
	const page = 500
	f.Limit = page
	for {
		rows, err := s.Audit(ctx, s.by, f)
		if err != nil {
			return err
		}
		for _, e := range rows {
			if err := use(e); err != nil {
				return err
			}
			f.After = e.Seq
		}
		if len(rows) < page {
			return nil
		}
	}
}
