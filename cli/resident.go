package cli

import (
	"bufio"
	"bytes"
	"fmt"
	"log/slog"
	"strings"

	"ptabench/observe"
)

// lean has a role that is ready give back what only its start had resident.
func lean(log *slog.Logger, ready func(observe.Ready)) func(observe.Ready) {
	return func(r observe.Ready) {
		ready(r)
		if err := releaseProgram(); err != nil {
			log.Debug("the pages of the start stay resident", "error", err)
		}
	}
}

// mapping is a range of addresses.
type mapping struct{ from, to uintptr }

// programMappings are those of a file that can only be read or run and have no
// page of their own, by what /proc/PID/smaps says.
func programMappings(smaps []byte, file string) (found []mapping) {
	var m mapping
	candidate := false
	for lines := bufio.NewScanner(bytes.NewReader(smaps)); lines.Scan(); {
		fields := strings.Fields(lines.Text())
		switch {
		case len(fields) < 2:
		case strings.HasSuffix(fields[0], ":"): // of the mapping above
			if candidate && fields[0] == "Anonymous:" && fields[1] == "0" {
				found = append(found, m)
			}
		default:
			_, err := fmt.Sscanf(fields[0], "%x-%x", &m.from, &m.to)
			candidate = err == nil && (fields[1] == "r--p" || fields[1] == "r-xp") && strings.HasSuffix(lines.Text(), " "+file)
		}
	}
	return found
}
