package main

import (
	"context"
	"errors"
	"time"

	"github.com/sous-hq/sous/agent"
	"github.com/sous-hq/sous/agent/budget"
	"github.com/sous-hq/sous/agent/model/builtin"
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
	a.budget, err = budget.NewMeter(rules, a.db, time.Now)
	return err
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
