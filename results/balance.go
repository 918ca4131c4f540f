package results

// balance makes each connector's share of the pass-through sign-ins, and says
// how even the shares are.
func balance(names []string, signIns []uint64) ([]Connector, Balance) {
	connectors := make([]Connector, len(names))
	b := Balance{Jain: Jain(signIns), Nothing: []string{}}
	var total uint64
	for _, n := range signIns {
		total += n
	}
	var least, most int
	for i, n := range signIns {
		connectors[i] = Connector{Name: names[i], SignIns: n}
		if total > 0 {
			connectors[i].Share = float64(n) / float64(total)
		}
		if n == 0 {
			b.Nothing = append(b.Nothing, names[i])
		}
		if n < signIns[least] {
			least = i
		}
		if n > signIns[most] {
			most = i
		}
	}
	if total > 0 {
		b.Least, b.Most = names[least], names[most]
	}
	return connectors, b
}

// Jain is the fairness index (Σx)²/(n·Σx²): 1 when all are equal, 1/n when one
// has everything, and 0 when there is nothing to share. (Jain, Chiu, Hawe, DEC
// TR-301, 1984.)
func Jain(shares []uint64) float64 {
	var sum, squares float64
	for _, x := range shares {
		sum += float64(x)
		squares += float64(x) * float64(x)
	}
	if squares == 0 {
		return 0
	}
	return sum * sum / (float64(len(shares)) * squares)
}
