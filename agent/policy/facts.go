package policy

import (
	"slices"
	"strings"

	"github.com/sous-hq/sous/agent"
	"github.com/sous-hq/sous/tools"
)

// Facts are all that rules can look at in a proposal, as numbers and yes or no.
// Integrity counts as rules do: 0 requester, 1 organisation, 2 external.
type Facts struct {
	By     agent.Actor `json:"by"`
	Tool   string      `json:"tool"`
	Family string      `json:"family"`
	Place  agent.Place `json:"place"`

	Tier     int  `json:"tier"`
	Egress   bool `json:"egress"`
	Undoable bool `json:"undoable"`
	Private  bool `json:"private"`

	Mode            string   `json:"mode"`
	Integrity       int      `json:"integrity"`
	Confidentiality int      `json:"confidentiality"`
	SinkClearance   int      `json:"sink_clearance"`
	OwnToGive       bool     `json:"own_to_give"`
	Data            []string `json:"data,omitempty"`

	InWords    bool `json:"in_words"`
	InPlan     bool `json:"in_plan"`
	Unattended bool `json:"unattended"`
	// Target is the least trusted origin among the control arguments, and
	// Origins the origin of each.
	Target       int            `json:"target"`
	Origins      map[string]int `json:"origins,omitempty"`
	ForeignLinks bool           `json:"foreign_links"`
	// Unsaid names the arguments that hold text the requester did not say.
	Unsaid []string `json:"unsaid,omitempty"`

	Digest string `json:"digest,omitempty"`
}

// FactsOf derives the facts from a proposal. The mode is not among them: it
// follows from the rules.
func FactsOf(p tools.Proposal) Facts {
	f := Facts{
		By: p.Call.Actor, Tool: p.Spec.Name, Place: p.Place, Mode: "strict",
		Tier: p.Spec.Tier.Number(), Egress: p.Spec.Egress, Undoable: p.Spec.Undo != "", Private: p.Spec.Private,
		Integrity: level(p.Context.Integrity), InWords: true,
		InPlan: p.InPlan, Unattended: p.Unattended, Digest: p.Digest,
	}
	if f.Tool == "" {
		f.Tool = p.Call.Tool
	}
	f.Family = family(f.Tool)
	o := newOrigins(p)
	args := arguments(p.Call.Args, p.Request)
	for _, a := range args {
		if !a.said {
			f.InWords, f.Unsaid = false, append(f.Unsaid, a.name)
		}
	}
	f.targets(p.Spec, args, o)
	f.content(args, o)
	return f
}

// targets finds where the control arguments came from. A tool above reading
// that declares none has forgotten to: then every argument is one.
func (f *Facts) targets(s tools.Spec, args []arg, o *origins) {
	all := s.Control == nil && f.Tier > 0
	for _, a := range args {
		if !all && !slices.Contains(s.Control, a.name) {
			for _, t := range a.texts {
				f.ForeignLinks = f.ForeignLinks || o.pointsOutside(t)
			}
			continue
		}
		worst := 0
		for _, t := range a.plain {
			worst = max(worst, level(o.ofPlain(t).Integrity))
		}
		if a.flag && !a.said {
			worst = max(worst, f.Integrity)
		}
		if f.Origins == nil {
			f.Origins = map[string]int{}
		}
		f.Origins[a.name] = worst
		f.Target = max(f.Target, worst)
	}
}

// content finds what the arguments may hold. The requester's own words are
// theirs to give away and count as public; any other argument may hold anything
// the model saw beside those words.
func (f *Facts) content(args []arg, o *origins) {
	f.OwnToGive = true
	if !f.Egress {
		f.SinkClearance = 3
	}
	data := map[string]bool{}
	for _, a := range args {
		if a.said {
			continue
		}
		l := o.contentOf(a)
		f.Confidentiality = max(f.Confidentiality, confidentiality(l.Readers))
		f.OwnToGive = f.OwnToGive && onlyFor(l.Readers, f.By.ID)
		for _, d := range l.Data {
			data[dataName(d)] = true
		}
		if !l.Scanned {
			data[agent.DataUnscanned] = true
		}
	}
	for d := range data {
		f.Data = append(f.Data, d)
	}
	slices.Sort(f.Data)
}

// contentOf is the label of what an argument may hold.
func (o *origins) contentOf(a arg) agent.Label {
	label := agent.Label{Integrity: agent.Requester, Readers: agent.Readers{Scope: agent.Everybody}, Scanned: true}
	if !slices.ContainsFunc(a.plain, func(t string) bool { return o.ofPlain(t).Integrity < agent.Requester }) {
		return label
	}
	seen := agent.Requester
	for _, x := range o.texts {
		seen = min(seen, x.Label.Integrity)
		if x.Label.Integrity < agent.Requester {
			label = label.Join(x.Label)
		}
	}
	if seen > o.context.Integrity {
		return o.context // the texts are not all the model saw
	}
	return label
}

// level counts integrity as rules do: higher is less trusted.
func level(i agent.Integrity) int { return int(agent.Requester) - int(min(i, agent.Requester)) }

// confidentiality is the level of a reader set: 0 public, 1 the workspace, 2 a
// group of people, 3 one or two, or nobody known.
func confidentiality(r agent.Readers) int {
	switch {
	case r.Scope == agent.Everybody:
		return 0
	case r.Scope == agent.WholeWorkspace:
		return 1
	case len(r.Named) > 2:
		return 2
	}
	return 3
}

// onlyFor reports whether nobody but the person may read it, or all may: in
// both cases nobody else's confidence is broken when the person gives it away.
func onlyFor(r agent.Readers, id agent.ActorID) bool {
	return r.Scope == agent.Everybody || r.Scope == agent.OnlyNamed && len(r.Named) == 1 && r.Named[0] == id
}

// dataName maps a data label to one the rules know.
func dataName(d string) string {
	switch d {
	case "pii", "secret", "customer", "hr", agent.DataUnscanned:
		return d
	}
	return "other"
}

// family is the first word of a tool's name.
func family(tool string) string {
	first, _, _ := strings.Cut(tool, "_")
	return first
}
