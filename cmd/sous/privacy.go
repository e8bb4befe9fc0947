package main

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/sous-hq/sous/agent"
	"github.com/sous-hq/sous/agent/privacy"
	"github.com/sous-hq/sous/integrations/api"
	"github.com/sous-hq/sous/internal/config"
	"github.com/sous-hq/sous/memory"
)

// PersonalData implements api.Privacy.
func (s service) PersonalData(ctx context.Context, by agent.Actor, subject agent.ActorID) ([]privacy.Record, error) {
	if err := privacy.May(by, subject); err != nil {
		return nil, err
	}
	var all []privacy.Record
	err := s.app.db.Show(ctx, by.Workspace, s.app.accounts(subject), func(r privacy.Record) error {
		all = append(all, r)
		return nil
	})
	return all, err
}

// ErasePerson implements api.Privacy. The receipt is written before it is told of.
func (s service) ErasePerson(ctx context.Context, by agent.Actor, subject agent.ActorID, dry, scrub bool) (api.ErasedPerson, error) {
	if err := privacy.May(by, subject); err != nil {
		return api.ErasedPerson{}, err
	}
	a := s.app
	out := api.ErasedPerson{Subject: subject, People: a.accounts(subject), Dry: dry, Elsewhere: a.elsewhere()}
	done, err := a.db.EraseSubject(ctx, privacy.Erasure{By: by, Subject: subject, People: out.People, Dry: dry})
	out.Counts = done.Counts
	if err != nil || dry {
		return out, err
	}
	if err := a.db.Sweep(ctx, scrub); err != nil {
		return out, err
	}
	ring, err := a.db.Keys()
	if err != nil {
		return out, err
	}
	r := privacy.Receipt{
		Workspace: by.Workspace, Subject: subject, People: out.People, By: by.ID, At: now().UTC(),
		Erased: out.Counts, Row: done.Row, Scrubbed: scrub || !a.cfg.DatabaseURL.IsSet(), Elsewhere: out.Elsewhere,
	}
	if out.Receipt, err = r.Sign(ring.Signer); err != nil {
		return out, err
	}
	out.File, err = keepReceipt(a.cfg, r, out.Receipt)
	return out, err
}

// accounts are all accounts of the human behind one of them.
func (a *app) accounts(subject agent.ActorID) []agent.ActorID {
	all := []agent.ActorID{subject}
	if a.people.file == nil {
		return all
	}
	roster := a.people.file.Roster()
	one, known := roster.Account(subject)
	if !known {
		return all
	}
	for _, p := range roster.People() {
		if p.Human() == one.Human() {
			all = append(all, p.ID)
		}
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// elsewhere is where copies may be that Sous cannot reach.
func (a *app) elsewhere() []string {
	all := []string{"backups of the store, until they are gone"}
	if a.cfg.Model.IsSet() {
		all = append(all, "the provider of the model "+a.cfg.Model.Name+", as long as it keeps what it was sent")
	}
	if a.cfg.Slack.IsSet() {
		all = append(all, "messages in Slack")
	}
	if a.cfg.DatabaseURL.IsSet() {
		all = append(all, "the database server's write-ahead log and replicas, until they are overwritten")
	}
	return all
}

// receiptsFolder is where receipts of erasures lie.
func receiptsFolder(cfg config.Config) string { return filepath.Join(cfg.DataDir, "receipts") }

func keepReceipt(cfg config.Config, r privacy.Receipt, signed string) (string, error) {
	dir := receiptsFolder(cfg)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", agent.WrapError(agent.Unavailable, err, "it is erased, but the folder of receipts cannot be made")
	}
	f := filepath.Join(dir, fmt.Sprintf("%s-%d.txt", r.At.Format("20060102T150405Z"), r.Row))
	if err := os.WriteFile(f, []byte(signed), 0o600); err != nil {
		return "", agent.WrapError(agent.Unavailable, err, "it is erased, but the receipt cannot be written")
	}
	return f, nil
}

// Holds implements api.Privacy.
func (s service) Holds(ctx context.Context, by agent.Actor) ([]privacy.Hold, error) {
	if err := privacy.MayAdminister(by); err != nil {
		return nil, err
	}
	return s.app.db.Holds(ctx, by.Workspace)
}

// HoldPerson implements api.Privacy.
func (s service) HoldPerson(ctx context.Context, by agent.Actor, subject agent.ActorID, reason string) (privacy.Hold, error) {
	if err := privacy.MayAdminister(by); err != nil {
		return privacy.Hold{}, err
	}
	if strings.TrimSpace(reason) == "" {
		return privacy.Hold{}, agent.Errorf(agent.Invalid, "a hold needs a reason")
	}
	return s.app.db.Hold(ctx, by, subject, strings.TrimSpace(reason))
}

// ReleasePerson implements api.Privacy.
func (s service) ReleasePerson(ctx context.Context, by agent.Actor, subject agent.ActorID) (privacy.Hold, error) {
	if err := privacy.MayAdminister(by); err != nil {
		return privacy.Hold{}, err
	}
	return s.app.db.Release(ctx, by, subject)
}

// PurgeOld implements api.Privacy.
func (s service) PurgeOld(ctx context.Context, by agent.Actor, dry bool) ([]api.Purged, error) {
	if err := privacy.MayAdminister(by); err != nil {
		return nil, err
	}
	return s.app.purge(ctx, by, dry)
}

// retentionRules are the rules of retention the settings give. One about a kind of
// memory there is none of, a slip of the pen, would keep for ever what it names.
func retentionRules(cfg config.Config) ([]privacy.Rule, error) {
	rules, err := privacy.ParseRules(cfg.Retention)
	if err != nil {
		return nil, err
	}
	for _, r := range rules {
		if r.Kind != "" && !memory.Kind(r.Kind).Known() {
			return nil, agent.Errorf(agent.Invalid, "retention: there is no kind of memory called %q; known are %s", r.Kind, kindNames())
		}
	}
	return rules, nil
}

func kindNames() string {
	var names []string
	for _, k := range memory.Kinds() {
		names = append(names, string(k))
	}
	return strings.Join(names, ", ")
}

// purgeAtOnce is how many requests or things one transaction lets go.
const purgeAtOnce = 200

// purge applies the rules of retention. A rule that fails does not keep the others.
func (a *app) purge(ctx context.Context, by agent.Actor, dry bool) ([]api.Purged, error) {
	rules, err := retentionRules(a.cfg)
	if err != nil {
		return nil, err
	}
	var all []api.Purged
	for _, r := range rules {
		p := privacy.Purge{By: by, Rule: r, Before: now().Add(-r.Keep), Dry: dry, Limit: purgeAtOnce}
		if dry {
			p.Limit = 1 << 30
		}
		out := api.Purged{Rule: r.String(), Counts: privacy.Counts{}}
		for {
			done, err := a.db.Purge(ctx, p)
			for kind, n := range done.Counts {
				out.Counts[kind] += n
			}
			if err != nil {
				out.Error = agent.PublicText(err)
			}
			if err != nil || dry || done.Counts.Total() == 0 || ctx.Err() != nil {
				break
			}
		}
		all = append(all, out)
	}
	return all, ctx.Err()
}

// tidy purges every night at three until the context ends.
func (a *app) tidy(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-time.After(time.Until(nextNight(now().In(a.cfg.Timezone)))):
		}
		for _, ws := range a.workspaces() {
			a.purgeNightly(ctx, ws)
		}
	}
}

func (a *app) purgeNightly(ctx context.Context, ws agent.WorkspaceID) {
	system := agent.Actor{Workspace: ws, ID: "sous", Kind: agent.System, Name: "Sous"}
	all, err := a.purge(ctx, system, false)
	for _, p := range all {
		a.log.InfoContext(ctx, "retention", slog.String("workspace", string(ws)), slog.String("rule", p.Rule), slog.String("gone", p.Counts.String()), slog.String("err", p.Error))
	}
	if err != nil && ctx.Err() == nil {
		a.log.ErrorContext(ctx, "the nightly purge failed; it is tried again tomorrow", slog.String("workspace", string(ws)), slog.Any("err", err))
	}
}

// nextNight is the next three o'clock in the zone of the time.
func nextNight(now time.Time) time.Time {
	at := time.Date(now.Year(), now.Month(), now.Day(), 3, 0, 0, 0, now.Location())
	if !at.After(now) {
		at = time.Date(now.Year(), now.Month(), now.Day()+1, 3, 0, 0, 0, now.Location())
	}
	return at
}
