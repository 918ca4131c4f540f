package browse

import (
	"cmp"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// The orders of the list.
var sorts = []string{"latest first", "slowest p99 first", "most lost first", "by scenario"}

// A filter is what the list is asked for, as its query says it: without a
// script, so that an address can be kept and sent.
type filter struct {
	Text, Verdict, Kind, Scenario, Sort string
	In                                  string // id of a directory
	Page                                int
}

func filterOf(q url.Values) filter {
	f := filter{Text: strings.TrimSpace(q.Get("q")), Verdict: q.Get("verdict"), Kind: q.Get("kind"),
		Scenario: q.Get("scenario"), Sort: q.Get("sort"), In: q.Get("in")}
	f.Page, _ = strconv.Atoi(q.Get("page")) // 0 when it is none: the first
	return f
}

// page is the address of another page of the same list.
func (f filter) page(n int) string {
	q := url.Values{}
	for key, value := range map[string]string{"q": f.Text, "verdict": f.Verdict, "kind": f.Kind, "scenario": f.Scenario,
		"sort": f.Sort, "in": f.In} {
		if value != "" {
			q.Set(key, value)
		}
	}
	q.Set("page", strconv.Itoa(n))
	return "/?" + q.Encode()
}

// Any says whether anything is left out.
func (f filter) Any() bool {
	return f.Text != "" || f.Verdict != "" || f.Kind != "" || f.Scenario != "" || f.In != ""
}

func (f filter) apply(items []item) []item {
	words := strings.Fields(strings.ToLower(f.Text))
	below, within := placeOf(f.In)
	kept := slices.DeleteFunc(slices.Clone(items), func(it item) bool {
		switch {
		case f.Verdict != "" && string(it.Verdict) != f.Verdict,
			f.Kind != "" && it.Kind != f.Kind,
			f.Scenario != "" && it.Scenario != f.Scenario,
			within && (it.root != below.root || below.path != "." && it.path != below.path && !strings.HasPrefix(it.path, below.path+"/")):
			return true
		}
		text := strings.ToLower(strings.Join([]string{it.Scenario, it.path, it.Machine, it.Note, string(it.Verdict), it.Kind}, "\n"))
		return slices.ContainsFunc(words, func(w string) bool { return !strings.Contains(text, w) })
	})
	switch f.Sort {
	case sorts[1]:
		slices.SortStableFunc(kept, func(a, b item) int { return cmp.Compare(b.P99, a.P99) })
	case sorts[2]:
		slices.SortStableFunc(kept, func(a, b item) int { return cmp.Compare(b.Lost, a.Lost) })
	case sorts[3]:
		slices.SortStableFunc(kept, func(a, b item) int { return cmp.Compare(a.Scenario, b.Scenario) })
	}
	return kept
}
