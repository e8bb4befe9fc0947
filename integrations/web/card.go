package web

import (
	"cmp"
	"fmt"
	"strings"
	"time"

	"github.com/sous-hq/sous/agent"
	"github.com/sous-hq/sous/agent/approval"
)

func (s *Server) card(a approval.Approval, by agent.Actor) cardView {
	if a.State == approval.Asked && !s.Now().Before(a.Expires) {
		a.State = approval.Expired
	}
	c := cardView{Approval: a, Args: arguments(a.Call.Args, a.Marked), End: s.end(a)}
	if a.State != approval.Asked {
		return c
	}
	c.Standing = s.standing(a)
	if err := a.MayDecide(by); err != nil {
		c.Why = sentence(agent.PublicText(err))
		return c
	}
	if c.CanDecide = a.Waits(by, s.Now()); !c.CanDecide {
		c.Why = "You approved this; other people have to as well."
	}
	return c
}

// standing says where an open decision stands: who may decide, who has, where it
// goes when nobody does, and what was said about it.
func (s *Server) standing(a approval.Approval) []string {
	var lines []string
	if groups := a.Groups(); len(groups) > 0 && !a.Sole {
		lines = append(lines, "Decided by members of "+strings.Join(groups, ", ")+".")
	}
	if a.Needs() > 1 {
		who := make([]string, 0, len(a.Votes))
		for _, v := range a.Votes {
			who = append(who, visible(cmp.Or(v.Name, string(v.By))))
		}
		line := fmt.Sprintf("%d of %d have approved: %s", len(a.Votes), a.Needs(), strings.Join(who, ", "))
		lines = append(lines, strings.TrimSuffix(line, ": ")+".")
	}
	for _, d := range a.Handed {
		lines = append(lines, visible(string(d.From))+" handed it to "+visible(cmp.Or(d.Name, string(d.To)))+".")
	}
	if at := a.EscalatesAt(); !at.IsZero() {
		lines = append(lines, "Goes to "+strings.Join(a.Chain[a.Stage].Groups, ", ")+" at "+s.moment(at)+".")
	}
	for _, n := range a.Notes {
		lines = append(lines, visible(cmp.Or(n.Name, string(n.By)))+": "+visible(n.Text))
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
		return "Expired: nobody decided in time."
	case approval.Superseded:
		if len(a.Edited) == 0 {
			return "Asked anew: " + visible(a.Comment) + "."
		}
		return "Changed by " + who + ", " + s.moment(a.DecidedAt) + "; it is asked anew."
	case approval.Withdrawn:
		return "Not asked any more: " + visible(a.Comment)
	case approval.Asked, approval.Approved, approval.Denied, approval.Spent:
	}
	return ""
}

func (s *Server) moment(at time.Time) string { return at.In(s.Zone).Format("2 January 15:04 MST") }
