package results

import (
	"bufio"
	"io"
	"iter"
	"strconv"
	"strings"
)

// csvHeader names the columns of the export. Times ending in _ns count from
// time 0; empty cells are facts that a sign-in does not have, such as the code of
// one that nobody answered; 0 is that of one accepted. Of one that went
// by federation, connector is the federation server.
const csvHeader = "seq,user,intent,due_ns,sent_ns,done_ns,response_ns,outcome,code,path,judgement," +
	"attempts,connector,queue_us,connector_us,directory_us,error,tenant\n"

// CSV writes one line a sign-in, under a line with the names of the columns,
// and returns how many of them belong to the load, that is, were due from time
// 0 on. At an error of the iteration the lines before it are written.
func CSV(w io.Writer, h Header, samples iter.Seq2[Sample, error]) (load uint64, err error) {
	out := bufio.NewWriterSize(w, 64<<10)
	c := csvLine{header: h}
	_, err = out.WriteString(csvHeader)
	if err != nil {
		return 0, err
	}
	var tail error
	for s, err := range samples {
		if err != nil {
			tail = err
			break
		}
		if s.Due >= 0 {
			load++
		}
		if _, err := out.Write(c.format(&s)); err != nil {
			return load, err
		}
	}
	if err := out.Flush(); err != nil {
		return load, err
	}
	return load, tail
}

// csvLine formats lines into one buffer.
type csvLine struct {
	header Header
	line   []byte
}

func (c *csvLine) format(s *Sample) []byte {
	c.line = c.line[:0]
	c.number(int64(s.Seq))
	c.number(int64(s.User))
	c.text(c.header.Intents[s.Intent])
	c.number(s.Due)
	sent := s.Outcome != OutcomeUnsent
	for _, time := range [...]int64{s.Sent, s.Done, s.Done - s.Due} {
		if sent {
			c.number(time)
		} else {
			c.text("")
		}
	}
	c.text(s.Outcome.String())
	if s.Code == 0 && s.Outcome != OutcomeAccepted {
		c.text("") // nobody said
	} else {
		c.number(int64(s.Code))
	}
	c.text(s.Path.String())
	c.text(s.Judgement.String())
	c.number(int64(s.Attempts))
	servers := c.header.Connectors
	if s.Path == PathFederation {
		servers = c.header.Federation
	}
	c.text(oneBased(servers, s.Server))
	c.number(int64(s.Queue))
	c.number(int64(s.Connector))
	c.number(int64(s.Directory))
	c.text(oneBased(c.header.Errors, s.Error))
	c.text(oneBased(c.header.Tenants, s.Tenant))
	c.line[len(c.line)-1] = '\n'
	return c.line
}

func (c *csvLine) number(n int64) {
	c.line = append(strconv.AppendInt(c.line, n, 10), ',')
}

func (c *csvLine) text(s string) {
	if strings.ContainsAny(s, ",\"\r\n") {
		s = `"` + strings.ReplaceAll(s, `"`, `""`) + `"`
	}
	c.line = append(append(c.line, s...), ',')
}

// oneBased is names[i-1], "" for 0.
func oneBased(names []string, i uint8) string {
	if i == 0 {
		return ""
	}
	return names[i-1]
}
