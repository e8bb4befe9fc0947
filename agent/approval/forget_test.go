package approval_test

import (
	"encoding/json"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/sous-hq/sous/agent"
	"github.com/sous-hq/sous/agent/approval"
)

// Whoever adds a field says here that it may stay, or takes it out in Blank.
func TestABlankApprovalHoldsNothingOfWhatWasAskedOrSaid(t *testing.T) {
	stays := []string{
		"ID", "Workspace", "Kind", "State", "Call", "Tier", "Place", "Definition", "Rule", "Approvers", "Quorum", "Sole", "Editor", "Created",
		"Expires", "RunFor", "Votes", "Chain", "Stage", "Handed", "Reminded", "RemindedAt", "DecidedBy", "DecidedName", "DecidedAt", "Event", "EditedBy", "SpentAt",
	}
	var a approval.Approval
	full(t, reflect.ValueOf(&a).Elem())
	was := reflect.ValueOf(a)
	is := reflect.ValueOf(a.Blank())
	for i := range is.NumField() {
		name := is.Type().Field(i).Name
		if was.Field(i).IsZero() {
			t.Errorf("%s was not filled", name)
		}
		if !is.Field(i).IsZero() && !slices.Contains(stays, name) {
			t.Errorf("%s stays: %v", name, is.Field(i))
		}
	}
	want := agent.Call{ID: a.Call.ID, Turn: a.Call.Turn, Tool: a.Call.Tool, Args: json.RawMessage(`{}`), Actor: a.Call.Actor}
	want.Actor.Name, want.Actor.Groups = "", nil
	if got := a.Blank().Call; !reflect.DeepEqual(got, want) {
		t.Errorf("of the call stays %+v; want %+v", got, want)
	}
}

// full gives every field a value that is not its zero.
func full(t *testing.T, v reflect.Value) {
	t.Helper()
	switch {
	case v.Type() == reflect.TypeFor[time.Time]():
		v.Set(reflect.ValueOf(time.Unix(1, 0)))
		return
	case v.Type() == reflect.TypeFor[json.RawMessage]():
		v.SetBytes([]byte(`{"a":"b"}`))
		return
	}
	switch v.Kind() {
	case reflect.String:
		v.SetString("x")
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Int, reflect.Int64, reflect.Int8, reflect.Int32:
		v.SetInt(1)
	case reflect.Uint8, reflect.Uint:
		v.SetUint(1)
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 1, 1))
		full(t, v.Index(0))
	case reflect.Map:
		key, value := reflect.New(v.Type().Key()).Elem(), reflect.New(v.Type().Elem()).Elem()
		full(t, key)
		full(t, value)
		v.Set(reflect.MakeMap(v.Type()))
		v.SetMapIndex(key, value)
	case reflect.Struct:
		for i := range v.NumField() {
			full(t, v.Field(i))
		}
	default:
		t.Fatalf("a %s cannot be filled", v.Type())
	}
}
