package slack

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/slack-go/slack"
	"golang.org/x/sync/singleflight"

	"github.com/sous-hq/sous/agent"
	"github.com/sous-hq/sous/agent/people"
)

// lookUpWithin is how long Slack may take to say something, its limits included.
const lookUpWithin = 20 * time.Second

// Directory is who is who in a Slack workspace, looked up when asked and kept for a
// while. What cannot be looked up is not known, and whoever is not known may do
// nothing. It is a people.Source.
type Directory struct {
	api   *slack.Client
	wire  line
	clock func() time.Time
	fresh time.Duration
	ws    agent.WorkspaceID
	org   string

	mu       sync.Mutex
	me       identity
	users    map[string]knownUser
	places   map[string]knownPlace
	dms      map[string]string
	groups   map[string][]string
	groupsAt time.Time
	// changes counts what was forgotten: an answer that was asked for before a
	// change is not kept after it.
	changes int
	// asking lets many who ask the same wait for one answer.
	asking singleflight.Group
}

var _ people.Source = (*Directory)(nil)

// identity is who the app is in its workspace. Installed for a whole organisation it
// is at home in all its workspaces, and team is the organisation's id.
type identity struct {
	team, user, bot, url string
	org                  bool
}

// isHome reports whether something that names a workspace and an organisation is of
// where the app is installed.
func (me identity) isHome(team, enterprise string) bool {
	if me.org {
		return enterprise == me.team
	}
	return team == me.team
}

// DirectoryConfig is what a directory is made of; BotToken and Clock are required.
type DirectoryConfig struct {
	BotToken, APIURL string
	// Token is used in place of BotToken when it may be renewed.
	Token *Token
	// Org is the id of the organisation the app is installed for as a whole, "" for
	// one workspace.
	Org string
	// Dial connects to Slack; nil is the network.
	Dial Dial
	// Workspace is whose people these are; "" makes one of the Slack team.
	Workspace agent.WorkspaceID
	// Fresh is how long what was looked up holds; 0 means 5 minutes.
	Fresh time.Duration
	Clock func() time.Time
}

// NewDirectory returns a directory that has looked nothing up yet.
func NewDirectory(c DirectoryConfig) *Directory {
	if c.Fresh <= 0 {
		c.Fresh = 5 * time.Minute
	}
	wire := newLine(c.BotToken, "", c.APIURL, c.Dial, c.Token)
	return &Directory{
		api: wire.api, wire: wire, clock: c.Clock, fresh: c.Fresh, ws: c.Workspace, org: c.Org,
		users: map[string]knownUser{}, places: map[string]knownPlace{}, dms: map[string]string{},
	}
}

// self is who the app is; Slack is asked once.
func (d *Directory) self(ctx context.Context) (identity, error) {
	if me := d.whoami(); me.team != "" {
		return me, nil
	}
	me, err := ask(ctx, d, "self", func(ctx context.Context) (identity, error) {
		who, err := d.api.AuthTestContext(ctx)
		if err != nil {
			return identity{}, err
		}
		if d.org != "" {
			return identity{team: d.org, user: who.UserID, bot: who.BotID, url: who.URL, org: true}, nil
		}
		return identity{team: who.TeamID, user: who.UserID, bot: who.BotID, url: who.URL}, nil
	}, func(me identity) { d.me = me })
	if err != nil {
		return identity{}, agent.WrapError(agent.Unavailable, err, "Slack does not answer")
	}
	return me, nil
}

// whoami is self as far as Slack has said it.
func (d *Directory) whoami() identity {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.me
}

func (d *Directory) team() string { return d.whoami().team }

func (d *Directory) workspace() agent.WorkspaceID {
	if d.ws != "" {
		return d.ws
	}
	return agent.WorkspaceID("slack:" + d.team())
}

type knownUser struct {
	slack.User
	at time.Time
}

type knownPlace struct {
	agent.Place
	at time.Time
}

// user looks an account up. What was known stays usable for people.MaxAge while
// Slack is away.
func (d *Directory) user(ctx context.Context, id string) (knownUser, error) {
	d.mu.Lock()
	had, ok := d.users[id]
	d.mu.Unlock()
	now := d.clock()
	if ok && now.Sub(had.at) < d.fresh {
		return had, nil
	}
	got, err := ask(ctx, d, "user "+id, func(ctx context.Context) (knownUser, error) {
		u, err := d.api.GetUserInfoContext(ctx, id)
		if err != nil {
			return knownUser{}, err
		}
		return knownUser{*u, now}, nil
	}, func(got knownUser) { d.users[id] = got })
	switch {
	case err == nil:
		return got, nil
	case code(err) == "user_not_found" || code(err) == "user_not_visible":
		return knownUser{}, agent.Errorf(agent.NotFound, "there is no person %s", id)
	case ok && now.Sub(had.at) < people.MaxAge:
		return had, nil
	}
	return knownUser{}, agent.WrapError(agent.Unavailable, err, "Slack does not say who this is")
}

// ask asks Slack once for however many want the same, waits out its limits and a
// moment of trouble, and keeps the answer unless it was overtaken by a change.
func ask[T any](ctx context.Context, d *Directory, what string, f func(ctx context.Context) (T, error), keep func(T)) (T, error) {
	d.mu.Lock()
	before := d.changes
	d.mu.Unlock()
	asker := ctx
	// Who asks after a change must not get the answer from before it.
	c := d.asking.DoChan(fmt.Sprintf("%s %d", what, before), func() (any, error) {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), lookUpWithin)
		defer cancel()
		var got T
		pauses := []time.Duration{100 * time.Millisecond, 500 * time.Millisecond, 2 * time.Second}
		for {
			var err error
			if got, err = f(ctx); err == nil {
				break
			}
			why, after := judge(err)
			switch {
			case why == limitedRate && sleep(ctx, after):
			case why == unsure && len(pauses) > 0 && sleep(asker, pauses[0]):
				// One answer that got lost must not make a stranger of somebody, as
				// long as whoever asked waits for it.
				pauses = pauses[1:]
			default:
				return got, err
			}
		}
		d.mu.Lock()
		defer d.mu.Unlock()
		if d.changes == before {
			keep(got)
		}
		return got, nil
	})
	select {
	case r := <-c:
		got, _ := r.Val.(T)
		return got, r.Err
	case <-ctx.Done():
		var none T
		return none, ctx.Err()
	}
}

// Actor returns who a Slack account is. Bots are programs, guests and people of
// other workspaces are guests, and who cannot be looked up is a stranger.
func (d *Directory) Actor(ctx context.Context, team, user string) agent.Actor {
	a := agent.Actor{Workspace: d.workspace(), ID: ActorID(d.team(), user)}
	if user == "" {
		a.ID = ""
		return a
	}
	u, err := d.user(ctx, user)
	if err != nil {
		return a
	}
	return d.actor(ctx, u, team)
}

func (d *Directory) actor(ctx context.Context, u knownUser, team string) agent.Actor {
	a := agent.Actor{Workspace: d.workspace(), ID: ActorID(d.team(), u.ID), Name: nameOf(u)}
	outside := d.outside(u) || d.org == "" && team != "" && team != d.team()
	switch {
	case u.Deleted:
		a.Kind = agent.Stranger
	case u.IsBot || u.IsWorkflowBot:
		a.Kind = agent.Program
	case outside || u.IsRestricted || u.IsUltraRestricted:
		a.Kind = agent.Guest
	default:
		a.Kind, a.Groups = agent.Member, d.groupsOf(ctx, u.ID)
	}
	return a
}

// outside reports whether an account belongs to another workspace, or to another
// organisation where the app is installed for one.
func (d *Directory) outside(u knownUser) bool {
	if d.org != "" {
		return u.IsStranger || u.Enterprise.EnterpriseID != d.org
	}
	return u.IsStranger || u.TeamID != "" && u.TeamID != d.team()
}

// teamOf is the workspace in which Slack knows an account.
func (d *Directory) teamOf(ctx context.Context, user string) string {
	if d.org != "" {
		if u, err := d.user(ctx, user); err == nil {
			return u.TeamID
		}
	}
	return d.team()
}

func nameOf(u knownUser) string {
	for _, n := range []string{u.RealName, u.Profile.DisplayName, u.User.Name} {
		if n != "" {
			return n
		}
	}
	return u.ID
}

// Person implements people.Source for the accounts of this workspace.
func (d *Directory) Person(ctx context.Context, ws agent.WorkspaceID, id agent.ActorID) (people.Person, error) {
	user, ok := userOf(id)
	if !ok {
		return people.Person{}, agent.Errorf(agent.NotFound, "there is no person %s", id)
	}
	if _, err := d.self(ctx); err != nil {
		return people.Person{}, err
	}
	if ws != d.workspace() || id != ActorID(d.team(), user) {
		return people.Person{}, agent.Errorf(agent.NotFound, "there is no person %s", id)
	}
	u, err := d.user(ctx, user)
	if err != nil {
		return people.Person{}, err
	}
	return people.Person{Actor: d.actor(ctx, u, ""), Active: !u.Deleted, AsOf: u.at, Zone: u.where()}, nil
}

// Members implements people.Source: the user group with this handle.
func (d *Directory) Members(ctx context.Context, ws agent.WorkspaceID, group string) ([]people.Person, error) {
	all, err := d.allGroups(ctx)
	if err != nil || ws != d.workspace() {
		return nil, err
	}
	var in []people.Person
	for _, id := range all[group] {
		u, err := d.user(ctx, id)
		if err != nil {
			continue
		}
		in = append(in, people.Person{Actor: d.actor(ctx, u, ""), Active: !u.Deleted, AsOf: u.at, Zone: u.where()})
	}
	return in, nil
}

// allGroups returns the user groups that may serve as policy groups, by handle:
// those whose membership only administrators or an identity provider change. When
// Slack is away longer than people.MaxAge there are none.
func (d *Directory) allGroups(ctx context.Context) (map[string][]string, error) {
	now := d.clock()
	d.mu.Lock()
	had, at := d.groups, d.groupsAt
	d.mu.Unlock()
	if had != nil && now.Sub(at) < d.fresh {
		return had, nil
	}
	got, err := ask(ctx, d, "groups", d.lookUpGroups, func(got map[string][]string) { d.groups, d.groupsAt = got, now })
	switch {
	case err == nil:
		return got, nil
	case had != nil && now.Sub(at) < people.MaxAge:
		return had, nil
	}
	return nil, agent.WrapError(agent.Unavailable, err, "Slack does not say who is in which group")
}

func (d *Directory) lookUpGroups(ctx context.Context) (map[string][]string, error) {
	list, err := d.listGroups(ctx)
	if isRefused(err) {
		// A free workspace has no user groups, and an app without the scope may see
		// none: then nobody is in any.
		return map[string][]string{}, nil
	}
	if err != nil {
		return nil, err
	}
	got, ids := map[string][]string{}, map[string]string{}
	var twice []string
	for _, g := range list {
		if g.DateDelete != 0 || g.IsExternal || !g.IsMembershipLocked && !g.IsIDPGroup || g.Handle == "" {
			continue
		}
		if had, ok := ids[g.Handle]; ok && had != g.ID {
			twice = append(twice, g.Handle)
		}
		got[g.Handle], ids[g.Handle] = g.Users, g.ID
	}
	for _, handle := range twice {
		// Workspaces call different groups the same: none is meant for sure.
		delete(got, handle)
	}
	return got, nil
}

// listGroups lists the user groups of the workspace, or of each workspace of the
// organisation: its token has to say which.
func (d *Directory) listGroups(ctx context.Context) ([]slack.UserGroup, error) {
	if d.org == "" {
		return d.api.GetUserGroupsContext(ctx, slack.GetUserGroupsOptionIncludeUsers(true))
	}
	var all []slack.UserGroup
	for cursor := ""; ; {
		teams, next, err := d.api.ListTeamsContext(ctx, slack.ListTeamsParameters{Limit: 100, Cursor: cursor})
		if err != nil {
			return nil, err
		}
		for _, t := range teams {
			some, err := d.api.GetUserGroupsContext(ctx, slack.GetUserGroupsOptionIncludeUsers(true), slack.GetUserGroupsOptionTeamID(t.ID))
			if err != nil && !isRefused(err) {
				return nil, err
			}
			all = append(all, some...)
		}
		if cursor = next; next == "" {
			return all, nil
		}
	}
}

func (d *Directory) groupsOf(ctx context.Context, user string) []string {
	all, err := d.allGroups(ctx)
	if err != nil {
		return nil
	}
	var in []string
	for handle, members := range all {
		if slices.Contains(members, user) {
			in = append(in, handle)
		}
	}
	slices.Sort(in)
	return in
}

// knows reports whether Slack need not be asked who somebody is and who sees a channel.
func (d *Directory) knows(channel, kind, user string) bool {
	now := d.clock()
	d.mu.Lock()
	defer d.mu.Unlock()
	_, placed := d.places[channel]
	return (kind == "im" || placed && now.Sub(d.places[channel].at) < d.fresh) &&
		now.Sub(d.users[user].at) < d.fresh && now.Sub(d.groupsAt) < d.fresh
}

// learn asks Slack what knows says is not known. What cannot be learned is asked again
// by whoever needs it.
func (d *Directory) learn(ctx context.Context, channel, kind, user string) {
	var both sync.WaitGroup
	both.Go(func() { d.Place(ctx, channel, kind, user) })
	both.Go(func() { d.Actor(ctx, "", user) })
	both.Wait()
}

// forget drops what is known of an account, a place or the groups.
func (d *Directory) forget(user, channel string, groups bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.changes++
	delete(d.users, user)
	delete(d.places, channel)
	if groups {
		d.groupsAt = time.Time{}
	}
}

// forgetAll drops everything that was looked up, as when the app is no longer in the
// workspace. Who the app was stays known: it is how its own things are named.
func (d *Directory) forgetAll() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.changes++
	clear(d.users)
	clear(d.places)
	clear(d.dms)
	d.groups, d.groupsAt = nil, time.Time{}
}

// dm returns the channel of a person's direct messages with the app.
func (d *Directory) dm(ctx context.Context, user string) (string, error) {
	d.mu.Lock()
	id := d.dms[user]
	d.mu.Unlock()
	if id != "" {
		return id, nil
	}
	id, err := ask(ctx, d, "dm "+user, func(ctx context.Context) (string, error) {
		c, _, _, err := d.api.OpenConversationContext(ctx, &slack.OpenConversationParameters{Users: []string{user}})
		if err != nil {
			return "", err
		}
		return c.ID, nil
	}, func(id string) { d.dms[user] = id })
	switch {
	case isRefused(err):
		return "", agent.WrapError(agent.Forbidden, err, "Slack opens no direct message with this person")
	case err != nil:
		return "", agent.WrapError(agent.Unavailable, err, "Slack does not open a direct message")
	}
	return id, nil
}

// where is the person's time zone, nil when Slack names none that is known.
func (u knownUser) where() *time.Location {
	if u.TZ == "" {
		return nil
	}
	l, err := time.LoadLocation(u.TZ)
	if err != nil {
		return nil
	}
	return l
}

// zone is the person's time zone, or UTC.
func (u knownUser) zone() *time.Location {
	if l := u.where(); l != nil {
		return l
	}
	return time.UTC
}
