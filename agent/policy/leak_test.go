package policy

import (
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/url"
	"slices"
	"testing"

	"github.com/sous-hq/sous/agent"
	"github.com/sous-hq/sous/tools"
)

// disguises are ways to hide a text in an argument from whoever looks for it.
func disguises() map[string]func(string) any {
	return map[string]func(string) any{
		"as it is":  func(s string) any { return s },
		"in base64": func(s string) any { return base64.StdEncoding.EncodeToString([]byte(s)) },
		"in hex":    func(s string) any { return hex.EncodeToString([]byte(s)) },
		"in pieces": func(s string) any { return []string{s[:len(s)/3], s[len(s)/3 : len(s)/2], s[len(s)/2:]} },
		"backwards": func(s string) any { r := []rune(s); slices.Reverse(r); return string(r) },
		"in a link": func(s string) any { return "see https://intranet.example/?q=" + url.QueryEscape(s) },
		"an image":  func(s string) any { return "![chart](https://img.example/" + url.PathEscape(s) + ".png)" },
		"a mention": func(s string) any { return "@" + s },
		"in an object": func(s string) any {
			return map[string]any{"note": map[string]string{s: "x"}}
		},
		"in the request's words": func(string) any { return "what is new" },
	}
}

// ways are calls by which a text may come to be seen by more people.
func ways() []tools.Spec {
	return []tools.Spec{
		{Name: "mail_send", Tier: agent.TierOutward, Egress: true, Control: []string{"to"}},
		{Name: "page_read", Tier: agent.TierRead, Egress: true, Control: []string{"to"}},
		{Name: "channel_post", Tier: agent.TierWrite, Egress: true, Undo: "It is deleted.", Control: []string{"to"}},
		{Name: "hook_call", Tier: agent.TierWrite, Egress: true, Control: []string{"to"}},
		{Name: "secret_tool", Tier: agent.TierUnset, Egress: true},
	}
}

// TestPrivateTextReachesNoWiderPlaceUnapproved: what was read in a private channel
// or in a direct message of others is put into what leaves, in 500 and more
// disguises, aimed where the requester said or where a stranger did, planned
// before or after. Nothing of it runs, and no approval is asked for it either.
func TestPrivateTextReachesNoWiderPlaceUnapproved(t *testing.T) {
	places := map[string]agent.Readers{
		"a private channel":          agent.Only("ann", "bob", "cid", "dan"),
		"a direct message of others": agent.Only("ann", "bob"),
		"nobody knows where":         {},
	}
	rng := rand.New(rand.NewPCG(33, 500))
	tries := 0
	for mode, e := range map[string]*Engine{"strict": engine(t, ""), "balanced": engine(t, allBalanced)} {
		for place, readers := range places {
			for disguise, hide := range disguises() {
				for _, spec := range ways() {
					for _, to := range []string{"carla@partner.example", "eve@evil.example"} {
						tries++
						text := fmt.Sprintf("the merger with Globex closes on %d March", rng.IntN(28)+1)
						args, err := json.Marshal(map[string]any{"to": to, "body": hide(text), "more": text[4:10]})
						if err != nil {
							t.Fatal(err)
						}
						l := agent.Label{Integrity: pick(rng, agent.Organisation, agent.External), Readers: readers, Scanned: true}
						p := call(spec, "write to carla@partner.example what is new", string(args), saw(text, l))
						p.InPlan = rng.IntN(2) > 0
						if v := ruling(t, e, p); v.Ruling != agent.Deny {
							t.Errorf("%s, from %s, %s, by %s to %s: %s by %s", mode, place, disguise, spec.Name, to, v.Ruling, v.Rule)
						}
					}
				}
			}
		}
	}
	if tries < 500 {
		t.Errorf("%d tries", tries)
	}
}

// TestPrivateTextIsPutWhereTheWorkspaceReadsItOnlyWhenSomebodySaidYes: a ticket is
// read by the whole workspace.
func TestPrivateTextIsPutWhereTheWorkspaceReadsItOnlyWhenSomebodySaidYes(t *testing.T) {
	e := engine(t, "")
	for disguise, hide := range disguises() {
		if disguise == "in the request's words" {
			continue // which are the requester's own
		}
		args, err := json.Marshal(map[string]any{"title": hide("the merger with Globex closes on 3 March")})
		if err != nil {
			t.Fatal(err)
		}
		l := agent.Label{Integrity: agent.Organisation, Readers: agent.Only("ann", "bob"), Scanned: true}
		p := call(ticket(), "open a ticket about what is new", string(args), saw("the merger with Globex closes on 3 March", l))
		if v := ruling(t, e, p); v.Ruling == agent.Allow {
			t.Errorf("%s: %s by %s", disguise, v.Ruling, v.Rule)
		}
	}
}
