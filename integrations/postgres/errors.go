package postgres

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"syscall"

	"github.com/jackc/pgerrcode"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/sous-hq/sous/agent"
	"github.com/sous-hq/sous/agent/loop"
)

// publicError gives PostgreSQL's own failures a kind and a text people can act
// on; other errors pass as they are.
func publicError(err error) error {
	var known *agent.Error
	if err == nil || errors.As(err, &known) || errors.Is(err, context.Canceled) {
		return err
	}
	if takenOver(err) {
		return agent.WrapError(agent.Unavailable, errors.Join(loop.ErrTakenOver, err), loop.ErrTakenOver.Error())
	}
	var pg *pgconn.PgError
	var connect *pgconn.ConnectError
	if errors.As(err, &pg) {
		if kind, text := meaning(pg.Code); text != "" {
			return agent.WrapError(kind, err, text)
		}
		if errors.As(err, &connect) {
			return agent.WrapError(agent.Unavailable, err, fmt.Sprintf("the database lets nobody in: %s", pg.Message))
		}
		return err
	}
	if errors.Is(err, context.DeadlineExceeded) && !errors.As(err, &connect) {
		return agent.WrapError(agent.Unavailable, err, "the database did not answer in time; if it stays so, check that it runs and can be reached, and that nobody holds a lock there")
	}
	var network net.Error
	if text := untrusted(err); text != "" && !errors.As(err, &network) {
		return agent.WrapError(agent.Unavailable, err, text)
	}
	if errors.As(err, &connect) || errors.As(err, &network) || errors.Is(err, io.ErrUnexpectedEOF) || pgconn.SafeToRetry(err) {
		return agent.WrapError(agent.Unavailable, err, "the database cannot be reached; if it stays so, check that it runs and that SOUS_DATABASE_URL names it")
	}
	return err
}

// atStart adds to what is told of a database that cannot be used which one it is and what
// it or the network said. That is for whoever starts Sous, not for those who talk to it.
func atStart(c *pgx.ConnConfig, err error) error {
	told := publicError(err)
	why := said(err)
	if agent.KindOf(told) != agent.Unavailable || why == "" || strings.Contains(agent.PublicText(told), why) {
		return told
	}
	where := c.Host
	if !strings.HasPrefix(where, "/") {
		where = net.JoinHostPort(c.Host, strconv.Itoa(int(c.Port)))
	}
	return agent.WrapError(agent.Unavailable, told, fmt.Sprintf("%s (%s at %s: %s)", agent.PublicText(told), c.Database, where, why))
}

// said is what the server or the network gave as the reason; "" for none.
func said(err error) string {
	var pg *pgconn.PgError
	var name *net.DNSError
	var errno syscall.Errno
	switch {
	case errors.As(err, &pg):
		return pg.Message
	case errors.As(err, &name):
		return name.Err
	case errors.As(err, &errno):
		return errno.Error()
	}
	return ""
}

// untrusted is what people are told when the connection is not as safe as the address
// of the database asks; "" when that is not the trouble.
func untrusted(err error) string {
	var connect *pgconn.ConnectError
	if !errors.As(err, &connect) {
		return ""
	}
	if bad, ok := errors.AsType[*tls.CertificateVerificationError](err); ok {
		return fmt.Sprintf("the certificate of the database is not trusted (%v); check sslmode and sslrootcert in SOUS_DATABASE_URL", bad.Err)
	}
	// pgx has no name for it.
	if strings.Contains(err.Error(), "server refused TLS connection") {
		return "the database takes no encrypted connections; switch TLS on there, or change sslmode in SOUS_DATABASE_URL"
	}
	return ""
}

// unsure says of a write whose end nobody heard that it may have been stored.
func unsure(err error) error {
	var pg *pgconn.PgError
	if errors.As(err, &pg) || pgconn.SafeToRetry(err) || errors.Is(err, context.Canceled) {
		return err
	}
	return agent.WrapError(agent.Unavailable, err, "the database went away while this was being stored, so it may be there or not; look before you do it again")
}

// crowded reports whether the server has no connection left for who asks.
func crowded(err error) bool {
	var pg *pgconn.PgError
	return errors.As(err, &pg) && pg.Code == pgerrcode.TooManyConnections
}

const textFull = "the disk that holds the database is full; free some space and try again"

// diskFull reports whether the server had no room for a write.
func diskFull(err error) bool {
	var pg *pgconn.PgError
	return errors.As(err, &pg) && pg.Code == pgerrcode.DiskFull
}

// meaning is what a code of PostgreSQL says to people; "" when it is for the log.
func meaning(code string) (agent.Kind, string) {
	switch {
	case code == pgerrcode.InvalidPassword, code == pgerrcode.InvalidAuthorizationSpecification:
		return agent.Unavailable, "the database does not accept the user or the password; check SOUS_DATABASE_URL"
	case code == pgerrcode.InvalidCatalogName:
		return agent.Unavailable, "there is no such database on the server; check SOUS_DATABASE_URL"
	case code == pgerrcode.InsufficientPrivilege:
		return agent.Unavailable, "the user of the database lacks a right Sous needs; an administrator can give it, see integrations/postgres/roles.sql"
	case code == pgerrcode.ReadOnlySQLTransaction:
		return agent.Unavailable, "the database takes no writes at the moment; it is a standby, or default_transaction_read_only is on there"
	case code == pgerrcode.DiskFull:
		return agent.Unavailable, textFull
	case code == pgerrcode.SerializationFailure, code == pgerrcode.DeadlockDetected:
		return agent.Unavailable, "too many are at the same thing at once; try again in a moment"
	case code == pgerrcode.FeatureNotSupported, code == pgerrcode.UndefinedFile:
		return agent.Unavailable, "the database server lacks an extension Sous needs; install pgvector on it"
	case code == pgerrcode.TooManyConnections:
		return agent.Unavailable, "the database has no connection left; lower pool_max_conns or raise its max_connections"
	case code == pgerrcode.CharacterNotInRepertoire, code == pgerrcode.UntranslatableCharacter:
		return agent.Invalid, "this holds characters that cannot be stored"
	case code == pgerrcode.ProgramLimitExceeded:
		return agent.TooLarge, "this is more than the store can keep in one piece"
	case pgerrcode.IsOperatorIntervention(code), pgerrcode.IsConnectionException(code), pgerrcode.IsInsufficientResources(code):
		return agent.Unavailable, "the database is stopping, starting or out of resources; try again in a moment"
	}
	return 0, ""
}

// outOfOrder reports whether the transaction can be tried again: the database
// ended it to let another one through.
func outOfOrder(err error) bool {
	var pg *pgconn.PgError
	return errors.As(err, &pg) && (pg.Code == pgerrcode.SerializationFailure || pg.Code == pgerrcode.DeadlockDetected)
}

// unknownTable reports whether a statement named a table that is not where it looked.
func unknownTable(err error) bool {
	var pg *pgconn.PgError
	return errors.As(err, &pg) && pg.Code == pgerrcode.UndefinedTable
}

// broken reports whether the error says that the named constraint or unique
// index would not hold.
func broken(err error, constraint string) bool {
	var pg *pgconn.PgError
	return errors.As(err, &pg) && pg.ConstraintName == constraint
}
