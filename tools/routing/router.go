package routing

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/sous-hq/sous/agent"
)

// Decision is what may be done with an answer. The zero value is to ask.
type Decision string

// The decisions, from sure to unsure.
const (
	Do      Decision = "do"
	Suggest Decision = "suggest"
	Ask     Decision = "ask"
)

// Answer says where a request belongs.
type Answer struct {
	Decision Decision `json:"decision"`
	Team     string   `json:"team,omitempty"`
	Person   *Person  `json:"person,omitempty"`
	// Confidence is from 0 to 1.
	Confidence float64  `json:"confidence"`
	Reasons    []string `json:"reasons"`
	// RunnerUp is the next best team, if there is one.
	RunnerUp string `json:"runner_up,omitempty"`
	// Request is the text this is the answer for, so that whoever corrects it sees
	// what is learned.
	Request string `json:"request,omitempty"`
}

// Request is what is to be routed.
type Request struct {
	Workspace agent.WorkspaceID
	Text      string
	// Place is the id of the place it was said in, or "".
	Place string
}

// Cases keeps requests of which a person said what team they belong to, each
// within one workspace. Writes take an idempotency key: the same key again
// returns the first result and changes nothing; for the other operation it is a
// Conflict.
type Cases interface {
	// Record keeps a case under the next id of the workspace.
	Record(ctx context.Context, w agent.Write, text, team string) (agent.RoutingCase, error)
	// Unrecord takes a case out and returns it; an unknown one is NotFound.
	Unrecord(ctx context.Context, w agent.Write, id string) (agent.RoutingCase, error)
	// Cases lists at most limit cases, the newest first.
	Cases(ctx context.Context, ws agent.WorkspaceID, limit int) ([]agent.RoutingCase, error)
	// Changes counts the writes of the workspace, so that a reader can tell
	// whether it has seen them all.
	Changes(ctx context.Context, ws agent.WorkspaceID) (int64, error)
}

// Config is what a router needs; all of it is required.
type Config struct {
	Directory *Directory
	Cases     Cases
	// Now is the clock that says who is on hours.
	Now func() time.Time
}

// Router answers where requests belong. It is safe for concurrent use.
type Router struct {
	dir   *Directory
	cases Cases
	now   func() time.Time
	learn *learner
}

// NewRouter returns a router. It learns from the cases when it is first asked.
func NewRouter(c Config) (*Router, error) {
	if c.Directory == nil || c.Cases == nil || c.Now == nil {
		return nil, errors.New("routing: directory, cases and clock are required")
	}
	return &Router{dir: c.Directory, cases: c.Cases, now: c.Now, learn: newLearner(c.Cases)}, nil
}

// guess is one opinion on a team.
type guess struct {
	team       string
	confidence float64
	reasons    []string
	runnerUp   string
}

// Route says where a request belongs. Hard rules decide alone; keywords and
// past cases strengthen each other when they agree and weaken when they do not.
func (r *Router) Route(ctx context.Context, q Request) (Answer, error) {
	if len(r.dir.teams) == 0 {
		return Answer{Decision: Ask, Reasons: []string{"no teams are configured; name a teams file in the settings"}}, nil
	}
	if g, ok := r.byPlace(q); ok {
		return r.answer(g), nil
	}
	if g, ok := r.byPattern(q.Text); ok {
		return r.answer(g), nil
	}
	past, err := r.learn.guess(ctx, q, r.dir)
	if err != nil {
		return Answer{}, err
	}
	return r.answer(join(r.byKeyword(q.Text), past)), nil
}

// byPlace follows the map of places to teams.
func (r *Router) byPlace(q Request) (guess, bool) {
	for _, t := range r.dir.teams {
		if q.Place != "" && slices.Contains(t.places, q.Place) {
			return guess{team: t.name, confidence: 1, reasons: []string{"requests from this place go to " + t.name}}, true
		}
	}
	return guess{}, false
}

// patternConfidence is that of a pattern only one team has; when the patterns
// of several teams fit, nobody may act on it.
const patternConfidence = 0.97

func (r *Router) byPattern(text string) (guess, bool) {
	var found []guess
	for _, t := range r.dir.teams {
		for _, topic := range t.topics {
			i := slices.IndexFunc(topic.patterns, func(p *regexp.Regexp) bool { return p.MatchString(text) })
			if i >= 0 {
				found = append(found, guess{team: t.name, confidence: patternConfidence, reasons: []string{
					fmt.Sprintf("a pattern of %s (%s) fits", t.name, topic.name),
				}})
				break
			}
		}
	}
	if len(found) == 0 {
		return guess{}, false
	}
	g := found[0]
	if len(found) > 1 {
		g.confidence = patternConfidence / float64(len(found))
		g.runnerUp = found[1].team
		g.reasons = append(g.reasons, found[1].reasons...)
	}
	return g, true
}

// byKeyword counts the keywords of each team in the text. With n of one team
// alone the confidence is 1 − 0.3ⁿ; those of the next team take their share off.
func (r *Router) byKeyword(text string) guess {
	type score struct {
		team  string
		found []string
	}
	var scores []score
	for _, t := range r.dir.teams {
		s := score{team: t.name}
		for _, topic := range t.topics {
			for _, k := range topic.keywords {
				if k.find.MatchString(text) && !slices.Contains(s.found, k.text) {
					s.found = append(s.found, k.text)
				}
			}
		}
		if len(s.found) > 0 {
			scores = append(scores, s)
		}
	}
	if len(scores) == 0 {
		return guess{}
	}
	slices.SortStableFunc(scores, func(a, b score) int { return cmp.Compare(len(b.found), len(a.found)) })
	best := scores[0]
	g := guess{
		team: best.team, confidence: 1 - math.Pow(0.3, float64(len(best.found))),
		reasons: []string{fmt.Sprintf("it names %s of %s", strings.Join(best.found, ", "), best.team)},
	}
	if len(scores) > 1 {
		g.runnerUp = scores[1].team
		g.confidence *= 1 - float64(len(scores[1].found))/float64(len(best.found)+len(scores[1].found))
		g.reasons = append(g.reasons, fmt.Sprintf("it also names %s of %s", strings.Join(scores[1].found, ", "), g.runnerUp))
	}
	return g
}

// join makes one opinion of two. Agreeing ones are independent evidence,
// 1 − (1−a)(1−b); of disagreeing ones the stronger wins, less the other's share.
func join(a, b guess) guess {
	switch {
	case a.team == "":
		return b
	case b.team == "":
		return a
	case a.team == b.team:
		return guess{
			team: a.team, confidence: 1 - (1-a.confidence)*(1-b.confidence),
			reasons: slices.Concat(a.reasons, b.reasons), runnerUp: cmp.Or(a.runnerUp, b.runnerUp),
		}
	}
	if b.confidence > a.confidence {
		a, b = b, a
	}
	return guess{
		team: a.team, confidence: a.confidence * (1 - b.confidence/2),
		reasons: slices.Concat(a.reasons, b.reasons), runnerUp: b.team,
	}
}

// answer applies the thresholds and names the person.
func (r *Router) answer(g guess) Answer {
	a := Answer{
		Team: g.team, Confidence: g.confidence, RunnerUp: g.runnerUp,
		Decision: r.dir.decide(g.confidence), Reasons: g.reasons,
	}
	if math.IsNaN(a.Confidence) || a.Confidence < 0 || a.Confidence > 1 {
		a.Confidence = 0
	}
	if a.Team == "" {
		a.Decision, a.Confidence, a.Team = Ask, 0, r.dir.fallback
		a.Reasons = append(a.Reasons, "nothing in the rules or past cases fits")
		if a.Team != "" {
			a.Reasons = append(a.Reasons, a.Team+" takes what nobody else does")
		}
	}
	if a.RunnerUp == a.Team {
		a.RunnerUp = ""
	}
	if t, ok := r.dir.team(a.Team); ok {
		a.Person = t.onHours(r.now())
	}
	a.Confidence = math.Round(1000*a.Confidence) / 1000
	return a
}

// decide compares a confidence with the thresholds. What is not a number
// between 0 and 1 fails closed: a person is asked.
func (d *Directory) decide(confidence float64) Decision {
	switch {
	case !(confidence >= 0 && confidence <= 1):
		return Ask
	case confidence >= d.do:
		return Do
	case confidence >= d.suggest:
		return Suggest
	}
	return Ask
}
