package policy

import (
	"slices"
	"strings"

	"github.com/cedar-policy/cedar-go"
	"github.com/cedar-policy/cedar-go/x/exp/ast"
)

// attention is what a set's rules look at in a call's context, of those
// attributes that differ from call to call. What no rule looks at can change no
// ruling; leaving it out makes the contexts of many calls one and the same.
type attention struct{ digest, place, targets bool }

// add takes in what one rule looks at. A rule that uses the context as a whole
// looks at everything in it.
func (l *attention) add(tree *ast.Policy) {
	for _, c := range tree.Conditions {
		ast.Inspect(ast.NewNode(c.Body), func(n ast.IsNode) bool {
			switch n := n.(type) {
			case ast.NodeTypeVariable:
				if n.Name == "context" {
					*l = attention{true, true, true}
				}
			case ast.NodeTypeAccess:
				if place, ok := n.Arg.(ast.NodeTypeAccess); ok && n.Value == "kind" && place.Value == "place" && isContext(place.Arg) {
					return false // the kind of a place is not the place
				}
				return !isContext(n.Arg) || l.attribute(n.Value)
			case ast.NodeTypeHas:
				return !isContext(n.Arg) || l.attribute(n.Value)
			}
			return true
		})
	}
}

// attribute takes in that a rule looks at an attribute. It returns false: there
// is nothing more to see below it.
func (l *attention) attribute(name cedar.String) bool {
	l.digest = l.digest || name == "digest"
	l.place = l.place || name == "place"
	l.targets = l.targets || name == "foreignTargets"
	return false
}

func isContext(n ast.IsNode) bool {
	v, ok := n.(ast.NodeTypeVariable)
	return ok && v.Name == "context"
}

// contextKey is all that a call's context is made from.
type contextKey struct {
	tier, integrity, confidentiality, clearance, target int

	egress, own, inWords, inPlan, unattended, links bool

	mode, place string
	// data is a list with commas, targets one with zero bytes.
	data, targets, digest string
}

// callContext is a context that was checked against the schema.
type callContext struct {
	cedar.Record
	fits bool
}

// environment returns what the set's rules see of a call.
func (s *Set) environment(f *Facts) *environment {
	at := f.Place
	if !s.seen.place {
		at.ID = ""
	}
	env := &environment{principal: s.parts.person(f.By), resource: s.parts.tool(f), others: []cedar.Entity{s.parts.place(at)}}
	key := contextKey{
		tier: f.Tier, integrity: f.Integrity, confidentiality: f.Confidentiality, clearance: f.SinkClearance, target: f.Target,
		egress: f.Egress, own: f.OwnToGive, inWords: f.InWords, inPlan: f.InPlan, unattended: f.Unattended, links: f.ForeignLinks,
		mode: f.Mode, place: at.ID, data: strings.Join(f.Data, ","),
	}
	if s.seen.targets {
		key.targets = strings.Join(f.foreign(), "\x00")
	}
	contexts := &s.parts.contexts
	if s.seen.digest {
		key.digest, contexts = f.Digest, nil // no two are the same
	}
	made := contexts.get(key, func() callContext {
		c := callContext{Record: key.record()}
		env.context = c.Record
		c.fits = s.validator.Request(env.request(actionRun)) == nil
		return c
	})
	env.context, env.checked = made.Record, made.fits
	return env
}

// foreign names the control arguments that came from outside, sorted.
func (f *Facts) foreign() []string {
	var names []string
	for name, origin := range f.Origins {
		if origin >= 2 {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// record is the context as Cedar sees it.
func (k contextKey) record() cedar.Record {
	var data, foreign []cedar.Value
	for d := range strings.SplitSeq(k.data, ",") {
		if d != "" {
			data = append(data, uid("Data", d))
		}
	}
	for name := range strings.SplitSeq(k.targets, "\x00") {
		if name != "" {
			foreign = append(foreign, cedar.String(name))
		}
	}
	return cedar.NewRecord(cedar.RecordMap{
		"tier": cedar.Long(k.tier), "egress": cedar.Boolean(k.egress), "place": uid("Place", k.place),
		"mode": uid("Mode", k.mode), "integrity": cedar.Long(k.integrity),
		"confidentiality": cedar.Long(k.confidentiality), "sinkClearance": cedar.Long(k.clearance),
		"ownToGive": cedar.Boolean(k.own), "data": cedar.NewSet(data...),
		"inWords": cedar.Boolean(k.inWords), "inPlan": cedar.Boolean(k.inPlan),
		"unattended": cedar.Boolean(k.unattended), "target": cedar.Long(k.target),
		"targetFromUser": cedar.Boolean(k.target < 2), "foreignTargets": cedar.NewSet(foreign...),
		"foreignLinks": cedar.Boolean(k.links), "digest": cedar.String(k.digest),
	})
}
