package dispatch

// links place a sign-in in one list.
type links struct {
	prev, next *SignIn
	in         bool
}

// which selects the links that a list uses. A sign-in is in at most two lists:
// the pending ones, and the place where it waits or flies.
type which uint8

const (
	placement which = iota
	pendings
)

// list is an intrusive doubly linked list of sign-ins: no allocation, and
// removal from the middle, which a handoff needs, is constant time.
type list struct {
	head, tail *SignIn
	len        int
	of         which
}

func (l *list) links(s *SignIn) *links {
	if l.of == pendings {
		return &s.pending
	}
	return &s.placement
}

func (l *list) pushBack(s *SignIn) { l.insertAfter(l.tail, s) }

// insertAfter puts s behind after, at the front when after is nil.
func (l *list) insertAfter(after, s *SignIn) {
	at := l.links(s)
	at.in, at.prev = true, after
	if after == nil {
		at.next, l.head = l.head, s
	} else {
		before := l.links(after)
		at.next, before.next = before.next, s
	}
	if at.next == nil {
		l.tail = s
	} else {
		l.links(at.next).prev = s
	}
	l.len++
}

// insert keeps the list in order of deadline. What is handed off is among the
// oldest, what arrives is the youngest, so the scan from the nearer end is
// short.
func (l *list) insert(s *SignIn) {
	if l.tail == nil || l.tail.deadline <= s.deadline {
		l.pushBack(s)
		return
	}
	var after *SignIn
	for at := l.head; at != nil && at.deadline <= s.deadline; at = l.links(at).next {
		after = at
	}
	l.insertAfter(after, s)
}

// insertByTimeout keeps the list in order of the attempts' timeouts.
func (l *list) insertByTimeout(s *SignIn) {
	after := l.tail
	for after != nil && after.timeout > s.timeout {
		after = l.links(after).prev
	}
	l.insertAfter(after, s)
}

func (l *list) remove(s *SignIn) {
	at := l.links(s)
	if at.prev == nil {
		l.head = at.next
	} else {
		l.links(at.prev).next = at.next
	}
	if at.next == nil {
		l.tail = at.prev
	} else {
		l.links(at.next).prev = at.prev
	}
	*at = links{}
	l.len--
}
