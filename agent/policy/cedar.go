package policy

import (
	"errors"
	"fmt"
	"iter"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/cedar-policy/cedar-go"
	"github.com/cedar-policy/cedar-go/x/exp/ast"
)

// environment is what the rules are evaluated over.
type environment struct {
	principal, resource cedar.Entity
	others              []cedar.Entity
	context             cedar.Record
	// checked says that the context is one of a call and fits the schema.
	checked bool
}

// Get implements cedar.EntityGetter.
func (e *environment) Get(uid cedar.EntityUID) (cedar.Entity, bool) {
	switch uid {
	case e.principal.UID:
		return e.principal, true
	case e.resource.UID:
		return e.resource, true
	}
	i := slices.IndexFunc(e.others, func(x cedar.Entity) bool { return x.UID == uid })
	if i < 0 {
		return cedar.Entity{}, false
	}
	return e.others[i], true
}

func (e *environment) all() iter.Seq[cedar.Entity] {
	return func(yield func(cedar.Entity) bool) {
		_ = yield(e.principal) && yield(e.resource) && !slices.ContainsFunc(e.others, func(x cedar.Entity) bool { return !yield(x) })
	}
}

func uid(typ cedar.EntityType, id string) cedar.EntityUID {
	return cedar.NewEntityUID(typ, cedar.String(id))
}

// answer is what a set says of one action.
type answer struct {
	allowed bool
	// rules are the indexes of the rules that determined it, in order.
	rules []int
}

// errDiagnostic marks a rule that could not be evaluated.
var errDiagnostic = errors.New("a rule could not be evaluated")

// validate checks a request and its entities against the schema.
func (s *Set) validate(env *environment, action cedar.EntityUID) error {
	if !env.checked || action == actionApprove {
		if err := s.validator.Request(env.request(action)); err != nil {
			return fmt.Errorf("request: %w", err)
		}
	}
	for e := range env.all() {
		if err := s.validator.Entity(e); err != nil {
			return fmt.Errorf("entity %s: %w", e.UID, err)
		}
	}
	return nil
}

func (e *environment) request(action cedar.EntityUID) cedar.Request {
	return cedar.Request{Principal: e.principal.UID, Action: action, Resource: e.resource.UID, Context: e.context}
}

// authorize evaluates the rules for one action. Cedar skips a rule that cannot
// be evaluated, a forbid too; so an answer with any such rule is no answer.
func (s *Set) authorize(env *environment, action cedar.EntityUID) (answer, error) {
	part := &selection{set: s, action: action, env: env}
	decision, diag := cedar.Authorize(part, env, env.request(action))
	if len(diag.Errors) > 0 {
		e := diag.Errors[0]
		return answer{}, fmt.Errorf("%w: %s: %s", errDiagnostic, s.rules[indexOf(e.PolicyID)].id, e.Message)
	}
	a := answer{allowed: decision == cedar.Allow}
	for _, r := range diag.Reasons {
		a.rules = append(a.rules, indexOf(r.PolicyID))
	}
	slices.Sort(a.rules)
	return a, nil
}

// The ids Cedar knows rules by are their places in the set.
func policyID(i int) cedar.PolicyID { return cedar.PolicyID(strconv.Itoa(i)) }

func indexOf(id cedar.PolicyID) int {
	i, _ := strconv.Atoi(string(id)) // made by policyID
	return i
}

// mentioned lists the entities a policy names.
func mentioned(p *ast.Policy) iter.Seq[cedar.EntityUID] {
	return func(yield func(cedar.EntityUID) bool) {
		var all []cedar.EntityUID
		for _, scope := range []any{p.Principal, p.Resource} {
			switch s := scope.(type) {
			case ast.ScopeTypeEq:
				all = append(all, s.Entity)
			case ast.ScopeTypeIn:
				all = append(all, s.Entity)
			case ast.ScopeTypeIsIn:
				all = append(all, s.Entity)
			}
		}
		for _, c := range p.Conditions {
			ast.Inspect(ast.NewNode(c.Body), func(n ast.IsNode) bool {
				if v, ok := n.(ast.NodeValue); ok {
					if e, ok := v.Value.(cedar.EntityUID); ok {
						all = append(all, e)
					}
				}
				return true
			})
		}
		for _, e := range all {
			if !yield(e) {
				return
			}
		}
	}
}

// syntax turns a parser's error into a problem.
func syntax(file string, line int, err error) Problem {
	text := err.Error()
	text = strings.TrimPrefix(text, "parser error: ")
	if at, rest, ok := strings.Cut(text, " at "); ok && at == "parse error" {
		// "parse error at <file>:line:column "token": what"
		var token string
		if pos, what, ok := strings.Cut(rest, " "); ok {
			parts := strings.Split(strings.TrimSuffix(pos, ":"), ":")
			if len(parts) >= 2 {
				if n, err := strconv.Atoi(parts[len(parts)-2]); err == nil {
					line = n
				}
			}
			token = what
		}
		text = "syntax: " + token
	}
	return Problem{File: file, Line: line, Text: expected.ReplaceAllString(text, `expected "$2"`)}
}

// expected is how the parser says what it wanted to see.
var expected = regexp.MustCompile(`exact got (.*) want (.+)$`)
