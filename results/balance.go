package results

// connectorShares makes each connector's share of the pass-through sign-ins.
func connectorShares(names []string, signIns []uint64) []Connector {
	connectors := make([]Connector, len(names))
	var total uint64
	for _, n := range signIns {
		total += n
	}
	for i, n := range signIns {
		connectors[i] = Connector{Name: names[i], SignIns: n}
		if total > 0 {
			connectors[i].Share = float64(n) / float64(total)
		}
	}
	return connectors
}

// BalanceOf says how even the connectors' work is for their capacity. Where
// one's capacity is not known, all count alike.
func BalanceOf(connectors []Connector) Balance {
	work := make([]float64, len(connectors))
	known := true
	for _, c := range connectors {
		known = known && c.Capacity > 0
	}
	b := Balance{Nothing: []string{}}
	least, most, total := 0, 0, uint64(0)
	for i, c := range connectors {
		work[i] = float64(c.SignIns)
		if known {
			work[i] /= float64(c.Capacity)
		}
		total += c.SignIns
		if c.SignIns == 0 {
			b.Nothing = append(b.Nothing, c.Name)
		}
		if work[i] < work[least] {
			least = i
		}
		if work[i] > work[most] {
			most = i
		}
	}
	b.Jain = Jain(work)
	if total > 0 {
		b.Least, b.Most = connectors[least].Name, connectors[most].Name
	}
	return b
}

// Jain is the fairness index (Σx)²/(n·Σx²): 1 when all are equal, 1/n when one
// has everything, and 0 when there is nothing to share. (Jain, Chiu, Hawe, DEC
// TR-301, 1984.)
func Jain(shares []float64) float64 {
	var sum, squares float64
	for _, x := range shares {
		sum += x
		squares += x * x
	}
	if squares == 0 {
		return 0
	}
	return sum * sum / (float64(len(shares)) * squares)
}
