package api_test

import (
	"context"
	"slices"
	"testing"

	"github.com/sous-hq/sous/agent"
	"github.com/sous-hq/sous/agent/privacy"
	"github.com/sous-hq/sous/integrations/api"
	"github.com/sous-hq/sous/integrations/sqlite"
)

func (l local) store() *sqlite.DB { return l.rig.DB.(*sqlite.DB) }

func (l local) PersonalData(ctx context.Context, by agent.Actor, subject agent.ActorID) (all []privacy.Record, err error) {
	err = l.store().Show(ctx, by.Workspace, []agent.ActorID{subject}, func(r privacy.Record) error {
		all = append(all, r)
		return nil
	})
	return all, err
}

func (l local) ErasePerson(ctx context.Context, by agent.Actor, subject agent.ActorID, dry, scrub bool) (api.ErasedPerson, error) {
	people := []agent.ActorID{subject}
	done, err := l.store().EraseSubject(ctx, privacy.Erasure{By: by, Subject: subject, People: people, Dry: dry})
	out := api.ErasedPerson{Subject: subject, People: people, Counts: done.Counts, Dry: dry}
	if scrub {
		out.Elsewhere = []string{"scrubbed"}
	}
	return out, err
}

func (l local) Holds(ctx context.Context, by agent.Actor) ([]privacy.Hold, error) {
	return l.store().Holds(ctx, by.Workspace)
}

func (l local) HoldPerson(ctx context.Context, by agent.Actor, subject agent.ActorID, reason string) (privacy.Hold, error) {
	return l.store().Hold(ctx, by, subject, reason)
}

func (l local) ReleasePerson(ctx context.Context, by agent.Actor, subject agent.ActorID) (privacy.Hold, error) {
	return l.store().Release(ctx, by, subject)
}

func (l local) PurgeOld(_ context.Context, _ agent.Actor, dry bool) ([]api.Purged, error) {
	if dry {
		return []api.Purged{{Rule: "files kept for 3 days", Counts: privacy.Counts{"files": 2}}}, nil
	}
	return nil, nil
}

func TestWhatIsHeldAboutPeople(t *testing.T) {
	both(t, func(t *testing.T, svc api.Service, p local) {
		ctx := t.Context()
		if err := p.store().SaveFile(ctx, agent.File{FileRef: agent.FileRef{ID: "f1", Name: "plan.txt"}, Workspace: ann.Workspace, Owner: "carol/1", Content: []byte("hello")}); err != nil {
			t.Fatal(err)
		}
		if all, err := svc.PersonalData(ctx, ann, "carol/1"); err != nil || len(all) != 2 || all[0].Kind != "files" || all[1].Kind != "audit record" {
			t.Errorf("%+v, %v", all, err)
		}
		if h, err := svc.HoldPerson(ctx, ann, "carol/1", "a dispute"); err != nil || h.Subject != "carol/1" || h.Reason != "a dispute" {
			t.Errorf("%+v, %v", h, err)
		}
		wantKind(t, agent.Conflict)(svc.ErasePerson(ctx, ann, "carol/1", false, false))
		if all, err := svc.Holds(ctx, ann); err != nil || len(all) != 1 {
			t.Errorf("%+v, %v", all, err)
		}
		if _, err := svc.ReleasePerson(ctx, ann, "carol/1"); err != nil {
			t.Error(err)
		}
		wantKind(t, agent.NotFound)(svc.ReleasePerson(ctx, ann, "carol/1"))
		if out, err := svc.ErasePerson(ctx, ann, "carol/1", true, true); err != nil || !out.Dry || out.Counts["files"] != 1 || len(out.Elsewhere) != 1 {
			t.Errorf("%+v, %v", out, err)
		}
		if out, err := svc.ErasePerson(ctx, ann, "carol/1", false, false); err != nil || out.Counts["files"] != 1 {
			t.Errorf("%+v, %v", out, err)
		}
		if all, err := svc.PersonalData(ctx, ann, "carol/1"); err != nil || slices.ContainsFunc(all, func(r privacy.Record) bool { return r.Kind != "audit record" }) {
			t.Errorf("%+v, %v", all, err)
		}
		if all, err := svc.PurgeOld(ctx, ann, true); err != nil || len(all) != 1 || all[0].Counts["files"] != 2 {
			t.Errorf("%+v, %v", all, err)
		}
	})
}
