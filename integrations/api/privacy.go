package api

import (
	"context"
	"net/http"
	"net/url"

	"github.com/danielgtaylor/huma/v2"

	"github.com/sous-hq/sous/agent"
	"github.com/sous-hq/sous/agent/privacy"
)

// Privacy is what people may ask about what is held of them; see agent/privacy
// for who may.
type Privacy interface {
	// PersonalData returns all that is held about a person.
	PersonalData(ctx context.Context, by agent.Actor, subject agent.ActorID) ([]privacy.Record, error)
	// ErasePerson erases it, or says what would go when dry.
	ErasePerson(ctx context.Context, by agent.Actor, subject agent.ActorID, dry, scrub bool) (ErasedPerson, error)
	// Holds lists the people whose data must stay, HoldPerson and ReleasePerson
	// begin and end it.
	Holds(ctx context.Context, by agent.Actor) ([]privacy.Hold, error)
	HoldPerson(ctx context.Context, by agent.Actor, subject agent.ActorID, reason string) (privacy.Hold, error)
	ReleasePerson(ctx context.Context, by agent.Actor, subject agent.ActorID) (privacy.Hold, error)
	// PurgeOld takes out what is older than the rules allow, or counts it when dry.
	PurgeOld(ctx context.Context, by agent.Actor, dry bool) ([]Purged, error)
}

// ErasedPerson is what an erasure came to, or would.
type ErasedPerson struct {
	Subject agent.ActorID   `json:"subject"`
	People  []agent.ActorID `json:"accounts"`
	Counts  privacy.Counts  `json:"counts"`
	Dry     bool            `json:"dry,omitempty"`
	// Receipt is the signed receipt, File where the server keeps it.
	Receipt string `json:"receipt,omitempty"`
	File    string `json:"file,omitempty"`
	// Elsewhere is where copies may be that Sous cannot reach.
	Elsewhere []string `json:"elsewhere,omitempty"`
}

// Purged is what one rule of retention let go.
type Purged struct {
	Rule   string         `json:"rule"`
	Counts privacy.Counts `json:"counts"`
	// Error says why it stopped, empty when it did not.
	Error string `json:"error,omitempty"`
}

type subjectIn struct {
	ID string `path:"id" maxLength:"300"`
}

type eraseIn struct {
	ID    string `path:"id" maxLength:"300"`
	Dry   bool   `query:"dry"`
	Scrub bool   `query:"scrub" doc:"Rewrite the files of the database too; PostgreSQL locks each table meanwhile."`
}

type holdIn struct {
	ID   string `path:"id" maxLength:"300"`
	Body struct {
		Reason string `json:"reason" minLength:"1" maxLength:"500"`
	}
}

type purgeIn struct {
	Dry bool `query:"dry"`
}

func (s *server) privacy(h huma.API) {
	const get, post = http.MethodGet, http.MethodPost
	svc := s.Service
	huma.Register(h, operation(get, "/people/{id}/data", "personal-data", "All that is held about a person"),
		call(s, func(ctx context.Context, by agent.Actor, in *subjectIn) ([]privacy.Record, error) {
			return list(svc.PersonalData(ctx, by, agent.ActorID(in.ID)))
		}))
	huma.Register(h, operation(post, "/people/{id}/erasure", "erase-person", "Erase what is held about a person"),
		call(s, func(ctx context.Context, by agent.Actor, in *eraseIn) (ErasedPerson, error) {
			return svc.ErasePerson(ctx, by, agent.ActorID(in.ID), in.Dry, in.Scrub)
		}))
	huma.Register(h, operation(get, "/holds", "list-holds", "People whose data must stay"),
		call(s, func(ctx context.Context, by agent.Actor, _ *struct{}) ([]privacy.Hold, error) {
			return list(svc.Holds(ctx, by))
		}))
	huma.Register(h, operation(post, "/people/{id}/hold", "hold-person", "Keep a person's data from being erased"),
		call(s, func(ctx context.Context, by agent.Actor, in *holdIn) (privacy.Hold, error) {
			return svc.HoldPerson(ctx, by, agent.ActorID(in.ID), in.Body.Reason)
		}))
	lift := operation(http.MethodDelete, "/people/{id}/hold", "release-person", "Let a person's data be erased again")
	lift.DefaultStatus = http.StatusOK
	huma.Register(h, lift, call(s, func(ctx context.Context, by agent.Actor, in *subjectIn) (privacy.Hold, error) {
		return svc.ReleasePerson(ctx, by, agent.ActorID(in.ID))
	}))
	huma.Register(h, operation(post, "/purges", "purge", "Take out what is older than the rules of retention allow"),
		call(s, func(ctx context.Context, by agent.Actor, in *purgeIn) ([]Purged, error) {
			return list(svc.PurgeOld(ctx, by, in.Dry))
		}))
}

// PersonalData implements Privacy.
func (c *Client) PersonalData(ctx context.Context, _ agent.Actor, subject agent.ActorID) ([]privacy.Record, error) {
	return ask[[]privacy.Record](ctx, c, get(pathTo("people", string(subject), "/data"), nil))
}

// ErasePerson implements Privacy.
func (c *Client) ErasePerson(ctx context.Context, _ agent.Actor, subject agent.ActorID, dry, scrub bool) (ErasedPerson, error) {
	query := url.Values{}
	flag(query, "dry", dry)
	flag(query, "scrub", scrub)
	return ask[ErasedPerson](ctx, c, request{method: http.MethodPost, path: pathTo("people", string(subject), "/erasure"), query: query})
}

// Holds implements Privacy.
func (c *Client) Holds(ctx context.Context, _ agent.Actor) ([]privacy.Hold, error) {
	return ask[[]privacy.Hold](ctx, c, get("/holds", nil))
}

// HoldPerson implements Privacy.
func (c *Client) HoldPerson(ctx context.Context, _ agent.Actor, subject agent.ActorID, reason string) (privacy.Hold, error) {
	var in holdIn
	in.Body.Reason = reason
	q, err := post(pathTo("people", string(subject), "/hold"), in.Body)
	if err != nil {
		return privacy.Hold{}, err
	}
	return ask[privacy.Hold](ctx, c, q)
}

// ReleasePerson implements Privacy.
func (c *Client) ReleasePerson(ctx context.Context, _ agent.Actor, subject agent.ActorID) (privacy.Hold, error) {
	return ask[privacy.Hold](ctx, c, request{method: http.MethodDelete, path: pathTo("people", string(subject), "/hold")})
}

// PurgeOld implements Privacy.
func (c *Client) PurgeOld(ctx context.Context, _ agent.Actor, dry bool) ([]Purged, error) {
	query := url.Values{}
	flag(query, "dry", dry)
	return ask[[]Purged](ctx, c, request{method: http.MethodPost, path: "/purges", query: query})
}

func flag(query url.Values, name string, on bool) {
	if on {
		query.Set(name, "true")
	}
}
