package web

import (
	"cmp"
	"context"
	"net/http"
	"slices"
	"strings"

	"github.com/sous-hq/sous/agent"
	"github.com/sous-hq/sous/agent/audit"
	"github.com/sous-hq/sous/agent/loop"
	"github.com/sous-hq/sous/agent/pause"
	"github.com/sous-hq/sous/tools"
)

// shownEffects is how many effects one page shows.
const shownEffects = 100

type effectsView struct {
	frame
	State  string
	States []tools.EffectState
	// Unknown are those somebody has to look at, Effects all that fit.
	Unknown, Effects []changeView
	More             bool
}

func (s *Server) effectsPage(w http.ResponseWriter, r *http.Request, by agent.Actor) error {
	ctx := r.Context()
	f, err := s.frame(ctx, by, "effects", "Effects")
	if err != nil {
		return err
	}
	v := effectsView{frame: f, State: r.URL.Query().Get("state"), States: []tools.EffectState{
		tools.EffectDone, tools.EffectFailed, tools.EffectUnknown, tools.EffectIntent, tools.EffectApproved, tools.EffectPlanned,
	}}
	filter := loop.EffectFilter{Limit: shownEffects}
	switch {
	case v.State == "":
	case !slices.Contains(v.States, tools.EffectState(v.State)):
		return agent.Errorf(agent.Invalid, "there is no state of an effect %.40q", v.State)
	default:
		filter.States = []tools.EffectState{tools.EffectState(v.State)}
	}
	all, err := s.Control.ListEffects(ctx, by, filter)
	if err != nil {
		return err
	}
	open, err := s.Control.ListEffects(ctx, by, loop.EffectFilter{States: []tools.EffectState{tools.EffectUnknown}, Limit: shownEffects})
	if err != nil {
		return err
	}
	for _, e := range open {
		v.Unknown = append(v.Unknown, s.change(ctx, by, e))
	}
	for _, e := range slices.Backward(all) {
		v.Effects = append(v.Effects, s.change(ctx, by, e))
	}
	v.More = len(all) == shownEffects
	s.render(w, r, http.StatusOK, "effects", v)
	return nil
}

// Brief is what people recognise the call by: its first argument.
func (c changeView) Brief() string {
	for _, a := range c.Call.Arguments() {
		return clip(strings.Join(valueLines(a.Value), " "), 90)
	}
	return ""
}

// resolve settles an effect by what a person found when they looked.
func (s *Server) resolve(w http.ResponseWriter, r *http.Request, by agent.Actor) error {
	if err := s.readForm(w, r); err != nil {
		return err
	}
	happened := r.PostForm.Get("happened")
	if happened != "yes" && happened != "no" {
		return agent.Errorf(agent.Invalid, "say whether it happened")
	}
	_, err := s.Control.ResolveEffect(r.Context(), by, r.PathValue("key"), happened == "yes", unix(r.PostForm.Get("note")))
	if err != nil {
		return err
	}
	return s.back(w, r, "/effects", map[string]any{"ok": true})
}

type storyView struct {
	frame
	ID      string
	Stories []storyPart
}

// storyPart is a story with its calls as the page shows them.
type storyPart struct {
	audit.Story
	Calls []storyCall
}

// Where says where it was asked.
func (p storyPart) Where() string {
	if strings.HasPrefix(p.Request.Place, agent.DM.String()+" ") {
		return "a conversation of their own"
	}
	return p.Request.Place
}

type storyCall struct {
	audit.StoryCall
	Shown []argument
}

func (s *Server) storyPage(w http.ResponseWriter, r *http.Request, by agent.Actor) error {
	id := r.PathValue("id")
	f, err := s.frame(r.Context(), by, "audit", "What happened: "+clip(id, 60))
	if err != nil {
		return err
	}
	all, err := s.Stories.Explain(r.Context(), by, id)
	if err != nil {
		return err
	}
	v := storyView{frame: f, ID: id}
	for _, story := range all {
		p := storyPart{Story: story}
		for _, c := range story.Calls {
			call := storyCall{StoryCall: c}
			if len(c.Args) > 0 {
				call.Shown = marked(c.Args, c.Marked)
			}
			p.Calls = append(p.Calls, call)
		}
		v.Stories = append(v.Stories, p)
	}
	s.render(w, r, http.StatusOK, "story", v)
	return nil
}

type pauseView struct {
	frame
	Pauses []pause.Pause
	// May says that this reader may pause and resume here, All that they may stop
	// every workspace.
	May, All bool
}

func (s *Server) pausePage(w http.ResponseWriter, r *http.Request, by agent.Actor) error {
	f, err := s.frame(r.Context(), by, "pause", "Pause")
	if err != nil {
		return err
	}
	v := pauseView{frame: f, May: pause.May(by, pause.Workspace) == nil, All: pause.May(by, pause.Everything) == nil}
	if v.Pauses, err = s.Control.Pauses(r.Context(), by); err != nil {
		return err
	}
	s.render(w, r, http.StatusOK, "pause", v)
	return nil
}

// paused says that all work here is stopped, by whom and why; "" when it is not.
func (s *Server) paused(ctx context.Context, by agent.Actor) (string, error) {
	all, err := s.Control.Pauses(ctx, by)
	for _, p := range all {
		if p.Scope == pause.Workspace || p.Scope == pause.Everything {
			what := "All work here is paused"
			return what + " by " + visible(cmp.Or(p.Name, string(p.By))) + ": " + visible(p.Reason), err
		}
	}
	return "", err
}

func (s *Server) pause(w http.ResponseWriter, r *http.Request, by agent.Actor) error {
	if err := s.readForm(w, r); err != nil {
		return err
	}
	scope, target := scopeOf(r)
	if _, err := s.Control.Pause(r.Context(), by, scope, target, r.PostForm.Get("reason")); err != nil {
		return err
	}
	return s.back(w, r, "/pause", map[string]any{"ok": true})
}

func (s *Server) resume(w http.ResponseWriter, r *http.Request, by agent.Actor) error {
	if err := s.readForm(w, r); err != nil {
		return err
	}
	scope, target := scopeOf(r)
	if _, err := s.Control.Resume(r.Context(), by, scope, target); err != nil {
		return err
	}
	return s.back(w, r, "/pause", map[string]any{"ok": true})
}

// scopeOf is what a form names to be stopped. What was chosen counts: a target
// that was typed for another choice is left.
func scopeOf(r *http.Request) (pause.Scope, string) {
	scope, target := pause.Scope(r.PostForm.Get("scope")), strings.TrimSpace(r.PostForm.Get("target"))
	if scope == pause.Workspace || scope == pause.Everything {
		target = ""
	}
	if scope == pause.Tool {
		target = strings.ReplaceAll(strings.ToLower(target), " ", "_")
	}
	return scope, target
}
