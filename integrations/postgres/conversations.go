package postgres

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/sous-hq/sous/agent"
	"github.com/sous-hq/sous/agent/loop"
)

const (
	// messageRows and conversationRows bound what one read returns.
	messageRows      = 1000
	conversationRows = 500
	// titleBytes bounds a conversation's title, taken from its first message.
	titleBytes = 80
)

// Messages implements loop.Conversations.
func (d *DB) Messages(ctx context.Context, ws agent.WorkspaceID, conversation string, limit int) ([]agent.Message, error) {
	last, err := list(ctx, d, ws, scanMessage, `SELECT `+messageColumns+` FROM messages m
		WHERE m.workspace = $1 AND m.conversation = $2 ORDER BY m.seq DESC LIMIT $3`, ws, conversation, bounded(limit, messageRows))
	if err != nil {
		return nil, fmt.Errorf("read messages: %w", err)
	}
	slices.Reverse(last)
	return last, nil
}

// Conversations implements loop.Conversations. Public and shared places are
// listed for full members, the others for those who are in them.
func (d *DB) Conversations(ctx context.Context, by agent.Actor, limit int) ([]loop.Conversation, error) {
	limit = bounded(limit, conversationRows)
	all, err := list(ctx, d, by.Workspace, scanConversation, `
		SELECT * FROM (SELECT id, title, place, last FROM conversations
			WHERE workspace = $1 AND open AND $3 ORDER BY last DESC, id DESC LIMIT $4) o
		UNION
		SELECT * FROM (SELECT c.id, c.title, c.place, c.last
			FROM conversation_members m JOIN conversations c ON c.workspace = m.workspace AND c.id = m.conversation
			WHERE m.workspace = $1 AND m.actor = $2 ORDER BY c.last DESC, c.id DESC LIMIT $4) m
		ORDER BY last DESC, id DESC LIMIT $4`, by.Workspace, by.ID, by.Kind == agent.Member, limit)
	if err != nil {
		return nil, fmt.Errorf("read conversations: %w", err)
	}
	return all, nil
}

// Conversation implements loop.Conversations.
func (d *DB) Conversation(ctx context.Context, by agent.Actor, id string) (loop.Conversation, error) {
	c, ok, err := one(ctx, d, by.Workspace, scanConversation, `SELECT c.id, c.title, c.place, c.last FROM conversations c
		WHERE c.workspace = $1 AND c.id = $2`, by.Workspace, id)
	if err != nil {
		return loop.Conversation{}, fmt.Errorf("read conversation: %w", err)
	}
	if !ok || !c.Place.Readers().Includes(by) {
		return loop.Conversation{}, agent.Errorf(agent.NotFound, "there is no conversation %s", id)
	}
	return c, nil
}

func scanConversation(row sqlRow) (loop.Conversation, error) {
	var c loop.Conversation
	err := row.Scan(&c.ID, &c.Title, jsonOf(&c.Place), timeOf(&c.Last))
	return c, err
}

const messageColumns = `m.id, m.conversation, m.turn, m.author, m.text, m.files, m.label, m.at`

func scanMessage(row sqlRow) (agent.Message, error) {
	var m agent.Message
	err := row.Scan(messageInto(&m)...)
	return m, err
}

func messageInto(m *agent.Message) []any {
	return []any{&m.ID, &m.Conversation, &m.Turn, jsonOf(&m.Author), &m.Text, jsonOf(&m.Files), jsonOf(&m.Label), timeOf(&m.At)}
}

// say appends the message to its conversation.
func say(tx pgx.Tx, ws agent.WorkspaceID, m agent.Message) {
	later(tx, `INSERT INTO messages (workspace, id, conversation, seq, turn, author, text, files, label, at)
		VALUES ($1, $2, $3, COALESCE((SELECT seq FROM messages WHERE workspace = $1 AND conversation = $3 ORDER BY seq DESC LIMIT 1), 0) + 1,
			$4, $5, $6, $7, $8, $9)`,
		ws, m.ID, m.Conversation, m.Turn, jsonOf(m.Author), storable(m.Text), jsonOf(m.Files), jsonOf(m.Label), timeOf(&m.At))
}

// touch says that the message is the last of its conversation so far.
func touch(tx pgx.Tx, ws agent.WorkspaceID, m agent.Message) {
	later(tx, `UPDATE conversations SET last = GREATEST(last, $3) WHERE workspace = $1 AND id = $2`,
		ws, m.Conversation, timeOf(&m.At))
}

// converse makes sure of the conversation and that its place is the one the
// latest event came from: channels change their kind and members.
func converse(tx pgx.Tx, ws agent.WorkspaceID, p agent.Place, m agent.Message) error {
	place, err := jsonOf(p).Value()
	if err != nil {
		return err
	}
	open := p.Kind != agent.DM && p.Kind != agent.Private
	members := p.Members
	if members == nil {
		// NULL is compared with nobody.
		members = []agent.ActorID{}
	}
	later(tx, `WITH changed AS (
			INSERT INTO conversations (workspace, id, title, place, open, last) VALUES ($1, $2, $3, $4, $5, $6)
			ON CONFLICT (workspace, id) DO UPDATE SET place = excluded.place, open = excluded.open
				WHERE conversations.place <> excluded.place
			RETURNING 1),
		gone AS (
			DELETE FROM conversation_members WHERE workspace = $1 AND conversation = $2 AND actor <> ALL ($7::text[])
			AND EXISTS (SELECT FROM changed))
		INSERT INTO conversation_members (workspace, actor, conversation)
			SELECT $1, member, $2 FROM unnest($7::text[]) member WHERE EXISTS (SELECT FROM changed) ON CONFLICT DO NOTHING`,
		ws, m.Conversation, title(storable(m.Text)), place, open, timeOf(&m.At), members)
	return nil
}

// title is the first line of the first message.
func title(text string) string {
	line, _, _ := strings.Cut(strings.TrimSpace(text), "\n")
	line = strings.TrimSpace(line)
	if short := clip(line, titleBytes); short != line {
		return strings.TrimSpace(short) + "…"
	}
	return line
}
