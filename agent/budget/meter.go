package budget

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/sous-hq/sous/agent"
)

// Spent is what one person used of one model, from the turns that began in a month:
// Day of those that began on the last day of it.
type Spent struct {
	Person     agent.ActorID
	Model      string
	Day, Month agent.Usage
}

// Store tells what was used.
type Store interface {
	// Spent sums what the turns used that were accepted from month on, by person and
	// model; those accepted from day on are in Day too. A turn that is under way
	// counts with what it had used when it last parked.
	Spent(ctx context.Context, ws agent.WorkspaceID, day, month time.Time) ([]Spent, error)
}

const (
	// fresh is how old what was read of the store may be.
	fresh = 30 * time.Second
	// warnAt is the part of a budget from which on people are told, in percent.
	warnAt = 80
)

// Meter says whether a model may be asked. It is safe for concurrent use.
type Meter struct {
	rules Rules
	store Store
	now   func() time.Time

	mu     sync.Mutex
	spaces map[agent.WorkspaceID]*space
}

// space is what one workspace used.
type space struct {
	// reading is held by whoever reads the store.
	reading sync.Mutex
	// read is when that began which rows are the result of, day its day.
	read, day time.Time
	rows      map[agent.ActorID]tally
	// since are the uses that the rows may not hold, by turn.
	since map[string][]use
	// told are those who were warned, by what of.
	told map[string]time.Time
}

type tally map[Period]amount

type amount struct {
	tokens int64
	cost   Money
}

func (a amount) plus(b amount) amount { return amount{a.tokens + b.tokens, a.cost + b.cost} }

// of is the amount in the unit.
func (a amount) of(u Unit) int64 {
	if u == Cost {
		return int64(a.cost)
	}
	return a.tokens
}

// use is one use of a model; kept is when its turn was written with it.
type use struct {
	person   agent.ActorID
	at, kept time.Time
	amount
}

// NewMeter returns a meter that keeps to the rules.
func NewMeter(r Rules, s Store, now func() time.Time) (*Meter, error) {
	if s == nil || now == nil {
		return nil, errors.New("budget: a store and a clock are required")
	}
	return &Meter{rules: r, store: s, now: now, spaces: map[agent.WorkspaceID]*space{}}, nil
}

// Ruling says whether a model may be asked.
type Ruling struct {
	// Refused says, for people, which budget is used up, when it begins anew and who
	// can raise it; "" when the model may be asked.
	Refused string
	// Warning says that most of a budget is used; once a period.
	Warning string
}

// Check rules on the next request to a model in the name of the actor. An error means
// that nobody knows what was used.
func (m *Meter) Check(ctx context.Context, by agent.Actor) (Ruling, error) {
	if m == nil || !m.rules.Any() {
		return Ruling{}, nil
	}
	s, now, err := m.current(ctx, by.Workspace)
	if err != nil {
		return Ruling{}, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	var r Ruling
	for _, l := range m.lines(s, by, now) {
		switch {
		case l.Used >= l.Most:
			r.Refused = m.refusal(l)
			return r, nil
		case l.Used >= l.Most/100*warnAt+l.Most%100*warnAt/100 && r.Warning == "":
			if key := string(l.Person) + "/" + string(l.Unit) + "/" + string(l.Period); s.told[key].Before(m.rules.begins(l.Period, now)) {
				s.told[key] = now
				r.Warning = m.warning(l)
			}
		}
	}
	return r, nil
}

// Used notes what a turn used of a model.
func (m *Meter) Used(by agent.Actor, turn, model string, u agent.Usage) {
	if m == nil || !m.rules.Any() || slices.Contains(m.rules.Free, model) || u == (agent.Usage{}) {
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	s := m.space(by.Workspace)
	s.since[turn] = append(s.since[turn], use{person: by.Human(), at: m.now(), amount: m.amount(model, u)})
}

// Kept notes that the store was given all that the turn used until now: it has
// parked or ended.
func (m *Meter) Kept(ws agent.WorkspaceID, turn string) {
	if m == nil || !m.rules.Any() {
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	for i, u := range m.space(ws).since[turn] {
		if u.kept.IsZero() {
			m.space(ws).since[turn][i].kept = m.now()
		}
	}
}

func (m *Meter) amount(model string, u agent.Usage) amount {
	return amount{int64(u.InputTokens) + int64(u.OutputTokens), m.rules.Prices[model].Of(u)}
}

// space is that of the workspace; m.mu is held.
func (m *Meter) space(ws agent.WorkspaceID) *space {
	s := m.spaces[ws]
	if s == nil {
		s = &space{since: map[string][]use{}, told: map[string]time.Time{}}
		m.spaces[ws] = s
	}
	return s
}

// current returns what the workspace used. When what was read is old one caller reads
// again; the others go on with what there is while it is of the same day.
func (m *Meter) current(ctx context.Context, ws agent.WorkspaceID) (*space, time.Time, error) {
	now := m.now()
	m.mu.Lock()
	s := m.space(ws)
	day := m.rules.begins(Day, now)
	known := s.rows != nil && s.day.Equal(day)
	old := !known || now.Sub(s.read) >= fresh
	m.mu.Unlock()
	if !old {
		return s, now, nil
	}
	if known {
		if !s.reading.TryLock() {
			return s, now, nil
		}
	} else {
		s.reading.Lock()
	}
	defer s.reading.Unlock()
	m.mu.Lock()
	done := s.rows != nil && s.day.Equal(day) && now.Sub(s.read) < fresh
	m.mu.Unlock()
	if done {
		return s, now, nil
	}
	all, err := m.store.Spent(ctx, ws, day, m.rules.begins(Month, now))
	if err != nil {
		if known && agent.KindOf(err) == agent.Unavailable {
			// What is used meanwhile is counted here all the same.
			return s, now, nil
		}
		return s, now, fmt.Errorf("budget: %w", err)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.take(s, all, now)
	return s, now, nil
}

// take puts what was read in the place of what was known; m.mu is held.
func (m *Meter) take(s *space, all []Spent, read time.Time) {
	s.rows, s.read, s.day = map[agent.ActorID]tally{}, read, m.rules.begins(Day, read)
	for _, sp := range all {
		if slices.Contains(m.rules.Free, sp.Model) {
			continue
		}
		for p, a := range map[Period]amount{Day: m.amount(sp.Model, sp.Day), Month: m.amount(sp.Model, sp.Month)} {
			for _, who := range []agent.ActorID{sp.Person, ""} {
				if s.rows[who] == nil {
					s.rows[who] = tally{}
				}
				s.rows[who][p] = s.rows[who][p].plus(a)
			}
		}
	}
	month := m.rules.begins(Month, read)
	for turn, uses := range s.since {
		uses = slices.DeleteFunc(uses, func(u use) bool { return !u.kept.IsZero() && u.kept.Before(read) || u.at.Before(month) })
		if s.since[turn] = uses; len(uses) == 0 {
			delete(s.since, turn)
		}
	}
	for key, at := range s.told {
		if at.Before(month) {
			delete(s.told, key)
		}
	}
}

// Line is one budget and what was used of it, in tokens or millionths of the currency.
type Line struct {
	// Person is whose it is, "" for the workspace.
	Person agent.ActorID `json:"person,omitempty"`
	Unit   Unit          `json:"unit"`
	Period Period        `json:"period"`
	Used   int64         `json:"used"`
	Most   int64         `json:"most"`
	// Currency is that of money.
	Currency string `json:"currency,omitempty"`
	// Renewed is when it begins anew.
	Renewed time.Time `json:"renewed"`
}

// Percent is the used part, rounded down; 100 for a budget of nothing.
func (l Line) Percent() int {
	if l.Most <= 0 {
		return 100
	}
	return int(float64(l.Used) / float64(l.Most) * 100)
}

// Lines lists the budgets that the actor is bound by, the person's before the
// workspace's; of nobody those of the workspace.
func (m *Meter) Lines(ctx context.Context, by agent.Actor) ([]Line, error) {
	if m == nil || !m.rules.Any() {
		return nil, nil
	}
	s, now, err := m.current(ctx, by.Workspace)
	if err != nil {
		return nil, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.lines(s, by, now), nil
}

func (m *Meter) lines(s *space, by agent.Actor, now time.Time) []Line {
	var all []Line
	add := func(who agent.ActorID, bounds []Bound) {
		for _, b := range bounds {
			used := s.rows[who][b.Period]
			from := m.rules.begins(b.Period, now)
			for _, uses := range s.since {
				for _, u := range uses {
					if (who == "" || u.person == who) && !u.at.Before(from) {
						used = used.plus(u.amount)
					}
				}
			}
			l := Line{Person: who, Unit: b.Unit, Period: b.Period, Used: used.of(b.Unit), Most: b.Most, Renewed: m.rules.ends(b.Period, now)}
			if b.Unit == Cost {
				l.Currency = m.rules.Currency
			}
			all = append(all, l)
		}
	}
	if who := by.Human(); who != "" {
		add(who, m.rules.Person)
	}
	add("", m.rules.Workspace)
	slices.SortStableFunc(all, func(a, b Line) int { return cmp.Compare(len(b.Person), len(a.Person)) })
	return all
}

// String says the line for people: "1200 of 2000 tokens a day".
func (l Line) String() string {
	if l.Unit == Cost {
		return fmt.Sprintf("%s of %s %s a %s", Money(l.Used), Money(l.Most), l.Currency, l.Period)
	}
	return fmt.Sprintf("%d of %d tokens a %s", l.Used, l.Most, l.Period)
}

// whose names the budget and its setting.
func (l Line) whose() (owner, setting string) {
	if l.Person == "" {
		return "This workspace has", "budgets.workspace"
	}
	return "You have", "budgets.person"
}

func (m *Meter) refusal(l Line) string {
	owner, setting := l.whose()
	return fmt.Sprintf("%s used %s for language models, so I did not ask one. That begins anew on %s. %s can raise it (%s).",
		owner, l, l.Renewed.Format("2 January 2006 at 15:04 MST"), m.raiser(), setting)
}

func (m *Meter) warning(l Line) string {
	owner, setting := l.whose()
	return fmt.Sprintf("%s used %s for language models (%d %%). %s can raise it (%s).", owner, l, l.Percent(), m.raiser(), setting)
}

func (m *Meter) raiser() string {
	if r := strings.TrimSpace(m.rules.Raiser); r != "" {
		return r
	}
	return "An owner"
}
