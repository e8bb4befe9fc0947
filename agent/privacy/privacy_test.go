package privacy_test

import (
	"crypto/rand"
	"fmt"
	"strings"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/note"

	"github.com/sous-hq/sous/agent"
	"github.com/sous-hq/sous/agent/privacy"
)

func TestRulesAreReadAsTheyAreWritten(t *testing.T) {
	all, err := privacy.ParseRules("conversations 180d; files label=pii 4w\n memories kind=transcript place=C42 1y ;")
	want := "[conversations kept for 180 days files with pii kept for 28 days memories of kind transcript in C42 kept for 365 days]"
	if err != nil || fmt.Sprint(all) != want {
		t.Errorf("got %v, %v", all, err)
	}
}

func TestAllThatIsWrongWithRulesIsSaidAtOnce(t *testing.T) {
	_, err := privacy.ParseRules("conversations; everything 3d; files place=dm 3d; conversations kind=fact 3d; files soon; files 0d; files x=3 2d; files kind= 2d; files 3d; memories 99999y; memories place=dm 3d")
	if agent.KindOf(err) != agent.Invalid {
		t.Fatalf("got %v", err)
	}
	for _, part := range []string{"“conversations”: there is no time", "called \"everything\"", "a file has no place", "only memories have a kind", "\"soon\" is no time", "\"0d\" is no time", "\"x=3\" is not understood", "\"kind=\"", "\"99999y\"", "a memory knows the id of its place"} {
		if !strings.Contains(agent.PublicText(err), part) {
			t.Errorf("%q does not say %q", agent.PublicText(err), part)
		}
	}
}

func TestATimeThatIsTooLongDoesNotComeOutAsAShortOne(t *testing.T) {
	// 585 years of nanoseconds are 21 days in 64 bits.
	for _, long := range []string{"585y", "101y", "36501d", "5300w", "999999999999y"} {
		if all, err := privacy.ParseRules("conversations " + long); agent.KindOf(err) != agent.Invalid {
			t.Errorf("%s: %v, %v", long, all, err)
		}
	}
	all, err := privacy.ParseRules("conversations 100y; files 1d")
	if want := "[conversations kept for 36500 days files kept for 1 day]"; err != nil || fmt.Sprint(all) != want {
		t.Errorf("got %v, %v; want %s", all, err, want)
	}
}

func FuzzRules(f *testing.F) {
	f.Add("conversations 180d; files label=pii 4w")
	f.Fuzz(func(t *testing.T, text string) {
		all, err := privacy.ParseRules(text)
		for _, r := range all {
			if r.Validate() != nil || err != nil {
				t.Errorf("%q: %v, %v", text, r, err)
			}
		}
	})
}

func TestAReceiptIsReadOnlyAsItWasSigned(t *testing.T) {
	key := func() (note.Signer, note.Verifiers) {
		skey, vkey, err := note.GenerateKey(rand.Reader, "sous-audit")
		if err != nil {
			t.Fatal(err)
		}
		s, err1 := note.NewSigner(skey)
		v, err2 := note.NewVerifier(vkey)
		if err1 != nil || err2 != nil {
			t.Fatal(err1, err2)
		}
		return s, note.VerifierList(v)
	}
	signer, known := key()
	_, others := key()
	r := privacy.Receipt{Workspace: "w", Subject: "ann", By: "bob", At: time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC), Erased: privacy.Counts{"messages": 3}, Row: 7}
	signed, err := r.Sign(signer)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := privacy.OpenReceipt(signed, known); err != nil || got.Erased["messages"] != 3 || got.Row != 7 || got.Subject != "ann" {
		t.Errorf("got %+v, %v", got, err)
	}
	if _, err := privacy.OpenReceipt(signed, others); agent.KindOf(err) != agent.Invalid {
		t.Errorf("signed by somebody else: %v", err)
	}
	for i := range signed {
		b := []byte(signed)
		b[i] ^= 1
		if got, err := privacy.OpenReceipt(string(b), known); err == nil && got.Row != 7 {
			t.Fatalf("changed at byte %d and read as %+v", i, got)
		} else if err == nil && i < strings.Index(signed, "\n\n") {
			t.Errorf("changed at byte %d and accepted", i)
		}
	}
}

func TestPeopleMaySeeTheirOwnAndAdministratorsAll(t *testing.T) {
	member := agent.Actor{Workspace: "w", ID: "ann", Kind: agent.Member}
	owner := agent.Actor{Workspace: "w", ID: "bob", Kind: agent.Member, Owner: true}
	guest := agent.Actor{Workspace: "w", ID: "eve", Kind: agent.Guest}
	if privacy.May(member, "ann") != nil || privacy.May(owner, "ann") != nil {
		t.Error("refused")
	}
	if privacy.May(member, "bob") == nil || privacy.May(guest, "eve") == nil || privacy.MayAdminister(member) == nil {
		t.Error("allowed")
	}
}
