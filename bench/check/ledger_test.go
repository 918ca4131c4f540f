package check

import (
	"reflect"
	"slices"
	"strings"
	"testing"

	"ptabench/observe"
	"ptabench/results"
	"ptabench/scenarios"
)

// broken lists the equations that do not hold.
func broken(l results.Ledgers) []string {
	all := []string{}
	for _, c := range l.Checks {
		if !c.Holds {
			all = append(all, c.Text)
		}
	}
	return all
}

func TestBooks(t *testing.T) {
	const (
		once      = "answered sign-ins = those once in the cloud's log"
		entries   = "answered by the cloud = entries in its log"
		inLog     = "attempts by the cloud = attempts in its log"
		passInLog = "decided by pass-through = entries in the log that say so"
		more      = "sign-ins recorded or logged more often than they were sent = none"
		otherwise = "answers whose outcome, code or path the log gives otherwise = none"
		enough    = "answers by pass-through <= binds, for each user"
		notMore   = "binds <= attempts, for each user"
		tooMany   = "binds <= attempts, likewise"
		fewGiven  = "attempts <= sign-ins given to a connector + handoffs"
		arrived   = "sent, without the unknown that never arrived = received by the cloud"
	)
	for name, c := range map[string]struct {
		before  func(*world) // changes the run
		spoil   func(*world) // changes one of its ledgers
		broken  []string
		missing []uint32
		doubled []uint32
	}{
		"all agree": {},
		"a handoff, a hash sync answer, one that failed, one unknown, one unsent": {before: func(w *world) {
			w.samples[10].Attempts = 2
			w.samples[20].Path, w.samples[20].Server, w.samples[20].Attempts = results.PathHashSync, 0, 0
			w.samples[32].Outcome, w.samples[32].Code, w.samples[32].Path, w.samples[32].Server, w.samples[32].Attempts = results.OutcomeFailed, 80001, results.PathNone, 0, 0
			w.samples[40].Outcome = results.OutcomeUnknown
			w.samples[399] = results.Sample{Seq: 399, Due: w.samples[399].Due}
		}},
		"an unknown that arrived": {
			before: func(w *world) { w.samples[40].Outcome = results.OutcomeUnknown },
			spoil: func(w *world) {
				w.log = append(w.log, "1,"+requestID(40)+",contoso,"+w.people.UPN(0)+",failed,80002,none,,0")
				w.cloud.Counters.Tenants[0].Received++
				w.cloud.Counters.Tenants[0].Failed++
			},
		},
		"a sign-in of somebody else": {spoil: func(w *world) {
			w.log = append(w.log, `1,"by hand, curl",contoso,"me, ""myself""",failed,80001,none,,0`)
			w.cloud.Counters.Tenants[0].Received++
			w.cloud.Counters.Tenants[0].Failed++
		}},
		"missing in the log": {
			spoil:  func(w *world) { w.log = slices.Delete(w.log, 101, 102) },
			broken: []string{once, entries, passInLog, inLog, notMore, tooMany, fewGiven}, missing: []uint32{100},
		},
		"doubled in the log": {
			spoil:  func(w *world) { w.log = append(w.log, w.log[101]) },
			broken: []string{once, more, entries, passInLog, inLog}, doubled: []uint32{100},
		},
		"logged, and never sent": {
			before: func(w *world) { w.samples[7] = results.Sample{Seq: 7, Due: w.samples[7].Due} },
			spoil: func(w *world) {
				w.log = append(w.log, "1,"+requestID(7)+",contoso,x,failed,80001,none,,0")
				w.cloud.Counters.Tenants[0].Received++
				w.cloud.Counters.Tenants[0].Failed++
			},
			broken: []string{more, arrived}, doubled: []uint32{7},
		},
		"recorded twice": {
			spoil:  func(w *world) { w.samples = append(w.samples, w.samples[3]) },
			broken: []string{more, "planned = sign-ins in the samples"}, doubled: []uint32{3},
		},
		"not recorded": {
			spoil: func(w *world) { w.samples = slices.Delete(w.samples, 5, 6) },
			broken: []string{"sent = accepted + refused + failed + unknown", "planned = sign-ins in the samples",
				arrived, notMore}, missing: []uint32{5},
		},
		"another code than was told": {
			spoil:  func(w *world) { w.log[4] = strings.Replace(w.log[4], "50126", "50057", 1) },
			broken: []string{otherwise},
		},
		"another outcome than was told": {
			spoil:  func(w *world) { w.log[1] = strings.Replace(w.log[1], "accepted,0", "refused,50126", 1) },
			broken: []string{otherwise},
		},
		"received and never answered": {
			spoil:  func(w *world) { w.cloud.Counters.Tenants[0].Received++ },
			broken: []string{arrived, "received by the cloud = accepted + refused + failed"},
		},
		"planned and neither sent nor unsent": {
			spoil:  func(w *world) { w.generator.Sent-- },
			broken: []string{"planned = sent + unsent", "sent = accepted + refused + failed + unknown"},
		},
		"an answer without a bind": {
			spoil: func(w *world) {
				w.directory.Users[4].Success--
				w.directory.Counters.Binds["success"]--
			},
			broken: []string{enough, "answers by pass-through <= binds, users that the directory does not know included"},
		},
		"an answer without a bind, made up by another user's": {
			spoil: func(w *world) {
				w.directory.Users[4].Success--
				w.directory.Users[5].Refused++
			},
			broken: []string{enough, notMore},
		},
		"a bind without an attempt": {
			spoil: func(w *world) {
				w.directory.Users[4].Refused++
				w.directory.Counters.Binds["wrong-password"]++
			},
			broken: []string{notMore, "binds <= attempts, likewise", "binds in the directory <= binds sent by connectors"},
		},
		"a bind made again on a lost connection": {spoil: func(w *world) {
			w.directory.Users[4].Refused++
			w.directory.Counters.Binds["wrong-password"]++
			w.connectors[0].Counters.Binds++
			w.connectors[0].Counters.DirectoryRedials++
		}},
		"binds of unknown users": {
			before: func(w *world) {
				w.samples[0].Intent, w.samples[0].Outcome, w.samples[0].Code, w.samples[0].User = 3, results.OutcomeRefused, 50034, 5
			},
			spoil: func(w *world) {
				w.directory.Users[5].Success--
				w.directory.Counters.Binds["success"]--
				w.directory.Counters.Binds["unknown"]++
			},
		},
		"a connector that answered what it did not take": {
			spoil:  func(w *world) { w.connectors[1].Counters.Answers++ },
			broken: []string{"answers by connectors <= taken by them"},
		},
		"a connector that took what it was not given": {
			spoil:  func(w *world) { w.connectors[1].Counters.Taken += 3 },
			broken: []string{"taken by connectors <= attempts by the cloud"},
		},
		"more answers used than given": {
			spoil:  func(w *world) { w.connectors[0].Counters.Answers-- },
			broken: []string{"answers that reached the cloud in time <= answers by connectors"},
		},
		"an answer to what was not given": {
			spoil:  func(w *world) { w.cloud.Counters.Tenants[0].Connectors[0].NotGiven++ },
			broken: []string{"answers to sign-ins that the connector was not given = none"},
		},
		"a torn line, and the simulator was not killed": {
			spoil:  func(w *world) { w.log = slices.Insert(w.log, 5, "17000,0123") },
			broken: []string{"torn lines in the cloud's log = none"},
		},
		"a killed connector, read some sign-ins before its end": {spoil: func(w *world) {
			c := &w.connectors[0]
			c.Killed = true
			c.Counters = observe.AgentCounters{Taken: 100, Answers: 98, Binds: 99}
			w.connectors = append(w.connectors, ConnectorBook{Name: "connector-1", Counters: observe.AgentCounters{Taken: 50, Answers: 50, Binds: 50}})
		}},
		"a killed connector that took more than it was given": {
			spoil: func(w *world) {
				w.connectors[0].Killed = true
				w.connectors[0].Counters.Taken += 1000
			},
			broken: []string{"taken by connectors <= attempts by the cloud"},
		},
		"a killed directory": {spoil: func(w *world) {
			w.directory.Killed = true
			for i := range w.directory.Users {
				w.directory.Users[i].Success -= 3
				w.directory.Counters.Binds["success"] -= 3
			}
		}},
		"a killed simulator, and a line it did not finish": {spoil: func(w *world) {
			w.cloud.Killed = true
			w.cloud.Counters.Tenants[0].Received -= 9
			w.cloud.Counters.Tenants[0].Accepted -= 9
			w.log = slices.Insert(w.log, 5, "17000,0123")
		}},
		"a simulator killed at 2 s that lost the end of its log": {
			before: func(w *world) { w.killCloud() },
			spoil: func(w *world) {
				w.cutLog(1900*ms, 2*second) // the flush before was at 1.9 s
				w.log = slices.Insert(w.log, 150, "1767323045,0123-45")
			},
		},
		"one that began its log anew after a torn line": {
			before: func(w *world) { w.killCloud() },
			spoil: func(w *world) {
				w.cutLog(1900*ms, 2*second)
				w.log = slices.Insert(w.log, 191, "1767323045,0123-45"+logHeader)
			},
		},
		"one that went on in a torn line": {
			before: func(w *world) { w.killCloud() },
			spoil: func(w *world) {
				w.cutLog(1900*ms, 2*second)
				w.log[195] = "1767323045,0123-45" + w.log[195]
				w.log[196] = w.log[190][:30] + "," + w.log[196]
			},
		},
		"one that lost more than that": {
			before: func(w *world) { w.killCloud() },
			spoil:  func(w *world) { w.cutLog(500*ms, 520*ms) },
			broken: []string{once}, missing: []uint32{50, 51},
		},
		"one that received more than was sent": {
			before: func(w *world) { w.killCloud() },
			spoil:  func(w *world) { w.cloud.Killed = true; w.cloud.Counters.Tenants[0].Received += 500 },
			broken: []string{"received by the cloud <= sent"},
		},
		"answers to a simulator that asked nothing": {
			before: func(w *world) { w.killCloud() },
			spoil:  func(w *world) { w.cloud.Killed = true; w.clouds[0].Counters.Tenants[0].Connectors[1].NotGiven = 4 },
		},
		"everything killed, in the middle of its work": {
			before: func(w *world) { w.killCloud(); w.faults[0].Target = scenarios.AllTarget },
			spoil: func(w *world) {
				w.cutLog(1950*ms, 2*second)
				w.directory.Killed = true
				for i := range w.directory.Users {
					w.directory.Users[i].Success /= 2
				}
				for i := range w.connectors {
					w.connectors[i].Killed = true
					w.connectors[i].Counters.Answers /= 2
				}
			},
		},
		"a connector that lost power while it bound again": {spoil: func(w *world) {
			w.connectors[0].Killed = true
			w.connectors[0].Counters = observe.AgentCounters{Taken: 100, Answers: 98, Binds: 99}
			w.directory.Users[4].Refused++
			w.directory.Counters.Binds["wrong-password"]++
		}},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			if c.before != nil {
				c.before(w)
			}
			w.settle()
			if c.spoil != nil {
				c.spoil(w)
			}
			l, err := ledgers(w.input(t))
			if err != nil {
				t.Fatal(err)
			}
			got, want := broken(l), append([]string{}, c.broken...)
			slices.Sort(got)
			slices.Sort(want)
			if !slices.Equal(got, want) {
				t.Errorf("does not hold:\n\t%s\nwant:\n\t%s", strings.Join(got, "\n\t"), strings.Join(want, "\n\t"))
			}
			if l.Balanced != (len(want) == 0) {
				t.Errorf("balanced: %v", l.Balanced)
			}
			if want := names(requestID, c.missing); !slices.Equal(l.Missing, want) {
				t.Errorf("missing %v, want %v", l.Missing, want)
			}
			if want := names(requestID, c.doubled); !slices.Equal(l.Doubled, want) {
				t.Errorf("doubled %v, want %v", l.Doubled, want)
			}
		})
	}
}

func TestAtMost100AreNamed(t *testing.T) {
	w := newWorld(t)
	w.settle()
	w.log = w.log[:1]
	l, err := ledgers(w.input(t))
	if err != nil {
		t.Fatal(err)
	}
	if len(l.Missing) != 100 || l.Missing[0] != requestID(0) {
		t.Errorf("%d named", len(l.Missing))
	}
	for _, c := range l.Checks {
		if strings.HasPrefix(c.Text, "answered sign-ins") && (c.Left != 400 || c.Right != 0 || !strings.HasSuffix(c.Note, "and 397 more")) {
			t.Errorf("%+v", c)
		}
	}
}

func TestBooksAreAsLongAsTheRun(t *testing.T) {
	w := newWorld(t)
	w.settle()
	b, err := newBook(w.input(t))
	if err != nil {
		t.Fatal(err)
	}
	if len(b.pages) != 400 {
		t.Errorf("%d pages", len(b.pages))
	}
}

func TestBadLogs(t *testing.T) {
	for name, text := range map[string]string{
		"something else": "time,id\n1,2\n",
		"a long line":    logHeader + "\n" + strings.Repeat("x", 2*maxLogLine) + "\n",
	} {
		if _, err := readLog(strings.NewReader(text), func(entry) {}); err == nil {
			t.Errorf("%s: read", name)
		}
	}
	for text, want := range map[string]int{
		"": 0, logHeader + "\n": 0, logHeader: 1,
		logHeader + "\n1,id,t,u,accepted,0,pass-through,c,1\n2,id,t,u,acc":                                                 1,
		logHeader + "\n1,id,t,u,accepted,0,pass-through,c,1\n" + logHeader + "\n2,id,t,u,refused,50126,hash-sync,,0\n":     0,
		logHeader + "\n1,id,t,u,accepted,x,pass-through,c,1\n1,id,t,u,lost,0,none,c,1\n1,id,t,u,failed,0,none,c,1,extra\n": 3,
	} {
		torn, err := readLog(strings.NewReader(text), func(entry) {})
		if err != nil || torn != want {
			t.Errorf("%.60q: %d torn, %v, want %d", text, torn, err, want)
		}
	}
}

func TestEntries(t *testing.T) {
	want := entry{outcome: results.OutcomeRefused, code: 50126, path: results.PathHashSync, attempts: 2}
	for _, line := range []string{
		"17,id,t,u@c,refused,50126,hash-sync,connector-1,2",
		"17,id,t,,refused,50126,hash-sync,,2",
		`17,id,t,"u,""@c",refused,50126,hash-sync,,2`,
		`"17","id","t","u@c","refused","50126","hash-sync","","2"`,
	} {
		got, ok := parseEntry([]byte(line))
		if id := string(got.id); !ok || id != "id" {
			t.Errorf("%s: %v, id %q", line, ok, id)
		}
		got.id = nil
		if !reflect.DeepEqual(got, want) {
			t.Errorf("%s: %+v", line, got)
		}
	}
	for _, line := range []string{
		"", "17", ",,,,,,,,", "17,id,t,refused,50126,hash-sync,,2", "17,id,t,u,v,refused,50126,hash-sync,,2",
		"17,id,t,u,refused,50126,hash-sync,,2,3", "17,id,t,u,refused,50126,hash-sync,,", "17,id,t,u,refused,,hash-sync,,2",
		"17,id,t,u,refused,-1,hash-sync,,2", "17,id,t,u,refused,4294967296,hash-sync,,2", "17,id,t,u,refused,99999999999,hash-sync,,2",
		"17,id,t,u,Refused,1,hash-sync,,2", "17,id,t,u,refused,1,hash,,2", `17,id,t,"u,refused,1,hash-sync,,2`, `17,id,t,"u,v",refused,1,hash-sync,2`,
	} {
		if e, ok := parseEntry([]byte(line)); ok {
			t.Errorf("%q is read as %+v", line, e)
		}
	}
	if e, ok := parseEntry([]byte("17,id,t,u,failed,4294967295,none,,0")); !ok || e.code != 1<<32-1 {
		t.Errorf("the greatest code: %+v, %v", e, ok)
	}
}

func BenchmarkBooks(b *testing.B) {
	w := newWorld(b)
	w.settle()
	text := strings.Join(w.log, "\n") + "\n"
	in := w.input(b)
	b.ReportAllocs()
	for b.Loop() {
		in.SignInLog = strings.NewReader(text)
		if _, err := ledgers(in); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/400, "ns/sign-in")
}
