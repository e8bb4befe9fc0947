package slack

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/slack-go/slack"
	"golang.org/x/sync/errgroup"

	"github.com/sous-hq/sous/agent"
	"github.com/sous-hq/sous/agent/people"
)

// How much of a channel is looked at to say who reads it. A larger one counts as
// open to outsiders, which is the safe mistake.
const (
	maxMembers   = 2000
	maxChecked   = 100
	lookUpWithin = 2 * time.Second
)

// Directory is who is who in a Slack workspace, looked up when asked and kept for a
// while. What cannot be looked up is not known, and whoever is not known may do
// nothing. It is a people.Source.
type Directory struct {
	api   *slack.Client
	wire  line
	clock func() time.Time
	fresh time.Duration
	ws    agent.WorkspaceID

	mu       sync.Mutex
	me       identity
	users    map[string]knownUser
	places   map[string]knownPlace
	dms      map[string]string
	groups   map[string][]string
	groupsAt time.Time
}

var _ people.Source = (*Directory)(nil)

// identity is who the app is in its workspace.
type identity struct{ team, user, bot string }

// DirectoryConfig is what a directory is made of; BotToken and Clock are required.
type DirectoryConfig struct {
	BotToken, APIURL string
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
	wire := newLine(c.BotToken, "", c.APIURL, c.Dial)
	return &Directory{
		api: wire.api, wire: wire, clock: c.Clock, fresh: c.Fresh, ws: c.Workspace,
		users: map[string]knownUser{}, places: map[string]knownPlace{}, dms: map[string]string{},
	}
}

// self is who the app is; Slack is asked once.
func (d *Directory) self(ctx context.Context) (identity, error) {
	if me := d.whoami(); me.team != "" {
		return me, nil
	}
	who, err := d.api.AuthTestContext(ctx)
	if err != nil {
		return identity{}, agent.WrapError(agent.Unavailable, err, "Slack does not answer")
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.me = identity{team: who.TeamID, user: who.UserID, bot: who.BotID}
	return d.me, nil
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
	u, err := d.api.GetUserInfoContext(ctx, id)
	if err != nil {
		var said slack.SlackErrorResponse
		if errors.As(err, &said) && (said.Err == "user_not_found" || said.Err == "user_not_visible") {
			return knownUser{}, agent.Errorf(agent.NotFound, "there is no person %s", id)
		}
		if ok && now.Sub(had.at) < people.MaxAge {
			return had, nil
		}
		return knownUser{}, agent.WrapError(agent.Unavailable, err, "Slack does not say who this is")
	}
	got := knownUser{*u, now}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.users[id] = got
	return got, nil
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
	home := u.TeamID
	if home == "" {
		home = d.team()
	}
	a := agent.Actor{Workspace: d.workspace(), ID: ActorID(d.team(), u.ID), Name: nameOf(u)}
	outside := u.IsStranger || home != d.team() || team != "" && team != d.team()
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
	return people.Person{Actor: d.actor(ctx, u, ""), Active: !u.Deleted, AsOf: u.at}, nil
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
		in = append(in, people.Person{Actor: d.actor(ctx, u, ""), Active: !u.Deleted, AsOf: u.at})
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
	list, err := d.api.GetUserGroupsContext(ctx, slack.GetUserGroupsOptionIncludeUsers(true))
	if err != nil {
		if had != nil && now.Sub(at) < people.MaxAge {
			return had, nil
		}
		return nil, agent.WrapError(agent.Unavailable, err, "Slack does not say who is in which group")
	}
	got := map[string][]string{}
	for _, g := range list {
		if g.DateDelete == 0 && !g.IsExternal && (g.IsMembershipLocked || g.IsIDPGroup) && g.Handle != "" {
			got[g.Handle] = g.Users
		}
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.groups, d.groupsAt = got, now
	return got, nil
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

// forget drops what is known of an account, a place or the groups.
func (d *Directory) forget(user, channel string, groups bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	delete(d.users, user)
	delete(d.places, channel)
	if groups {
		d.groupsAt = time.Time{}
	}
}

// dm returns the channel of a person's direct messages with the app.
func (d *Directory) dm(ctx context.Context, user string) (string, error) {
	d.mu.Lock()
	id := d.dms[user]
	d.mu.Unlock()
	if id != "" {
		return id, nil
	}
	c, _, _, err := d.api.OpenConversationContext(ctx, &slack.OpenConversationParameters{Users: []string{user}})
	if err != nil {
		return "", agent.WrapError(agent.Unavailable, err, "Slack does not open a direct message")
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.dms[user] = c.ID
	return c.ID, nil
}

// Place returns who sees a channel. Slack has the word; when it does not say in
// time the place counts as open to everybody, so that nothing is told there that
// not everybody may know.
func (d *Directory) Place(ctx context.Context, channel, kind, user string) agent.Place {
	id := "slack:" + d.team() + ":" + channel
	if kind == "im" {
		// The signed event says so, and nobody joins a direct message.
		return agent.Place{ID: id, Kind: agent.DM, Members: []agent.ActorID{ActorID(d.team(), user)}}
	}
	now := d.clock()
	d.mu.Lock()
	had, ok := d.places[channel]
	d.mu.Unlock()
	if ok && now.Sub(had.at) < d.fresh {
		return had.Place
	}
	ctx, cancel := context.WithTimeout(ctx, lookUpWithin)
	defer cancel()
	p, err := d.lookUp(ctx, channel, user)
	if err != nil {
		return agent.Place{ID: id, Kind: agent.Shared}
	}
	p.ID = id
	d.mu.Lock()
	defer d.mu.Unlock()
	d.places[channel] = knownPlace{p, now}
	return p
}

func (d *Directory) lookUp(ctx context.Context, channel, user string) (agent.Place, error) {
	c, err := d.api.GetConversationInfoContext(ctx, &slack.GetConversationInfoInput{ChannelID: channel, IncludeNumMembers: true})
	switch {
	case err != nil:
		return agent.Place{}, err
	case c.IsIM:
		return agent.Place{Kind: agent.DM, Members: []agent.ActorID{ActorID(d.team(), user)}}, nil
	case c.IsExtShared || c.IsPendingExtShared || c.IsShared || c.IsOrgShared || c.IsGlobalShared:
		return agent.Place{Kind: agent.Shared}, nil
	}
	members, err := d.members(ctx, channel)
	switch {
	case err != nil:
		return agent.Place{}, err
	case d.outsiders(ctx, members):
		return agent.Place{Kind: agent.Shared}, nil
	case !c.IsPrivate && !c.IsMpIM:
		return agent.Place{Kind: agent.Public}, nil
	}
	p := agent.Place{Kind: agent.Private}
	for _, m := range members {
		p.Members = append(p.Members, ActorID(d.team(), m))
	}
	return p, nil
}

func (d *Directory) members(ctx context.Context, channel string) ([]string, error) {
	var all []string
	for cursor := ""; ; {
		some, next, err := d.api.GetUsersInConversationContext(ctx, &slack.GetUsersInConversationParameters{ChannelID: channel, Cursor: cursor, Limit: 999})
		if err != nil {
			return nil, err
		}
		if all = append(all, some...); next == "" || len(all) > maxMembers {
			return all, nil
		}
		cursor = next
	}
}

// outsiders reports whether a guest or somebody of another workspace is among the
// members, or might be.
func (d *Directory) outsiders(ctx context.Context, members []string) bool {
	if len(members) > maxChecked {
		return true
	}
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(8)
	for _, m := range members {
		g.Go(func() error {
			u, err := d.user(ctx, m)
			switch {
			case err != nil:
				return err
			case u.IsBot || u.Deleted:
				return nil
			case u.IsRestricted || u.IsUltraRestricted || u.IsStranger || u.TeamID != "" && u.TeamID != d.team():
				return agent.Errorf(agent.Forbidden, "%s is no full member", m)
			}
			return nil
		})
	}
	return g.Wait() != nil
}

// zone is the person's time zone.
func (u knownUser) zone() *time.Location {
	if l, err := time.LoadLocation(u.TZ); err == nil && u.TZ != "" {
		return l
	}
	return time.UTC
}
