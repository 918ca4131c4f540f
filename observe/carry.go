package observe

// Add adds what another process of the same connector counted before this one.
// What is of the present only stays as it is.
func (c *AgentCounters) Add(before AgentCounters) {
	for _, n := range []struct{ sum, add *uint64 }{
		{&c.Taken, &before.Taken}, {&c.Pushed, &before.Pushed}, {&c.Signalled, &before.Signalled},
		{&c.Accepted, &before.Accepted}, {&c.Answers, &before.Answers}, {&c.Resent, &before.Resent},
		{&c.Binds, &before.Binds}, {&c.BindReplies, &before.BindReplies}, {&c.ReasonLookups, &before.ReasonLookups},
		{&c.NameLookups, &before.NameLookups},
		{&c.DirectoryMoves, &before.DirectoryMoves}, {&c.DirectoryRedials, &before.DirectoryRedials}, {&c.CloudSessions, &before.CloudSessions},
		{&c.Renewals, &before.Renewals}, {&c.RenewalFailures, &before.RenewalFailures},
	} {
		*n.sum += *n.add
	}
	if c.Results == nil && len(before.Results) > 0 {
		c.Results = make(map[string]uint64)
	}
	for result, n := range before.Results {
		c.Results[result] += n
	}
}
