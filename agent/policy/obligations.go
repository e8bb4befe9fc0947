package policy

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/cedar-policy/cedar-go"
)

// The annotations a rule may carry.
const (
	annotID        = "id"
	annotReason    = "reason"
	annotApprovers = "approvers"
	annotQuorum    = "quorum"
	annotTTL       = "ttl"
	annotConfirm   = "confirm"
)

const (
	maxQuorum = 20
	minTTL    = time.Minute
	maxTTL    = 30 * 24 * time.Hour
)

var idShape = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$`)

// obligations are what a rule's annotations demand of an asking.
type obligations struct {
	// approvers are the groups whose members may decide; nil means no demand.
	approvers []string
	quorum    int
	ttl       time.Duration
	// confirm says that the requester's own yes is enough.
	confirm bool
}

// any reports whether something is demanded.
func (o obligations) any() bool {
	return o.approvers != nil || o.quorum != 0 || o.ttl != 0 || o.confirm
}

// readObligations reads a rule's annotations and says all that is wrong with them.
func readObligations(a cedar.Annotations) (o obligations, wrong []string) {
	for key, value := range a {
		if why := o.read(string(key), strings.TrimSpace(string(value))); why != "" {
			wrong = append(wrong, fmt.Sprintf("@%s(%q): %s", key, value, why))
		}
	}
	if o.confirm && (o.approvers != nil || o.quorum > 1) {
		wrong = append(wrong, "@confirm(\"requester\") contradicts @approvers and @quorum: either the requester decides, or others")
	}
	slices.Sort(wrong)
	return o, wrong
}

// read takes one annotation and says what is wrong with it, if anything.
func (o *obligations) read(key, v string) (wrong string) {
	var ok bool
	switch key {
	case annotID:
		ok, wrong = idShape.MatchString(v), "an id has letters, digits, dots, dashes and underscores, 64 at most"
	case annotReason:
		ok, wrong = v != "", "a reason is a sentence for people"
	case annotApprovers:
		o.approvers, ok = groups(v)
		wrong = "approvers are group names, separated by commas"
	case annotQuorum:
		n, err := strconv.Atoi(v)
		o.quorum, ok = n, err == nil && n >= 1 && n <= maxQuorum
		wrong = fmt.Sprintf("a quorum is a number from 1 to %d", maxQuorum)
	case annotTTL:
		d, err := time.ParseDuration(v)
		o.ttl, ok = d, err == nil && d >= minTTL && d <= maxTTL
		wrong = "a ttl is a duration from 1m to 720h, such as 30m"
	case annotConfirm:
		o.confirm, ok, wrong = true, v == "requester", `only "requester" can confirm`
	default:
		ok, wrong = false, "there is no such annotation; known are id, reason, approvers, quorum, ttl and confirm"
	}
	if ok {
		return ""
	}
	return wrong
}

func groups(v string) (names []string, ok bool) {
	for name := range strings.SplitSeq(v, ",") {
		if name = strings.TrimSpace(name); name == "" {
			return []string{}, false
		}
		names = append(names, name)
	}
	slices.Sort(names)
	return slices.Compact(names), true
}

// strictest joins the demands of all rules that ask: the largest quorum, the
// shortest time, the groups that are in every list. possible is false when the
// lists have no group in common, so that nobody could decide.
func strictest(all []obligations) (o obligations, possible bool) {
	o.confirm, o.quorum = len(all) > 0, 1
	for _, x := range all {
		o.confirm = o.confirm && x.confirm
		o.quorum = max(o.quorum, x.quorum)
		if x.ttl > 0 && (o.ttl == 0 || x.ttl < o.ttl) {
			o.ttl = x.ttl
		}
		switch {
		case x.approvers == nil:
		case o.approvers == nil:
			o.approvers = slices.Clone(x.approvers)
		default:
			o.approvers = slices.DeleteFunc(o.approvers, func(g string) bool { return !slices.Contains(x.approvers, g) })
		}
	}
	return o, o.approvers == nil || len(o.approvers) > 0
}
