package audit

// The kinds of rows about people who step in.
const (
	// EffectResolved says that a person found out what became of an effect; the
	// status is what they found and the note what they wrote.
	EffectResolved Kind = "effect.resolved"
	// TurnStuck says that a turn was set aside: the status is the step that failed,
	// the note how often and why. TurnReplayed says that a person had it run again,
	// TurnCancelled that a person ended it.
	TurnStuck     Kind = "turn.stuck"
	TurnReplayed  Kind = "turn.replayed"
	TurnCancelled Kind = "turn.cancelled"
	// BudgetRefused says that a model was not asked for a turn since a budget was used
	// up; the note says which.
	BudgetRefused Kind = "budget.refused"
	// PauseSet and PauseLifted are the kill switch: the status is what was
	// paused, turn or tool say which one, the note is the reason.
	PauseSet    Kind = "pause.set"
	PauseLifted Kind = "pause.lifted"
	// KeysRotated says that the keys of the record were replaced; the status is the public
	// half of the new signer.
	KeysRotated Kind = "keys.rotated"
	// TurnStopped says that somebody asked a turn to stop; that it did is its end.
	TurnStopped Kind = "turn.stopped"
)

// The kinds of rows about who may sign in; the subject is the person.
const (
	// TokenIssued says that a person was given a token in place of any before.
	TokenIssued Kind = "token.issued"
	// TokenRevoked says that a person's token was taken back.
	TokenRevoked Kind = "token.revoked"
)
