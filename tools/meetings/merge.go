package meetings

import (
	"slices"
	"strings"
)

// sameItem is the share of common words from which two items count as one.
const sameItem = 0.7

// mergeDrafts joins the drafts of parts in order; items that say the same are
// kept once, with the cues of both.
func mergeDrafts(parts []answer) Draft {
	var d Draft
	var summaries []string
	for _, p := range parts {
		summaries = append(summaries, strings.TrimSpace(p.draft.Summary))
		d.Decisions = mergeItems(d.Decisions, p.draft.Decisions)
		d.Questions = mergeItems(d.Questions, p.draft.Questions)
		d.Actions = mergeActions(d.Actions, p.draft.Actions)
	}
	d.Summary = strings.Join(summaries, "\n\n")
	return d
}

func mergeItems(have, more []DraftItem) []DraftItem {
next:
	for _, m := range more {
		for _, h := range have {
			if alike(h.Text, m.Text) || h.Quote == m.Quote && shareCue(h.Cues, m.Cues) {
				continue next
			}
		}
		have = append(have, m)
	}
	return have
}

func mergeActions(have, more []DraftAction) []DraftAction {
next:
	for _, m := range more {
		for i := range have {
			h := &have[i]
			if !sameOwner(h.Owner, m.Owner) || !alike(h.Text, m.Text) && (h.Quote != m.Quote || !shareCue(h.Cues, m.Cues)) {
				continue
			}
			// The words that name an owner or a day are the better evidence.
			if h.Owner == nil && m.Owner != nil || h.Due == nil && m.Due != nil && h.Owner == nil {
				*h = m
			}
			continue next
		}
		have = append(have, m)
	}
	return have
}

// sameOwner lets an item without an owner join one that has one.
func sameOwner(a, b *string) bool {
	return a == nil || b == nil || strings.EqualFold(strings.TrimSpace(*a), strings.TrimSpace(*b))
}

func shareCue(a, b []int) bool {
	for _, x := range a {
		if slices.Contains(b, x) {
			return true
		}
	}
	return false
}

// alike compares the words of two items (Jaccard). Items that name different
// numbers are different, however alike the rest is.
func alike(a, b string) bool {
	set := map[string]bool{}
	for _, t := range tokens(a) {
		set[t.word] = true
	}
	other := map[string]bool{}
	both := 0
	for _, t := range tokens(b) {
		if !other[t.word] && set[t.word] {
			both++
		}
		other[t.word] = true
	}
	if !sameNumbers(set, other) {
		return false
	}
	all := len(set) + len(other) - both
	return all > 0 && float64(both) >= sameItem*float64(all)
}

func sameNumbers(a, b map[string]bool) bool {
	for _, pair := range [...][2]map[string]bool{{a, b}, {b, a}} {
		for w := range pair[0] {
			if w[0] >= '0' && w[0] <= '9' && !pair[1][w] {
				return false
			}
		}
	}
	return true
}
