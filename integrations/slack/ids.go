package slack

import (
	"crypto/sha256"
	"encoding/hex"
	"strings"

	"github.com/sous-hq/sous/agent"
)

// A turn's id is made from the message that asked, team-channel-timestamp, so that
// a mention that arrives as two events, on two transports, any number of times, is
// one turn; a conversation's from the thread's root. Both say where to answer.
const idPrefix = "slack-"

// where is a thread, or with no root a channel.
type where struct{ team, channel, root string }

// thread is the thread_ts to post under, "" for none.
func (w where) thread() string {
	if strings.Contains(w.root, ".") && !strings.HasPrefix(w.root, "cmd.") {
		return w.root
	}
	return ""
}

// lane is in which order things are handled: one after the other in a thread.
func (w where) lane() string { return w.channel + "/" + w.root }

func (w where) conversation() string { return idPrefix + w.team + "-" + w.channel + "-" + w.root }

func turnID(team, channel, ts string) string { return idPrefix + team + "-" + channel + "-" + ts }

// whereOf reads a conversation's id; one of another front end is none of ours.
func whereOf(conversation string) (where, bool) {
	rest, ok := strings.CutPrefix(conversation, idPrefix)
	parts := strings.SplitN(rest, "-", 3)
	if !ok || len(parts) != 3 || parts[0] == "" || parts[1] == "" || parts[2] == "" {
		return where{}, false
	}
	return where{parts[0], parts[1], parts[2]}, true
}

// commandRoot stands for a thread where a slash command has none.
func commandRoot(trigger string) string {
	sum := sha256.Sum256([]byte(trigger))
	return "cmd." + hex.EncodeToString(sum[:10])
}

// ActorID is how a Slack account is named: team and user id, never a name.
func ActorID(team, user string) agent.ActorID { return agent.ActorID("slack:" + team + ":" + user) }

// userOf returns the user id of one of our actors.
func userOf(id agent.ActorID) (user string, ok bool) {
	parts := strings.Split(string(id), ":")
	if len(parts) != 3 || parts[0] != "slack" || parts[2] == "" {
		return "", false
	}
	return parts[2], true
}
