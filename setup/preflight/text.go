package preflight

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"ptabench/ports"
	"ptabench/setup/reach"
)

// purposes are what the ports are for, in two or three words.
var purposes = map[string]string{
	ports.Revocation:   "revocation lists",
	ports.SignIn:       "sign-in, status",
	ports.Bootstrap:    "bootstrap, updates",
	ports.Registration: "registration",
	ports.Renewal:      "renewal",
	ports.Fast:         "requests, pushed",
}

func purpose(port string) string {
	for _, p := range ports.Signalling() {
		if p == port {
			return "requests, signalled"
		}
	}
	if text := purposes[port]; text != "" {
		return text
	}
	return "responses"
}

// A row is a port, or several of the response range with the same outcome.
type row struct {
	port, address, detail string
	outcome               reach.Outcome
}

// rows are the checks with the response range compressed: neighbours with the
// same outcome for the same reason are one row.
func (r *Report) rows() (rows []row) {
	first, n := "", 0
	for i := range r.Checks {
		c := &r.Checks[i]
		if k := len(rows); k > 0 && purpose(c.Port) == "responses" && purpose(r.Checks[i-1].Port) == "responses" &&
			rows[k-1].outcome == c.Outcome && rows[k-1].detail == c.Detail {
			n++
			rows[k-1].port = first + "-" + c.Port
			rows[k-1].address = fmt.Sprintf("%s …", r.Checks[i-n].Address)
			continue
		}
		first, n = c.Port, 0
		rows = append(rows, row{port: c.Port, address: c.Address, detail: c.Detail, outcome: c.Outcome})
	}
	return rows
}

// width is that of a small terminal.
const width = 80

// WriteText writes the report as a table, and below it what will not work.
func (r *Report) WriteText(w io.Writer) error {
	var out strings.Builder
	table := tabwriter.NewWriter(&out, 0, 0, 2, ' ', 0)
	fmt.Fprint(table, "port\tfor\taddress\tresult\n")
	rows := r.rows()
	for _, row := range rows {
		address := row.address
		if address == "" {
			address = "-"
		}
		mark := "✓ "
		if row.outcome != reach.Reachable {
			mark = "✗ "
		}
		fmt.Fprintf(table, "%s\t%s\t%s\t%s%s\n", row.port, purpose(row.port), address, mark, row.outcome)
	}
	_ = table.Flush() // into memory
	if why := details(rows); why != "" {
		out.WriteString("\nwhy\n" + why)
	}
	if len(r.Effects) > 0 {
		out.WriteString("\nwhat follows\n")
		for _, e := range r.Effects {
			about := "clock"
			if len(e.Ports) > 0 {
				about = Span(e.Ports)
			}
			mark := "!"
			if e.Needed {
				mark = "✗"
			}
			out.WriteString(wrap(fmt.Sprintf("  %s %s: ", mark, about), e.Text))
		}
	}
	if r.Note != "" {
		out.WriteString("\n")
		for line := range strings.Lines(r.Note) {
			out.WriteString(wrap("  note: ", line))
		}
	}
	out.WriteString("\n" + r.summary() + "\n")
	_, err := io.WriteString(w, out.String())
	return err
}

// details says each reason once, with all ports that it holds for.
func details(rows []row) string {
	var (
		reasons []string
		of      = make(map[string][]string)
	)
	for _, row := range rows {
		if row.detail == "" {
			continue
		}
		if of[row.detail] == nil {
			reasons = append(reasons, row.detail)
		}
		of[row.detail] = append(of[row.detail], row.port)
	}
	var out strings.Builder
	for _, reason := range reasons {
		out.WriteString(wrap("  "+strings.Join(of[reason], ", ")+": ", reason))
	}
	return out.String()
}

func (r *Report) summary() string {
	clock := "the cloud's clock could not be read"
	if r.SkewNS != nil {
		clock = fmt.Sprintf("the clocks are %v apart (limit %v)", time.Duration(*r.SkewNS).Abs(), MaxSkew)
		if *r.SkewNS == 0 {
			clock = "the clocks agree"
		}
	}
	switch {
	case !r.OK:
		return "Not ready: a connector on this host would not work; " + clock + "."
	case len(r.Effects) > 0:
		return "Ready, but not in every way; " + clock + "."
	}
	return "Ready: every port is reachable; " + clock + "."
}

// Span is a list of ports in few characters: the response range by its ends.
func Span(list []string) string {
	if len(list) > 3 {
		whole := "10100-10120"
		if len(list) == len(ports.Responses()) {
			return whole
		}
		return fmt.Sprintf("%d of %s", len(list), whole)
	}
	return strings.Join(list, ", ")
}

// wrap fills lines after a prefix, with the next ones indented.
func wrap(prefix, text string) string {
	var out strings.Builder
	line := prefix
	used := len([]rune(prefix))
	indent := strings.Repeat(" ", 4)
	fresh := true
	for word := range strings.FieldsSeq(text) {
		n := len([]rune(word))
		if !fresh && used+1+n > width {
			out.WriteString(line + "\n")
			line, used, fresh = indent, len(indent), true
		}
		if !fresh {
			line, used = line+" ", used+1
		}
		line, used, fresh = line+word, used+n, false
	}
	return out.String() + line + "\n"
}
