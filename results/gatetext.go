package results

import "strings"

// gateNames say what a gate is about, where its name alone does not.
var gateNames = map[string]string{
	"lag":           "lag p99",
	"generator-cpu": "generator CPU",
	"steady":        "steadiness",
	"ceiling":       "what the generator reaches",
}

func gateName(g *Gate) string {
	if name, ok := gateNames[g.Name]; ok {
		return name
	}
	return strings.ReplaceAll(g.Name, "-", " ")
}

// notMeasured says that a gate holds only because nothing is known.
func (g *Gate) notMeasured() bool { return g.Holds && g.Reason != "" }

// gateText says in words what a gate found.
func gateText(g *Gate) string {
	value, limit := number(g.Value, g.Unit, true), number(g.Limit, g.Unit, true)
	within := " (limit " + limit + ")"
	switch {
	case g.notMeasured():
		return gateName(g) + " not measured"
	case g.Name == "unsent" && g.Value == 0:
		return "every sign-in sent"
	case g.Name == "unsent":
		return plural(uint64(g.Value), "sign-in", "sign-ins") + " not sent"
	case g.Name == "rate" && g.Value == 0:
		return "rate as planned"
	case g.Name == "rate":
		return "rate " + value + " off the plan" + within
	case g.Name == "generator-cpu":
		return gateName(g) + " up to " + value + within
	case g.Name == "arrivals" && g.Value == 0:
		return "arrivals as planned"
	case g.Name == "arrivals":
		return "arrivals in a second up to " + value + " off the plan" + within
	case g.Name == "steady" && g.Value == 0:
		return "steady from the start"
	case g.Name == "steady" && g.Holds && g.Value >= g.Limit:
		return "steady throughout" // what MSER-5 cuts off is like the rest
	case g.Name == "steady":
		return "steady after " + value + within
	case g.Name == "samples" && g.Limit == 0:
		return "no percentile that takes many sign-ins"
	case g.Name == "samples":
		return plural(uint64(g.Value), "sign-in", "sign-ins") + " for a percentile that takes " + limit
	case g.Name == "ceiling":
		return "load " + value + " (limit on this machine " + limit + ")"
	}
	return gateName(g) + " " + value + within
}

// gateBroken says why a gate does not hold, and what was expected.
func gateBroken(g *Gate) string {
	why := g.Reason
	if why == "" {
		why = gateText(g)
	}
	if g.Text != "" {
		return sentences(why, "Expected: "+g.Text)
	}
	return sentences(why)
}

// believed says which gates hold, and which nothing is known of and why; "" when
// there is none.
func believed(gates []Gate) (held, unknown string) {
	var hold, not []string
	for i := range gates {
		switch g := &gates[i]; {
		case g.notMeasured():
			not = append(not, gateName(g)+whyNotMeasured(g))
		case g.Holds:
			hold = append(hold, gateText(g))
		}
	}
	if len(hold) > 0 {
		held = plural(uint64(len(hold)), "condition holds", "conditions hold") + ": " + strings.Join(hold, ", ")
	}
	if len(not) > 0 {
		unknown = "not measured: " + strings.Join(not, "; ")
	}
	return held, unknown
}

// whyNotMeasured is the reason in brackets, "" when it says no more than that.
func whyNotMeasured(g *Gate) string {
	why := strings.TrimLeft(strings.TrimPrefix(g.Reason, "Not measured"), ":. ")
	if why = strings.TrimRight(why, ". "); why == "" {
		return ""
	}
	return " (" + why + ")"
}
