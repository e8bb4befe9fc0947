package routing

import (
	"fmt"
	"strings"
	"time"
	_ "time/tzdata" // the zones of the file must exist where the system has none
)

// hours are the times of a week at which somebody works. The zero value is
// always.
type hours struct {
	set  bool
	zone *time.Location
	// days is indexed by time.Weekday; a shift belongs to the day it begins on.
	days [7]bool
	// from and to are minutes after midnight; a shift whose end is not after its
	// beginning ends on the next day.
	from, to int
}

// at reports whether the time is within the hours.
func (h hours) at(now time.Time) bool {
	if !h.set {
		return true
	}
	// A shift that began yesterday may still last.
	for _, back := range []int{0, -1} {
		if begin, end, ok := h.shift(now, back); ok && !now.Before(begin) && now.Before(end) {
			return true
		}
	}
	return false
}

// next returns when the hours begin next, within a week and a day.
func (h hours) next(now time.Time) (time.Time, bool) {
	if !h.set {
		return now, true
	}
	for ahead := range 9 {
		if begin, _, ok := h.shift(now, ahead); ok && begin.After(now) {
			return begin, true
		}
	}
	return time.Time{}, false
}

// shift returns the shift of the day that many days after now's.
func (h hours) shift(now time.Time, days int) (begin, end time.Time, ok bool) {
	y, m, d := now.In(h.zone).Date()
	at := func(day, minutes int) time.Time {
		return time.Date(y, m, d+day, minutes/60, minutes%60, 0, 0, h.zone)
	}
	begin, end = at(days, h.from), at(days, h.to)
	if h.to <= h.from {
		end = at(days+1, h.to)
	}
	return begin, end, h.days[time.Date(y, m, d+days, 12, 0, 0, 0, h.zone).Weekday()]
}

// clockMinutes reads "09:30"; "24:00" is the end of the day.
func clockMinutes(text string) (int, error) {
	if text == "24:00" {
		return 24 * 60, nil
	}
	t, err := time.Parse("15:04", text)
	if err != nil {
		return 0, fmt.Errorf("no time of day: %w", err)
	}
	return t.Hour()*60 + t.Minute(), nil
}

func weekday(name string) (time.Weekday, bool) {
	for day := range time.Weekday(7) {
		full := strings.ToLower(day.String())
		if n := strings.ToLower(strings.TrimSpace(name)); n == full || n == full[:3] {
			return day, true
		}
	}
	return 0, false
}

// Person is who is to be asked.
type Person struct {
	ID   string `json:"id"`
	Name string `json:"name,omitempty"`
	// Available says that it is within the person's hours; otherwise From is
	// when these begin next.
	Available bool      `json:"available"`
	From      time.Time `json:"from,omitzero"`
}

// onHours returns the first person in on-call order who works now, else the one
// whose hours begin next.
func (t team) onHours(now time.Time) *Person {
	var soonest *Person
	for _, p := range t.people {
		if p.hours.at(now) {
			return &Person{ID: p.id, Name: p.name, Available: true}
		}
		if from, ok := p.hours.next(now); ok && (soonest == nil || from.Before(soonest.From)) {
			soonest = &Person{ID: p.id, Name: p.name, From: from}
		}
	}
	return soonest
}
