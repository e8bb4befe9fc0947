package tickets_test

import (
	"context"
	"errors"
)

// lostOnce makes the record of the first outcome fail, as a crash would.
func lostOnce(crash *bool) func(context.Context, string) error {
	return func(_ context.Context, method string) error {
		if method == "settle" && *crash {
			*crash = false
			return errors.New("the power went out")
		}
		return nil
	}
}
