package check

import (
	"maps"
	"math"
	"math/bits"
	"slices"
)

// sparseTimes counts times to 3 significant digits in memory that grows with
// how different they are: a fault sees few, and a run may have thousands of
// faults.
type sparseTimes map[uint32]uint32

// mantissa is how many leading bits of a time are kept.
const mantissa = 11

func (t sparseTimes) record(v int64) {
	u := uint64(max(v, 0))
	shift := max(bits.Len64(u)-mantissa, 0)
	t[uint32(shift)<<mantissa|uint32(u>>shift)]++
}

// at is the time at a quantile, 0 of none: like a Histogram's the greatest
// that counts as the same.
func (t sparseTimes) at(q float64) int64 {
	var n uint64
	for _, count := range t {
		n += uint64(count)
	}
	rank := uint64(math.Ceil(q * float64(n)))
	for _, key := range slices.Sorted(maps.Keys(t)) { // in order of time
		count := uint64(t[key])
		if rank <= count {
			shift := key >> mantissa
			return int64(uint64(key&(1<<mantissa-1))<<shift + 1<<shift - 1)
		}
		rank -= count
	}
	return 0
}
