package postgres

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/sous-hq/sous/agent"
	"github.com/sous-hq/sous/agent/audit"
	"github.com/sous-hq/sous/agent/people"
)

var _ people.Tokens = (*DB)(nil)

// SetToken implements people.Tokens.
func (d *DB) SetToken(ctx context.Context, by agent.Actor, person agent.ActorID, hash string) error {
	now := d.now()
	e := audit.Entry{At: now, Workspace: by.Workspace, Kind: audit.TokenIssued, Actor: by.ID, Subject: person}
	err := d.write(ctx, by.Workspace, func(tx pgx.Tx) error {
		var err error
		if hash == "" {
			e.Kind = audit.TokenRevoked
			err = removeToken(ctx, tx, by.Workspace, person)
		} else {
			_, err = tx.Exec(ctx, `INSERT INTO tokens (workspace, person, hash, issued) VALUES ($1, $2, $3, $4)
				ON CONFLICT (workspace, person) DO UPDATE SET hash = excluded.hash, issued = excluded.issued`,
				by.Workspace, person, hash, timeOf(&now))
		}
		if err != nil {
			return err
		}
		return d.record(ctx, tx, e)
	})
	if err != nil {
		return fmt.Errorf("change sign-in token: %w", err)
	}
	return nil
}

func removeToken(ctx context.Context, tx pgx.Tx, ws agent.WorkspaceID, person agent.ActorID) error {
	done, err := tx.Exec(ctx, `DELETE FROM tokens WHERE workspace = $1 AND person = $2`, ws, person)
	if err != nil || done.RowsAffected() > 0 {
		return err
	}
	return noToken(person)
}

// TokenWith implements people.Tokens.
func (d *DB) TokenWith(ctx context.Context, ws agent.WorkspaceID, hash string) (people.Token, error) {
	t, ok, err := one(ctx, d, ws, scanToken, `SELECT person, hash, issued FROM tokens WHERE workspace = $1 AND hash = $2`, ws, hash)
	if err == nil && !ok {
		return t, agent.Errorf(agent.NotFound, "there is no such token")
	}
	return t, err
}

// TokenOf implements people.Tokens.
func (d *DB) TokenOf(ctx context.Context, ws agent.WorkspaceID, person agent.ActorID) (people.Token, error) {
	t, ok, err := one(ctx, d, ws, scanToken, `SELECT person, hash, issued FROM tokens WHERE workspace = $1 AND person = $2`, ws, person)
	if err == nil && !ok {
		return t, noToken(person)
	}
	return t, err
}

// AllTokens implements people.Tokens.
func (d *DB) AllTokens(ctx context.Context, ws agent.WorkspaceID) (all []people.Token, err error) {
	err = d.read(ctx, ws, func(tx pgx.Tx) error {
		all, err = every(ctx, tx, scanToken, `SELECT person, hash, issued FROM tokens WHERE workspace = $1 ORDER BY person COLLATE "C"`, ws)
		return err
	})
	return all, err
}

func noToken(person agent.ActorID) error {
	return agent.Errorf(agent.NotFound, "%s has no sign-in token", person)
}

func scanToken(row sqlRow) (people.Token, error) {
	var t people.Token
	err := row.Scan(&t.Person, &t.Hash, timeOf(&t.Issued))
	return t, err
}
