package check

// A timeline finds the faults that were on while a sign-in was under way,
// without asking each of the thousands that a long run may have.
type timeline struct {
	width  int64     // of a slot
	on     [][]int32 // by slot: those on at any time in it
	begins [][]int32 // by slot: those that begin in it
}

// maxSlots bounds a timeline.
const maxSlots = 1 << 14

// newTimeline takes where each of n begins and ends; from is after to for one
// that is never on. Times from 0 to length are told apart.
func newTimeline(n int, length int64, span func(i int) (from, to int64)) *timeline {
	t := &timeline{width: max(second, length/maxSlots+1)}
	slots := int(length/t.width) + 1
	t.on, t.begins = make([][]int32, slots), make([][]int32, slots)
	for i := range n {
		from, to := span(i)
		if from > to {
			continue
		}
		for s := t.slot(from); s <= t.slot(to); s++ {
			t.on[s] = append(t.on[s], int32(i))
		}
		first := t.slot(from)
		t.begins[first] = append(t.begins[first], int32(i))
	}
	return t
}

func (t *timeline) slot(at int64) int {
	return int(min(max(at/t.width, 0), int64(len(t.on)-1)))
}

// each calls visit once for each that may be on at some time from one moment
// to another; which are, to the nanosecond, is for visit to see.
func (t *timeline) each(from, to int64, visit func(i int32)) {
	first, last := t.slot(from), t.slot(to)
	for _, i := range t.on[first] {
		visit(i)
	}
	for s := first + 1; s <= last; s++ {
		for _, i := range t.begins[s] {
			visit(i)
		}
	}
}
