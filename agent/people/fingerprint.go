package people

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/sous-hq/sous/agent/audit"
)

// escalationID is the id under which Settings holds where decisions go on to.
const escalationID = "(escalation)"

// Settings is what is said of each account, and where decisions go that nobody has
// made, as the record tells of it: which part of whom is another, not what it is.
// What is not said of somebody has no part.
func Settings(all []Person, escalation []Stage) audit.Settings {
	s := audit.Settings{Kind: audit.PeopleLoaded, Items: map[string]string{}}
	for _, p := range all {
		s.Items[string(p.ID)] = p.fingerprint()
	}
	if len(escalation) > 0 {
		s.Items[escalationID] = audit.Fingerprint(escalation)
	}
	h := sha256.New()
	for _, id := range slices.Sorted(maps.Keys(s.Items)) {
		fmt.Fprintf(h, "%q %q\n", id, s.Items[id])
	}
	s.Digest = hex.EncodeToString(h.Sum(nil))
	return s
}

// fingerprint is the digest of each part of what is said of one account.
func (p Person) fingerprint() string {
	var parts []string
	part := func(name string, said bool, what any) {
		if said {
			parts = append(parts, name+":"+audit.Fingerprint([]any{string(p.ID), what}))
		}
	}
	groups := slices.Clone(p.Groups)
	slices.Sort(groups)
	part("kind", true, p.Kind.String())
	part("groups", len(groups) > 0, groups)
	part("owner", p.Owner, true)
	part("deactivated", !p.Active, true)
	part("human", p.Human() != p.ID, string(p.Human()))
	part("away", !p.AwayUntil.IsZero(), p.AwayUntil.Unix())
	part("name", p.Name != "", p.Name)
	return strings.Join(parts, " ")
}
