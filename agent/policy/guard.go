package policy

import (
	"slices"

	"github.com/cedar-policy/cedar-go"
	"github.com/cedar-policy/cedar-go/types"
	"github.com/cedar-policy/cedar-go/x/exp/ast"
)

// guard is a condition a rule starts with that compares one attribute with a
// constant. Cedar evaluates "a && b" from the left and stops at the first that is
// false, so a rule whose first guard is false does not apply, whatever follows;
// many rules share a guard, and knowing it once saves evaluating them all.
type guard struct {
	owner ast.NodeTypeVariable
	name  cedar.String
	op    guardOp
	// value is what the attribute is compared with.
	value guardValue
}

// guardValue is a constant that can be part of a map's key.
type guardValue struct {
	kind   uint8 // 0 Long, 1 Boolean, 2 EntityUID
	number cedar.Long
	yes    cedar.Boolean
	entity cedar.EntityUID
}

type guardOp uint8

const (
	opEqual guardOp = iota
	opNotEqual
	opLess
	opLessOrEqual
	opGreater
	opGreaterOrEqual
)

// truth is what is known of a guard; the zero value is nothing yet.
type truth uint8

const (
	unlooked truth = iota
	isTrue
	isFalse
	// undecided leaves the rule to Cedar, which says what is wrong.
	undecided
)

// remembered is how many guards one evaluation keeps the truth of; a larger set
// looks at the others each time.
const remembered = 128

// guardsOf returns the guards a policy's first condition starts with, in order,
// and what is left of it behind them; nil when nothing is.
func guardsOf(tree *ast.Policy) (found []guard, left ast.IsNode) {
	if len(tree.Conditions) == 0 || tree.Conditions[0].Condition != ast.ConditionWhen {
		return nil, nil
	}
	var walk func(ast.IsNode) ast.IsNode
	walk = func(n ast.IsNode) ast.IsNode {
		if both, ok := n.(ast.NodeTypeAnd); ok {
			if left := walk(both.Left); left != nil {
				both.Left = left
				return both
			}
			return walk(both.Right)
		}
		g, ok := guardOf(n)
		if !ok {
			return n
		}
		found = append(found, g)
		return nil
	}
	left = walk(tree.Conditions[0].Body)
	return found, left
}

// behind returns a policy without the guards it starts with, which are known to
// be true.
func behind(tree *ast.Policy, left ast.IsNode) *cedar.Policy {
	p := *tree
	p.Conditions = slices.Clone(tree.Conditions)
	if p.Conditions[0].Body = left; left == nil {
		p.Conditions = p.Conditions[1:]
	}
	return unscoped(&p)
}

// guardOf reads one condition as a guard, when it is one.
func guardOf(n ast.IsNode) (guard, bool) {
	switch n := n.(type) {
	case ast.NodeTypeAccess:
		return access(n, opEqual, guardValue{kind: 1, yes: true})
	case ast.NodeTypeNot:
		return access(n.Arg, opEqual, guardValue{kind: 1, yes: false})
	case ast.NodeTypeEquals:
		return compared(n.BinaryNode, opEqual)
	case ast.NodeTypeNotEquals:
		return compared(n.BinaryNode, opNotEqual)
	case ast.NodeTypeLessThan:
		return compared(n.BinaryNode, opLess)
	case ast.NodeTypeLessThanOrEqual:
		return compared(n.BinaryNode, opLessOrEqual)
	case ast.NodeTypeGreaterThan:
		return compared(n.BinaryNode, opGreater)
	case ast.NodeTypeGreaterThanOrEqual:
		return compared(n.BinaryNode, opGreaterOrEqual)
	}
	return guard{}, false
}

// compared reads "attribute op constant".
func compared(n ast.BinaryNode, op guardOp) (guard, bool) {
	constant, ok := n.Right.(ast.NodeValue)
	if !ok {
		return guard{}, false
	}
	switch v := constant.Value.(type) {
	case types.Long:
		return access(n.Left, op, guardValue{number: v})
	case types.Boolean:
		return access(n.Left, op, guardValue{kind: 1, yes: v})
	case types.EntityUID:
		return access(n.Left, op, guardValue{kind: 2, entity: v})
	}
	return guard{}, false
}

// access reads "context.name", "principal.name" or "resource.name".
func access(n ast.IsNode, op guardOp, v guardValue) (guard, bool) {
	dot, ok := n.(ast.NodeTypeAccess)
	if !ok {
		return guard{}, false
	}
	of, ok := dot.Arg.(ast.NodeTypeVariable)
	return guard{owner: of, name: dot.Value, op: op, value: v}, ok && (of.Name == "context" || of.Name == "principal" || of.Name == "resource")
}

// look evaluates a guard. What is not there, or of another type than the
// constant, is undecided.
func (g *guard) look(env *environment) truth {
	record := env.context
	switch g.owner.Name {
	case "principal":
		record = env.principal.Attributes
	case "resource":
		record = env.resource.Attributes
	}
	v, ok := record.Get(g.name)
	if !ok {
		return undecided
	}
	switch v := v.(type) {
	case types.Long:
		if g.value.kind == 0 {
			return truthOf(g.op.long(v, g.value.number))
		}
	case types.Boolean:
		if g.value.kind == 1 {
			return g.equality(v == g.value.yes)
		}
	case types.EntityUID:
		if g.value.kind == 2 {
			return g.equality(v == g.value.entity)
		}
	}
	return undecided
}

// equality is the truth of == or != given whether the two are equal.
func (g *guard) equality(same bool) truth {
	switch g.op {
	case opEqual:
		return truthOf(same)
	case opNotEqual:
		return truthOf(!same)
	case opLess, opLessOrEqual, opGreater, opGreaterOrEqual:
	}
	return undecided
}

func (op guardOp) long(a, b types.Long) bool {
	switch op {
	case opEqual:
		return a == b
	case opNotEqual:
		return a != b
	case opLess:
		return a < b
	case opLessOrEqual:
		return a <= b
	case opGreater:
		return a > b
	case opGreaterOrEqual:
		return a >= b
	}
	return false
}

func truthOf(b bool) truth {
	if b {
		return isTrue
	}
	return isFalse
}

// candidate returns what of a rule Cedar has to evaluate: nothing when a guard
// it starts with is false, what is behind the guards when all are true, all of it
// when one is undecided.
func (s *selection) candidate(r *rule) *cedar.Policy {
	for _, i := range r.guards {
		t := unlooked
		if i < remembered {
			t = s.truths[i]
		}
		if t == unlooked {
			if t = s.set.guards[i].look(s.env); i < remembered {
				s.truths[i] = t
			}
		}
		switch t {
		case isTrue:
			continue
		case isFalse:
			return nil
		case unlooked, undecided:
			return r.conditions
		}
	}
	return r.behind
}
