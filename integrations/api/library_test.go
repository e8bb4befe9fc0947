package api_test

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/sous-hq/sous/agent"
	"github.com/sous-hq/sous/integrations/api"
	"github.com/sous-hq/sous/integrations/sqlite"
	"github.com/sous-hq/sous/memory"
	"github.com/sous-hq/sous/memory/ingest"
	"github.com/sous-hq/sous/tools"
)

func (l local) shelf() (*ingest.Shelf, error) {
	db, ok := l.rig.DB.(*sqlite.DB)
	if !ok {
		return nil, errors.New("the rig is not on SQLite")
	}
	m, err := memory.New(memory.Config{Store: sqlite.NewMemories(db), Clock: time.Now})
	if err != nil {
		return nil, err
	}
	return ingest.NewShelf(m, tools.Scanned)
}

func (l local) Imported(ctx context.Context, by agent.Actor, collection string) ([]ingest.Known, error) {
	s, err := l.shelf()
	if err != nil {
		return nil, err
	}
	return s.Imported(ctx, by, collection)
}

func (l local) Import(ctx context.Context, by agent.Actor, d ingest.Document) (ingest.Stored, error) {
	s, err := l.shelf()
	if err != nil {
		return ingest.Stored{}, err
	}
	return s.Import(ctx, by, d)
}

func (l local) Unimport(ctx context.Context, by agent.Actor, ids []string) (int, error) {
	s, err := l.shelf()
	if err != nil {
		return 0, err
	}
	return s.Unimport(ctx, by, ids)
}

func TestDocumentsAreImportedListedAndRemoved(t *testing.T) {
	both(t, func(t *testing.T, svc api.Service, _ local) {
		sum := sha256.Sum256([]byte("x"))
		d := ingest.Document{
			Parsed: memory.Parsed{Format: "markdown", Title: "VPN & <keys>", At: time.Date(2026, 2, 1, 0, 0, 0, 0, time.UTC), Warnings: []string{"w"}, Blocks: []memory.Block{
				{Level: 1, Text: "VPN", Line: 1}, {Text: strings.Repeat("\x01 \"quoted\" 会議 ", 50_000), Line: 3}, {Text: "End.", Page: 2},
			}},
			Source: "kb/vpn.md", Collection: "dir:/kb", Hash: hex.EncodeToString(sum[:]), Written: time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC),
			Sharing: ingest.Sharing{Readers: agent.Only("bob"), Data: []string{"hr"}},
		}
		first, err := svc.Import(t.Context(), ann, d)
		if err != nil || !first.Fresh || first.Passages < 100 {
			t.Fatalf("%+v, %v", first, err)
		}
		if again, err := svc.Import(t.Context(), ann, d); err != nil || again.Fresh || again.ID != first.ID {
			t.Errorf("again: %+v, %v", again, err)
		}
		known, err := svc.Imported(t.Context(), ann, "dir:/kb")
		if err != nil || len(known) != 1 || known[0].ID != first.ID || known[0].Title != d.Title || known[0].Hash != d.Hash || known[0].Source != d.Source || known[0].Remembered.IsZero() {
			t.Errorf("known are %+v, %v", known, err)
		}
		if other, err := svc.Imported(t.Context(), ann, "dir:/other"); err != nil || len(other) != 0 {
			t.Errorf("of another collection %v, %v", other, err)
		}
		d.Hash = "none"
		if _, err := svc.Import(t.Context(), ann, d); agent.KindOf(err) != agent.Invalid {
			t.Errorf("without a hash: %v", err)
		}
		if n, err := svc.Unimport(t.Context(), ann, []string{first.ID, "nothing"}); n != 1 || err != nil {
			t.Errorf("removed %d, %v", n, err)
		}
	})
}

func (l local) Facts(_ context.Context, _ agent.Actor, q api.FactsQuery) ([]api.Fact, error) {
	return []api.Fact{{
		ID: "m-1", Kind: "fact", Text: q.Query, Who: "Ann", Where: "a direct message", When: time.Date(2026, 3, 1, 9, 0, 0, q.Limit, time.UTC), Citation: "c",
		Against: []api.FactRef{{ID: "m-2", Text: "<other>", Citation: "d"}}, Before: make([]api.FactRef, map[bool]int{true: 2}[q.History]),
	}}, nil
}

func (l local) ForgetItem(_ context.Context, _ agent.Actor, id string, forGood bool) (api.Memory, error) {
	if id != "m-1" {
		return api.Memory{}, agent.Errorf(agent.NotFound, "nothing is remembered under %q", id)
	}
	return api.Memory{ID: id, Title: map[bool]string{true: "gone", false: "forgotten"}[forGood]}, nil
}

func (l local) RestoreItem(_ context.Context, _ agent.Actor, id string) (api.Memory, error) {
	return api.Memory{ID: id, Text: "back"}, nil
}

func TestFactsSurviveTheWay(t *testing.T) {
	p := newLocal(t)
	client := serve(t, p)
	q := api.FactsQuery{Query: "launch & <date>", History: true, Limit: 7}
	same(t, func(s api.Service) (any, error) { return s.Facts(t.Context(), ann, q) }, p, client)
	same(t, func(s api.Service) (any, error) { return s.Facts(t.Context(), ann, api.FactsQuery{}) }, p, client)
	for _, forGood := range []bool{false, true} {
		same(t, func(s api.Service) (any, error) { return s.ForgetItem(t.Context(), ann, "m-1", forGood) }, p, client)
	}
	same(t, func(s api.Service) (any, error) { return s.RestoreItem(t.Context(), ann, "m 2/x") }, p, client)
	if _, err := client.ForgetItem(t.Context(), ann, "m-9", false); agent.KindOf(err) != agent.NotFound {
		t.Errorf("an unknown id: %v", err)
	}
}

func (l local) Vectors(context.Context, agent.Actor) (memory.IndexStatus, error) {
	return memory.IndexStatus{
		Generations: []memory.Generation{{ID: 3, Model: "m <1>", Dimension: 384, State: memory.Building, Created: time.Date(2026, 3, 1, 9, 0, 0, 0, time.UTC), Vectors: 7, Waiting: 2}},
		Held:        &memory.Comparison{Passages: 9, Before: .5, After: .25}, Problem: "away",
	}, nil
}

func (l local) Reembed(_ context.Context, by agent.Actor, anyway bool) (memory.Generation, error) {
	if !anyway {
		return memory.Generation{}, agent.Errorf(agent.Conflict, "%s has that already", by.ID)
	}
	return memory.Generation{ID: 4, Model: "m"}, nil
}

func (l local) CancelReembed(context.Context, agent.Actor) error {
	return agent.Errorf(agent.NotFound, "no vectors are being made")
}

func TestVectorsSurviveTheWay(t *testing.T) {
	p := newLocal(t)
	client := serve(t, p)
	same(t, func(s api.Service) (any, error) { return s.Vectors(t.Context(), ann) }, p, client)
	same(t, func(s api.Service) (any, error) { return s.Reembed(t.Context(), ann, true) }, p, client)
	if _, err := client.Reembed(t.Context(), ann, false); agent.KindOf(err) != agent.Conflict || !strings.Contains(err.Error(), "has that already") {
		t.Errorf("embedding anew in vain: %v", err)
	}
	if err := client.CancelReembed(t.Context(), ann); agent.KindOf(err) != agent.NotFound {
		t.Errorf("cancelling nothing: %v", err)
	}
}
