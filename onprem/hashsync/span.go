package hashsync

// maxWidth is the widest range of numbers that is asked for at once.
const maxWidth = 1 << 24

// A span asks for ranges of update sequence numbers, since no directory need
// answer in their order. Most numbers of a large directory are of no account, so
// a range is as wide as the answers allow.
type span struct{ width uint64 }

// ask gets the range after a number, up to upTo or less: get says whether there
// was more in it than it could give.
func (s *span) ask(after, upTo uint64, limit int, get func(from, to uint64) (list []change, more bool, err error)) ([]change, uint64, error) {
	if s.width == 0 {
		s.width = uint64(limit)
	}
	for {
		through := upTo
		if upTo-after > s.width {
			through = after + s.width
		}
		list, more, err := get(after+1, through)
		if err != nil {
			return nil, 0, err
		}
		if (more || len(list) > 2*limit) && s.width > 1 {
			s.width /= 2
			continue
		}
		if len(list) < limit/4 {
			s.width = min(2*s.width, maxWidth)
		}
		return list, through, nil
	}
}
