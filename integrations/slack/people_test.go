package slack_test

import (
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sous-hq/sous/agent"
	"github.com/sous-hq/sous/agent/loop"
	"github.com/sous-hq/sous/agent/people"
	front "github.com/sous-hq/sous/integrations/slack"
	"github.com/sous-hq/sous/internal/testkit/slackfake"
)

// financeDecides lets the group of that name decide, and nobody else.
const financeDecides = `
@id("reads-run") @reason("It changes nothing.")
permit (principal, action == Action::"run", resource) when { context.tier == 0 };

@id("money-asks-finance") @approvers("finance") @reason("It is money.")
permit (principal, action == Action::"ask", resource) when { context.tier == 2 };

@id("members-decide") @reason("Members decide.")
permit (principal, action == Action::"approve", resource);
`

// finance is a world in which Bob and Cat decide about money; Dan is in a group of
// that handle that anybody may join.
func finance(t testing.TB) (*world, *counter) {
	t.Helper()
	w := newWorld(t)
	w.answer, w.rules = payer, financeDecides
	w.slack.AddUser(slackfake.User{ID: "U0DAN", RealName: "Dan Day"})
	w.slack.AddChannel(slackfake.Channel{ID: general, Name: "general", Members: []string{ann, bob, cat, "U0DAN", w.slack.BotUser}})
	w.slack.AddGroup(slackfake.Group{ID: "S1", Handle: "finance", Name: "Finance", Members: []string{bob, cat}, Locked: true})
	w.slack.AddGroup(slackfake.Group{ID: "S2", Handle: "anybody", Name: "Anybody", Members: []string{"U0DAN"}})
	return w, &counter{}
}

func (w *world) actor(user string) agent.ActorID { return front.ActorID(w.slack.Team, user) }

func TestAUserGroupCountsWhenAdministratorsOrAnIdentityProviderKeepIt(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w, _ := finance(t)
		w.slack.AddGroup(slackfake.Group{ID: "S3", Handle: "oncall", Name: "On call", Members: []string{bob}, IDP: true})
		w.slack.AddGroup(slackfake.Group{ID: "S4", Handle: "partners", Name: "Partners", Members: []string{bob}, Locked: true, External: true})
		w.slack.AddGroup(slackfake.Group{ID: "S5", Handle: "former", Name: "Former", Members: []string{bob}, Locked: true, Gone: true})
		p := w.start(t)
		for user, want := range map[string]string{bob: "finance oncall", cat: "finance", "U0DAN": "", ann: ""} {
			got := must[people.Person](t)(p.bot.People().Person(t.Context(), "w", w.actor(user)))
			if strings.Join(got.Groups, " ") != want {
				t.Errorf("%s is in %v; want %q", user, got.Groups, want)
			}
		}
		in := must[[]people.Person](t)(p.bot.People().Members(t.Context(), "w", "finance"))
		if len(in) != 2 || in[0].Zone == nil {
			t.Errorf("finance: %+v", in)
		}
	})
}

func TestAWorkspaceWithoutUserGroupsHasNone(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		p := w.start(t)
		w.slack.Fail("usergroups.list", slackfake.Failure{Error: "paid_teams_only"}, slackfake.Failure{Error: "paid_teams_only"})
		if in, err := p.bot.People().Members(t.Context(), "w", "finance"); err != nil || len(in) != 0 {
			t.Errorf("finance: %v, %v", in, err)
		}
		if got, err := p.bot.People().Person(t.Context(), "w", w.actor(bob)); err != nil || got.Kind != agent.Member {
			t.Errorf("Bob: %v, %v", got, err)
		}
	})
}

func TestTheGroupThatDecidesGetsTheCardByDirectMessage(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w, paid := finance(t)
		p := w.start(t, paid)
		root := w.slack.Post(ann, general, "<@"+w.slack.BotUser+"> pay Acme 100")
		card := w.reply(t, general, root, "Approval needed")
		inDM := func(user string) (cards []slackfake.Message) {
			for _, m := range w.slack.Channel(w.slack.DM(user)) {
				if m.User == w.slack.BotUser && strings.Contains(m.Shown(), "Money send") {
					cards = append(cards, m)
				}
			}
			return cards
		}
		wait(t, "the cards of Bob and Cat", func() bool { return len(inDM(bob)) == 1 && len(inDM(cat)) == 1 })
		// A process that comes after knows what was sent, and sends nothing twice.
		p.stop()
		p = w.start(t, paid)
		time.Sleep(time.Minute)
		if len(inDM(bob)) != 1 || len(inDM(cat)) != 1 || len(inDM("U0DAN")) != 0 || len(inDM(ann)) != 0 {
			t.Errorf("cards: %d to Bob, %d to Cat, %d to Dan, %d to Ann", len(inDM(bob)), len(inDM(cat)), len(inDM("U0DAN")), len(inDM(ann)))
		}
		// Dan is a member and not in the group: the server says no.
		w.slack.Press("U0DAN", card, find(t, card, "sous_approve"))
		wait(t, "the refusal of Dan", func() bool { return len(w.slack.Ephemeral(general, "U0DAN")) == 1 })
		if paid.total() != 0 {
			t.Fatal("Dan's yes counted")
		}
		mine := inDM(bob)[0]
		if d := w.slack.Press(bob, mine, find(t, mine, "sous_approve")); d.Status != 200 {
			t.Fatalf("pressed: %+v", d)
		}
		w.reply(t, general, root, "What I changed")
		wait(t, "cards without buttons", func() bool {
			now, _ := w.slack.Message(general, card.TS)
			return len(now.Buttons())+len(inDM(bob)[0].Buttons())+len(inDM(cat)[0].Buttons()) == 0
		})
		for _, m := range []slackfake.Message{inDM(bob)[0], inDM(cat)[0]} {
			if !strings.Contains(m.Shown(), "Approved by <@"+bob+">") {
				t.Errorf("the card says %s", m.Shown())
			}
		}
		if paid.total() != 1 {
			t.Errorf("paid %d times", paid.total())
		}
	})
}

func TestWhoLeavesTheGroupDecidesNothingAnyMore(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w, paid := finance(t)
		w.start(t, paid)
		root := w.slack.Post(ann, general, "<@"+w.slack.BotUser+"> pay Acme 100")
		card := w.reply(t, general, root, "Approval needed")
		w.slack.AddGroup(slackfake.Group{ID: "S1", Handle: "finance", Name: "Finance", Members: []string{cat}, Locked: true})
		w.slack.Emit(map[string]any{"type": "subteam_members_changed", "subteam_id": "S1", "team_id": w.slack.Team, "removed_users": []string{bob}})
		time.Sleep(time.Second)
		w.slack.Press(bob, card, find(t, card, "sous_approve"))
		wait(t, "the refusal of Bob", func() bool { return len(w.slack.Ephemeral(general, bob)) == 1 })
		if paid.total() != 0 {
			t.Fatal("his yes counted")
		}
		w.slack.Press(cat, card, find(t, card, "sous_approve"))
		w.reply(t, general, root, "What I changed")
	})
}

// While Slack does not say who is who, what it said last counts for a quarter of an
// hour. After that nobody is in any group, and nobody decides.
func TestWhatSlackSaidLongAgoOpensNothing(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w, paid := finance(t)
		p := w.start(t, paid)
		root := w.slack.Post(ann, general, "<@"+w.slack.BotUser+"> pay Acme 100")
		card := w.reply(t, general, root, "Approval needed")
		w.slack.Down(true)
		time.Sleep(people.MaxAge + time.Minute)
		if d := w.slack.Press(bob, card, find(t, card, "sous_approve")); d.Status != 503 {
			t.Errorf("pressed: %+v; want to be told to try again", d)
		}
		if in, err := p.bot.People().Members(t.Context(), "w", "finance"); agent.KindOf(err) != agent.Unavailable {
			t.Errorf("finance: %v, %v", in, err)
		}
		if paid.total() != 0 {
			t.Fatal("it was paid")
		}
		w.slack.Down(false)
		if d := w.slack.Press(bob, card, find(t, card, "sous_approve")); d.Status != 200 {
			t.Errorf("pressed again: %+v", d)
		}
		w.reply(t, general, root, "What I changed")
	})
}

func TestWhoIsDeactivatedMeanwhileNeitherDecidesNorGetsAnythingDone(t *testing.T) {
	t.Parallel()
	gone := func(w *world, user, name string) {
		w.slack.AddUser(slackfake.User{ID: user, RealName: name, Gone: true})
		w.slack.Emit(map[string]any{"type": "user_change", "user": map[string]any{"id": user, "deleted": true}})
		time.Sleep(time.Second)
	}
	t.Run("the approver", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			w, paid := finance(t)
			w.start(t, paid)
			root := w.slack.Post(ann, general, "<@"+w.slack.BotUser+"> pay Acme 100")
			card := w.reply(t, general, root, "Approval needed")
			gone(w, bob, "Bob Brown")
			w.slack.Press(bob, card, find(t, card, "sous_approve"))
			time.Sleep(time.Minute)
			if paid.total() != 0 {
				t.Fatal("his yes counted")
			}
			w.slack.Press(cat, card, find(t, card, "sous_approve"))
			w.reply(t, general, root, "What I changed")
		})
	})
	t.Run("the requester", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			w, paid := finance(t)
			w.start(t, paid)
			root := w.slack.Post(ann, general, "<@"+w.slack.BotUser+"> pay Acme 100")
			card := w.reply(t, general, root, "Approval needed")
			gone(w, ann, "Ann Archer")
			w.slack.Press(bob, card, find(t, card, "sous_approve"))
			time.Sleep(10 * time.Minute)
			if paid.total() != 0 {
				t.Error("it was paid for somebody who is gone")
			}
		})
	})
}

func TestAChannelThatAGuestJoinsIsNoLongerOursAlone(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w, p, _ := newPayer(t)
		if got := p.bot.People().Place(t.Context(), secret, "group", ann); got.Kind != agent.Private || len(got.Members) != 3 {
			t.Errorf("before: %+v", got)
		}
		w.slack.AddChannel(slackfake.Channel{ID: secret, Name: "secret", Private: true, Members: []string{ann, bob, gus, w.slack.BotUser}})
		w.slack.Emit(map[string]any{"type": "member_joined_channel", "user": gus, "channel": secret, "channel_type": "G", "team": w.slack.Team})
		time.Sleep(time.Second)
		if got := p.bot.People().Place(t.Context(), secret, "group", ann); got.Kind != agent.Shared {
			t.Errorf("after: %+v", got)
		}
	})
}

// What Slack is too busy to say at once it is asked again; what it does not say at all
// counts as open to outsiders.
func TestAPlaceIsLookedUpAtSlacksPace(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w, p, _ := newPayer(t)
		w.slack.Fail("conversations.info", slackfake.Failure{Status: 429, RetryAfter: 7})
		begin := time.Now()
		if got := p.bot.People().Place(t.Context(), secret, "group", ann); got.Kind != agent.Private || time.Since(begin) < 7*time.Second {
			t.Errorf("%+v after %s", got, time.Since(begin))
		}
		w.slack.Fail("conversations.members", slackfake.Failure{Status: 429, RetryAfter: 60})
		if got := p.bot.People().Place(t.Context(), general, "channel", ann); got.Kind != agent.Shared {
			t.Errorf("unsaid: %+v", got)
		}
	})
}

func TestOneLostAnswerMakesNoPlaceOpenAndNobodyAStranger(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w, p, _ := newPayer(t)
		people := p.bot.People()
		w.slack.Fail("conversations.info", slackfake.Failure{Status: 503})
		w.slack.Fail("conversations.members", slackfake.Failure{Lost: true})
		w.slack.Fail("users.info", slackfake.Failure{Error: "internal_error"})
		if p := people.Place(t.Context(), secret, "group", ann); p.Kind != agent.Private {
			t.Errorf("the place is %v", p)
		}
		w.slack.Fail("users.info", slackfake.Failure{Lost: true})
		if a := people.Actor(t.Context(), w.slack.Team, bob); a.Kind != agent.Member {
			t.Errorf("Bob is %v", a.Kind)
		}
	})
}

// What people ask for among themselves is not refused because Slack was away when they
// asked: who reads along is not known then, and it is not guessed either.
func TestARequestWaitsUntilSlackSaysWhoReadsAlong(t *testing.T) {
	t.Parallel()
	for _, method := range []string{"conversations.info", "conversations.members", "users.info"} {
		t.Run(method, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				w, p, _ := newPayer(t)
				w.slack.Fail(method, slices.Repeat([]slackfake.Failure{{Status: 503}}, 40)...)
				root := w.slack.Post(ann, secret, "<@"+w.slack.BotUser+"> hello")
				w.reply(t, secret, root, "You said: hello")
				all, err := p.db.FindTurns(t.Context(), "w", loop.TurnFilter{})
				if err != nil || len(all) != 1 || all[0].Place.Kind != agent.Private {
					t.Errorf("%+v, %v; want one turn, in a private place", all, err)
				}
			})
		})
	}
}

func TestApproversAreRemindedWhenItIsDayWhereTheyAre(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		// A bubble begins on Saturday, 1 January 2000, at midnight UTC.
		time.Sleep(2*24*time.Hour + 15*time.Hour + 45*time.Minute)
		w, paid := finance(t)
		w.ttl = 32 * time.Minute
		w.slack.AddUser(slackfake.User{ID: bob, RealName: "Bob Brown", TZ: "America/Los_Angeles"}) // 7:45
		w.slack.AddUser(slackfake.User{ID: cat, RealName: "Cat Cole", TZ: "Asia/Tokyo"})           // 0:45
		p := w.start(t, paid)
		go func() {
			_ = p.Remind(t.Context(), func() []agent.WorkspaceID { return []agent.WorkspaceID{"w"} }, p.bot)
		}()
		root := w.slack.Post(ann, general, "<@"+w.slack.BotUser+"> pay Acme 100")
		w.reply(t, general, root, "Approval needed")
		reminded := func(user string) (n int) {
			for _, m := range w.slack.Channel(w.slack.DM(user)) {
				if strings.Contains(m.Text, "still waits for you") && strings.Contains(m.Text, "/archives/"+w.slack.DM(user)+"/") {
					n++
				}
			}
			return n
		}
		// What is due at half of the time, at 8:01, and at seven eighths, at 8:13.
		for _, want := range []struct {
			after time.Duration
			bob   int
		}{{14 * time.Minute, 0}, {4 * time.Minute, 1}, {12 * time.Minute, 2}} {
			time.Sleep(want.after)
			if reminded(bob) != want.bob || reminded(cat) != 0 || reminded(ann) != 0 {
				t.Errorf("at %s reminded %d, %d, %d times; want Bob %d times", time.Now().Format(time.TimeOnly), reminded(bob), reminded(cat), reminded(ann), want.bob)
			}
		}
	})
}

// What would be due at night is sent in the morning.
func TestAReminderWaitsForTheDay(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		time.Sleep(2*24*time.Hour + 15*time.Hour + 45*time.Minute)
		w, paid := finance(t)
		w.ttl = 16 * time.Minute
		for user, name := range map[string]string{bob: "Bob Brown", cat: "Cat Cole"} {
			w.slack.AddUser(slackfake.User{ID: user, RealName: name, TZ: "America/Los_Angeles"})
		}
		p := w.start(t, paid)
		go func() {
			_ = p.Remind(t.Context(), func() []agent.WorkspaceID { return []agent.WorkspaceID{"w"} }, p.bot)
		}()
		root := w.slack.Post(ann, general, "<@"+w.slack.BotUser+"> pay Acme 100")
		w.reply(t, general, root, "Approval needed")
		// It was due at 7:53, and the next one not before 7:59.
		time.Sleep(12 * time.Minute)
		if n := len(w.slack.Channel(w.slack.DM(bob))); n != 1 {
			t.Errorf("%d messages to Bob before eight; want his card", n)
		}
		wait(t, "the reminder at eight", func() bool { return len(w.slack.Channel(w.slack.DM(bob))) == 2 && time.Now().Minute() < 2 })
	})
}
