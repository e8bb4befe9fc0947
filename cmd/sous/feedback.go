package main

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/sous-hq/sous/agent"
	"github.com/sous-hq/sous/agent/feedback"
	"github.com/sous-hq/sous/agent/pause"
	"github.com/sous-hq/sous/integrations/api"
)

// Rate implements api.Feedback.
func (s service) Rate(ctx context.Context, by agent.Actor, turn string, o feedback.Opinion) (feedback.Rating, error) {
	v, err := s.View(ctx, by, turn)
	if err != nil {
		return feedback.Rating{}, err
	}
	r, err := feedback.New(by, v.Turn, o, now())
	if err != nil {
		return feedback.Rating{}, err
	}
	if err := s.app.db.feedback.Rate(ctx, r); err != nil {
		return feedback.Rating{}, err
	}
	s.app.metrics.Feedback(r.Verdict())
	return r, nil
}

// Ratings implements api.Feedback.
func (s service) Ratings(ctx context.Context, by agent.Actor, f feedback.Filter) (api.Ratings, error) {
	if !by.Owner && !slices.ContainsFunc(pause.Administrators(), func(g string) bool { return slices.Contains(by.Groups, g) }) {
		if f.By != "" && f.By != by.ID {
			return api.Ratings{}, agent.Errorf(agent.Forbidden, "only owners and administrators see what others thought")
		}
		f.By = by.ID
	}
	all, err := s.app.db.feedback.Ratings(ctx, by.Workspace, f)
	if err != nil {
		return api.Ratings{}, err
	}
	n, err := s.app.db.feedback.Tally(ctx, by.Workspace, f)
	return api.Ratings{Tally: n, Ratings: all}, err
}

func (c *cli) feedbackCommand() *cobra.Command {
	f := feedback.Filter{Limit: 20}
	var since time.Duration
	cmd := c.jsonFlag(&cobra.Command{
		Use: "feedback", Short: "What people thought of answers, the newest first", Args: cobra.NoArgs,
		Example: "  sous feedback --bad --since 168h\n  sous feedback --turn TURN --json",
		RunE: func(cmd *cobra.Command, _ []string) error {
			if since > 0 {
				f.Since = now().Add(-since)
			}
			return c.reading(cmd.Context(), "feedback", func(s *session) error {
				got, err := s.Ratings(cmd.Context(), s.by, f)
				switch {
				case err != nil:
					return err
				case c.asJSON:
					got.Ratings = orEmpty(got.Ratings)
					return c.printJSON(got)
				}
				c.printRatings(got)
				return nil
			})
		},
	})
	cmd.Flags().StringVar(&f.Turn, "turn", "", "of this turn alone")
	cmd.Flags().BoolVar(&f.Bad, "bad", false, "leave out the good ones")
	cmd.Flags().DurationVar(&since, "since", 0, "of so long ago at most, such as 168h")
	cmd.Flags().IntVar(&f.Limit, "limit", f.Limit, "list at most this many; all are counted")
	return cmd
}

func (c *cli) printRatings(got api.Ratings) {
	if got.Good+got.Bad == 0 {
		c.printf("Nobody has said anything about answers.\n")
		return
	}
	var why []string
	for _, r := range slices.Sorted(maps.Keys(got.Reasons)) {
		why = append(why, fmt.Sprintf("%d %s", got.Reasons[r], r))
	}
	c.printf("%d good, %d bad", got.Good, got.Bad)
	if len(why) > 0 {
		c.printf(" (%s)", strings.Join(why, ", "))
	}
	c.printf("\n")
	for _, r := range got.Ratings {
		reasons := make([]string, len(r.Reasons))
		for i, reason := range r.Reasons {
			reasons[i] = string(reason)
		}
		c.printf("%s  %-4s  %-16s  %s  %s\n", r.At.Local().Format(time.DateTime), r.Verdict(), or(r.Name, string(r.By)), r.Turn, strings.Join(reasons, ", "))
		if r.Text != "" {
			c.printf("    %s\n", strings.ReplaceAll(r.Text, "\n", "\n    "))
		}
	}
}

func or(a, b string) string {
	if a != "" {
		return a
	}
	return b
}
