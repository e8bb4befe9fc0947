package privacy

import (
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/sous-hq/sous/agent"
	"github.com/sous-hq/sous/agent/pause"
)

// May reports whether somebody may see or erase what is held about a person:
// owners and administrators of the workspace may of anybody, everybody of
// themselves. Else it is Forbidden.
func May(by agent.Actor, subject agent.ActorID) error {
	if by.Kind == agent.Member && by.ID != "" && by.ID == subject {
		return nil
	}
	return MayAdminister(by)
}

// MayAdminister reports whether somebody may put people under a hold and purge.
func MayAdminister(by agent.Actor) error {
	if by.Kind == agent.Member && by.ID != "" && by.Workspace != "" && (by.Owner || administers(by)) {
		return nil
	}
	return agent.Errorf(agent.Forbidden, "only owners and administrators can do this for others")
}

// ParseRules reads rules written one after the other, with semicolons or line
// breaks between them:
//
//	conversations 180d; files label=pii 30d; memories kind=transcript place=C42 1y
//
// A time is a number of d (days), w (weeks) or y (years of 365 days). All that is
// wrong is said at once.
func ParseRules(text string) ([]Rule, error) {
	var all []Rule
	var wrong []string
	for _, line := range strings.FieldsFunc(text, func(r rune) bool { return r == ';' || r == '\n' }) {
		if line = strings.TrimSpace(line); line == "" {
			continue
		}
		r, err := parseRule(strings.Fields(line))
		if err == nil {
			err = r.Validate()
		}
		if err != nil {
			wrong = append(wrong, "“"+line+"”: "+strings.TrimPrefix(agent.PublicText(err), "retention: "))
			continue
		}
		all = append(all, r)
	}
	if len(wrong) > 0 {
		return nil, agent.Errorf(agent.Invalid, "retention: %s", strings.Join(wrong, "; "))
	}
	return all, nil
}

func parseRule(words []string) (Rule, error) {
	r := Rule{What: words[0]}
	for i, w := range words[1:] {
		key, value, named := strings.Cut(w, "=")
		switch {
		case named && value != "" && key == "kind":
			r.Kind = value
		case named && value != "" && key == "place":
			r.Place = value
		case named && value != "" && key == "label":
			r.Label = value
		case !named && i == len(words)-2:
			var err error
			if r.Keep, err = parseKeep(w); err != nil {
				return r, err
			}
		default:
			return r, agent.Errorf(agent.Invalid, "%q is not understood; it is WHAT [kind=K] [place=P] [label=L] TIME", w)
		}
	}
	if r.Keep == 0 {
		return r, agent.Errorf(agent.Invalid, "there is no time, such as 90d, at its end")
	}
	return r, nil
}

// longest is the longest time a rule may say.
const longest = 100 * 365 * 24 * time.Hour

func parseKeep(w string) (time.Duration, error) {
	const day = 24 * time.Hour
	units := map[string]time.Duration{"d": day, "w": 7 * day, "y": 365 * day}
	n, err := strconv.Atoi(w[:len(w)-1])
	unit, known := units[w[len(w)-1:]]
	if err != nil || !known || n < 1 {
		return 0, agent.Errorf(agent.Invalid, "%q is no time; it is a number of d, w or y, such as 90d", w)
	}
	// More does not fit into a duration, and would come out as a short one.
	if n > int(longest/unit) {
		return 0, agent.Errorf(agent.Invalid, "%q is too long; %d years are the most, and without a rule it is kept for ever", w, longest/units["y"])
	}
	return time.Duration(n) * unit, nil
}

func administers(by agent.Actor) bool {
	return slices.ContainsFunc(pause.Administrators(), func(g string) bool { return slices.Contains(by.Groups, g) })
}
