package sqlite

import (
	"context"
	"database/sql"
	"fmt"

	"github.com/sous-hq/sous/agent"
	"github.com/sous-hq/sous/agent/audit"
	"github.com/sous-hq/sous/agent/install"
)

var _ install.Store = (*DB)(nil)

// Install implements install.Store.
func (d *DB) Install(ctx context.Context, i install.Installation) error {
	if err := i.Check(); err != nil {
		return err
	}
	if d.keys.trouble != nil {
		return d.keys.trouble
	}
	box, err := i.Seal(d.keys.ring.KEK)
	if err != nil {
		return fmt.Errorf("install: %w", err)
	}
	err = d.tx(ctx, func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, `INSERT INTO installations (workspace, system, team, name, enterprise, org, app, bot, scopes, by, at, expires, sealed)
			VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
			ON CONFLICT (workspace, system, team) DO UPDATE SET name = excluded.name, enterprise = excluded.enterprise, org = excluded.org, app = excluded.app,
			bot = excluded.bot, scopes = excluded.scopes, by = excluded.by, at = excluded.at, expires = excluded.expires, sealed = excluded.sealed`,
			i.Workspace, i.System, i.Team, i.Name, i.Enterprise, i.Org, i.App, i.Bot, jsonOf(i.Scopes), i.By, timeOf(&i.At), timeOf(&i.Expires), box)
		if err != nil {
			return err
		}
		return d.record(ctx, tx, installEntry(audit.AppInstalled, i, agent.ActorID(i.By)))
	})
	if err != nil {
		return fmt.Errorf("install: %w", err)
	}
	return nil
}

func installEntry(k audit.Kind, i install.Installation, by agent.ActorID) audit.Entry {
	if by == "" {
		by = "sous"
	}
	return audit.Entry{Workspace: i.Workspace, Kind: k, Actor: by, Status: i.System, Note: i.Team}
}

// Renew implements install.Store.
func (d *DB) Renew(ctx context.Context, i install.Installation, was install.Secret) error {
	if d.keys.trouble != nil {
		return d.keys.trouble
	}
	kek := d.keys.ring.KEK
	box, err := i.Seal(kek)
	if err != nil {
		return fmt.Errorf("renew: %w", err)
	}
	err = d.tx(ctx, func(tx *sql.Tx) error {
		had, ok, err := first(tx.QueryRowContext(ctx, selectInstallation+` WHERE workspace = ? AND system = ? AND team = ?`, i.Workspace, i.System, i.Team), scanInstallation)
		switch {
		case err != nil:
			return err
		case !ok:
			return agent.Errorf(agent.NotFound, "%s is not installed in %s", i.System, i.Team)
		}
		now, err := had.Open(kek, had.box)
		switch {
		case err != nil:
			return err
		case now.Refresh != was:
			return agent.Errorf(agent.Conflict, "the credentials of %s in %s were renewed meanwhile", i.System, i.Team)
		}
		if _, err := tx.ExecContext(ctx, `UPDATE installations SET expires = ?, sealed = ? WHERE workspace = ? AND system = ? AND team = ?`,
			timeOf(&i.Expires), box, i.Workspace, i.System, i.Team); err != nil {
			return err
		}
		return d.record(ctx, tx, installEntry(audit.AppRenewed, i, ""))
	})
	if err != nil {
		return fmt.Errorf("renew: %w", err)
	}
	return nil
}

// Uninstall implements install.Store.
func (d *DB) Uninstall(ctx context.Context, ws agent.WorkspaceID, system, team, why string) error {
	err := d.tx(ctx, func(tx *sql.Tx) error {
		// The credentials do not stay in the file's free pages.
		if _, err := tx.ExecContext(ctx, `PRAGMA secure_delete = ON`); err != nil {
			return err
		}
		r, err := tx.ExecContext(ctx, `DELETE FROM installations WHERE workspace = ? AND system = ? AND team = ?`, ws, system, team)
		if err != nil {
			return err
		}
		if n, err := r.RowsAffected(); err != nil || n == 0 {
			return err
		}
		e := installEntry(audit.AppRemoved, install.Installation{Workspace: ws, System: system, Team: team}, "")
		e.Note += " " + why
		return d.record(ctx, tx, e)
	})
	if err != nil {
		return fmt.Errorf("uninstall: %w", err)
	}
	return nil
}

// boxed is an installation as it is kept.
type boxed struct {
	install.Installation
	box []byte
}

const selectInstallation = `SELECT workspace, system, team, name, enterprise, org, app, bot, scopes, by, at, expires, sealed FROM installations`

func scanInstallation(row sqlRow) (boxed, error) {
	var i boxed
	err := row.Scan(&i.Workspace, &i.System, &i.Team, &i.Name, &i.Enterprise, &i.Org, &i.App, &i.Bot, jsonOf(&i.Scopes), &i.By, timeOf(&i.At), timeOf(&i.Expires), &i.box)
	return i, err
}

// Installations implements install.Store.
func (d *DB) Installations(ctx context.Context, system string) ([]install.Installation, error) {
	all, err := every(ctx, d.sql, scanInstallation, selectInstallation+` WHERE system = ? ORDER BY at, team`, system)
	if err != nil {
		return nil, d.publicError(fmt.Errorf("read installations: %w", err))
	}
	if len(all) > 0 && d.keys.trouble != nil {
		return nil, d.keys.trouble
	}
	opened := make([]install.Installation, len(all))
	for n, i := range all {
		if opened[n], err = i.Open(d.keys.ring.KEK, i.box); err != nil {
			return nil, fmt.Errorf("read installations: %w", err)
		}
	}
	return opened, nil
}
