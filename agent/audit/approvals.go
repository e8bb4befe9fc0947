package audit

// What happens to an approval beside its decision and its expiry.
const (
	// ApprovalVoted is a yes that was not the last one needed.
	ApprovalVoted Kind = "approval.voted"
	// ApprovalHanded says that somebody gave their say to somebody else.
	ApprovalHanded Kind = "approval.handed"
	// ApprovalEscalated says that further groups may decide.
	ApprovalEscalated Kind = "approval.escalated"
	// ApprovalNoted is a question or an answer about it.
	ApprovalNoted Kind = "approval.noted"
	// ApprovalReminded says that those whose turn it is were reminded.
	ApprovalReminded Kind = "approval.reminded"
	// ApprovalClosed says that it ended without being used: the call was edited,
	// what was approved has changed, or its turn is over.
	ApprovalClosed Kind = "approval.closed"
)
