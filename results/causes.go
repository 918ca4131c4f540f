package results

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
)

// wrongKey is what the cause of a wrong answer can be told from.
type wrongKey struct {
	judgement Judgement
	path      Path
	intent    uint8
	code      uint32
}

// cause says in words why an answer differed from the directory's. The intents
// are the words of a scenario: right, wrong, old (the password before the
// last), unknown, else the user's state.
func cause(k wrongKey, intent string) string {
	if k.path == PathHashSync {
		switch {
		case k.judgement == WrongAccept && intent == "old":
			return "hash sync holds an older password"
		case k.judgement == WrongAccept && intent == "right":
			return "what happened to the user is not carried by hash sync, or not yet"
		case k.judgement == WrongAccept && intent == "wrong":
			return "hash sync accepted the wrong password"
		case k.judgement == WrongAccept && intent == "disabled":
			return "disabled since hash sync last carried it"
		case k.judgement == WrongAccept && intent == "unknown":
			return "deleted since hash sync last carried it"
		case k.judgement == WrongRefusal && k.code == 50034:
			return "hash sync does not hold the user"
		case k.judgement == WrongRefusal:
			return "hash sync holds no hash, or an older one"
		case intent == "right" || intent == "wrong" || intent == "old" || intent == "unknown":
			return fmt.Sprintf("hash sync answered AADSTS%d to %s", k.code, attempt(intent))
		default:
			return intent + " is not carried by hash sync"
		}
	}
	if k.judgement == WrongAccept {
		return attempt(intent) + " was accepted"
	}
	return fmt.Sprintf("%s was answered AADSTS%d", attempt(intent), k.code)
}

// attempt is an intent in words.
func attempt(intent string) string {
	switch intent {
	case "right", "wrong", "old":
		return "the " + intent + " password"
	case "expired":
		return "an expired password"
	case "unknown", "account-expired":
		return "an " + intent + " user"
	default:
		return "a " + intent + " user"
	}
}

// A WrongCount counts the answers that differ from the directory's, in bounded
// memory. The zero value is empty.
type WrongCount struct {
	by map[wrongKey]uint64
}

// Count takes in a sign-in, of whichever judgement.
func (w *WrongCount) Count(s *Sample) {
	if s.Judgement <= Right {
		return
	}
	if w.by == nil {
		w.by = map[wrongKey]uint64{}
	}
	k := wrongKey{s.Judgement, s.Path, s.Intent, s.Code}
	if _, known := w.by[k]; !known && len(w.by) >= maxKinds {
		k.code = 0
	}
	w.by[k]++
}

// ByCause merges those that have one cause, the most frequent first. Intents
// are the header's.
func (w *WrongCount) ByCause(intents []string) []Wrong {
	merged := map[Wrong]uint64{}
	for k, n := range w.by {
		intent := "intent " + strconv.Itoa(int(k.intent))
		if int(k.intent) < len(intents) {
			intent = intents[k.intent]
		}
		merged[Wrong{Kind: k.judgement.String(), Path: k.path.String(), Cause: cause(k, intent)}] += n
	}
	list := make([]Wrong, 0, len(merged))
	for w, n := range merged {
		w.Count = n
		list = append(list, w)
	}
	slices.SortFunc(list, func(a, b Wrong) int {
		return cmp.Or(cmp.Compare(b.Count, a.Count), cmp.Compare(a.Kind, b.Kind),
			cmp.Compare(a.Path, b.Path), cmp.Compare(a.Cause, b.Cause))
	})
	return list
}
