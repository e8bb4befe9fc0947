package api

import (
	"context"
	"net/http"
	"net/url"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/sous-hq/sous/agent"
	"github.com/sous-hq/sous/agent/feedback"
)

// Feedback takes and shows what people think of answers.
type Feedback interface {
	// Rate keeps what the actor thinks of a turn they may see, in place of what they
	// thought before.
	Rate(ctx context.Context, by agent.Actor, turn string, o feedback.Opinion) (feedback.Rating, error)
	// Ratings lists what people thought, newest first, and counts it. Owners and
	// administrators see everybody's, others their own.
	Ratings(ctx context.Context, by agent.Actor, f feedback.Filter) (Ratings, error)
}

// Ratings are what people thought of answers.
type Ratings struct {
	feedback.Tally
	Ratings []feedback.Rating `json:"ratings"`
}

type rateIn struct {
	ID   string `path:"id" maxLength:"300"`
	Body struct {
		Good    bool              `json:"good"`
		Reasons []feedback.Reason `json:"reasons,omitempty" maxItems:"10" doc:"wrong, incomplete, unsourced, unwanted, slow, other"`
		Text    string            `json:"text,omitempty" maxLength:"3000"`
	}
}

type ratingsIn struct {
	Turn  string    `query:"turn"`
	By    string    `query:"by"`
	Bad   bool      `query:"bad" doc:"Leave out the good ones."`
	Since time.Time `query:"since"`
	Limit int       `query:"limit" minimum:"0" maximum:"1000" doc:"The newest are kept; all are counted."`
}

func (s *server) feedback(h huma.API) {
	svc := s.Service
	huma.Register(h, operation(http.MethodPost, "/turns/{id}/feedback", "rate-turn", "Say what you think of an answer"),
		call(s, func(ctx context.Context, by agent.Actor, in *rateIn) (feedback.Rating, error) {
			return svc.Rate(ctx, by, in.ID, feedback.Opinion{Good: in.Body.Good, Reasons: in.Body.Reasons, Text: in.Body.Text})
		}))
	huma.Register(h, operation(http.MethodGet, "/feedback", "list-feedback", "What people thought of answers"),
		call(s, func(ctx context.Context, by agent.Actor, in *ratingsIn) (Ratings, error) {
			all, err := svc.Ratings(ctx, by, feedback.Filter{Turn: in.Turn, By: agent.ActorID(in.By), Bad: in.Bad, Since: in.Since, Limit: in.Limit})
			if all.Ratings == nil {
				all.Ratings = []feedback.Rating{}
			}
			return all, err
		}))
}

// Rate implements Feedback.
func (c *Client) Rate(ctx context.Context, _ agent.Actor, turn string, o feedback.Opinion) (feedback.Rating, error) {
	var in rateIn
	in.Body.Good, in.Body.Reasons, in.Body.Text = o.Good, o.Reasons, o.Text
	q, err := post(pathTo("turns", turn, "/feedback"), in.Body)
	if err != nil {
		return feedback.Rating{}, err
	}
	return ask[feedback.Rating](ctx, c, q)
}

// Ratings implements Feedback.
func (c *Client) Ratings(ctx context.Context, _ agent.Actor, f feedback.Filter) (Ratings, error) {
	query := url.Values{}
	set(query, "turn", f.Turn)
	set(query, "by", string(f.By))
	if f.Bad {
		query.Set("bad", "true")
	}
	if !f.Since.IsZero() {
		query.Set("since", f.Since.Format(time.RFC3339Nano))
	}
	number(query, "limit", int64(f.Limit))
	return ask[Ratings](ctx, c, get("/feedback", query))
}
