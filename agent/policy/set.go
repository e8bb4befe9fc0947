package policy

import (
	"bytes"
	"crypto/sha256"
	_ "embed"
	"encoding/hex"
	"fmt"
	"iter"
	"slices"
	"strings"

	"github.com/cedar-policy/cedar-go"
	publicast "github.com/cedar-policy/cedar-go/ast"
	"github.com/cedar-policy/cedar-go/x/exp/ast"
	"github.com/cedar-policy/cedar-go/x/exp/schema"
	"github.com/cedar-policy/cedar-go/x/exp/schema/resolved"
	"github.com/cedar-policy/cedar-go/x/exp/schema/validate"

	"github.com/sous-hq/sous/agent"
	"github.com/sous-hq/sous/agent/audit"
)

//go:embed schema.cedarschema
var schemaText string

//go:embed standing.cedar
var standingText string

//go:embed default.cedar
var defaultText string

// The names the embedded documents go by.
const (
	DefaultName  = "default.cedar"
	StandingName = "standing.cedar"
)

// DefaultText returns the rules in force when no file is named.
func DefaultText() string { return defaultText }

// StandingText returns the rules no file can remove.
func StandingText() string { return standingText }

// Limits of one policy file.
const (
	maxText  = 1 << 20
	maxRules = 2_000
)

// Problem is one thing wrong with a policy file.
type Problem struct {
	File string `json:"file"`
	// Line counts from 1; 0 means the file as a whole.
	Line int    `json:"line,omitempty"`
	Rule string `json:"rule,omitempty"`
	Text string `json:"text"`
}

// String returns "file:line: text".
func (p Problem) String() string {
	if p.Line == 0 {
		return p.File + ": " + p.Text
	}
	return fmt.Sprintf("%s:%d: %s", p.File, p.Line, p.Text)
}

// InvalidError lists all that is wrong with a policy file.
type InvalidError struct{ Problems []Problem }

// Error returns one problem a line.
func (e *InvalidError) Error() string {
	lines := make([]string, len(e.Problems))
	for i, p := range e.Problems {
		lines[i] = p.String()
	}
	return strings.Join(lines, "\n")
}

// rule is one policy with what we read off it.
type rule struct {
	// key is the rule's place in the set, as Cedar's diagnostics name it.
	key    cedar.PolicyID
	id     string
	file   string
	line   int
	reason string
	obligations
	// policy is the rule as written; conditions is the rule without its scope,
	// which selection has looked at already, and behind without its guards too.
	policy, conditions, behind *cedar.Policy
	permit                     bool
	// principal and resource are the scope, guards the places in Set.guards of
	// what the conditions start with.
	principal, resource any
	guards              []int
}

// Set is a checked policy set: the standing rules and a file's. It does not change.
type Set struct {
	rules []rule
	// by holds the rules that can apply to an action.
	by map[cedar.EntityUID]*index
	// guards are the conditions that rules start with, each once.
	guards []guard
	// parts are entities and contexts that were made before, seen which
	// attributes of a call's context the rules look at.
	parts parts
	seen  attention
	// balances says that some rule switches balanced mode on.
	balances bool
	// Hash names the set: SHA-256 of its documents, hex.
	Hash string
	// Name is the file it was read from.
	Name string
	// Text is the file's text, without the standing rules.
	Text string
	// validator checks requests against the schema.
	validator *validate.Validator
}

// The actions.
var (
	actionRun     = cedar.NewEntityUID("Action", "run")     //nolint:gochecknoglobals // a constant
	actionAsk     = cedar.NewEntityUID("Action", "ask")     //nolint:gochecknoglobals // a constant
	actionBalance = cedar.NewEntityUID("Action", "balance") //nolint:gochecknoglobals // a constant
	actionApprove = cedar.NewEntityUID("Action", "approve") //nolint:gochecknoglobals // a constant
)

// Parse reads a policy file and checks it, together with the standing rules,
// against the schema. tools are the names rules may give to Tool::"…"; nil
// leaves those unchecked. The error is an *InvalidError of kind Invalid with
// every problem found.
func Parse(name, text string, tools []string) (*Set, error) {
	types, err := newSchema()
	if err != nil {
		return nil, err
	}
	s := &Set{Name: name, Text: text, validator: validate.New(types, validate.WithStrict()), by: map[cedar.EntityUID]*index{}}
	c := &checker{set: s, types: types, ids: map[string]string{}, tools: tools}
	c.document(StandingName, standingText)
	if len(text) > maxText {
		c.problem(Problem{File: name, Text: fmt.Sprintf("the file is larger than %d KiB", maxText>>10)})
	} else {
		c.document(name, text)
	}
	c.contradictions()
	if len(s.rules) > maxRules {
		c.problem(Problem{File: name, Text: fmt.Sprintf("there are more than %d rules", maxRules)})
	}
	if len(c.problems) > 0 {
		bad := &InvalidError{Problems: c.problems}
		return nil, agent.Errorf(agent.Invalid, "%w", bad)
	}
	sum := sha256.Sum256([]byte(standingText + "\x00" + text))
	s.Hash = hex.EncodeToString(sum[:])
	s.guard()
	for i, r := range s.rules {
		all := unlimited(r.policy)
		for _, a := range []cedar.EntityUID{actionRun, actionAsk, actionBalance, actionApprove} {
			if a == actionBalance && r.permit && all {
				continue // balanced mode is switched on by name, or not at all
			}
			if concerns(r.policy, a) {
				s.index(a).add(i, r)
				s.balances = s.balances || r.permit && a == actionBalance
			}
		}
	}
	return s, nil
}

// guard finds the guards of all rules, and what they look at.
func (s *Set) guard() {
	places := map[guard]int{}
	for i := range s.rules {
		r := &s.rules[i]
		tree := (*ast.Policy)(r.policy.AST())
		r.principal, r.resource = tree.Principal, tree.Resource
		if concerns(r.policy, actionRun) || concerns(r.policy, actionAsk) || concerns(r.policy, actionBalance) {
			s.seen.add(tree) // rules on decisions see another context
		}
		guards, left := guardsOf(tree)
		if r.behind = r.conditions; len(guards) > 0 {
			r.behind = behind(tree, left)
		}
		for _, g := range guards {
			at, known := places[g]
			if !known {
				at = len(s.guards)
				places[g], s.guards = at, append(s.guards, g)
			}
			r.guards = append(r.guards, at)
		}
	}
}

// Settings is the set as the record tells of it: a digest of each rule by its id.
func (s *Set) Settings() audit.Settings {
	all := audit.Settings{Kind: audit.PolicyLoaded, Digest: s.Hash, Items: map[string]string{}}
	for i := range s.rules {
		r := &s.rules[i]
		all.Items[r.id] = audit.Fingerprint(string(r.policy.MarshalCedar()))
	}
	return all
}

// Len returns how many rules there are, the standing ones included.
func (s *Set) Len() int { return len(s.rules) }

func newSchema() (*resolved.Schema, error) {
	var s schema.Schema
	s.SetFilename("schema.cedarschema")
	if err := s.UnmarshalCedar([]byte(schemaText)); err != nil {
		return nil, fmt.Errorf("policy schema: %w", err)
	}
	types, err := s.Resolve()
	if err != nil {
		return nil, fmt.Errorf("policy schema: %w", err)
	}
	return types, nil
}

// checker gathers rules and problems.
type checker struct {
	set      *Set
	types    *resolved.Schema
	ids      map[string]string // where an id was used
	tools    []string
	problems []Problem
}

func (c *checker) problem(p Problem) { c.problems = append(c.problems, p) }

// document adds a document's rules.
func (c *checker) document(name, text string) {
	for _, st := range statements(text) {
		list, err := cedar.NewPolicyListFromBytes(name, []byte(st.text))
		if err != nil {
			c.problem(syntax(name, st.line, err))
			continue
		}
		for _, p := range list {
			c.rule(name, st.line, p)
		}
	}
}

// rule adds one policy.
func (c *checker) rule(file string, line int, p *cedar.Policy) {
	notes := p.Annotations()
	r := rule{
		key: policyID(len(c.set.rules)), id: strings.TrimSpace(string(notes[annotID])), file: file, line: line, policy: p,
		reason: strings.TrimSpace(string(notes[annotReason])), permit: p.Effect() == cedar.Permit,
	}
	where := fmt.Sprintf("%s:%d", file, line)
	if r.id == "" {
		r.id = where
	}
	bad := func(format string, args ...any) {
		c.problem(Problem{File: file, Line: line, Rule: r.id, Text: fmt.Sprintf(format, args...)})
	}
	if first, double := c.ids[r.id]; double {
		bad("the id %q is used already at %s", r.id, first)
	}
	c.ids[r.id] = where
	var wrong []string
	r.obligations, wrong = readObligations(notes)
	for _, w := range wrong {
		bad("%s", w)
	}
	if r.any() && (!r.permit || !concerns(p, actionAsk)) {
		bad("@approvers, @quorum, @ttl and @confirm only count on a permit of Action::\"ask\"")
	}
	tree := (*ast.Policy)(p.AST())
	if err := c.set.validator.Policy("", tree); err != nil {
		for text := range strings.SplitSeq(err.Error(), "\n") {
			bad("%s", text)
		}
	}
	c.names(tree, bad)
	r.conditions = unscoped(tree)
	c.set.rules = append(c.set.rules, r)
}

// names refuses rules about values and tools there are not: such a rule never
// applies, and a forbid that never applies is a hole.
func (c *checker) names(tree *ast.Policy, bad func(string, ...any)) {
	for uid := range mentioned(tree) {
		if enum, ok := c.types.Enums[uid.Type]; ok && !slices.Contains(enum.Values, uid) {
			bad("there is no %s %q", uid.Type, uid.ID)
		}
		if c.tools == nil {
			continue
		}
		if uid.Type == "Tool" && !slices.Contains(c.tools, string(uid.ID)) {
			bad("there is no tool named %q", uid.ID)
		}
		if uid.Type == "Family" && !slices.ContainsFunc(c.tools, func(t string) bool { return family(t) == string(uid.ID) }) {
			bad("there is no family of tools named %q", uid.ID)
		}
	}
}

// contradictions finds permits whose very scope and conditions are forbidden:
// they could never take effect.
func (c *checker) contradictions() {
	forbids := map[string]rule{}
	for _, r := range c.set.rules {
		if !r.permit {
			forbids[body(r.policy)] = r
		}
	}
	for _, r := range c.set.rules {
		if f, both := forbids[body(r.policy)]; r.permit && both {
			c.problem(Problem{File: r.file, Line: r.line, Rule: r.id, Text: fmt.Sprintf("it permits exactly what %s:%d (%s) forbids", f.file, f.line, f.id)})
		}
	}
}

// body is a policy's text without annotations and effect.
func body(p *cedar.Policy) string {
	text := p.MarshalCedar()
	for bytes.HasPrefix(text, []byte("@")) {
		_, text, _ = bytes.Cut(text, []byte("\n"))
	}
	if i := bytes.IndexByte(text, '('); i >= 0 {
		text = text[i:]
	}
	return string(text)
}

// concerns reports whether a policy's scope lets it apply to an action.
func concerns(p *cedar.Policy, action cedar.EntityUID) bool {
	switch s := (*ast.Policy)(p.AST()).Action.(type) {
	case ast.ScopeTypeAll:
		return true
	case ast.ScopeTypeEq:
		return s.Entity == action
	case ast.ScopeTypeIn:
		return s.Entity == action
	case ast.ScopeTypeInSet:
		return slices.Contains(s.Entities, action)
	}
	return true
}

// unlimited reports whether a policy is about every action.
func unlimited(p *cedar.Policy) bool {
	_, all := (*ast.Policy)(p.AST()).Action.(ast.ScopeTypeAll)
	return all
}

// index finds the rules whose scope can match, so that a ruling does not cost
// more because of rules about other people and tools. Places are in rules.
type index struct {
	always []int
	// scoped are the rules about one person, group, tool or family, by that.
	scoped map[cedar.EntityUID][]int
}

func (s *Set) index(action cedar.EntityUID) *index {
	if s.by[action] == nil {
		s.by[action] = &index{scoped: map[cedar.EntityUID][]int{}}
	}
	return s.by[action]
}

func (x *index) add(i int, r rule) {
	tree := (*ast.Policy)(r.policy.AST())
	if about, ok := scopeOf(tree.Principal); ok {
		x.scoped[about] = append(x.scoped[about], i)
	} else if about, ok := scopeOf(tree.Resource); ok {
		x.scoped[about] = append(x.scoped[about], i)
	} else {
		x.always = append(x.always, i)
	}
}

// scopeOf returns the one entity a scope is about, if it is about one.
func scopeOf(scope any) (cedar.EntityUID, bool) {
	switch s := scope.(type) {
	case ast.ScopeTypeEq:
		return s.Entity, true
	case ast.ScopeTypeIn:
		return s.Entity, true
	}
	return cedar.EntityUID{}, false
}

// selection is the part of a set that can apply to one action by one person on
// one tool. What it leaves out has a scope that does not match or starts with a
// condition that is false, so leaving it out changes no decision and hides no
// error; it only saves the time.
type selection struct {
	set    *Set
	action cedar.EntityUID
	env    *environment
	// truths are of the set's guards, as far as they were looked at.
	truths [remembered]truth
}

// All implements cedar.PolicyIterator.
func (s *selection) All() iter.Seq2[cedar.PolicyID, *cedar.Policy] {
	return func(yield func(cedar.PolicyID, *cedar.Policy) bool) {
		x := s.set.by[s.action]
		if x == nil || !s.some(x.always, yield) {
			return
		}
		for _, e := range []*cedar.Entity{&s.env.principal, &s.env.resource} {
			if !s.some(x.scoped[e.UID], yield) {
				return
			}
			for parent := range e.Parents.All() {
				if !s.some(x.scoped[parent], yield) {
					return
				}
			}
		}
	}
}

// some yields those of the rules that can apply.
func (s *selection) some(places []int, yield func(cedar.PolicyID, *cedar.Policy) bool) bool {
	for _, i := range places {
		r := &s.set.rules[i]
		if !within(r.principal, &s.env.principal) || !within(r.resource, &s.env.resource) {
			continue
		}
		if p := s.candidate(r); p != nil && !yield(r.key, p) {
			return false
		}
	}
	return true
}

// unscoped returns a policy with the parts of its scope left out that selection
// decides, which costs Cedar more than all the rest.
func unscoped(tree *ast.Policy) *cedar.Policy {
	p := *tree
	p.Action = ast.ScopeTypeAll{}
	if _, both := p.Principal.(ast.ScopeTypeIsIn); !both {
		p.Principal = ast.ScopeTypeAll{}
	}
	if _, both := p.Resource.(ast.ScopeTypeIsIn); !both {
		p.Resource = ast.ScopeTypeAll{}
	}
	return cedar.NewPolicyFromAST((*publicast.Policy)(&p))
}

// within reports whether an entity may be in a scope. Groups and families have
// no parents of their own, so one step up is enough.
func within(scope any, e *cedar.Entity) bool {
	switch s := scope.(type) {
	case ast.ScopeTypeEq:
		return s.Entity == e.UID
	case ast.ScopeTypeIn:
		return s.Entity == e.UID || e.Parents.Contains(s.Entity)
	case ast.ScopeTypeIs:
		return s.Type == e.UID.Type
	}
	return true
}
