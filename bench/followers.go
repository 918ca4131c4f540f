package bench

import "ptabench/results"

// Followers tells each of a list, those that are nil aside; nil when there is
// none.
func Followers(list ...Follower) Follower {
	var all followers
	for _, f := range list {
		if f != nil {
			all = append(all, f)
		}
	}
	switch len(all) {
	case 0:
		return nil
	case 1:
		return all[0]
	}
	return all
}

type followers []Follower

func (all followers) Began(h results.Header) {
	for _, f := range all {
		f.Began(h)
	}
}

func (all followers) Sample(s results.Sample) {
	for _, f := range all {
		f.Sample(s)
	}
}

func (all followers) Event(e results.Event) {
	for _, f := range all {
		f.Event(e)
	}
}

func (all followers) Usage(u results.Usage) {
	for _, f := range all {
		f.Usage(u)
	}
}
