package audit

// The kinds of rows about what people say of answers and minutes, and about where
// Sous is installed.
const (
	// FeedbackGiven says that somebody rated a turn; the status is good or bad and
	// the note the reasons. What they wrote is not in the record.
	FeedbackGiven Kind = "feedback.given"
	// FeedbackForgotten says that a person's comments were taken away.
	FeedbackForgotten Kind = "feedback.forgotten"
	// MinutesReviewed says what somebody did about minutes: the status is edited,
	// published, discarded, taken, disowned, made or failed.
	MinutesReviewed Kind = "minutes.reviewed"
	// AppInstalled, AppRenewed and AppRemoved are about the credentials of an
	// outside system: the status names the system, the note the team.
	AppInstalled Kind = "app.installed"
	AppRenewed   Kind = "app.renewed"
	AppRemoved   Kind = "app.removed"
)
