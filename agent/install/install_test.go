package install_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/tink-crypto/tink-go/v2/aead"
	"github.com/tink-crypto/tink-go/v2/keyset"
	"github.com/tink-crypto/tink-go/v2/tink"

	"github.com/sous-hq/sous/agent/install"
)

func kek(t *testing.T) tink.AEAD {
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

func TestCredentialsOpenForTheirOwnInstallationAlone(t *testing.T) {
	k := kek(t)
	i := install.Installation{Workspace: "w", System: "slack", Team: "T1", Token: "xoxb-planted", Refresh: "xoxe-planted"}
	box, err := i.Seal(k)
	if err != nil || strings.Contains(string(box), "planted") {
		t.Fatalf("sealed %q, %v", box, err)
	}
	bare := i
	bare.Token, bare.Refresh = "", ""
	if got, err := bare.Open(k, box); err != nil || got.Token != i.Token || got.Refresh != i.Refresh {
		t.Errorf("opened %v", err)
	}
	for name, other := range map[string]install.Installation{
		"another team":      {Workspace: "w", System: "slack", Team: "T2"},
		"another workspace": {Workspace: "v", System: "slack", Team: "T1"},
		"another system":    {Workspace: "w", System: "sl", Team: "ackT1"},
	} {
		if _, err := other.Open(k, box); err == nil {
			t.Errorf("%s opened them", name)
		}
	}
	if _, err := bare.Open(kek(t), box); err == nil {
		t.Error("another key opened them")
	}
	box[len(box)-1] ^= 1
	if _, err := bare.Open(k, box); err == nil {
		t.Error("what was changed opened")
	}
}

func TestCredentialsAreNotPrinted(t *testing.T) {
	i := install.Installation{Token: "xoxb-planted", Refresh: "xoxe-planted"}
	raw, err := json.Marshal(struct {
		install.Installation
		Alone install.Secret
	}{i, i.Token})
	if err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{string(raw), fmt.Sprint(i), fmt.Sprintf("%+v %#v %v", i, i, i.Token), i.Token.LogValue().String()} {
		if strings.Contains(text, "planted") {
			t.Errorf("printed: %s", text)
		}
	}
}

func TestATokenIsRenewedBeforeItEnds(t *testing.T) {
	now := time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC)
	i := install.Installation{Refresh: "r", Expires: now.Add(time.Hour)}
	if i.Due(now, time.Minute) || !i.Due(now, 2*time.Hour) || !i.Due(now.Add(2*time.Hour), 0) {
		t.Error("due at the wrong time")
	}
	if (install.Installation{Refresh: "r"}).Due(now, time.Hour) || (install.Installation{Expires: now}).Due(now, time.Hour) {
		t.Error("due without an end or without a refresh token")
	}
}
