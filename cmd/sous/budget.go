package main

import (
	"context"
	"errors"
	"time"

	"github.com/sous-hq/sous/agent"
	"github.com/sous-hq/sous/agent/admission"
	"github.com/sous-hq/sous/agent/budget"
	"github.com/sous-hq/sous/agent/model/builtin"
	"github.com/sous-hq/sous/integrations/api"
	"github.com/sous-hq/sous/internal/config"
)

// budgetRules reads the settings of what models may cost.
func budgetRules(cfg config.Config) (budget.Rules, error) {
	r := budget.Rules{Free: []string{builtin.New().Name()}, Zone: cfg.Timezone, Raiser: cfg.Owner}
	var prices, person, workspace error
	r.Prices, r.Currency, prices = budget.ParsePrices(cfg.Budgets.Prices)
	if prices == nil {
		r.Person, person = budget.ParseBounds(cfg.Budgets.Person, r.Currency)
		r.Workspace, workspace = budget.ParseBounds(cfg.Budgets.Workspace, r.Currency)
	}
	err := errors.Join(prices, person, workspace)
	if err == nil && cfg.Model.IsSet() && r.Unpriced(cfg.Model.Name) {
		err = agent.Errorf(agent.Invalid, "budgets count money, and budgets.prices has no price of the model %s", cfg.Model.Name)
	}
	return r, err
}

func (a *app) joinBudget() error {
	rules, err := budgetRules(a.cfg)
	if err != nil {
		return err
	}
	a.budget, err = budget.NewMeter(rules, a.db, now)
	return err
}

// gateFor is the gate in front of new turns, where any are run.
func (a *app) gateFor(n need) *admission.Gate {
	if n != runTurns {
		return nil
	}
	a.admission = admission.New(admission.Config{
		Shed: a.metrics.Shed,
		Backlog: func(ws agent.WorkspaceID) admission.Backlog {
			if a.engine == nil {
				return admission.Backlog{}
			}
			return a.engine.Backlog(ws)
		},
	})
	return a.admission
}

// budgetShare is the used part of each budget of the workspace, for the metrics.
func (a *app) budgetShare() (map[[2]string]float64, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	all, err := a.budget.Lines(ctx, agent.Actor{Workspace: workspace})
	share := map[[2]string]float64{}
	for _, l := range all {
		share[[2]string{string(l.Unit), string(l.Period)}] = float64(l.Used) / float64(max(l.Most, 1))
	}
	return share, err
}

// figures registers what the metrics show of budgets, load and circuits.
func (a *app) figures() error {
	load := func() (map[[2]string]float64, error) {
		b, g := a.engine.Backlog(workspace), a.admission.State()
		working, most := a.engine.Busy()
		return map[[2]string]float64{
			{"working"}: float64(working), {"most"}: float64(most), {"waiting"}: float64(b.All),
			{"entering"}: float64(g.Inside), {"enter_limit"}: float64(g.Limit), {"in_line"}: float64(g.Line),
		}, nil
	}
	return errors.Join(
		a.metrics.Figures("sous_budget_used_ratio", "The used part of each budget of the workspace.", []string{"unit", "period"}, a.budgetShare),
		a.metrics.Figures("sous_load", "Turns worked on, at most and waiting for a place; requests being taken, at most and in line.", []string{"what"}, load),
		a.metrics.Figures("sous_breaker_state", "Circuit breakers of outside systems: 0 closed, 1 half-open, 2 open.", []string{"of"}, a.circuits),
		a.metrics.Figures("sous_replicas_disagree", "Replicas whose rules, people, teams or settings are not those of this one.", []string{"of"}, a.disagreements),
	)
}

// circuits are the states of the circuit breakers.
func (a *app) circuits() (map[[2]string]float64, error) {
	all := map[[2]string]float64{}
	for _, c := range a.breakers() {
		all[[2]string{c.Of}] = map[string]float64{"closed": 0, "half-open": 1, "open": 2}[c.State]
	}
	return all, nil
}

// breakers lists the circuit breakers of this process.
func (a *app) breakers() []api.Breaker {
	all := a.embedder.breakers()
	if c := a.models.circuit; c != nil {
		all = append(all, api.Breaker{Of: "model " + c.Name(), State: c.State(), For: c.OpenFor()})
	}
	return all
}
