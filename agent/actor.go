package agent

// ActorID names a person or program within a workspace. It is an id of the
// system the person comes from, never a display name or an e-mail address.
type ActorID string

// WorkspaceID names a tenant; every stored row belongs to exactly one.
type WorkspaceID string

// ActorKind sorts actors by how far they belong to the workspace. The zero
// value is Stranger, who may do the least.
type ActorKind uint8

const (
	// Stranger is somebody of whom nothing is known.
	Stranger ActorKind = iota
	// Guest is a restricted or outside account.
	Guest
	// Member is a full member of the workspace.
	Member
	// Program is a bot or another system.
	Program
	// System is Sous itself: timers, recovery, schedules.
	System
)

var actorKindNames = []string{"stranger", "guest", "member", "program", "system"}

// String returns the name used in JSON.
func (k ActorKind) String() string { return nameOf(actorKindNames, int(k)) }

// MarshalText implements encoding.TextMarshaler.
func (k ActorKind) MarshalText() ([]byte, error) { return []byte(k.String()), nil }

// UnmarshalText implements encoding.TextUnmarshaler; unknown text is an error.
func (k *ActorKind) UnmarshalText(b []byte) error {
	n, err := indexOf(actorKindNames, string(b), "actor kind")
	*k = ActorKind(n)
	return err
}

// Actor is who does or asks something. Front ends build it from a verified
// session or signature; it is passed as an argument, never hidden in a context.
type Actor struct {
	Workspace WorkspaceID `json:"workspace"`
	ID        ActorID     `json:"id"`
	Kind      ActorKind   `json:"kind"`
	// Name is for display only.
	Name string `json:"name,omitempty"`
	// Groups are the policy groups the actor belongs to.
	Groups []string `json:"groups,omitempty"`
	// Owner marks the person a single-person workspace belongs to.
	Owner bool `json:"owner,omitempty"`
	// Person names the human behind the account where a directory knows it:
	// accounts with the same are one person. Empty is the account's own id.
	Person ActorID `json:"person,omitempty"`
}

// Human returns the human behind the account.
func (a Actor) Human() ActorID {
	if a.Person != "" {
		return a.Person
	}
	return a.ID
}

// PlaceKind says who can see a place. The zero value is unknown and is treated
// as shared with outsiders.
type PlaceKind uint8

const (
	// UnknownPlace is treated like Shared.
	UnknownPlace PlaceKind = iota
	// DM is a conversation with one person.
	DM
	// Private is a place with a known list of members.
	Private
	// Public is open to every member of the workspace.
	Public
	// Shared is open to people outside the workspace.
	Shared
)

var placeKindNames = []string{"unknown", "dm", "private", "public", "shared"}

// String returns the name used in JSON.
func (k PlaceKind) String() string { return nameOf(placeKindNames, int(k)) }

// MarshalText implements encoding.TextMarshaler.
func (k PlaceKind) MarshalText() ([]byte, error) { return []byte(k.String()), nil }

// UnmarshalText implements encoding.TextUnmarshaler; unknown text is an error.
func (k *PlaceKind) UnmarshalText(b []byte) error {
	n, err := indexOf(placeKindNames, string(b), "place kind")
	*k = PlaceKind(n)
	return err
}

// Place is where a conversation happens.
type Place struct {
	ID   string    `json:"id"`
	Kind PlaceKind `json:"kind"`
	// Members are the people of a DM or private place.
	Members []ActorID `json:"members,omitempty"`
}

// Readers returns who sees what is said in the place.
func (p Place) Readers() Readers {
	switch p.Kind {
	case DM, Private:
		return Only(p.Members...)
	case Public:
		return Readers{Scope: WholeWorkspace}
	case UnknownPlace, Shared:
		return Readers{Scope: Everybody}
	}
	return Readers{Scope: Everybody}
}
