package slack

import (
	"context"
	"encoding/json"
	"fmt"
	"math"
	"strings"
	"time"

	"github.com/slack-go/slack"

	"github.com/sous-hq/sous/agent"
	"github.com/sous-hq/sous/agent/loop"
	"github.com/sous-hq/sous/tools"
)

// What a person says about where a request belongs. The block names the turn, the
// value the team.
const (
	actRight   = "sous_route_right"
	actReroute = "sous_route"

	routeBlock = loop.RoutePrefix
)

// maxOption is how long the label of a choice may be, maxOptions how many there are.
const (
	maxOption  = 75
	maxOptions = 100
)

// maxRequest is how much of a request its card shows, in characters: what is learned
// from has to be read whole, short of a novel.
const maxRequest = 1500

// Route is what the router answered, as the turn keeps it.
type Route struct {
	Team   string `json:"team"`
	Person *struct {
		ID        agent.ActorID `json:"id"`
		Name      string        `json:"name"`
		Available bool          `json:"available"`
		From      time.Time     `json:"from"`
	} `json:"person"`
	// Confidence is from 0 to 1.
	Confidence float64  `json:"confidence"`
	Reasons    []string `json:"reasons"`
	RunnerUp   string   `json:"runner_up"`
	// Request is the text this is the answer for.
	Request string `json:"request"`
}

// Belongs is where a request belongs and what a person said of it.
type Belongs struct {
	Route
	// Turn is the one that asked.
	Turn string
	// Teams are those it may belong to instead.
	Teams []string
	// Said is the team a person named, and By who did.
	Said string
	By   agent.Actor
}

// belongs reads what a turn found out about where a request belongs; false when
// there is nothing a person could correct.
func (b *Bot) belongs(v loop.View) (Belongs, bool) {
	r := Belongs{Turn: v.ID}
	raw := v.Artifacts["routing"]
	if raw == nil || b.Teams == nil || json.Unmarshal(raw, &r.Route) != nil || strings.TrimSpace(r.Request) == "" {
		return r, false
	}
	r.Teams = b.Teams()
	return r, len(r.Teams) > 0
}

// RoutingCard says where a request belongs, how sure that is and why, and takes a
// person's word for it or against it, which the router learns from.
func RoutingCard(r Belongs) []slack.Block {
	said := "> " + escape(clip(oneLine(visible(r.Request)), maxRequest))
	if r.Said != "" {
		return []slack.Block{
			section("Belongs to *" + escape(r.Said) + "*\n" + said),
			small(person(r.By.ID, r.By.Name) + " says where this belongs; I learn from it."),
		}
	}
	title, another := "I do not know which team this belongs to.", "Choose a team"
	var why []string
	if r.Team != "" {
		title, another = "Belongs to *"+escape(r.Team)+"*", "Another team"
		why = append(why, fmt.Sprintf("%d%% sure", int(math.Round(100*r.Confidence))))
		if p := r.Person; p != nil {
			// A name and no mention: nobody is called before it is sure.
			title += "  ·  " + escape(clip(visible(or(p.Name, string(p.ID))), 80)) + " is on duty"
			if !p.Available {
				title += " from " + when(p.From)
			}
		}
	}
	blocks := []slack.Block{section(title + "\n" + said)}
	for _, reason := range r.Reasons[:min(len(r.Reasons), 4)] {
		why = append(why, escape(clip(visible(reason), 150)))
	}
	if r.RunnerUp != "" {
		why = append(why, "next best: "+escape(r.RunnerUp))
	}
	blocks = append(blocks, small(strings.Join(why, "  ·  ")))
	var buttons []slack.BlockElement
	if r.Team != "" && len([]rune(r.Team)) <= maxOption {
		buttons = append(buttons, button(actRight, r.Team, "That’s right", slack.StylePrimary))
	}
	var others []*slack.OptionBlockObject
	for _, t := range r.Teams {
		if t != r.Team && len([]rune(t)) <= maxOption && len(others) < maxOptions {
			others = append(others, slack.NewOptionBlockObject(t, plain(t), nil))
		}
	}
	if len(others) > 0 {
		buttons = append(buttons, slack.NewOptionsSelectBlockElement(slack.OptTypeStatic, plain(another), actReroute, others...))
	}
	if len(buttons) == 0 || len(routeBlock+r.Turn) > 255 {
		return blocks
	}
	return append(blocks, slack.NewActionBlock(routeBlock+r.Turn, buttons...))
}

// routed shows where a request belongs.
func (s *show) routed(ctx context.Context, v loop.View) error {
	r, ok := s.belongs(v)
	if !ok {
		return nil
	}
	return s.once(ctx, "routing", "Where this belongs: "+escape(or(r.Team, "unknown")), RoutingCard(r))
}

// rerouted takes a person's word for where a request belongs. It is an order of
// exactly what the card shows, runs through the same gate as any other and can be
// undone; of one card there is one.
func (b *Bot) rerouted(ctx context.Context, by agent.Actor, c click, block, team string) error {
	turn, ok := strings.CutPrefix(block, routeBlock)
	if !ok {
		return nil
	}
	v, err := b.Desk.View(ctx, by, turn)
	if err != nil {
		return err
	}
	r, ok := b.belongs(v)
	if !ok {
		return agent.Errorf(agent.Conflict, "there is nothing to correct here any more")
	}
	if by.Kind != agent.Member {
		return agent.Errorf(agent.Forbidden, "only members of the workspace can say where requests belong")
	}
	args, err := json.Marshal(map[string]string{"text": r.Request, "team": team})
	if err != nil {
		return err
	}
	// Whose words the request is made of the card does not say, so they are nobody's.
	said := tools.Scanned(agent.Label{Integrity: agent.External, Readers: v.Place.Readers(), Sources: []string{"request " + turn}}, r.Request)
	acc, err := b.Desk.Accept(ctx, by, loop.Incoming{
		Event: routeBlock + turn, Conversation: v.Conversation, Place: v.Place, Text: "This belongs to " + team,
		Ordered: &loop.Ordered{Tool: "route_record", Args: args, Why: "noted that this belongs to " + team, Label: said},
	})
	if err != nil {
		return err
	}
	if acc.Duplicate {
		return agent.Errorf(agent.Conflict, "somebody has said already where this belongs; tell me in words if it is elsewhere")
	}
	b.track(acc.Turn, false)
	at := place{or(c.Channel.ID, c.Container.Channel), or(c.Container.TS, c.Message.TS), turn + "/routing"}
	r.Said, r.By = team, by
	b.later(ctx, "routing", func(ctx context.Context) error {
		return b.post.update(ctx, at.channel, at.ts, post{key: at.key, text: "This belongs to " + escape(team), blocks: RoutingCard(r)})
	})
	return nil
}
