package check

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"sort"
	"strings"
)

// inOrder are the faults that were on, by when they began.
func (w *watches) inOrder() []*watch {
	var list []*watch
	for _, one := range w.all {
		if one.on() {
			list = append(list, one)
		}
	}
	slices.SortStableFunc(list, func(a, b *watch) int { return cmp.Compare(a.Began, b.Began) })
	return list
}

// findNext finds, for each fault that was undone, the next one that began.
func (w *watches) findNext() {
	list := w.inOrder()
	for _, one := range list {
		if one.UndoneAt == Never {
			continue
		}
		i := sort.Search(len(list), func(i int) bool { return list[i].Began >= one.UndoBegan && list[i].Began > one.Began })
		if i < len(list) {
			one.next = list[i]
		}
	}
}

// endWindow ends the window of a fault: when its target serves again, but
// before the next fault begins. Of a connector that is back and gets nothing
// to do, it is not known when it would have served; what happens from there on
// is the next one's doing.
func (w *watch) endWindow() {
	if w.UndoneAt == Never {
		w.end = math.MaxInt64
		return
	}
	if w.next != nil && !w.ofHashes() && w.recover != Never && w.UndoBegan+w.recover >= w.next.Began {
		w.recover = Never
	}
	w.end = w.UndoneAt + aftermath
	if w.recover != Never {
		w.end = max(w.UndoneAt, w.UndoBegan+w.recover)
	}
	if w.next != nil {
		w.end = min(w.end, w.next.Began-1)
	}
}

// has says whether a sign-in that was under way from one time to another is of
// the window. One that was due after the undo and that the next fault found
// under way is the next one's.
func (w *watch) has(due, done int64) bool {
	return done >= w.Began && due <= w.end && (w.next == nil || due <= w.UndoneAt || done < w.next.Began)
}

// notRecovered says that there was no time to see the target serve again.
func (w *watch) notRecovered() string {
	if w.next == nil || w.recover != Never {
		return ""
	}
	return "not seen to serve again before " + w.next.Name + " began"
}

// An overlap is which other faults were on within the window of one.
type overlap struct {
	names []string // the first ones
	n     int
}

// maxOverlap is how many of them a note names.
const maxOverlap = 3

func (o *overlap) add(name string) {
	if o.n++; len(o.names) < maxOverlap {
		o.names = append(o.names, name)
	}
}

func (o *overlap) text() string {
	was, names := "which was", slices.Clone(o.names)
	switch more := o.n - len(names); {
	case o.n == 0:
		return ""
	case o.n > 1:
		was = "which were"
		if more > 0 {
			names = append(names, fmt.Sprintf("%d more", more))
		}
	}
	last := len(names) - 1
	list := names[last]
	if last > 0 {
		list = strings.Join(names[:last], ", ") + " and " + list
	}
	return "its figures include what " + list + " did, " + was + " on at the same time"
}

// findOverlaps finds the faults that share time, when their windows are known.
func (w *watches) findOverlaps() {
	list := w.inOrder()
	for i, one := range list {
		for _, later := range list[i+1:] {
			if later.Began > one.end {
				break
			}
			one.shared.add(later.Name)
			later.shared.add(one.Name)
		}
	}
}
