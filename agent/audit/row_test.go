package audit

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/tink-crypto/tink-go/v2/aead"
	"github.com/tink-crypto/tink-go/v2/keyset"
	"github.com/tink-crypto/tink-go/v2/tink"
	"pgregory.net/rapid"

	"github.com/sous-hq/sous/agent"
)

func newKEK(t testing.TB) tink.AEAD {
	t.Helper()
	h, err := keyset.NewHandle(aead.AES256GCMKeyTemplate())
	if err != nil {
		t.Fatal(err)
	}
	k, err := aead.New(h)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func newKey(t testing.TB, subject agent.ActorID) *SubjectKey {
	t.Helper()
	k, _, err := NewSubjectKey(newKEK(t), "acme", subject)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func anEntry() Entry {
	tier := agent.TierOutward
	return Entry{
		Seq: 7, At: time.UnixMicro(1_772_442_000_123_456).UTC(), Workspace: "acme", Kind: CallAsked, Actor: "ann", Turn: "e1", Call: "e1/1",
		Tool: "mail_send", Tier: &tier, Digest: "digest-0001", Ruling: "ask", Rule: "tier-2", Approval: "ABCDEFGH", Status: "s",
		Args: json.RawMessage(`{ "to":"x@y.z","n":[1.50,"deep-down",null,true] }`), Note: "a note",
	}
}

func TestASealedRowOpensAsItWasAndSaysNothingByItself(t *testing.T) {
	k := newKey(t, "ann")
	for _, tool := range []string{"mail_send", "Please wire money to Bob Smith", ""} {
		e := anEntry()
		e.Tool = tool
		r, sealed, err := Seal(e, k)
		if err != nil {
			t.Fatal(err)
		}
		if got := r.Open(k, sealed); !reflect.DeepEqual(got, e) {
			t.Errorf("opened %+v; want %+v", got, e)
		}
		open, err := json.Marshal(r)
		if err != nil {
			t.Fatal(err)
		}
		for _, secret := range []string{"x@y.z", "deep-down", "a note", "digest-0001", "Bob Smith"} {
			if strings.Contains(string(open), secret) || strings.Contains(string(sealed), secret) {
				t.Errorf("%q lies in the open", secret)
			}
		}
	}
}

func TestAPayloadOpensForItsRowAndKeyAlone(t *testing.T) {
	k := newKey(t, "ann")
	r, sealed, err := Seal(anEntry(), k)
	if err != nil {
		t.Fatal(err)
	}
	other := r
	other.Seq++
	changed := r
	changed.Args = append([]byte{}, r.Args...)
	changed.Args[0] ^= 1
	for name, got := range map[string]Entry{
		"another row": other.Open(k, sealed), "another key": r.Open(newKey(t, "ann"), sealed), "another commitment": changed.Open(k, sealed),
		"a cut payload": r.Open(k, sealed[:len(sealed)-1]), "no payload": r.Open(k, nil),
	} {
		if got.Payload != PayloadDamaged || got.Args != nil || got.Note != "" || got.Digest != "" {
			t.Errorf("%s: %+v", name, got)
		}
	}
	if got := r.Open(nil, sealed); got.Payload != PayloadErased {
		t.Errorf("without a key: %+v", got)
	}
}

func TestAWrappedKeyOpensForItsSubjectAlone(t *testing.T) {
	kek := newKEK(t)
	k, wrapped, err := NewSubjectKey(kek, "acme", "ann")
	if err != nil {
		t.Fatal(err)
	}
	same, err := OpenSubjectKey(kek, "acme", "ann", k.ID, wrapped)
	if err != nil || string(same.Commit("x", []byte("v"))) != string(k.Commit("x", []byte("v"))) {
		t.Errorf("the key itself: %v", err)
	}
	for _, tt := range []struct {
		kek     tink.AEAD
		ws      agent.WorkspaceID
		subject agent.ActorID
		id      int64
	}{{kek, "acme", "bob", k.ID}, {kek, "globex", "ann", k.ID}, {kek, "acme", "ann", k.ID + 1}, {newKEK(t), "acme", "ann", k.ID}} {
		if _, err := OpenSubjectKey(tt.kek, tt.ws, tt.subject, tt.id, wrapped); err == nil {
			t.Errorf("it opens for %s/%s/%d", tt.ws, tt.subject, tt.id)
		}
	}
}

func TestNoTwoRowsHaveTheSameEncoding(t *testing.T) {
	text := rapid.SampledFrom([]string{"", "a", "b", "ab", "\x00", "\xff", "\xfe", "é"})
	gen := rapid.Custom(func(rt *rapid.T) Row {
		r := Row{Seq: rapid.Int64Range(0, 3).Draw(rt, "seq"), At: time.UnixMicro(rapid.Int64Range(-1, 1).Draw(rt, "at")).UTC()}
		for _, p := range []*string{&r.Turn, &r.Call, &r.Tool, &r.Ruling, &r.Rule, &r.Approval, &r.Status} {
			*p = text.Draw(rt, "text")
		}
		for _, p := range []*[]byte{&r.Args, &r.Note, &r.Digest, &r.Fields} {
			if s := text.Draw(rt, "bytes"); s != "" {
				*p = []byte(s)
			}
		}
		if rapid.Bool().Draw(rt, "tiered") {
			tier := rapid.SampledFrom([]agent.Tier{agent.TierRead, agent.TierWrite}).Draw(rt, "tier")
			r.Tier = &tier
		}
		return r
	})
	rapid.Check(t, func(rt *rapid.T) {
		a, b := gen.Draw(rt, "a"), gen.Draw(rt, "b")
		if same := reflect.DeepEqual(a, b); same != (string(a.encode()) == string(b.encode())) {
			rt.Fatalf("same %v, but encoded %x and %x", same, a.encode(), b.encode())
		}
	})
}

// What was hashed once has to be hashed the same way for ever.
func TestTheEncodingStays(t *testing.T) {
	r, _ := split(anEntry())
	r.Key, r.Args, r.Fields = 9, []byte{1, 2}, []byte{3}
	const want = "0TTPDL355FqhWLxYdQgoPYD5pxrKNFOpHUl/PLxZSQk="
	if got := r.Hash().String(); got != want {
		t.Errorf("hash %s; want %s", got, want)
	}
}

func FuzzPayload(f *testing.F) {
	f.Add(payload{digest: "d", tool: "t", note: "n", args: json.RawMessage(`{}`)}.encode())
	f.Add([]byte{1, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1})
	f.Fuzz(func(t *testing.T, raw []byte) {
		p, ok := decodePayload(raw)
		if !ok {
			return
		}
		if again, ok := decodePayload(p.encode()); !ok || !reflect.DeepEqual(again, p) {
			t.Errorf("%+v reads back as %+v", p, again)
		}
	})
}

func TestCanonicalArgumentsAreThoseOfADigest(t *testing.T) {
	for _, raw := range []string{`{"b":1.50,"a":"<&>"}`, `[]`, `"x"`, ` {"z":{"y":[1e3,"q","q"]}} `} {
		want, err := agent.CanonicalJSON([]byte(raw))
		if err != nil {
			t.Fatal(err)
		}
		if got, _, err := canonicalValues([]byte(raw)); err != nil || string(got) != string(want) {
			t.Errorf("%s: %s, %v; want %s", raw, got, err, want)
		}
	}
	_, values, err := canonicalValues([]byte(`{"k":["a","a",2,true,null,{"x":"deep"}]}`))
	if err != nil || strings.Join(values, ",") != "2,a,deep" {
		t.Errorf("values %v, %v", values, err)
	}
}
