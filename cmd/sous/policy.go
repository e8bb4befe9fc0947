package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/sous-hq/sous/agent"
	"github.com/sous-hq/sous/agent/audit"
	"github.com/sous-hq/sous/agent/policy"
	"github.com/sous-hq/sous/integrations/sqlite"
	"github.com/sous-hq/sous/internal/config"
	"github.com/sous-hq/sous/memory"
	"github.com/sous-hq/sous/tools"
)

// gate loads the policy and watches its file until the parts are closed. What
// runs turns records which rules and whose word they run by.
func (a *app) gate(r *tools.Registry, n need) error {
	c := policy.Config{Path: a.cfg.PolicyPath, Tools: toolNames(r), Sole: a.sole, Log: a.log}
	forget := func() {}
	var err error
	if n == runTurns {
		c.Taken = a.recordPolicy
		if forget, err = a.watchPeople(); err != nil {
			return err
		}
	}
	if a.policy, err = policy.New(c); err != nil {
		forget()
		return err
	}
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = a.policy.Watch(ctx) // ends with ctx, without an error
	}()
	a.unwatch = func() { stop(); <-done; forget() }
	return nil
}

func toolNames(r *tools.Registry) []string {
	var names []string
	for _, t := range r.All() {
		names = append(names, t.Spec().Name)
	}
	return names
}

// declared returns the catalogue without the store behind it: for looking at,
// not for running.
func declared(cfg config.Config) (*tools.Registry, error) {
	// The tools are declared over a store that nobody opens.
	a := &app{cfg: cfg, db: &stores{tracker: sqlite.NewTracker(nil, nil), memories: sqlite.NewMemories(nil), cases: sqlite.NewRoutingCases(nil)}}
	var err error
	if a.models, err = newModels(cfg, nil); err != nil {
		return nil, err
	}
	if a.memory, err = memory.New(memory.Config{Store: a.db.memories, Clock: now}); err != nil {
		return nil, err
	}
	return a.catalogue()
}

func (c *cli) policyCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use: "policy", Short: "Check, explain and try out the rules that allow, ask and deny", Args: cobra.NoArgs,
		Long: `The rules are written in Cedar. Without a file the default rules hold; "sous policy show"
prints them. To change them, keep a copy, edit it and name it in the settings (policy: FILE, or SOUS_POLICY).
A running Sous takes a changed file over within seconds, or refuses it and keeps the rules it has.`,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(c.policyShowCommand(), c.policyCheckCommand(), c.policyExplainCommand(), c.policySimulateCommand())
	return cmd
}

// sole reports whether the workspace of the settings has one person.
func (c *cli) sole() (bool, error) {
	cfg, err := c.load()
	if err != nil {
		return false, err
	}
	f, err := openPeople(cfg)
	return err == nil && soleOf(cfg, f), err
}

// rules reads and checks the policy file that is named, or else the one of the
// settings, or else the default rules.
func (c *cli) rules(path string) (*policy.Set, error) {
	cfg, err := c.load()
	if err != nil {
		return nil, err
	}
	r, err := declared(cfg)
	if err != nil {
		return nil, err
	}
	if path == "" {
		path = cfg.PolicyPath
	}
	if path == "" {
		return policy.Parse(policy.DefaultName, policy.DefaultText(), toolNames(r))
	}
	text, err := policy.ReadFile(path)
	if err != nil {
		return nil, err
	}
	return policy.Parse(path, text, toolNames(r))
}

func (c *cli) policyShowCommand() *cobra.Command {
	return &cobra.Command{
		Use: "show", Short: "Print the rules: those that always hold, and those in force", Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			s, err := c.rules("")
			if err != nil {
				return err
			}
			c.printf("%s\n// ---- %s ----\n\n%s", policy.StandingText(), s.Name, s.Text)
			return nil
		},
	}
}

func (c *cli) policyCheckCommand() *cobra.Command {
	return c.jsonFlag(&cobra.Command{
		Use: "check [FILE]", Short: "Say everything that is wrong with a policy file", Args: cobra.MaximumNArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			path := ""
			if len(args) > 0 {
				path = args[0]
			}
			s, err := c.rules(path)
			var bad *policy.InvalidError
			switch {
			case errors.As(err, &bad) && c.asJSON:
				c.code = exitUsage
				return c.printJSON(map[string]any{"ok": false, "problems": bad.Problems})
			case errors.As(err, &bad):
				return agent.Errorf(agent.Invalid, "the policy is refused:\n%w", bad)
			case err != nil:
				return err
			case c.asJSON:
				return c.printJSON(map[string]any{"ok": true, "file": s.Name, "rules": s.Len(), "set": s.Hash})
			}
			c.printf("%s: %d rules with the standing ones, nothing wrong (set %s)\n", s.Name, s.Len(), s.Hash[:12])
			return nil
		},
	})
}

// proposed is a call as people write it for "policy explain".
type proposed struct {
	Tool       string          `json:"tool"`
	Args       json.RawMessage `json:"args"`
	By         *agent.Actor    `json:"by"`
	Request    string          `json:"request"`
	Place      agent.Place     `json:"place"`
	Context    *agent.Label    `json:"context"`
	Texts      []labelled      `json:"texts"`
	InPlan     bool            `json:"in_plan"`
	Unattended bool            `json:"unattended"`
	// Spec describes a tool that is not in the catalogue.
	Spec *struct {
		Tier    agent.Tier `json:"tier"`
		Egress  bool       `json:"egress"`
		Private bool       `json:"private"`
		Undo    string     `json:"undo"`
		Control []string   `json:"control"`
	} `json:"spec"`
}

type labelled struct {
	Text  string      `json:"text"`
	Label agent.Label `json:"label"`
}

const explainHelp = `Say how a call is ruled on, by which rules, and why. The call is a recorded one (TURN/N, as in the
audit) or a JSON file ("-" reads it from standard input) such as

  {"tool": "ticket_create", "args": {"title": "the build is red"}, "request": "open a ticket: the build is red",
   "context": {"integrity": "requester", "readers": "workspace", "scanned": true}}

What is left out counts as the worst: a context that is not named is external and read by nobody.`

func (c *cli) policyExplainCommand() *cobra.Command {
	return c.jsonFlag(&cobra.Command{
		Use: "explain CALL | FILE.json | -", Short: "Say how a call is ruled on, by which rules, and why",
		Long: explainHelp, Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			set, err := c.rules("")
			if err != nil {
				return err
			}
			if args[0] != "-" && !strings.HasSuffix(args[0], ".json") {
				return c.explainRecorded(cmd.Context(), set, args[0])
			}
			p, err := c.proposal(args[0])
			if err != nil {
				return err
			}
			alone, err := c.sole()
			if err != nil {
				return err
			}
			return c.printExplanation(set.Explain(p, alone), nil)
		},
	})
}

// proposal reads a call from a JSON file.
func (c *cli) proposal(path string) (tools.Proposal, error) {
	var raw []byte
	var err error
	if path == "-" {
		raw, err = io.ReadAll(io.LimitReader(c.stdin, 4<<20))
	} else {
		raw, err = os.ReadFile(path)
	}
	if err != nil {
		return tools.Proposal{}, agent.WrapError(agent.Invalid, err, fmt.Sprintf("the call cannot be read: %v", err))
	}
	dec := json.NewDecoder(strings.NewReader(string(raw)))
	dec.DisallowUnknownFields()
	var in proposed
	if err := dec.Decode(&in); err != nil {
		return tools.Proposal{}, agent.Errorf(agent.Invalid, "%s is no call: %w", path, err)
	}
	cfg, err := c.load()
	if err != nil {
		return tools.Proposal{}, err
	}
	registry, err := declared(cfg)
	if err != nil {
		return tools.Proposal{}, err
	}
	by, err := operatorOf(cfg)
	if err != nil {
		return tools.Proposal{}, err
	}
	return in.proposal(registry, by)
}

func (in proposed) proposal(r *tools.Registry, by agent.Actor) (tools.Proposal, error) {
	if in.By != nil {
		by = *in.By
	}
	p := tools.Proposal{
		Call: agent.Call{ID: "explain/1", Turn: "explain", Actor: by, Tool: in.Tool, Args: in.Args}, Request: in.Request,
		Place: in.Place, InPlan: in.InPlan, Unattended: in.Unattended,
		Spec: tools.Spec{Name: in.Tool, Tier: agent.TierCritical},
	}
	if in.Context != nil {
		p.Context = *in.Context
	}
	for _, t := range in.Texts {
		p.Texts = append(p.Texts, tools.Labelled{Text: t.Text, Label: t.Label})
	}
	if tool, known := r.Get(in.Tool); known {
		p.Spec = tool.Spec()
	} else if s := in.Spec; s != nil {
		p.Spec = tools.Spec{Name: in.Tool, Tier: s.Tier, Egress: s.Egress, Private: s.Private, Undo: s.Undo, Control: s.Control}
	}
	if len(p.Call.Args) == 0 {
		p.Call.Args = json.RawMessage("{}")
	}
	var err error
	p.Digest, err = p.Call.Digest()
	return p, err
}

// explainRecorded explains a call of the record: how it was ruled on, and how it
// would be now.
func (c *cli) explainRecorded(ctx context.Context, set *policy.Set, call string) error {
	turn := call
	if i := strings.LastIndexByte(call, '/'); i > 0 {
		turn = call[:i]
	}
	var found *audit.Entry
	err := c.reading(ctx, "policy explain", func(s *session) error {
		return eachEntry(ctx, s, audit.Filter{Turn: turn, Kinds: ruled()}, func(e audit.Entry) error {
			if e.Call == call && found == nil {
				found = &e
			}
			return nil
		})
	})
	switch {
	case err != nil:
		return err
	case found == nil:
		return agent.Errorf(agent.NotFound, "there is no recorded ruling on a call %q", call)
	}
	f, ok := factsOf(*found)
	if !ok {
		return agent.Errorf(agent.NotFound, "the record of call %q does not hold what its ruling stood on (%s by %s)", call, found.Ruling, found.Rule)
	}
	alone, err := c.sole()
	if err != nil {
		return err
	}
	return c.printExplanation(set.ExplainFacts(f, alone), found)
}

func (c *cli) printExplanation(x policy.Explanation, was *audit.Entry) error {
	if c.asJSON {
		out := map[string]any{"explanation": x}
		if was != nil {
			out["recorded"] = map[string]any{"call": was.Call, "at": was.At, "ruling": was.Ruling, "rule": was.Rule}
		}
		return c.printJSON(out)
	}
	v := x.Verdict
	if was != nil {
		c.printf("recorded  %s by %s, %s\n", was.Ruling, was.Rule, was.At.Local().Format(time.DateTime))
	}
	c.printf("ruling    %s by %s\n          %s\n", v.Ruling, v.Rule, v.Reason)
	if v.Ruling == agent.Ask {
		c.printf("decides   %s\n", decides(v))
	}
	for _, r := range x.Rules {
		c.printf("rule      %s %s (%s:%d)\n", r.Effect, r.ID, r.File, r.Line)
	}
	for _, r := range x.Unasked {
		c.printf("unasked   %s %s (%s:%d)\n", r.Effect, r.ID, r.File, r.Line)
	}
	c.printf("facts     %s\n", strings.TrimPrefix(x.Facts.Note(), "facts/1 "))
	if x.Error != "" {
		c.printf("error     %s\n", x.Error)
	}
	return nil
}

// decides says who decides, in words.
func decides(v agent.Verdict) string {
	var parts []string
	switch {
	case v.ByRequester:
		parts = append(parts, "the requester")
	case v.Sole:
		parts = append(parts, "the owner, alone in the workspace")
	case v.Quorum > 1:
		parts = append(parts, fmt.Sprintf("%d other people", v.Quorum))
	default:
		parts = append(parts, "another person")
	}
	if len(v.Approvers) > 0 {
		parts = append(parts, "of "+strings.Join(v.Approvers, " or "))
	}
	if v.TTL > 0 {
		parts = append(parts, "within "+v.TTL.String())
	}
	return strings.Join(parts, " ")
}
