package web

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"time"

	"github.com/sous-hq/sous/agent"
	"github.com/sous-hq/sous/agent/approval"
)

// cardView is an approval as a card shows it.
type cardView struct {
	approval.Approval
	Args []argument
	// Brief is what people recognise a decided call by: its first argument.
	Brief string
	// Touches is what the call touches.
	Touches []agent.Note
	// CanDecide says that this reader may decide now; else Why says why not.
	CanDecide bool
	Why       string
	// CanSay says that this reader may ask and answer something, CanEdit that they
	// may write other arguments, and HandTo to whom they may hand it.
	CanSay, CanEdit bool
	HandTo          []agent.Actor
	// Word is the state in a word or two, Standing where an open decision stands,
	// End why nobody decides any more.
	Word     string
	Standing []string
	End      string
	// Event is the id that what is sent from this card has.
	Event string
	// Back is the page to return to after a decision.
	Back string
	// Alone is set where the card stands outside its conversation, Single where it
	// stands by itself.
	Alone, Single bool
}

// card is an approval as this reader sees it.
func (s *Server) card(ctx context.Context, by agent.Actor, a approval.Approval) cardView {
	if a.State == approval.Asked && !s.Now().Before(a.Expires) {
		a.State = approval.Expired
	}
	c := cardView{Approval: a, Args: arguments(a), End: s.end(a), Word: word(a), Event: rand.Text()}
	if a.State != approval.Asked {
		if len(c.Args) > 0 && len(c.Args[0].Lines) > 0 {
			c.Brief = clip(c.Args[0].Lines[0], 90)
		}
		return c
	}
	c.Standing = s.standing(a)
	var err error
	if c.Touches, err = s.Approvals.About(ctx, by, a.ID); err != nil {
		s.Log.WarnContext(ctx, "what a call touches cannot be read", slog.String("approval", a.ID), slog.Any("err", err))
		c.Touches = []agent.Note{{Title: "What it touches", Text: "cannot be looked up right now: " + agent.PublicText(err)}}
	}
	may := a.MayDecide(by)
	asker := a.Call.Actor.Human() == by.Human() && by.Kind == agent.Member
	c.CanSay, c.CanEdit = may == nil || asker, may == nil || asker
	if may != nil {
		c.Why = sentence(agent.PublicText(may))
		return c
	}
	if c.CanDecide = a.Waits(by, s.Now()); !c.CanDecide {
		c.Why = "You approved this; other people have to as well."
		return c
	}
	if a.Kind != approval.ByRequester && !a.Sole {
		if c.HandTo, err = s.Approvals.Colleagues(ctx, by, a.ID); err != nil {
			s.Log.WarnContext(ctx, "colleagues cannot be listed", slog.Any("err", err))
		}
	}
	return c
}

// word is an approval's state in a word or two.
func word(a approval.Approval) string {
	switch a.State {
	case approval.Asked:
		if n := len(a.Votes); n > 0 {
			return fmt.Sprintf("%d of %d approved", n, a.Needs())
		}
		return "Waiting"
	case approval.Approved:
		return "Approved"
	case approval.Spent:
		return "Approved and used"
	case approval.Denied:
		return "Denied"
	case approval.Expired:
		return "Expired"
	case approval.Superseded:
		if len(a.Edited) > 0 {
			return "Changed"
		}
		return "Asked anew"
	case approval.Withdrawn:
		return "Withdrawn"
	}
	return string(a.State)
}

// standing says where an open decision stands: who may decide, who has, and where
// it goes when nobody does.
func (s *Server) standing(a approval.Approval) []string {
	var lines []string
	if groups := a.Groups(); len(groups) > 0 && !a.Sole && a.Kind != approval.ByRequester {
		lines = append(lines, "Decided by members of "+strings.Join(groups, ", ")+".")
	}
	if a.Needs() > 1 {
		who := make([]string, 0, len(a.Votes))
		for _, v := range a.Votes {
			who = append(who, visible(cmp.Or(v.Name, string(v.By)))+", "+s.moment(v.At))
		}
		line := fmt.Sprintf("%d of %d have approved: %s", len(a.Votes), a.Needs(), strings.Join(who, "; "))
		lines = append(lines, strings.TrimSuffix(line, ": ")+".")
	}
	if a.Editor != "" {
		lines = append(lines, "These arguments were written by "+visible(string(a.Editor))+", not by the assistant.")
	}
	for _, d := range a.Handed {
		lines = append(lines, visible(cmp.Or(d.Giver, string(d.From)))+" handed it to "+visible(cmp.Or(d.Name, string(d.To)))+", "+s.moment(d.At)+".")
	}
	if a.Stage > 0 {
		lines = append(lines, "Nobody decided in time, so "+strings.Join(a.Chain[a.Stage-1].Groups, ", ")+" may as well.")
	}
	if at := a.EscalatesAt(); !at.IsZero() {
		lines = append(lines, "Goes to "+strings.Join(a.Chain[a.Stage].Groups, ", ")+" too at "+s.moment(at)+".")
	}
	if a.Reminded > 0 && !a.RemindedAt.IsZero() {
		lines = append(lines, "Those whose turn it is were reminded, "+s.moment(a.RemindedAt)+".")
	}
	return lines
}

// end says, once nobody can decide any more, why, by whom and when.
func (s *Server) end(a approval.Approval) string {
	who := visible(cmp.Or(a.DecidedName, string(a.DecidedBy)))
	switch a.State {
	case approval.Expired:
		if a.DecidedBy != "" {
			return "Expired: " + who + " approved it, but it did not run in time."
		}
		return "Expired, " + s.moment(a.Expires) + ": nobody decided in time."
	case approval.Superseded:
		if len(a.Edited) == 0 {
			return "Asked anew: " + visible(a.Comment) + "."
		}
		return "Changed by " + who + ", " + s.moment(a.DecidedAt) + "; it is asked anew."
	case approval.Withdrawn:
		return "Not asked any more, " + s.moment(a.DecidedAt) + ": " + visible(a.Comment)
	case approval.Denied:
		line := "Denied by " + who + ", " + s.moment(a.DecidedAt)
		if a.Comment != "" {
			return line + ": " + visible(a.Comment)
		}
		return line
	case approval.Approved, approval.Spent:
		votes := a.Votes
		if len(votes) == 0 {
			votes = []approval.Vote{{Name: who, At: a.DecidedAt}}
		}
		each := make([]string, len(votes))
		for i, v := range votes {
			each[i] = visible(cmp.Or(v.Name, string(v.By))) + ", " + s.moment(v.At)
		}
		line := "Approved by " + strings.Join(each, "; ")
		if a.State == approval.Approved {
			line += "; it can run until " + s.moment(a.RunBefore())
		}
		return line
	case approval.Asked:
	}
	return ""
}

// moment is a time to the minute, with its day and zone.
func (s *Server) moment(at time.Time) string { return at.In(s.Zone).Format("2 January 15:04 MST") }

// marked lists arguments of which only the marks are known.
func marked(args json.RawMessage, names []string) []argument {
	return arguments(approval.Approval{Call: agent.Call{Args: args}, Marked: names})
}

// shownOrigins is how many sources a mark names.
const shownOrigins = 3

// arguments lists a call's arguments in the order of its tool, as they will be
// used, with where those from untrusted text came from.
func arguments(a approval.Approval) []argument {
	given := a.Call.Arguments()
	if given == nil {
		return []argument{{Name: "arguments", Lines: valueLines(a.Call.Args), Marked: len(a.Marked) > 0}}
	}
	all := make([]argument, 0, len(given))
	for _, g := range given {
		arg := argument{Name: g.Name, Lines: valueLines(g.Value)}
		arg.Marked = slices.ContainsFunc(a.Marked, func(m string) bool {
			return m == g.Name || strings.HasPrefix(m, g.Name+".") || strings.HasPrefix(m, g.Name+"[")
		})
		if from := a.Origins[g.Name]; arg.Marked && len(from) > 0 {
			arg.From = visible(strings.Join(from[:min(len(from), shownOrigins)], ", "))
			if over := len(from) - shownOrigins; over > 0 {
				arg.From += fmt.Sprintf(" and %d more", over)
			}
		}
		all = append(all, arg)
	}
	return all
}
