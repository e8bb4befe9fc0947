// Package budget bounds what language models may cost: tokens and money, a day and
// a month, of each person and of the workspace. What was used is read from the turns
// themselves, and what this process has used since is counted in memory, so that a
// budget costs no write.
package budget

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/sous-hq/sous/agent"
)

// Money is an amount in millionths of the currency.
type Money int64

// String writes the amount with two decimals, rounded up: no cost looks like none.
func (m Money) String() string {
	cents := (int64(m) + 9_999) / 10_000
	return fmt.Sprintf("%d.%02d", cents/100, cents%100)
}

// Unit is what a bound counts.
type Unit string

// The units.
const (
	Tokens Unit = "tokens"
	Cost   Unit = "money"
)

// Period is how long a bound counts before it begins anew, in the zone of the rules.
type Period string

// The periods.
const (
	Day   Period = "day"
	Month Period = "month"
)

// Bound is how much of a unit may be used in a period: tokens, or millionths of the
// currency.
type Bound struct {
	Unit   Unit
	Period Period
	Most   int64
}

// Price is what a million tokens of a model cost.
type Price struct{ In, Out Money }

// Of is what the usage costs, rounded up.
func (p Price) Of(u agent.Usage) Money {
	const million = 1_000_000
	whole := int64(u.InputTokens)*int64(p.In) + int64(u.OutputTokens)*int64(p.Out)
	return Money((whole + million - 1) / million)
}

// Rules are the budgets of an installation; the zero value bounds nothing.
type Rules struct {
	// Person bounds each person, Workspace all of them together.
	Person, Workspace []Bound
	// Prices are those of the models by name. One that is not there costs nothing,
	// see Unpriced.
	Prices   map[string]Price
	Currency string
	// Free are models that count against no budget, such as one that runs here.
	Free []string
	// Zone is where days and months begin; nil is UTC.
	Zone *time.Location
	// Raiser says who can raise a budget, for people: "Ann".
	Raiser string
}

// Any reports whether anything is bounded.
func (r Rules) Any() bool { return len(r.Person)+len(r.Workspace) > 0 }

// Unpriced reports whether money is bounded and the model has no price.
func (r Rules) Unpriced(model string) bool {
	_, priced := r.Prices[model]
	return !priced && slices.ContainsFunc(slices.Concat(r.Person, r.Workspace), func(b Bound) bool { return b.Unit == Cost })
}

// begins is when the period that holds now began.
func (r Rules) begins(p Period, now time.Time) time.Time {
	zone := r.Zone
	if zone == nil {
		zone = time.UTC
	}
	y, m, d := now.In(zone).Date()
	if p == Month {
		d = 1
	}
	return time.Date(y, m, d, 0, 0, 0, 0, zone)
}

// ends is when it begins anew.
func (r Rules) ends(p Period, now time.Time) time.Time {
	from := r.begins(p, now)
	if p == Month {
		return from.AddDate(0, 1, 0)
	}
	return from.AddDate(0, 0, 1)
}

// ParseBounds reads bounds such as "200000 tokens a day; 60 EUR a month". Money is in
// the currency of the prices. Of one unit and period there is one bound.
func ParseBounds(text, currency string) ([]Bound, error) {
	var all []Bound
	for part := range strings.SplitSeq(text, ";") {
		words := strings.Fields(part)
		if len(words) == 0 {
			continue
		}
		b, err := parseBound(words, currency)
		if err != nil {
			return nil, agent.Errorf(agent.Invalid, "the budget %q %w; write it like 200000 tokens a day; 60 EUR a month", strings.TrimSpace(part), err)
		}
		if slices.ContainsFunc(all, func(o Bound) bool { return o.Unit == b.Unit && o.Period == b.Period }) {
			return nil, agent.Errorf(agent.Invalid, "there are two budgets of %s a %s", b.Unit, b.Period)
		}
		all = append(all, b)
	}
	return all, nil
}

func parseBound(words []string, currency string) (Bound, error) {
	if len(words) != 4 || words[2] != "a" && words[2] != "per" {
		return Bound{}, errText("is not AMOUNT UNIT a day or month")
	}
	b := Bound{Period: Period(words[3])}
	if b.Period != Day && b.Period != Month {
		return b, errText("is neither a day nor a month")
	}
	if words[1] == string(Tokens) {
		n, err := strconv.ParseInt(words[0], 10, 64)
		if err != nil || n < 0 {
			return b, errText("has no whole number of tokens")
		}
		b.Unit, b.Most = Tokens, n
		return b, nil
	}
	if currency == "" {
		return b, errText("counts money, and no model has a price")
	}
	if words[1] != currency {
		return b, errText("is neither in tokens nor in " + currency + ", the currency of the prices")
	}
	m, err := parseMoney(words[0])
	b.Unit, b.Most = Cost, int64(m)
	return b, err
}

// errText is an error that says only its text.
type errText string

func (e errText) Error() string { return string(e) }

// maxMoney bounds an amount, in whole units of the currency.
const maxMoney = 1e9

func parseMoney(text string) (Money, error) {
	f, err := strconv.ParseFloat(text, 64)
	if err != nil || !(f >= 0 && f <= maxMoney) || strings.ContainsAny(text, "eExXpP_") {
		return 0, errText("has no amount of money")
	}
	return Money(math.Round(f * 1e6)), nil
}

// ParsePrices reads prices of a million tokens, in and out, such as
// "gpt-4.1-mini 0.40/1.60 USD; other 2/8 USD". All are in one currency.
func ParsePrices(text string) (prices map[string]Price, currency string, err error) {
	for part := range strings.SplitSeq(text, ";") {
		words := strings.Fields(part)
		if len(words) == 0 {
			continue
		}
		bad := func(why string) (map[string]Price, string, error) {
			return nil, "", agent.Errorf(agent.Invalid, "the price %q %s; write it like gpt-4.1-mini 0.40/1.60 USD, for a million tokens in and out", strings.TrimSpace(part), why)
		}
		if len(words) != 3 {
			return bad("is not MODEL IN/OUT CURRENCY")
		}
		if c := words[2]; len(c) != 3 || strings.ToUpper(c) != c || c == strings.ToLower(c) {
			return bad("names no currency by its three letters")
		}
		if currency != "" && words[2] != currency {
			return bad("is in another currency than the first")
		}
		in, out, both := strings.Cut(words[1], "/")
		pi, err := parseMoney(in)
		po, err2 := parseMoney(out)
		if !both || err != nil || err2 != nil {
			return bad("has no two amounts")
		}
		if _, twice := prices[words[0]]; twice {
			return bad("is given twice")
		}
		if prices == nil {
			prices = map[string]Price{}
		}
		prices[words[0]], currency = Price{pi, po}, words[2]
	}
	return prices, currency, nil
}

// Priced lists the models that have a price, by name.
func (r Rules) Priced() []string { return slices.Sorted(maps.Keys(r.Prices)) }
